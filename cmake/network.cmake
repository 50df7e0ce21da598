# Floors 6 to 8: what every URL does, the sockets, and the program. Where OpenSSL's headers are
# missing the engine is built without them.
find_package(OpenSSL 3.0)
if(NOT OPENSSL_FOUND OR EMSCRIPTEN)
  message(STATUS "skipped: no server, there is no OpenSSL (tools/setup --server)")
  return()
endif()
# Packed request bodies.
find_package(ZLIB)
find_path(ZSTD_HEADERS zstd.h)
find_library(ZSTD_LIBRARY zstd)
if(NOT ZLIB_FOUND OR NOT ZSTD_HEADERS OR NOT ZSTD_LIBRARY)
  message(STATUS "skipped: no server, there is no zlib or zstd (tools/setup)")
  return()
endif()
folder_sources(routes_sources routes)
add_library(syncline_routes STATIC ${routes_sources})
target_include_directories(syncline_routes SYSTEM PRIVATE "${ZSTD_HEADERS}")
target_link_libraries(syncline_routes PUBLIC syncline_server PRIVATE OpenSSL::Crypto ZLIB::ZLIB
                      "${ZSTD_LIBRARY}" syncline_noexcept)

find_path(BOOST_HEADERS boost/beast/version.hpp)
find_package(Threads REQUIRED)
if(NOT BOOST_HEADERS)
  message(STATUS "skipped: no server, there is no Boost.Beast (tools/setup)")
  return()
endif()
folder_sources(net_sources net)
add_library(syncline_net STATIC ${net_sources})
target_include_directories(syncline_net SYSTEM PUBLIC "${BOOST_HEADERS}")
# Headers only: nothing of Boost is linked.
target_compile_definitions(syncline_net PUBLIC BOOST_ALL_NO_LIB BOOST_ASIO_NO_DEPRECATED
                           BOOST_ASIO_DISABLE_BOOST_COROUTINE)
if(SYNCLINE_SANITIZE MATCHES "thread")
  # The thread sanitizer cannot see fences; the locks beside them order the same memory.
  target_compile_definitions(syncline_net PUBLIC BOOST_ASIO_DISABLE_FENCED_BLOCK)
endif()
target_link_libraries(syncline_net PUBLIC syncline_routes syncline_client Threads::Threads
                      PRIVATE OpenSSL::SSL OpenSSL::Crypto)

# --- The program ----------------------------------------------------------------------------------
find_path(TOMLPLUSPLUS_HEADERS toml++/toml.h)
if(NOT TOMLPLUSPLUS_HEADERS)
  message(STATUS "skipped: no program, there is no toml++ (tools/setup)")
  return()
endif()
folder_sources(program_sources apps/syncline)
add_executable(syncline_cli ${program_sources})
set_target_properties(syncline_cli PROPERTIES OUTPUT_NAME syncline)
target_compile_definitions(syncline_cli PRIVATE SYNCLINE_VERSION="${PROJECT_VERSION}")
target_include_directories(syncline_cli SYSTEM PRIVATE "${TOMLPLUSPLUS_HEADERS}")
target_link_libraries(syncline_cli PRIVATE syncline_net)
