#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace syncline {

// A borrowed run of bytes. Whoever keeps it longer than the call copies it.
using Bytes = std::span<const std::uint8_t>;
using ByteVector = std::vector<std::uint8_t>;

inline Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}
inline ByteVector to_vector(Bytes bytes) { return {bytes.begin(), bytes.end()}; }
inline bool equal_bytes(Bytes a, Bytes b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}
// Lexicographic by unsigned byte; negative, zero or positive as memcmp.
int compare_bytes(Bytes a, Bytes b);

// Orders byte strings in maps, and finds them by borrowed bytes.
struct BytesLess {
  using is_transparent = void;
  bool operator()(Bytes a, Bytes b) const { return compare_bytes(a, b) < 0; }
};

// Varints are LEB128: seven bits a byte, least first; at most ten bytes; the shortest form only, so
// that equal values have equal bytes.
inline constexpr std::size_t varint_bytes_max = 10;

constexpr std::uint64_t zigzag(std::int64_t value) {
  return (static_cast<std::uint64_t>(value) << 1U) ^ static_cast<std::uint64_t>(value >> 63U);
}
constexpr std::int64_t unzigzag(std::uint64_t value) {
  return static_cast<std::int64_t>(value >> 1U) ^ -static_cast<std::int64_t>(value & 1U);
}

// Appends to a buffer it owns. Fixed-width numbers are little-endian.
class Writer {
 public:
  Writer() = default;
  explicit Writer(ByteVector buffer) : buffer_(std::move(buffer)) {}

  void u8(std::uint8_t value) { buffer_.push_back(value); }
  void u32(std::uint32_t value) { fixed(value); }
  void u64(std::uint64_t value) { fixed(value); }
  void f64(double value) {
    std::uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    fixed(bits);
  }
  void varint(std::uint64_t value) {
    std::uint8_t out[varint_bytes_max];
    std::size_t count = 0;
    while (value >= 0x80U) {
      out[count++] = static_cast<std::uint8_t>(value | 0x80U);
      value >>= 7U;
    }
    out[count++] = static_cast<std::uint8_t>(value);
    append(out, count);
  }
  void signed_varint(std::int64_t value) { varint(zigzag(value)); }
  void raw(Bytes bytes) { append(bytes.data(), bytes.size()); }
  // A length, then that many bytes.
  void blob(Bytes bytes) {
    varint(bytes.size());
    raw(bytes);
  }
  void text(std::string_view text) { blob(as_bytes(text)); }

  std::size_t size() const { return buffer_.size(); }
  bool empty() const { return buffer_.empty(); }
  Bytes bytes() const { return buffer_; }
  ByteVector& buffer() { return buffer_; }
  ByteVector take() { return std::move(buffer_); }
  void clear() { buffer_.clear(); }
  void truncate(std::size_t size) { buffer_.resize(size); }

 private:
  template <typename T>
  void fixed(T value) {
    std::uint8_t out[sizeof(T)];
    for (std::size_t i = 0; i < sizeof(T); ++i) {
      out[i] = static_cast<std::uint8_t>(value >> (8U * i));
    }
    append(out, sizeof(T));
  }
  void append(const std::uint8_t* data, std::size_t size) {
    buffer_.insert(buffer_.end(), data, data + size);
  }

  ByteVector buffer_;
};

// Reads foreign bytes without ever running past their end; every failure is an Error of code
// malformed. Borrows the bytes; what it returns borrows them too.
class Reader {
 public:
  explicit Reader(Bytes bytes) : bytes_(bytes) {}

  Result<std::uint8_t> u8();
  Result<std::uint32_t> u32();
  Result<std::uint64_t> u64();
  Result<double> f64();
  Result<std::uint64_t> varint() {
    if (position_ < bytes_.size() && bytes_[position_] < 0x80U) [[likely]] {
      return std::uint64_t{bytes_[position_++]};
    }
    return varint_slow();
  }
  Result<std::int64_t> signed_varint();
  // A varint that must not exceed `max`: every count and size from outside goes through here.
  Result<std::uint64_t> varint_at_most(std::uint64_t max);
  Result<Bytes> raw(std::size_t size);
  Result<Bytes> blob(std::size_t size_max = SIZE_MAX);
  Result<std::string_view> text(std::size_t size_max = SIZE_MAX);

  bool at_end() const { return position_ == bytes_.size(); }
  std::size_t remaining() const { return bytes_.size() - position_; }
  std::size_t position() const { return position_; }
  Bytes rest() const { return bytes_.subspan(position_); }
  // What lies between an earlier position() and now.
  Bytes since(std::size_t position) const { return bytes_.subspan(position, position_ - position); }
  // Fails unless everything was read; `what` names the thing in the error's text.
  Result<void> expect_end(std::string_view what) const;

 private:
  Result<std::uint64_t> varint_slow();

  Bytes bytes_;
  std::size_t position_ = 0;
};

// Lower-case hexadecimal and back.
std::string to_hex(Bytes bytes);
Result<ByteVector> from_hex(std::string_view text);

}  // namespace syncline
