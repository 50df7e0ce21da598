# Floors 6 to 8: what every URL does, the sockets, and the program. Where OpenSSL's headers are
# missing the engine is built without them.
find_package(OpenSSL 3.0)
if(NOT OPENSSL_FOUND OR EMSCRIPTEN)
  message(STATUS "skipped: no server, there is no OpenSSL (tools/setup --server)")
  return()
endif()
folder_sources(routes_sources routes)
add_library(syncline_routes STATIC ${routes_sources})
target_link_libraries(syncline_routes PUBLIC syncline_server PRIVATE OpenSSL::Crypto
                      syncline_noexcept)
