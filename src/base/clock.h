#pragma once

#include <compare>
#include <cstdint>

namespace syncline {

// Time is always handed in: nothing below net/ reads a clock. An Instant is monotonic and has no
// date; wall time is milliseconds since 1970 and may jump.
struct Duration {
  std::int64_t ms = 0;
  friend constexpr bool operator==(Duration, Duration) = default;
  friend constexpr auto operator<=>(Duration, Duration) = default;
};

struct Instant {
  std::int64_t ms = 0;
  friend constexpr bool operator==(Instant, Instant) = default;
  friend constexpr auto operator<=>(Instant, Instant) = default;
  friend constexpr Instant operator+(Instant at, Duration d) { return {at.ms + d.ms}; }
  friend constexpr Duration operator-(Instant a, Instant b) { return {a.ms - b.ms}; }
};

class WallClock {
 public:
  virtual ~WallClock() = default;
  // Milliseconds since 1970-01-01T00:00:00Z. May stand still, jump and run backwards.
  virtual std::int64_t now_ms() = 0;
};

}  // namespace syncline
