# The simulator: whole systems from one seed (docs/simulation.md).
file(GLOB sim_sources CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/sim/*.cc")
list(FILTER sim_sources EXCLUDE REGEX "(_test|/main|/mutants)\\.cc$")
add_library(syncline_sim_world STATIC ${sim_sources})
target_include_directories(syncline_sim_world PUBLIC "${CMAKE_SOURCE_DIR}")
target_link_libraries(syncline_sim_world PUBLIC syncline_server)
add_executable(syncline_sim sim/main.cc)
target_link_libraries(syncline_sim PRIVATE syncline_sim_world)
include(GNUInstallDirs)
install(TARGETS syncline_sim RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/syncline)
if(NOT SYNCLINE_TESTS)
  return()
endif()
file(GLOB sim_tests CONFIGURE_DEPENDS "${CMAKE_SOURCE_DIR}/sim/*_test.cc")
add_executable(sim_tests ${sim_tests})
target_link_libraries(sim_tests PRIVATE doctest_main syncline_sim_world)
add_test(NAME sim COMMAND sim_tests)
# The same code with deliberate bugs in it. Its objects stand before the libraries' own.
file(GLOB mutant_sources CONFIGURE_DEPENDS
  "${CMAKE_SOURCE_DIR}/src/session/*.cc" "${CMAKE_SOURCE_DIR}/src/server/*.cc")
# Of the engine only the files that have any: it is large.
file(GLOB engine_sources CONFIGURE_DEPENDS
  "${CMAKE_SOURCE_DIR}/src/client/*.cc" "${CMAKE_SOURCE_DIR}/src/sqlite/*.cc")
foreach(source ${engine_sources})
  file(STRINGS ${source} bugs REGEX "SL_MUTANT")
  if(bugs)
    list(APPEND mutant_sources ${source})
  endif()
endforeach()
list(FILTER mutant_sources EXCLUDE REGEX "_test\\.cc$")
add_executable(sim_mutants sim/mutants.cc ${sim_sources} ${mutant_sources})
target_include_directories(sim_mutants PRIVATE "${CMAKE_SOURCE_DIR}")
target_compile_definitions(sim_mutants PRIVATE SYNCLINE_MUTANTS)
target_link_libraries(sim_mutants PRIVATE syncline_client syncline_noexcept)
add_test(NAME sim_mutants COMMAND sim_mutants)
# A million steps of models, every kind of fault among them; then the engine itself.
add_test(NAME sim_seeds COMMAND syncline_sim --seeds 200 --steps 5000 --demand 1)
# Payments and meddling find what docs/proof.md lists as open: run them by hand, without the zeros.
add_test(NAME sim_engine COMMAND syncline_sim --seeds 100 --steps 2000 --real 1 --ledger 0 --meddle 0)
