#include "apps/syncline/terminal.h"

#include <cstdint>

#include "base/text.h"

namespace syncline::cli {
namespace {

std::string hex_of(std::uint32_t code, std::size_t digits_min) {
  constexpr const char* digits = "0123456789abcdef";
  std::string out;
  for (; code != 0 || out.size() < digits_min; code >>= 4U) {
    out.insert(out.begin(), digits[code & 15U]);
  }
  return out;
}

// C0, DEL, C1, and what orders text anew or breaks lines.
bool is_dangerous(std::uint32_t code) {
  return code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x061c || code == 0x200e ||
         code == 0x200f || (code >= 0x2028 && code <= 0x202e) ||
         (code >= 0x2066 && code <= 0x2069) || code == 0xfeff;
}

// One character of text that is valid UTF-8, and how many bytes it takes.
std::uint32_t decode(std::string_view text, std::size_t at, std::size_t& size) {
  const auto byte = [&](std::size_t i) {
    return static_cast<std::uint32_t>(static_cast<unsigned char>(text[at + i]));
  };
  const std::uint32_t first = byte(0);
  size = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  std::uint32_t code = size == 1 ? first : first & (0x7fU >> size);
  for (std::size_t i = 1; i < size; ++i) {
    code = (code << 6U) | (byte(i) & 0x3fU);
  }
  return code;
}

template <typename Escape>
std::string escaped(std::string_view given, const Escape& escape) {
  const std::string text = to_valid_utf8(given);
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t size = 0;
    const std::uint32_t code = decode(text, at, size);
    if (is_dangerous(code)) {
      out += escape(code);
    } else {
      out.append(text, at, size);
    }
    at += size;
  }
  return out;
}

}  // namespace

std::string shown_text(std::string_view text) {
  return escaped(text, [](std::uint32_t code) {
    if (code == '\n') {
      return std::string("\\n");
    }
    if (code == '\t') {
      return std::string("\\t");
    }
    return code < 0x80 ? "\\x" + hex_of(code, 2) : "\\u{" + hex_of(code, 1) + "}";
  });
}

std::string shown_json(std::string_view json) {
  return escaped(json, [](std::uint32_t code) { return "\\u" + hex_of(code, 4); });
}

}  // namespace syncline::cli
