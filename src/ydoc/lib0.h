#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/bytes.h"

// The primitive encodings every Yjs byte is made of (lib0): variable-length integers, counted bytes
// and counted strings. They differ from base/bytes.h: integers stop at 2^53-1, because the other
// side keeps them in doubles, and signed ones are a magnitude with a sign bit, so -0 exists.

namespace syncline::ydoc {

inline constexpr std::uint64_t safe_integer_max = (std::uint64_t{1} << 53U) - 1U;

// Appends to one growing buffer, which clear() keeps: an encoder used for every transaction stops
// allocating after the first few.
class Encoder {
 public:
  void u8(std::uint8_t value) {
    *room(1) = value;
    size_ += 1;
  }
  void var_uint(std::uint64_t value) {
    std::uint8_t* const begin = room(varint_bytes_max);
    std::uint8_t* at = begin;
    while (value >= 0x80U) {
      *at++ = static_cast<std::uint8_t>(value | 0x80U);
      value >>= 7U;
    }
    *at++ = static_cast<std::uint8_t>(value);
    size_ += static_cast<std::size_t>(at - begin);
  }
  enum class Sign : std::uint8_t { plus, minus };
  void var_int(Sign sign, std::uint64_t magnitude) {
    std::uint8_t* const begin = room(varint_bytes_max + 1);
    std::uint8_t* at = begin;
    const std::uint8_t sign_bit = sign == Sign::minus ? 0x40U : 0U;
    *at++ = static_cast<std::uint8_t>((magnitude > 0x3fU ? 0x80U : 0U) | sign_bit |
                                      (magnitude & 0x3fU));
    magnitude >>= 6U;
    while (magnitude > 0) {
      *at++ = static_cast<std::uint8_t>((magnitude > 0x7fU ? 0x80U : 0U) | (magnitude & 0x7fU));
      magnitude >>= 7U;
    }
    size_ += static_cast<std::size_t>(at - begin);
  }
  void raw(Bytes bytes) {
    if (!bytes.empty()) {
      std::memcpy(room(bytes.size()), bytes.data(), bytes.size());
      size_ += bytes.size();
    }
  }
  void blob(Bytes bytes) {
    var_uint(bytes.size());
    raw(bytes);
  }
  void string(std::string_view text) { blob(as_bytes(text)); }

  // At least `count` writable bytes after the end; advance() makes them part of the buffer.
  std::uint8_t* room(std::size_t count) {
    if (buffer_.size() - size_ < count) [[unlikely]] {
      grow(count);
    }
    return buffer_.data() + size_;
  }
  void advance(std::size_t count) { size_ += count; }
  void patch(std::size_t position, std::uint8_t value) { buffer_[position] = value; }

  std::size_t size() const { return size_; }
  void clear() { size_ = 0; }
  void truncate(std::size_t size) { size_ = size; }
  Bytes bytes() const { return {buffer_.data(), size_}; }
  ByteVector take() {
    buffer_.resize(size_);
    size_ = 0;
    return std::move(buffer_);
  }

 private:
  void grow(std::size_t count) {
    buffer_.resize(std::max<std::size_t>(buffer_.size() * 2, size_ + count + 64));
  }

  ByteVector buffer_;
  std::size_t size_ = 0;
};

// Reads foreign bytes. A failure sticks: every later read gives zero or nothing, so a caller tests
// ok() once per thing it decodes, and in every loop whose count came from outside.
class Decoder {
 public:
  explicit Decoder(Bytes bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  bool ok() const { return !failed_; }
  void fail() {
    failed_ = true;
    at_ = end_;
  }
  bool at_end() const { return at_ == end_; }
  std::size_t remaining() const { return static_cast<std::size_t>(end_ - at_); }
  const std::uint8_t* position() const { return at_; }
  void seek(const std::uint8_t* position) { at_ = position; }

  std::uint8_t u8() {
    if (at_ == end_) [[unlikely]] {
      failed_ = true;
      return 0;
    }
    return *at_++;
  }
  std::uint64_t var_uint() {
    if (at_ != end_ && *at_ < 0x80U) [[likely]] {
      return *at_++;
    }
    return var_uint_slow();
  }
  struct Signed {
    bool negative = false;
    std::uint64_t magnitude = 0;
  };
  Signed var_int();
  Bytes raw(std::size_t count) {
    if (count > remaining()) [[unlikely]] {
      fail();
      return {};
    }
    const Bytes out(at_, count);
    at_ += count;
    return out;
  }
  Bytes blob() { return raw(static_cast<std::size_t>(var_uint())); }
  // A counted string; fails unless it is well-formed UTF-8.
  std::string_view string();

 private:
  std::uint64_t var_uint_slow();

  const std::uint8_t* at_;
  const std::uint8_t* end_;
  bool failed_ = false;
};

}  // namespace syncline::ydoc
