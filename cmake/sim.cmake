# The simulator: whole systems from one seed (docs/simulation.md).
file(GLOB sim_sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/sim/*.cc")
list(FILTER sim_sources EXCLUDE REGEX "(_test|/main)\\.cc$")
add_library(syncline_sim_world STATIC ${sim_sources})
target_include_directories(syncline_sim_world PUBLIC "${CMAKE_SOURCE_DIR}")
target_link_libraries(syncline_sim_world PUBLIC syncline_server)
add_executable(syncline_sim sim/main.cc)
target_link_libraries(syncline_sim PRIVATE syncline_sim_world)
file(GLOB sim_tests CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/sim/*_test.cc")
add_executable(sim_tests ${sim_tests})
target_link_libraries(sim_tests PRIVATE doctest_main syncline_sim_world)
add_test(NAME sim COMMAND sim_tests)
# The test that ties docs/protocol.md to the code reads that document.
target_compile_definitions(wire_tests PRIVATE
  SYNCLINE_PROTOCOL_DOC="${CMAKE_SOURCE_DIR}/docs/protocol.md")
