#include "session/backoff.h"

#include <algorithm>

namespace syncline {

Duration Backoff::next(Random& random) {
  const std::uint32_t doublings = std::min<std::uint32_t>(failures_, 20);
  const std::int64_t whole = std::min(options_.max_ms, options_.first_ms << doublings);
  if (failures_ < UINT32_MAX) {
    ++failures_;
  }
  const std::int64_t half = whole / 2;
  return {half + static_cast<std::int64_t>(random.below(static_cast<std::uint64_t>(half) + 1))};
}

}  // namespace syncline
