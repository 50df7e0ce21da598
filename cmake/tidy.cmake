# The rules that a compiler does not see, on every build; well under a second.
find_program(PYTHON3 python3 REQUIRED)
add_custom_target(tidy ALL
  COMMAND ${PYTHON3} tools/tidy.py
  WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}"
  COMMENT "Checking the floors"
  VERBATIM)
