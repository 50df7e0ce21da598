# Every fuzz/NAME.cc is a libFuzzer program fuzz_NAME; its corpus lies in fuzz/corpus/NAME/. As a
# test each runs briefly: a fixed seed and a fixed number of runs, so that the result repeats.
if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  message(FATAL_ERROR "libFuzzer comes with clang: use cmake --preset fuzz")
endif()
set(SYNCLINE_FUZZ_RUNS 20000 CACHE STRING "runs of each fuzz target when run as a test")

file(GLOB fuzz_sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/fuzz/*.cc")
foreach(source ${fuzz_sources})
  get_filename_component(name ${source} NAME_WE)
  add_executable(fuzz_${name} ${source})
  target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
  target_include_directories(fuzz_${name} PRIVATE "${CMAKE_SOURCE_DIR}")
  # Only those that look at the database pay for building it.
  file(STRINGS ${source} needs_client REGEX "#include \"(client|sqlite)/")
  file(STRINGS ${source} needs_server REGEX "#include \"(server/|fuzz/victim)")
  file(STRINGS ${source} needs_routes REGEX "#include \"(routes|fuzz/hub)")
  if(needs_routes)
    if(NOT TARGET syncline_routes)
      message(FATAL_ERROR "fuzzing the routes needs OpenSSL: tools/setup --server")
    endif()
    target_link_libraries(fuzz_${name} PRIVATE syncline_routes syncline_noexcept)
  elseif(needs_server)
    target_link_libraries(fuzz_${name} PRIVATE syncline_server syncline_noexcept)
  elseif(needs_client)
    target_link_libraries(fuzz_${name} PRIVATE syncline_client)
  else()
    target_link_libraries(fuzz_${name} PRIVATE syncline_core syncline_noexcept)
  endif()
  set(runs ${SYNCLINE_FUZZ_RUNS})
  if(name STREQUAL "client_apply")
    # Each of its runs is a transaction in a database, a hundred times a decoder's work.
    math(EXPR runs "${runs} / 20")
  elseif(name STREQUAL "hub")
    # A conversation of several people, on a database.
    math(EXPR runs "${runs} / 80")
  elseif(name STREQUAL "client_session" OR name STREQUAL "client_peer")
    # Each begins with a new database and ends with an honest server.
    math(EXPR runs "${runs} / 400")
  elseif(name STREQUAL "merge_states")
    # Each merges its few rows in every way there is.
    math(EXPR runs "${runs} / 40")
  endif()
  add_test(NAME fuzz_${name}
    COMMAND "${CMAKE_SOURCE_DIR}/fuzz/run" --brief "$<TARGET_FILE:fuzz_${name}>" ${runs})
  list(APPEND fuzz_targets fuzz_${name})
endforeach()
add_custom_target(fuzz_targets DEPENDS ${fuzz_targets})
