#include "base/base64.h"

#include <array>

namespace syncline {
namespace {

constexpr std::string_view base64_letters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view base64url_letters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::uint8_t no_letter = 0xFF;

constexpr std::array<std::uint8_t, 256> invert(std::string_view letters) {
  std::array<std::uint8_t, 256> out{};
  for (std::uint8_t& value : out) {
    value = no_letter;
  }
  for (std::size_t i = 0; i < letters.size(); ++i) {
    out[static_cast<std::uint8_t>(letters[i])] = static_cast<std::uint8_t>(i);
  }
  return out;
}

constexpr std::array<std::uint8_t, 256> base64_values = invert(base64_letters);
constexpr std::array<std::uint8_t, 256> base64url_values = invert(base64url_letters);

std::string encode(Bytes bytes, std::string_view letters) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    const std::size_t count = bytes.size() - at < 3 ? bytes.size() - at : 3;
    std::uint32_t group = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      group = (group << 8U) | (i < count ? bytes[at + i] : 0U);
    }
    for (unsigned i = 0; i <= count; ++i) {
      out.push_back(letters[(group >> (18 - 6 * i)) & 63U]);
    }
  }
  return out;
}

Result<ByteVector> decode(std::string_view text, const std::array<std::uint8_t, 256>& values) {
  if (text.size() % 4 == 1) {
    return Error(ErrorCode::malformed, "base64 text has an impossible length");
  }
  ByteVector out;
  out.reserve(text.size() / 4 * 3 + 2);
  std::uint32_t group = 0;
  unsigned bits = 0;
  for (const char c : text) {
    const std::uint8_t value = values[static_cast<std::uint8_t>(c)];
    if (value == no_letter) {
      return Error(ErrorCode::malformed, "not a base64 character");
    }
    group = (group << 6U) | value;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out.push_back(static_cast<std::uint8_t>(group >> bits));
      group &= (1U << bits) - 1;
    }
  }
  if (group != 0) {
    return Error(ErrorCode::malformed, "base64 text has bits left over");
  }
  return out;
}

}  // namespace

std::string to_base64(Bytes bytes) {
  std::string out = encode(bytes, base64_letters);
  out.append((4 - out.size() % 4) % 4, '=');
  return out;
}

std::string to_base64url(Bytes bytes) { return encode(bytes, base64url_letters); }

Result<ByteVector> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) {
    return Error(ErrorCode::malformed, "base64 text is not padded");
  }
  if (text.ends_with("==")) {
    text.remove_suffix(2);
  } else if (text.ends_with('=')) {
    text.remove_suffix(1);
  }
  return decode(text, base64_values);
}

Result<ByteVector> from_base64url(std::string_view text) { return decode(text, base64url_values); }

}  // namespace syncline
