#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace syncline {

// Text from SQLite may be any bytes, and text from JavaScript may hold half a surrogate pair.
// Three grades, from strict to loose:
//   UTF-8   valid by the standard;
//   WTF-8   UTF-8 that may also hold a lone surrogate as its three bytes (ED A0..BF xx), but never
//           a high one directly before a low one: that pair has its own four-byte form. Every
//           sequence of UTF-16 units has exactly one WTF-8 form, so the way there and back loses
//           nothing;
//   bytes   anything else; such text travels as a blob, never as a string.
bool is_utf8(std::string_view text);
bool is_wtf8(std::string_view text);
// How many bytes at the beginning need no more than seven bits.
std::size_t ascii_prefix(std::string_view text);
// True when no byte needs more than seven bits.
bool is_ascii(std::string_view text);

// One step through text of unknown origin.
struct CodePoint {
  char32_t value = 0;     // 0xFFFD where the bytes mean nothing
  std::size_t size = 0;   // bytes taken: 1 to 4; 1 where the bytes mean nothing
  bool is_valid = false;  // lone surrogates count as valid here: see is_surrogate()
};
// The code point at `at`, which must lie below text.size().
CodePoint code_point_at(std::string_view text, std::size_t at);

constexpr bool is_surrogate(char32_t value) { return value >= 0xD800 && value <= 0xDFFF; }
constexpr bool is_high_surrogate(char32_t value) { return value >= 0xD800 && value <= 0xDBFF; }
constexpr bool is_low_surrogate(char32_t value) { return value >= 0xDC00 && value <= 0xDFFF; }

// Appends one code point in one to four bytes; surrogates as three. Values above 0x10FFFF become
// U+FFFD.
void append_code_point(std::string& out, char32_t value);

// The text with every meaningless byte and every lone surrogate replaced by U+FFFD. It loses what
// it replaces: for messages to people only.
std::string to_valid_utf8(std::string_view text);

// Conversions for peers that count in UTF-16 units. Both keep lone surrogates, so WTF-8 there and
// back is the same bytes; the first fails for text that is not WTF-8.
Result<std::u16string> utf8_to_utf16(std::string_view text);
std::string utf16_to_utf8(std::u16string_view text);
// How many UTF-16 units the text has; a meaningless byte counts as one.
std::size_t utf16_length(std::string_view text);

// The shortest decimal text that reads back as exactly this double, and the nearest to it where
// there are several; the same bytes on every platform and in every locale. Always has a point or an
// exponent, so that it never reads back as an integer: 1.0, 0.1, -0.0, 1e+21, 5e-324. Infinities
// and NaN are inf, -inf and nan.
std::string format_double(double value);
// The same as JavaScript prints it (and RFC 8785 wants it): 1, 0.1, 0, 1e+21. Zero loses its sign.
// Infinities and NaN are null, as in JSON.stringify.
std::string format_js_number(double value);

// The double nearest to a decimal number written by JSON's grammar, ties to even; too large gives
// an infinity, too small a zero, both with their sign. Exact for any number of digits.
Result<double> parse_double(std::string_view text);

// Whether all of the text is one number by JSON's grammar.
bool is_json_number(std::string_view text);
// The value of an optional minus and digits; nothing when it is anything else or does not fit.
std::optional<std::int64_t> parse_int64(std::string_view text);

}  // namespace syncline
