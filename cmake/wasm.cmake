# What a browser runs, compiled by emscripten: floors 0 to 4 and the client. Object files only.
foreach(folder base ydoc model wire session sqlite client bindings/wasm)
  folder_sources(found ${folder})
  list(APPEND wasm_sources ${found})
endforeach()
add_library(syncline_wasm OBJECT ${wasm_sources})
target_include_directories(syncline_wasm SYSTEM PRIVATE "${SYNCLINE_SQLITE_DIR}")
target_link_libraries(syncline_wasm PRIVATE syncline_flags syncline_noexcept)
