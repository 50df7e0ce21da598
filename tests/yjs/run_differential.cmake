# Runs the random sessions against npm's yjs, if node is there and the packages are installed.
if(NOT NODE)
  message("skipped: no node")
  return()
endif()
if(NOT IS_DIRECTORY "${DIR}/node_modules/yjs")
  message("skipped: run tools/setup --yjs first")
  return()
endif()
execute_process(COMMAND "${NODE}" "${DIR}/${SCRIPT}" "${PEER}" --cases "${CASES}"
                RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "our documents and yjs disagree")
endif()
