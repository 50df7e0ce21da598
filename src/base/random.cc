#include "base/random.h"

#include "base/check.h"

namespace syncline {

std::uint64_t Random::below(std::uint64_t bound) {
  SL_CHECK(bound > 0);
  // Draws from the incomplete last stretch are thrown away, or low numbers would come up more
  // often.
  const std::uint64_t unusable = (0 - bound) % bound;
  for (;;) {
    const std::uint64_t draw = next();
    if (draw >= unusable) {
      return draw % bound;
    }
  }
}

void Random::fill(std::span<std::uint8_t> out) {
  std::uint64_t draw = 0;
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (i % 8 == 0) {
      draw = next();
    }
    out[i] = static_cast<std::uint8_t>(draw >> (8U * (i % 8)));
  }
}

SeededRandom::SeededRandom(std::uint64_t seed) {
  for (std::uint64_t& word : state_) {
    seed += 0x9E3779B97F4A7C15U;
    std::uint64_t mixed = seed;
    mixed = (mixed ^ (mixed >> 30U)) * 0xBF58476D1CE4E5B9U;
    mixed = (mixed ^ (mixed >> 27U)) * 0x94D049BB133111EBU;
    word = mixed ^ (mixed >> 31U);
  }
}

std::uint64_t SeededRandom::next() {
  const auto rotate = [](std::uint64_t x, unsigned k) { return (x << k) | (x >> (64U - k)); };
  const std::uint64_t out = rotate(state_[1] * 5, 7) * 9;
  const std::uint64_t shifted = state_[1] << 17U;
  state_[2] ^= state_[0];
  state_[3] ^= state_[1];
  state_[1] ^= state_[2];
  state_[0] ^= state_[3];
  state_[2] ^= shifted;
  state_[3] = rotate(state_[3], 45);
  return out;
}

}  // namespace syncline
