#include "routes/rate_limit.h"

#include <algorithm>

namespace syncline {

void RateLimit::refill(Instant now, Bucket& bucket) const {
  const std::int64_t full = options_.burst * 1000;
  // After this long any bucket is full; the product below stays small.
  const std::int64_t elapsed =
      std::clamp<std::int64_t>((now - bucket.at).ms, 0, full / options_.per_second + 1);
  bucket.thousandths = std::min(full, bucket.thousandths + elapsed * options_.per_second);
  bucket.at = now;
}

void RateLimit::forget_full(Instant now) {
  for (auto at = buckets_.begin(); at != buckets_.end();) {
    refill(now, at->second);
    at = at->second.thousandths >= options_.burst * 1000 ? buckets_.erase(at) : std::next(at);
  }
}

bool RateLimit::take(Instant now, const std::string& name, std::int64_t count) {
  if (options_.per_second == 0) {
    return true;
  }
  auto at = buckets_.find(name);
  if (at == buckets_.end()) {
    if (buckets_.size() >= options_.names_max) {
      forget_full(now);
    }
    const bool crowded = buckets_.size() >= options_.names_max;
    at = buckets_.try_emplace(crowded ? "" : name, Bucket{options_.burst * 1000, now}).first;
  }
  Bucket& bucket = at->second;
  count = std::min(count, options_.burst);
  refill(now, bucket);
  if (bucket.thousandths < count * 1000) {
    return false;
  }
  bucket.thousandths -= count * 1000;
  return true;
}

}  // namespace syncline
