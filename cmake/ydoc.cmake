# The document library's programs beside its unit tests: the vector runner, the peer that npm's yjs
# is tested against, and the bench.

set(SYNCLINE_SHARED_DIR "$ENV{SYNCLINE_SHARED_DIR}" CACHE PATH
    "folder with the vectors, traces and specifications that several repositories share")
if(NOT SYNCLINE_SHARED_DIR)
  set(SYNCLINE_SHARED_DIR "${CMAKE_SOURCE_DIR}/../shared")
endif()

if(SYNCLINE_TESTS OR SYNCLINE_BENCH)
  add_library(ydoc_test_support STATIC EXCLUDE_FROM_ALL tests/ydoc/tagged.cc tests/ydoc/vector_case.cc)
  target_include_directories(ydoc_test_support PUBLIC "${CMAKE_SOURCE_DIR}")
  target_link_libraries(ydoc_test_support PUBLIC syncline_core)

  # The bench reads the allocator's own figures, which only glibc gives.
  if(CMAKE_SYSTEM_NAME STREQUAL "Linux" AND NOT SYNCLINE_SANITIZE)
    add_executable(ydoc_traces EXCLUDE_FROM_ALL bench/ydoc_traces.cc)
    target_link_libraries(ydoc_traces PRIVATE ydoc_test_support)
  endif()
endif()

if(SYNCLINE_TESTS)
  add_executable(ydoc_vectors tests/ydoc/vectors_main.cc)
  target_link_libraries(ydoc_vectors PRIVATE ydoc_test_support)
  add_executable(ydoc_peer tests/ydoc/peer_main.cc)
  target_link_libraries(ydoc_peer PRIVATE ydoc_test_support)

  enable_testing()
  add_test(NAME ydoc_vectors_subset
           COMMAND ydoc_vectors "${CMAKE_SOURCE_DIR}/tests/ydoc/vectors")
  add_test(NAME ydoc_vectors
           COMMAND "${CMAKE_COMMAND}" -DPROGRAM=$<TARGET_FILE:ydoc_vectors>
                   "-DDIR=${SYNCLINE_SHARED_DIR}/vectors/yjs"
                   -P "${CMAKE_SOURCE_DIR}/tests/ydoc/run_vectors.cmake")
  set_tests_properties(ydoc_vectors PROPERTIES SKIP_REGULAR_EXPRESSION "skipped:")

  # Some 2,500 random sessions; run the script by hand for more.
  find_program(NODE_PROGRAM node)
  add_test(NAME ydoc_differential
           COMMAND "${CMAKE_COMMAND}" "-DNODE=${NODE_PROGRAM}" -DPEER=$<TARGET_FILE:ydoc_peer>
                   "-DDIR=${CMAKE_SOURCE_DIR}/tests/yjs" -DSCRIPT=differential.mjs -DCASES=2500
                   -P "${CMAKE_SOURCE_DIR}/tests/yjs/run_differential.cmake")
  set_tests_properties(ydoc_differential PROPERTIES SKIP_REGULAR_EXPRESSION "skipped:" TIMEOUT 300)

  # Replicas whose documents pages of yjs hold open.
  add_executable(engine_peer tests/yjs/engine_peer.cc)
  target_link_libraries(engine_peer PRIVATE syncline_client)
  add_test(NAME engine_differential
           COMMAND "${CMAKE_COMMAND}" "-DNODE=${NODE_PROGRAM}" -DPEER=$<TARGET_FILE:engine_peer>
                   "-DDIR=${CMAKE_SOURCE_DIR}/tests/yjs" -DSCRIPT=engine_differential.mjs
                   -DCASES=300 -P "${CMAKE_SOURCE_DIR}/tests/yjs/run_differential.cmake")
  set_tests_properties(engine_differential PROPERTIES SKIP_REGULAR_EXPRESSION "skipped:"
                                                      TIMEOUT 300)
endif()
