#include "base/bytes.h"

#include <algorithm>

namespace syncline {
namespace {

Error ended_early(const char* what) {
  return Error(ErrorCode::malformed, std::string("bytes end inside ") + what);
}

}  // namespace

int compare_bytes(Bytes a, Bytes b) {
  const std::size_t common = std::min(a.size(), b.size());
  if (common > 0) {
    const int order = std::memcmp(a.data(), b.data(), common);
    if (order != 0) {
      return order;
    }
  }
  return a.size() == b.size() ? 0 : (a.size() < b.size() ? -1 : 1);
}

Result<std::uint8_t> Reader::u8() {
  if (remaining() < 1) {
    return ended_early("a byte");
  }
  return bytes_[position_++];
}

Result<std::uint32_t> Reader::u32() {
  SL_TRY(const Bytes in, raw(4));
  std::uint32_t value = 0;
  for (std::size_t i = 4; i-- > 0;) {
    value = (value << 8U) | in[i];
  }
  return value;
}

Result<std::uint64_t> Reader::u64() {
  SL_TRY(const Bytes in, raw(8));
  std::uint64_t value = 0;
  for (std::size_t i = 8; i-- > 0;) {
    value = (value << 8U) | in[i];
  }
  return value;
}

Result<double> Reader::f64() {
  SL_TRY(const std::uint64_t bits, u64());
  double value = 0;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

Result<std::uint64_t> Reader::varint_slow() {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < varint_bytes_max; ++i) {
    if (position_ == bytes_.size()) {
      return ended_early("a varint");
    }
    const std::uint8_t byte = bytes_[position_++];
    if (i == varint_bytes_max - 1 && byte > 1) {
      return Error(ErrorCode::malformed, "varint larger than 64 bits");
    }
    value |= static_cast<std::uint64_t>(byte & 0x7FU) << (7U * i);
    if (byte < 0x80U) {
      if (byte == 0 && i > 0) {
        return Error(ErrorCode::malformed, "varint is not in its shortest form");
      }
      return value;
    }
  }
  return Error(ErrorCode::malformed, "varint longer than ten bytes");
}

Result<std::int64_t> Reader::signed_varint() {
  SL_TRY(const std::uint64_t value, varint());
  return unzigzag(value);
}

Result<std::uint64_t> Reader::varint_at_most(std::uint64_t max) {
  SL_TRY(const std::uint64_t value, varint());
  if (value > max) {
    return Error(ErrorCode::malformed, "number " + std::to_string(value) +
                                           " exceeds its limit of " + std::to_string(max));
  }
  return value;
}

Result<Bytes> Reader::raw(std::size_t size) {
  if (remaining() < size) {
    return ended_early("a field");
  }
  const Bytes out = bytes_.subspan(position_, size);
  position_ += size;
  return out;
}

Result<Bytes> Reader::blob(std::size_t size_max) {
  SL_TRY(const std::uint64_t size, varint());
  if (size > size_max) {
    return Error(ErrorCode::too_large, "field of " + std::to_string(size) +
                                           " bytes exceeds its limit of " +
                                           std::to_string(size_max));
  }
  if (size > remaining()) {
    return ended_early("a field");
  }
  return raw(static_cast<std::size_t>(size));
}

Result<std::string_view> Reader::text(std::size_t size_max) {
  SL_TRY(const Bytes bytes, blob(size_max));
  return as_text(bytes);
}

Result<void> Reader::expect_end(std::string_view what) const {
  if (!at_end()) {
    return Error(ErrorCode::malformed,
                 std::to_string(remaining()) + " bytes left over after " + std::string(what));
  }
  return {};
}

std::string to_hex(Bytes bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  out.reserve(bytes.size() * 2);
  for (const std::uint8_t byte : bytes) {
    out.push_back(digits[byte >> 4U]);
    out.push_back(digits[byte & 15U]);
  }
  return out;
}

Result<ByteVector> from_hex(std::string_view text) {
  const auto digit = [](char c) -> int {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  if (text.size() % 2 != 0) {
    return Error(ErrorCode::malformed, "hexadecimal text of odd length");
  }
  ByteVector out;
  out.reserve(text.size() / 2);
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const int high = digit(text[i]);
    const int low = digit(text[i + 1]);
    if (high < 0 || low < 0) {
      return Error(ErrorCode::malformed, "not a hexadecimal digit");
    }
    out.push_back(static_cast<std::uint8_t>(high * 16 + low));
  }
  return out;
}

}  // namespace syncline
