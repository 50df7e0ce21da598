# Programs that treat the engine badly: tests/torture/NAME.cc is torture_NAME. Without arguments each
# runs briefly and with fixed seeds, as a test; with `--seed N` and `--rounds N` as long as one likes.
file(GLOB torture_sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/tests/torture/*.cc")
list(FILTER torture_sources EXCLUDE REGEX "faulty_vfs\\.cc$")
foreach(source ${torture_sources})
  get_filename_component(name ${source} NAME_WE)
  add_executable(torture_${name} ${source})
  target_include_directories(torture_${name} PRIVATE "${CMAKE_SOURCE_DIR}")
  target_link_libraries(torture_${name} PRIVATE syncline_client)
  # A sanitizer's own memory would count.
  if(NOT (SYNCLINE_SANITIZE AND name STREQUAL "memory"))
    add_test(NAME torture_${name} COMMAND torture_${name})
  endif()
  list(APPEND torture_targets torture_${name})
endforeach()
if(TARGET torture_faults)
  target_sources(torture_faults PRIVATE "${CMAKE_SOURCE_DIR}/tests/torture/faulty_vfs.cc")
endif()
add_custom_target(torture_targets DEPENDS ${torture_targets})
