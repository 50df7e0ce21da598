#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/clock.h"

namespace syncline {

// Token buckets by name (an address, a subject): each holds up to `burst` and gains `per_second`.
// Bounded: when there are too many, those that are full again are forgotten, and when all are in
// use newcomers share one bucket.
class RateLimit {
 public:
  struct Options {
    std::int64_t per_second = 100;
    std::int64_t burst = 200;
    std::size_t names_max = 100'000;
  };
  explicit RateLimit(const Options& options) : options_(options) {}

  // Takes `count` if the bucket holds it; more than any bucket holds is all of it, or it could
  // never be had. Zero per second means no limit.
  bool take(Instant now, const std::string& name, std::int64_t count = 1);
  std::size_t names() const { return buckets_.size(); }

 private:
  struct Bucket {
    std::int64_t thousandths = 0;
    Instant at;
  };
  void refill(Instant now, Bucket& bucket) const;
  void forget_full(Instant now);

  Options options_;
  std::map<std::string, Bucket> buckets_;
};

}  // namespace syncline
