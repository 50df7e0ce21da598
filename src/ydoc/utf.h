#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

// Between the wire's UTF-8 and the UTF-16 in which Yjs counts. A lone surrogate cannot be written
// as UTF-8 and becomes U+FFFD there; inside values we keep it as three bytes (as WTF-8 does), so
// that JSON text which had it escaped gets it back.

namespace syncline::ydoc {

inline constexpr char16_t replacement_unit = 0xfffd;

constexpr bool is_high_surrogate(char16_t unit) { return (unit & 0xfc00U) == 0xd800U; }
constexpr bool is_low_surrogate(char16_t unit) { return (unit & 0xfc00U) == 0xdc00U; }

// How many UTF-16 units the bytes make; nothing if they are not well-formed UTF-8.
std::optional<std::size_t> utf16_length(Bytes utf8);

// Writes well-formed UTF-8 as UTF-16 to `out`, which has room for utf16_length() units.
void utf8_to_utf16(Bytes utf8, char16_t* out);
// Accepts lone surrogates as three bytes; anything else that is malformed becomes U+FFFD.
std::u16string to_utf16(std::string_view text);

std::size_t utf8_length(std::u16string_view text);
// Writes utf8_length() bytes; lone surrogates become U+FFFD.
void utf16_to_utf8(std::u16string_view text, std::uint8_t* out);
std::string to_utf8(std::u16string_view text);
// As to_utf8(), but keeps lone surrogates as three bytes each.
std::string to_wtf8(std::u16string_view text);

void append_code_point(std::string& out, std::uint32_t code_point);

}  // namespace syncline::ydoc
