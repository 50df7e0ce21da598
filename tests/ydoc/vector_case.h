#pragma once

#include <string>

#include "tests/ydoc/tagged.h"

namespace syncline::ydoc_test {

// Empty if the case holds at levels A, B and C; otherwise what failed first.
std::string check_case(const ydoc::Any& test);
std::string check_lib0(const ydoc::Any& file);

}  // namespace syncline::ydoc_test
