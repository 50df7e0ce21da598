# The browser package and its tests: TypeScript around the module that cmake/wasm.cmake builds, in a
# build folder of its own, because emscripten is another compiler. Skipped where emscripten or npm is
# missing (tools/setup --wasm --browser).
find_program(EMXX em++)
find_program(NODE node)
find_program(NPM npm)
if(NOT EMXX OR NOT NODE OR NOT NPM)
  message(STATUS "skipped: the browser package, there is no emscripten, node or npm")
  return()
endif()
set(js_dir "${CMAKE_SOURCE_DIR}/js")
set(web_dir "${CMAKE_SOURCE_DIR}/build/web")

# Not in `all`: whoever wants only the engine does not wait for it. Ninja inside knows what is old.
add_custom_target(js
  COMMAND "${CMAKE_SOURCE_DIR}/tools/build-js"
  WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}"
  USES_TERMINAL
  VERBATIM)

if(SYNCLINE_TESTS AND TARGET syncline_cli)
  add_test(NAME js_build COMMAND "${CMAKE_SOURCE_DIR}/tools/build-js")
  add_test(NAME js_node COMMAND "${NODE}" --test "${js_dir}/test/node.test.mjs")
  add_test(NAME js_auto_sync COMMAND "${NODE}" --test "${js_dir}/test/auto_sync.test.mjs")
  add_test(NAME js_doc COMMAND "${NODE}" --test "${js_dir}/test/doc.test.mjs")
  set_tests_properties(js_build PROPERTIES FIXTURES_SETUP js TIMEOUT 1800 COST 1000)
  add_test(NAME js_delta COMMAND "${NODE}" --test "${js_dir}/test/delta.test.mjs")
  set(js_tests js_node js_auto_sync js_doc js_delta)
  find_program(CHROMIUM chromium)
  if(CHROMIUM)
    add_test(NAME js_browser COMMAND "${NODE}" --test --test-concurrency=1
             "${js_dir}/test/browser.test.mjs")
    add_test(NAME js_demo COMMAND "${NODE}" --test "${js_dir}/test/demo.test.mjs")
    add_test(NAME js_editor COMMAND "${NODE}" --test "${js_dir}/test/editor.test.mjs")
    add_test(NAME js_delta_browser COMMAND "${NODE}" --test
             "${js_dir}/test/delta.browser.test.mjs")
    add_test(NAME js_examples COMMAND "${NODE}" --test "${js_dir}/test/examples.test.mjs")
    add_test(NAME js_hidden COMMAND "${NODE}" --test "${js_dir}/test/hidden.test.mjs")
    add_test(NAME js_hostile COMMAND "${NODE}" --test "${js_dir}/test/hostile.test.mjs")
    add_test(NAME js_mixed COMMAND "${NODE}" --test "${js_dir}/test/mixed.test.mjs")
    set(js_browser_tests js_browser js_demo js_editor js_delta_browser js_examples js_hidden js_hostile js_mixed)
    # What they wait for has limits of seconds.
    set_tests_properties(${js_browser_tests} PROPERTIES RUN_SERIAL ON)
    list(APPEND js_tests ${js_browser_tests})
  endif()
  set_tests_properties(${js_tests} PROPERTIES FIXTURES_REQUIRED js TIMEOUT 400
    ENVIRONMENT "PROGRAM_UNDER_TEST=$<TARGET_FILE:syncline_cli>")
endif()
