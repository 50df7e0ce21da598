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
  # Only those that look at the database pay for building it.
  file(STRINGS ${source} needs_client REGEX "#include \"(client|sqlite)/")
  file(STRINGS ${source} needs_routes REGEX "#include \"routes/")
  if(needs_routes)
    if(NOT TARGET syncline_routes)
      message(FATAL_ERROR "fuzzing the routes needs OpenSSL: tools/setup --server")
    endif()
    target_link_libraries(fuzz_${name} PRIVATE syncline_routes syncline_noexcept)
  elseif(needs_client)
    target_link_libraries(fuzz_${name} PRIVATE syncline_client)
  else()
    target_link_libraries(fuzz_${name} PRIVATE syncline_core syncline_noexcept)
  endif()
  add_test(NAME fuzz_${name}
    COMMAND "${CMAKE_SOURCE_DIR}/fuzz/run" --brief "$<TARGET_FILE:fuzz_${name}>"
            ${SYNCLINE_FUZZ_RUNS})
  list(APPEND fuzz_targets fuzz_${name})
endforeach()
add_custom_target(fuzz_targets DEPENDS ${fuzz_targets})
