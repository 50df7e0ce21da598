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
#ifdef __EMSCRIPTEN__
  // printf and its floating point would be a good part of what a page loads.
  (void)line;
  for (const char* text : {"internal check failed: ", condition, " in ", file, "\n"}) {
    std::fputs(text, stderr);
  }
#else
  std::fprintf(stderr, "syncline: internal check failed: %s (%s:%d)\n", condition, file, line);
#endif
  std::abort();
}

}  // namespace syncline
