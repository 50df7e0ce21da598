# The document library's programs beside its unit tests: the vector runner, the peer that npm's yjs
# is tested against, and the bench.

add_library(ydoc_test_support STATIC tests/ydoc/tagged.cc tests/ydoc/vector_case.cc)
target_include_directories(ydoc_test_support PUBLIC "${CMAKE_SOURCE_DIR}")
target_link_libraries(ydoc_test_support PUBLIC syncline_core)

add_executable(ydoc_vectors tests/ydoc/vectors_main.cc)
target_link_libraries(ydoc_vectors PRIVATE ydoc_test_support)

# The bench reads the allocator's own figures, which only glibc gives.
if(CMAKE_SYSTEM_NAME STREQUAL "Linux" AND NOT SYNCLINE_SANITIZE)
  add_executable(ydoc_traces EXCLUDE_FROM_ALL bench/ydoc_traces.cc)
  target_link_libraries(ydoc_traces PRIVATE ydoc_test_support)
endif()

add_executable(ydoc_peer tests/ydoc/peer_main.cc)
target_link_libraries(ydoc_peer PRIVATE ydoc_test_support)
