#pragma once

#include <compare>
#include <cstdint>

#include "model/ids.h"

namespace syncline {

// When a change was made, as everybody agrees on it: hybrid logical time, then replica id. Every
// two stamps differ unless they are the same change's. Zero is before all others and means
// "nothing".
struct Stamp {
  // 48 bits of milliseconds since 1970, then 16 bits of counter.
  std::uint64_t time = 0;
  ReplicaId replica;

  static constexpr unsigned counter_bits = 16;
  std::uint64_t ms() const { return time >> counter_bits; }
  std::uint16_t counter() const { return static_cast<std::uint16_t>(time & 0xFFFFU); }
  bool is_zero() const { return time == 0; }

  friend bool operator==(const Stamp&, const Stamp&) = default;
  friend std::strong_ordering operator<=>(const Stamp& a, const Stamp& b) {
    if (a.time != b.time) {
      return a.time <=> b.time;
    }
    return a.replica <=> b.replica;
  }
};

// "0123456789abcdef@<replica>": fixed width, so that text order is stamp order.
std::string to_text(const Stamp& stamp);
Result<Stamp> stamp_from_text(std::string_view text);

}  // namespace syncline
