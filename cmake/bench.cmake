# Run by hand or by bench/run, never by the tests: timings decide nothing there.
option(SYNCLINE_BENCH "build the benchmarks" OFF)
if(SYNCLINE_BENCH)
  add_executable(bench_capture bench/capture.cc)
  target_link_libraries(bench_capture PRIVATE syncline_client)
  add_executable(bench_bootstrap bench/bootstrap.cc)
  target_link_libraries(bench_bootstrap PRIVATE syncline_server)
endif()
