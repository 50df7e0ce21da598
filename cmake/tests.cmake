# Tests of the doors: the C ABI, the C++ wrapper, the extension, the examples and the pages that show
# them.
if(TARGET syncline_shared)
  add_executable(abi_test tests/abi_test.c)
  target_link_libraries(abi_test PRIVATE syncline_shared)
  target_compile_options(abi_test PRIVATE -Wall -Wextra -Wpedantic -Wconversion -Werror)
  add_test(NAME abi COMMAND abi_test)

  if(EXISTS "${CMAKE_SOURCE_DIR}/tests/wrapper_test.cc")
    add_executable(wrapper_test tests/wrapper_test.cc)
    target_link_libraries(wrapper_test PRIVATE doctest_main syncline_shared)
    target_compile_options(wrapper_test PRIVATE -Wall -Wextra -Wpedantic -Wconversion -Werror)
    add_test(NAME wrapper COMMAND wrapper_test)
  endif()
endif()

# A host program without the sanitizers' libraries cannot load a module that needs them.
if(TARGET syncline_extension AND NOT SYNCLINE_SANITIZE)
  set(module $<TARGET_FILE:syncline_extension>)
  add_test(NAME extension COMMAND "${CMAKE_SOURCE_DIR}/tests/extension/run" "${module}")
  set_tests_properties(extension PROPERTIES SKIP_RETURN_CODE 77)
endif()

# --- The examples, run as their readers would -----------------------------------------------------
set(examples "${CMAKE_SOURCE_DIR}/examples")
if(TARGET syncline_shared)
  add_executable(example_notes "${examples}/notes-c/notes.c")
  target_link_libraries(example_notes PRIVATE syncline_shared)
  add_test(NAME example_notes_c COMMAND "${examples}/notes-c/demo" $<TARGET_FILE:example_notes>)
  add_executable(example_two_replicas "${examples}/two-replicas/main.cc")
  target_link_libraries(example_two_replicas PRIVATE syncline_shared)
  add_test(NAME example_two_replicas COMMAND example_two_replicas)
endif()
if(module)
  find_program(SQLITE3_SHELL sqlite3)
  if(SQLITE3_SHELL)
    add_test(NAME example_sql_only COMMAND "${examples}/sql-only/run" "${module}")
    add_test(NAME docs_sql COMMAND "${CMAKE_SOURCE_DIR}/tests/extension/docs_test.py" "${module}"
                                   "${CMAKE_SOURCE_DIR}/docs/api/sql.md")
  else()
    message(STATUS "skipped: the SQL examples are not tested, there is no sqlite3")
  endif()
  if(EXISTS /usr/bin/python3)
    add_test(NAME example_python
      COMMAND /usr/bin/python3 "${examples}/python/two_databases.py" "${module}")
  endif()
endif()

# --- Whole conversations: the engine on one side, the server's core on the other, frames in memory -
file(GLOB conversation_tests CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/tests/conversation/*_test.cc")
add_executable(conversation_tests ${conversation_tests})
target_include_directories(conversation_tests PRIVATE "${CMAKE_SOURCE_DIR}")
target_link_libraries(conversation_tests PRIVATE doctest_main syncline_server)
add_test(NAME conversation COMMAND conversation_tests)
set_tests_properties(conversation PROPERTIES LABELS unit)
add_dependencies(unit_tests conversation_tests)

# --- The engine as its users meet it: what tracking takes, several connections, bytes that lie -----
file(GLOB engine_tests CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/tests/engine/*_test.cc")
add_executable(engine_tests ${engine_tests})
target_link_libraries(engine_tests PRIVATE doctest_main syncline_client)
add_test(NAME engine COMMAND engine_tests)
set_tests_properties(engine PROPERTIES LABELS unit)
add_dependencies(unit_tests engine_tests)

# --- The program alone: killed at random moments, and every answered write accounted for -----------
if(TARGET syncline_cli AND EXISTS /usr/bin/python3)
  foreach(name blackbox two_devices shared_file care hostile guarded doctor sessions delta delta_mixed
               delta_docs put_back server_full abuse hostile_server)
    add_test(NAME ${name} COMMAND /usr/bin/python3 "${CMAKE_SOURCE_DIR}/tests/e2e/${name}.py"
                                  $<TARGET_FILE:syncline_cli>)
    set_tests_properties(${name} PROPERTIES TIMEOUT 300)
  endforeach()
  # Loaded before libc, which a sanitizer wants for itself.
  if(NOT SYNCLINE_SANITIZE AND CMAKE_SYSTEM_NAME STREQUAL Linux)
    add_library(bad_disk MODULE tests/e2e/storm/bad_disk.c)
    target_link_libraries(bad_disk PRIVATE ${CMAKE_DL_LIBS})
    add_test(NAME storm COMMAND /usr/bin/python3 "${CMAKE_SOURCE_DIR}/tests/e2e/storm/storm.py"
                                $<TARGET_FILE:syncline_cli> $<TARGET_FILE:bad_disk>)
    set_tests_properties(storm PROPERTIES TIMEOUT 300)
  endif()
endif()
