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
