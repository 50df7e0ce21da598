# Runs PROGRAM on the cases in DIR, if they are there.
if(NOT IS_DIRECTORY "${DIR}")
  message("skipped: no vectors at ${DIR}; set SYNCLINE_SHARED_DIR")
  return()
endif()
execute_process(COMMAND "${PROGRAM}" "${DIR}" RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "vectors failed")
endif()
