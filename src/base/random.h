#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace syncline {

// Randomness is handed in like time, so that a run can be repeated.
class Random {
 public:
  virtual ~Random() = default;
  virtual std::uint64_t next() = 0;

  // Uniform in [0, bound); bound must be above zero.
  std::uint64_t below(std::uint64_t bound);
  // True in `numerator` of `denominator` draws.
  bool chance(std::uint64_t numerator, std::uint64_t denominator) {
    return below(denominator) < numerator;
  }
  void fill(std::span<std::uint8_t> out);
};

// xoshiro256** seeded through splitmix64: the same seed gives the same draws for ever. Not for
// secrets.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed);
  std::uint64_t next() override;

 private:
  std::array<std::uint64_t, 4> state_{};
};

}  // namespace syncline
