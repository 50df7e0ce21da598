#pragma once

#include <cstdio>
#include <cstdlib>

// SL_CHECK stops the program on a bug of ours, in release builds too: a stopped engine can be
// repaired, a wrong merge spreads. Never check bytes that we did not make; those get an Error.
#define SL_CHECK(condition)                                     \
  do {                                                          \
    if (!(condition)) [[unlikely]] {                            \
      ::syncline::check_failed(#condition, __FILE__, __LINE__); \
    }                                                           \
  } while (false)

namespace syncline {

[[noreturn]] inline void check_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "syncline: internal check failed: %s (%s:%d)\n", condition, file, line);
  std::abort();
}

}  // namespace syncline
