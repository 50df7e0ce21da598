#include "base/text.h"

#include <charconv>
#include <cmath>
#include <cstring>

#include "base/decimal.h"

namespace syncline {
namespace {

constexpr char32_t replacement = 0xFFFD;

std::uint8_t byte_at(std::string_view text, std::size_t at) {
  return static_cast<std::uint8_t>(text[at]);
}

// How many bytes a sequence with this first byte has; 0 when none can start with it.
std::size_t sequence_size(std::uint8_t first) {
  if (first < 0x80) return 1;
  if (first < 0xC2) return 0;  // a continuation byte, or a two-byte form of ASCII
  if (first < 0xE0) return 2;
  if (first < 0xF0) return 3;
  if (first < 0xF5) return 4;
  return 0;
}

// Digits with the point where JavaScript puts it.
void append_decimal(std::string& out, const Decimal& decimal) {
  const std::string& digits = decimal.digits;
  const auto count = static_cast<std::int64_t>(digits.size());
  const std::int64_t point = decimal.exponent;
  if (point > 21 || point <= -6) {
    out.push_back(digits.front());
    if (count > 1) {
      out.push_back('.');
      out.append(digits, 1);
    }
    out.append(point > 0 ? "e+" : "e-");
    out.append(std::to_string(point > 0 ? point - 1 : 1 - point));
  } else if (point <= 0) {
    out.append("0.");
    out.append(static_cast<std::size_t>(-point), '0');
    out.append(digits);
  } else if (point >= count) {
    out.append(digits);
    out.append(static_cast<std::size_t>(point - count), '0');
  } else {
    out.append(digits, 0, static_cast<std::size_t>(point));
    out.push_back('.');
    out.append(digits, static_cast<std::size_t>(point));
  }
}

// A number by JSON's grammar, in its parts; `is_number` is false for anything else.
struct NumberParts {
  bool is_number = false;
  bool is_negative = false;
  std::string_view whole;
  std::string_view fraction;
  std::string_view exponent;  // with its sign
};

std::string_view take_digits(std::string_view& text) {
  std::size_t count = 0;
  while (count < text.size() && text[count] >= '0' && text[count] <= '9') {
    ++count;
  }
  const std::string_view digits = text.substr(0, count);
  text.remove_prefix(count);
  return digits;
}

NumberParts split_number(std::string_view text) {
  NumberParts parts;
  if (text.starts_with('-')) {
    parts.is_negative = true;
    text.remove_prefix(1);
  }
  parts.whole = take_digits(text);
  if (parts.whole.empty() || (parts.whole.size() > 1 && parts.whole.front() == '0')) {
    return parts;
  }
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    parts.fraction = take_digits(text);
    if (parts.fraction.empty()) {
      return parts;
    }
  }
  if (text.starts_with('e') || text.starts_with('E')) {
    text.remove_prefix(1);
    const std::string_view from_sign = text;
    if (text.starts_with('+') || text.starts_with('-')) {
      text.remove_prefix(1);
    }
    const std::string_view digits = take_digits(text);
    if (digits.empty()) {
      return parts;
    }
    parts.exponent = from_sign.substr(0, from_sign.size() - text.size());
  }
  parts.is_number = text.empty();
  return parts;
}

// An exponent of any length, held within a range far beyond what any text of digits can undo.
std::int64_t exponent_value(std::string_view text) {
  constexpr std::int64_t limit = std::int64_t{1} << 60U;
  const bool is_negative = text.starts_with('-');
  if (is_negative || text.starts_with('+')) {
    text.remove_prefix(1);
  }
  std::int64_t value = 0;
  for (const char digit : text) {
    value = value * 10 + (digit - '0');
    if (value > limit / 10) {
      value = limit / 10;
      break;
    }
  }
  return is_negative ? -value : value;
}

}  // namespace

std::size_t ascii_prefix(std::string_view text) {
  std::size_t i = 0;
  for (; i + 8 <= text.size(); i += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data() + i, 8);
    if ((word & 0x8080808080808080ULL) != 0) {
      break;
    }
  }
  while (i < text.size() && byte_at(text, i) < 0x80) {
    ++i;
  }
  return i;
}

CodePoint code_point_at(std::string_view text, std::size_t at) {
  const CodePoint meaningless{replacement, 1, false};
  const std::uint8_t first = byte_at(text, at);
  const std::size_t size = sequence_size(first);
  if (size == 1) {
    return {first, 1, true};
  }
  if (size == 0 || text.size() - at < size) {
    return meaningless;
  }
  char32_t value = first & (0xFFU >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) {
    const std::uint8_t next = byte_at(text, at + i);
    if ((next & 0xC0U) != 0x80U) {
      return meaningless;
    }
    value = (value << 6U) | (next & 0x3FU);
  }
  const bool overlong = (size == 3 && value < 0x800) || (size == 4 && value < 0x10000);
  if (overlong || value > 0x10FFFF) {
    return meaningless;
  }
  return {value, size, true};
}

bool is_ascii(std::string_view text) { return ascii_prefix(text) == text.size(); }

bool is_utf8(std::string_view text) {
  std::size_t at = 0;
  while (at < text.size()) {
    if (byte_at(text, at) < 0x80) {
      at += ascii_prefix(text.substr(at));
      continue;
    }
    const CodePoint point = code_point_at(text, at);
    if (!point.is_valid || is_surrogate(point.value)) {
      return false;
    }
    at += point.size;
  }
  return true;
}

bool is_wtf8(std::string_view text) {
  bool after_high = false;
  std::size_t at = 0;
  while (at < text.size()) {
    const CodePoint point = code_point_at(text, at);
    if (!point.is_valid || (after_high && is_low_surrogate(point.value))) {
      return false;
    }
    after_high = is_high_surrogate(point.value);
    at += point.size;
  }
  return true;
}

void append_code_point(std::string& out, char32_t value) {
  if (value > 0x10FFFF) {
    value = replacement;
  }
  if (value < 0x80) {
    out.push_back(static_cast<char>(value));
    return;
  }
  const unsigned extra = value < 0x800 ? 1 : (value < 0x10000 ? 2 : 3);
  static constexpr unsigned first_marks[] = {0, 0xC0, 0xE0, 0xF0};
  out.push_back(static_cast<char>(first_marks[extra] | (value >> (6 * extra))));
  for (unsigned i = extra; i-- > 0;) {
    out.push_back(static_cast<char>(0x80U | ((value >> (6 * i)) & 0x3FU)));
  }
}

std::string to_valid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t plain = ascii_prefix(text.substr(at));
    out.append(text, at, plain);
    at += plain;
    if (at == text.size()) {
      break;
    }
    const CodePoint point = code_point_at(text, at);
    append_code_point(out, is_surrogate(point.value) ? replacement : point.value);
    at += point.size;
  }
  return out;
}

Result<std::u16string> utf8_to_utf16(std::string_view text) {
  std::u16string out;
  out.reserve(text.size());
  bool after_high = false;
  std::size_t at = 0;
  while (at < text.size()) {
    if (byte_at(text, at) < 0x80) {
      const std::string_view plain = text.substr(at, ascii_prefix(text.substr(at)));
      out.append(plain.begin(), plain.end());
      at += plain.size();
      after_high = false;
      continue;
    }
    const CodePoint point = code_point_at(text, at);
    if (!point.is_valid || (after_high && is_low_surrogate(point.value))) {
      return Error(ErrorCode::malformed, "text is not valid UTF-8 at byte " + std::to_string(at));
    }
    after_high = is_high_surrogate(point.value);
    if (point.value < 0x10000) {
      out.push_back(static_cast<char16_t>(point.value));
    } else {
      const char32_t offset = point.value - 0x10000;
      out.push_back(static_cast<char16_t>(0xD800 + (offset >> 10U)));
      out.push_back(static_cast<char16_t>(0xDC00 + (offset & 0x3FFU)));
    }
    at += point.size;
  }
  return out;
}

std::string utf16_to_utf8(std::u16string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char32_t unit = text[i];
    if (is_high_surrogate(unit) && i + 1 < text.size() && is_low_surrogate(text[i + 1])) {
      append_code_point(out, 0x10000 + ((unit - 0xD800) << 10U) + (text[i + 1] - 0xDC00U));
      ++i;
    } else {
      append_code_point(out, unit);
    }
  }
  return out;
}

std::size_t utf16_length(std::string_view text) {
  std::size_t units = 0;
  std::size_t at = 0;
  while (at < text.size()) {
    if (byte_at(text, at) < 0x80) {
      const std::size_t plain = ascii_prefix(text.substr(at));
      units += plain;
      at += plain;
      continue;
    }
    const CodePoint point = code_point_at(text, at);
    units += point.value >= 0x10000 ? 2 : 1;
    at += point.size;
  }
  return units;
}

std::string format_js_number(double value) {
  if (!std::isfinite(value)) {
    return "null";
  }
  if (value == 0) {
    return "0";
  }
  std::string out;
  if (value < 0) {
    out.push_back('-');
  }
  append_decimal(out, shortest_decimal(std::fabs(value)));
  return out;
}

std::string format_double(double value) {
  if (std::isnan(value)) {
    return "nan";
  }
  if (std::isinf(value)) {
    return value < 0 ? "-inf" : "inf";
  }
  if (value == 0) {
    return std::signbit(value) ? "-0.0" : "0.0";
  }
  std::string out = format_js_number(value);
  if (out.find_first_of(".e") == std::string::npos) {
    out.append(".0");
  }
  return out;
}

bool is_json_number(std::string_view text) { return split_number(text).is_number; }

Result<double> parse_double(std::string_view text) {
  const NumberParts parts = split_number(text);
  if (!parts.is_number) {
    return Error(ErrorCode::malformed, "not a decimal number");
  }
  Decimal decimal;
  decimal.digits.reserve(parts.whole.size() + parts.fraction.size());
  decimal.digits.append(parts.whole);
  decimal.digits.append(parts.fraction);
  decimal.exponent = static_cast<std::int64_t>(parts.whole.size()) + exponent_value(parts.exponent);
  const double value = nearest_double(decimal);
  return parts.is_negative ? -value : value;
}

std::optional<std::int64_t> parse_int64(std::string_view text) {
  std::int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end) {
    return std::nullopt;
  }
  return value;
}

}  // namespace syncline
