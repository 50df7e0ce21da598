# What a browser runs: floors 0 to 4, the client and its door, as one WebAssembly module without
# emscripten's JavaScript (js/src/wasm.ts has what it imports).
foreach(folder base ydoc model wire session sqlite client bindings/wasm)
  folder_sources(found ${folder})
  list(APPEND wasm_sources ${found})
endforeach()
# Release is -O3 here; code that is loaded over networks is better smaller. Position independence is
# for shared libraries, and costs a tenth of the module.
set(CMAKE_CXX_FLAGS_RELEASE "-Oz -DNDEBUG")
set(CMAKE_POSITION_INDEPENDENT_CODE OFF)
# What every browser has had since 2021, and what makes code smaller.
add_compile_options(-mbulk-memory -msign-ext -mnontrapping-fptoint)
# All of it is optimised at once, the engine and SQLite together.
add_compile_options(-flto)
add_library(syncline_wasm OBJECT ${wasm_sources})
target_include_directories(syncline_wasm SYSTEM PRIVATE "${SYNCLINE_SQLITE_DIR}")
target_link_libraries(syncline_wasm PRIVATE syncline_flags syncline_noexcept)
target_compile_options(syncline_wasm PRIVATE -fno-rtti
                       "-fmacro-prefix-map=${CMAKE_SOURCE_DIR}/=")

add_library(sqlite3_wasm OBJECT "${SYNCLINE_SQLITE_DIR}/sqlite3.c")
target_compile_definitions(sqlite3_wasm PRIVATE
  SQLITE_OS_OTHER=1 SQLITE_THREADSAFE=0 SQLITE_OMIT_LOAD_EXTENSION SQLITE_OMIT_SHARED_CACHE
  SQLITE_OMIT_DEPRECATED SQLITE_OMIT_UTF16 SQLITE_DQS=0 SQLITE_DEFAULT_MEMSTATUS=0
  SQLITE_LIKE_DOESNT_MATCH_BLOBS SQLITE_USE_ALLOCA SQLITE_TEMP_STORE=3 SQLITE_DEFAULT_CACHE_SIZE=-8000
  SQLITE_UNTESTABLE SQLITE_OMIT_TRACE SQLITE_OMIT_TCL_VARIABLE SQLITE_OMIT_GET_TABLE
  SQLITE_OMIT_DESERIALIZE SQLITE_OMIT_INCRBLOB SQLITE_OMIT_PROGRESS_CALLBACK
  SQLITE_OMIT_AUTHORIZATION SQLITE_OMIT_AUTOVACUUM SQLITE_OMIT_DECLTYPE SQLITE_OMIT_COMPLETE
  SQLITE_OMIT_COMPILEOPTION_DIAGS SQLITE_OMIT_LOCALTIME SQLITE_OMIT_LOOKASIDE
  SQLITE_OMIT_AUTOINIT SQLITE_OMIT_XFER_OPT SQLITE_OMIT_QUICKBALANCE SQLITE_OMIT_INTEGRITY_CHECK SQLITE_MAX_MMAP_SIZE=0)
target_compile_options(sqlite3_wasm PRIVATE -Oz -w)

add_executable(syncline_module $<TARGET_OBJECTS:syncline_wasm> $<TARGET_OBJECTS:sqlite3_wasm>)
set_target_properties(syncline_module PROPERTIES OUTPUT_NAME syncline SUFFIX ".wasm")
target_link_options(syncline_module PRIVATE
  -Oz -flto --no-entry -sMALLOC=emmalloc -sBINARYEN_EXTRA_PASSES=--converge -sSTANDALONE_WASM=1
  -sALLOW_MEMORY_GROWTH=1 -sINITIAL_MEMORY=16MB
  -sTOTAL_STACK=1MB -sERROR_ON_UNDEFINED_SYMBOLS=0 -sWARN_ON_UNDEFINED_SYMBOLS=0)
# Like functions stand beside like, for what compresses the module.
set_target_properties(syncline_module PROPERTIES LINK_DEPENDS "${CMAKE_SOURCE_DIR}/tools/pack-module")
add_custom_command(TARGET syncline_module POST_BUILD
  COMMAND "${CMAKE_SOURCE_DIR}/tools/pack-module" $<TARGET_FILE:syncline_module> VERBATIM)
