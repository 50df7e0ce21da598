#include "model/hlc.h"

#include <algorithm>
#include <string>

#include "model/stamp.h"

namespace syncline {

std::int64_t HybridClock::now_ms() const {
  return std::clamp<std::int64_t>(wall_->now_ms() + offset_ms_, 0, clock_ms_max);
}

std::uint64_t HybridClock::tick() {
  const std::uint64_t physical = static_cast<std::uint64_t>(now_ms()) << Stamp::counter_bits;
  // A counter that overflows runs into the milliseconds: time moves a little faster than the wall
  // clock, which is what a burst of 65,536 changes in a millisecond deserves.
  last_ = std::max(physical, last_ + 1);
  return last_;
}

Result<void> HybridClock::observe(std::uint64_t time) {
  const std::int64_t ahead = static_cast<std::int64_t>(time >> Stamp::counter_bits) - now_ms();
  if (ahead > skew_ms_max) {
    return Error(ErrorCode::clock_skew, "a change is stamped " + std::to_string(ahead) +
                                            " ms in the future; the allowed skew is " +
                                            std::to_string(skew_ms_max) + " ms");
  }
  advance_to(time);
  return {};
}

}  // namespace syncline
