#pragma once

#include <array>
#include <optional>

#include "base/bytes.h"

// Enough of gzip to read the test data of this repository: one member, no checks of its checksum.

namespace syncline::ydoc_test {

class Inflater {
 public:
  explicit Inflater(Bytes in) : in_(in) {}

  std::optional<std::string> run() {
    bool last = false;
    while (!last && !bad_) {
      last = bits(1) == 1;
      const unsigned kind = bits(2);
      if (kind == 0) {
        stored();
      } else if (kind == 1 || kind == 2) {
        kind == 1 ? fixed_tables() : dynamic_tables();
        block();
      } else {
        bad_ = true;
      }
    }
    return bad_ ? std::nullopt : std::optional(std::move(out_));
  }

 private:
  struct Table {
    std::array<std::uint16_t, 16> count{};
    std::array<std::uint16_t, 288> symbol{};
  };

  unsigned bits(unsigned count) {
    while (filled_ < count) {
      if (at_ >= in_.size()) {
        bad_ = true;
        return 0;
      }
      hold_ |= std::uint32_t{in_[at_++]} << filled_;
      filled_ += 8;
    }
    const unsigned value = hold_ & ((1U << count) - 1U);
    hold_ >>= count;
    filled_ -= count;
    return value;
  }

  static void build(Table& table, const std::uint8_t* lengths, std::size_t count) {
    table = {};
    for (std::size_t i = 0; i < count; ++i) {
      table.count[lengths[i]] += 1;
    }
    table.count[0] = 0;
    std::array<std::uint16_t, 16> next{};
    for (std::size_t i = 1; i < 15; ++i) {
      next[i + 1] = static_cast<std::uint16_t>(next[i] + table.count[i]);
    }
    for (std::size_t i = 0; i < count; ++i) {
      if (lengths[i] != 0) {
        table.symbol[next[lengths[i]]++] = static_cast<std::uint16_t>(i);
      }
    }
  }

  unsigned decode(const Table& table) {
    int code = 0;
    int first = 0;
    int index = 0;
    for (std::size_t length = 1; length < 16 && !bad_; ++length) {
      code |= static_cast<int>(bits(1));
      const int count = table.count[length];
      if (code - count < first) {
        return table.symbol[static_cast<std::size_t>(index + code - first)];
      }
      index += count;
      first = (first + count) << 1;
      code <<= 1;
    }
    bad_ = true;
    return 0;
  }

  void stored() {
    hold_ = 0;
    filled_ = 0;
    const unsigned size = bits(16);
    bits(16);
    if (bad_ || in_.size() - at_ < size) {
      bad_ = true;
      return;
    }
    out_.append(as_text(in_.subspan(at_, size)));
    at_ += size;
  }

  void fixed_tables() {
    std::array<std::uint8_t, 288> lengths{};
    for (std::size_t i = 0; i < 288; ++i) {
      lengths[i] = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
    }
    build(literals_, lengths.data(), 288);
    std::array<std::uint8_t, 30> distances{};
    distances.fill(5);
    build(distances_, distances.data(), 30);
  }

  void dynamic_tables() {
    const std::size_t literal_count = bits(5) + 257;
    const std::size_t distance_count = bits(5) + 1;
    const std::size_t code_count = bits(4) + 4;
    constexpr std::array<std::uint8_t, 19> order = {16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
                                                    11, 4,  12, 3, 13, 2, 14, 1, 15};
    std::array<std::uint8_t, 320> lengths{};
    for (std::size_t i = 0; i < code_count; ++i) {
      lengths[order[i]] = static_cast<std::uint8_t>(bits(3));
    }
    Table codes;
    build(codes, lengths.data(), 19);
    lengths = {};
    for (std::size_t i = 0; i < literal_count + distance_count && !bad_;) {
      const unsigned symbol = decode(codes);
      if (symbol < 16) {
        lengths[i++] = static_cast<std::uint8_t>(symbol);
        continue;
      }
      const std::uint8_t value = symbol == 16 && i > 0 ? lengths[i - 1] : std::uint8_t{0};
      std::size_t repeat = symbol == 16 ? 3 + bits(2) : symbol == 17 ? 3 + bits(3) : 11 + bits(7);
      for (; repeat > 0 && i < lengths.size(); --repeat) {
        lengths[i++] = value;
      }
    }
    build(literals_, lengths.data(), literal_count);
    build(distances_, lengths.data() + literal_count, distance_count);
  }

  void block() {
    constexpr std::array<std::uint16_t, 29> length_base = {
        3,  4,  5,  6,  7,  8,  9,  10, 11,  13,  15,  17,  19,  23, 27,
        31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258};
    constexpr std::array<std::uint8_t, 29> length_extra = {
        0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0};
    constexpr std::array<std::uint16_t, 30> distance_base = {
        1,   2,   3,   4,   5,   7,    9,    13,   17,   25,   33,   49,   65,    97,    129,
        193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577};
    while (!bad_) {
      unsigned symbol = decode(literals_);
      if (symbol < 256) {
        out_.push_back(static_cast<char>(symbol));
        continue;
      }
      if (symbol == 256) {
        return;
      }
      symbol -= 257;
      if (symbol >= length_base.size()) {
        bad_ = true;
        return;
      }
      std::size_t length = length_base[symbol] + bits(length_extra[symbol]);
      const unsigned code = decode(distances_);
      if (code >= distance_base.size()) {
        bad_ = true;
        return;
      }
      const std::size_t distance = distance_base[code] + bits(code < 2 ? 0 : code / 2 - 1);
      if (distance > out_.size()) {
        bad_ = true;
        return;
      }
      for (; length > 0; --length) {
        out_.push_back(out_[out_.size() - distance]);
      }
    }
  }

  Bytes in_;
  std::size_t at_ = 0;
  std::uint32_t hold_ = 0;
  unsigned filled_ = 0;
  bool bad_ = false;
  std::string out_;
  Table literals_;
  Table distances_;
};

inline std::optional<std::string> gunzip(Bytes in) {
  constexpr std::uint8_t has_extra = 4;
  constexpr std::uint8_t has_name = 8;
  constexpr std::uint8_t has_comment = 16;
  if (in.size() < 18 || in[0] != 0x1f || in[1] != 0x8b || in[2] != 8) {
    return std::nullopt;
  }
  std::size_t at = 10;
  if ((in[3] & has_extra) != 0) {
    at += 2U + in[10] + (std::size_t{in[11]} << 8U);
  }
  for (const std::uint8_t field : {has_name, has_comment}) {
    if ((in[3] & field) != 0) {
      while (at < in.size() && in[at] != 0) {
        ++at;
      }
      ++at;
    }
  }
  if (at >= in.size()) {
    return std::nullopt;
  }
  return Inflater(in.subspan(at)).run();
}

}  // namespace syncline::ydoc_test
