#pragma once

#include <cstdint>

#include "base/clock.h"
#include "base/result.h"

namespace syncline {

// How far ahead of us another replica's stamp may lie.
inline constexpr std::int64_t skew_ms_max = 60'000;

// A clock beyond this, in the year 4199, is broken. Stamps of then, and those a little ahead of
// them, are integers that SQLite keeps in order.
inline constexpr std::int64_t clock_ms_max = std::int64_t{1} << 46U;

// Times for stamps: follows the wall clock, never repeats, and never runs behind a time it was
// shown. One engine owns it; it is not thread-safe.
class HybridClock {
 public:
  // `wall` must outlive the clock.
  explicit HybridClock(WallClock& wall) : wall_(&wall) {}

  // The time of a change made now; greater than every time returned or shown before.
  std::uint64_t tick();

  // Moves past a time from another replica or from the database. Never fails: use for times that
  // were accepted already.
  void advance_to(std::uint64_t time) {
    if (time > last_) {
      last_ = time;
    }
  }

  // Goes back: a wrong clock had made the times above this one, and they are taken out of use.
  void start_again_after(std::uint64_t time) { last_ = time; }

  // As advance_to, for a time that was not accepted yet. Fails with `clock_skew` if it lies more
  // than `skew_ms_max` ahead: one device with a wrong clock would otherwise win every merge until
  // real time caught up.
  Result<void> observe(std::uint64_t time);

  // The server's clock minus ours, once it is known.
  void set_offset_ms(std::int64_t offset_ms) { offset_ms_ = offset_ms; }
  std::int64_t offset_ms() const { return offset_ms_; }

  // Physical time, corrected; never negative.
  std::int64_t now_ms() const;
  std::uint64_t last() const { return last_; }

 private:
  WallClock* wall_;
  std::int64_t offset_ms_ = 0;
  std::uint64_t last_ = 0;
};

}  // namespace syncline
