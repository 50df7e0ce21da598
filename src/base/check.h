#pragma once

#include <cstdio>
#include <cstdlib>

// SL_CHECK stops the program on a bug of ours, in release builds too: a stopped engine can be
// repaired, a wrong merge spreads. Never check bytes that we did not make; those get an Error.
#ifdef __EMSCRIPTEN__
// What a check would say, and the calls that say it, would be a good part of what a page loads. The
// trap's place in the module says which check it was.
#define SL_CHECK(condition)          \
  do {                               \
    if (!(condition)) [[unlikely]] { \
      __builtin_trap();              \
    }                                \
  } while (false)
#else
#define SL_CHECK(condition)                                     \
  do {                                                          \
    if (!(condition)) [[unlikely]] {                            \
      ::syncline::check_failed(#condition, __FILE__, __LINE__); \
    }                                                           \
  } while (false)
#endif

namespace syncline {

[[noreturn]] inline void check_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "syncline: internal check failed: %s (%s:%d)\n", condition, file, line);
  std::abort();
}

}  // namespace syncline
