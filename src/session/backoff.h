#pragma once

#include <cstdint>

#include "base/clock.h"
#include "base/random.h"

namespace syncline {

struct BackoffOptions {
  std::int64_t first_ms = 500;
  std::int64_t max_ms = 60'000;
};

// When to try again: twice as late each time up to a bound, and never all replicas at once. The
// second half of each delay is drawn at random.
class Backoff {
 public:
  explicit Backoff(const BackoffOptions& options) : options_(options) {}

  Duration next(Random& random);
  // After success, or when a person asks for a try now.
  void reset() { failures_ = 0; }
  std::uint32_t failures() const { return failures_; }

 private:
  BackoffOptions options_;
  std::uint32_t failures_ = 0;
};

}  // namespace syncline
