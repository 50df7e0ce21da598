#include "ydoc/utf.h"

#include <cstring>

namespace syncline::ydoc {

namespace {

// The length of a run of ASCII at the start, eight bytes at a time.
std::size_t ascii_prefix(const std::uint8_t* at, std::size_t size) {
  std::size_t i = 0;
  while (i + 8 <= size) {
    std::uint64_t word = 0;
    std::memcpy(&word, at + i, 8);
    if ((word & 0x8080808080808080ULL) != 0) {
      break;
    }
    i += 8;
  }
  while (i < size && at[i] < 0x80U) {
    ++i;
  }
  return i;
}

// The same for UTF-16, four units at a time.
std::size_t ascii_prefix(std::u16string_view text) {
  std::size_t i = 0;
  while (i + 4 <= text.size()) {
    std::uint64_t word = 0;
    std::memcpy(&word, text.data() + i, 8);
    if ((word & 0xff80ff80ff80ff80ULL) != 0) {
      break;
    }
    i += 4;
  }
  while (i < text.size() && text[i] < 0x80U) {
    ++i;
  }
  return i;
}

struct Scalar {
  std::uint32_t code_point = 0;
  std::size_t size = 0;  // zero: malformed
};

enum class Surrogates { refused, kept };

constexpr bool is_continuation(std::uint8_t byte) { return (byte & 0xc0U) == 0x80U; }

// One multi-byte sequence; refuses overlong forms and values above U+10FFFF.
Scalar read_multibyte(const std::uint8_t* at, std::size_t size, Surrogates surrogates) {
  const std::uint32_t lead = at[0];
  if (lead >= 0xc2U && lead < 0xe0U) {
    if (size < 2 || !is_continuation(at[1])) {
      return {};
    }
    return {((lead & 0x1fU) << 6U) | (at[1] & 0x3fU), 2};
  }
  if ((lead & 0xf0U) == 0xe0U) {
    if (size < 3 || !is_continuation(at[1]) || !is_continuation(at[2])) {
      return {};
    }
    const std::uint32_t value = ((lead & 0x0fU) << 12U) | ((at[1] & 0x3fU) << 6U) | (at[2] & 0x3fU);
    const bool surrogate = value >= 0xd800U && value <= 0xdfffU;
    if (value < 0x800U || (surrogate && surrogates == Surrogates::refused)) {
      return {};
    }
    return {value, 3};
  }
  if (lead >= 0xf0U && lead <= 0xf4U) {
    if (size < 4 || !is_continuation(at[1]) || !is_continuation(at[2]) || !is_continuation(at[3])) {
      return {};
    }
    const std::uint32_t value = ((lead & 0x07U) << 18U) | ((at[1] & 0x3fU) << 12U) |
                                ((at[2] & 0x3fU) << 6U) | (at[3] & 0x3fU);
    if (value < 0x10000U || value > 0x10ffffU) {
      return {};
    }
    return {value, 4};
  }
  return {};
}

char16_t* put_utf16(char16_t* out, std::uint32_t code_point) {
  if (code_point < 0x10000U) {
    *out++ = static_cast<char16_t>(code_point);
  } else {
    *out++ = static_cast<char16_t>(0xd800U + ((code_point - 0x10000U) >> 10U));
    *out++ = static_cast<char16_t>(0xdc00U + ((code_point - 0x10000U) & 0x3ffU));
  }
  return out;
}

std::uint32_t take_scalar(std::u16string_view text, std::size_t& i) {
  const char16_t unit = text[i++];
  if (is_high_surrogate(unit) && i < text.size() && is_low_surrogate(text[i])) {
    return 0x10000U + ((static_cast<std::uint32_t>(unit) & 0x3ffU) << 10U) +
           (static_cast<std::uint32_t>(text[i++]) & 0x3ffU);
  }
  return unit;
}

}  // namespace

std::optional<std::size_t> utf16_length(Bytes utf8) {
  std::size_t units = 0;
  std::size_t i = 0;
  while (i < utf8.size()) {
    const std::size_t plain = ascii_prefix(utf8.data() + i, utf8.size() - i);
    units += plain;
    i += plain;
    if (i == utf8.size()) {
      break;
    }
    const Scalar scalar = read_multibyte(utf8.data() + i, utf8.size() - i, Surrogates::refused);
    if (scalar.size == 0) {
      return std::nullopt;
    }
    units += scalar.size == 4 ? 2 : 1;
    i += scalar.size;
  }
  return units;
}

void utf8_to_utf16(Bytes utf8, char16_t* out) {
  std::size_t i = 0;
  while (i < utf8.size()) {
    if (utf8[i] < 0x80U) {
      const std::size_t plain = ascii_prefix(utf8.data() + i, utf8.size() - i);
      for (std::size_t k = 0; k < plain; ++k) {
        out[k] = utf8[i + k];
      }
      out += plain;
      i += plain;
      continue;
    }
    const Scalar scalar = read_multibyte(utf8.data() + i, utf8.size() - i, Surrogates::refused);
    out = put_utf16(out, scalar.size == 0 ? replacement_unit : scalar.code_point);
    i += scalar.size == 0 ? 1 : scalar.size;
  }
}

std::u16string to_utf16(std::string_view text) {
  const Bytes bytes = as_bytes(text);
  std::u16string out;
  out.reserve(bytes.size());
  std::size_t i = 0;
  while (i < bytes.size()) {
    if (bytes[i] < 0x80U) {
      const std::size_t plain = ascii_prefix(bytes.data() + i, bytes.size() - i);
      out.append(bytes.data() + i, bytes.data() + i + plain);
      i += plain;
      continue;
    }
    const Scalar scalar = read_multibyte(bytes.data() + i, bytes.size() - i, Surrogates::kept);
    char16_t units[2];
    const char16_t* end = put_utf16(units, scalar.size == 0 ? replacement_unit : scalar.code_point);
    out.append(units, static_cast<std::size_t>(end - units));
    i += scalar.size == 0 ? 1 : scalar.size;
  }
  return out;
}

std::size_t utf8_length(std::u16string_view text) {
  std::size_t size = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char16_t unit = text[i];
    if (unit < 0x80U) {
      const std::size_t plain = ascii_prefix(text.substr(i));
      size += plain;
      i += plain - 1;
    } else if (unit < 0x800U) {
      size += 2;
    } else if (is_high_surrogate(unit) && i + 1 < text.size() && is_low_surrogate(text[i + 1])) {
      size += 4;
      ++i;
    } else {
      size += 3;
    }
  }
  return size;
}

void utf16_to_utf8(std::u16string_view text, std::uint8_t* out) {
  for (std::size_t i = 0; i < text.size();) {
    if (text[i] < 0x80U) {
      const std::size_t end = i + ascii_prefix(text.substr(i));
      for (; i < end; ++i) {
        *out++ = static_cast<std::uint8_t>(text[i]);
      }
      continue;
    }
    std::uint32_t c = take_scalar(text, i);
    if (c >= 0xd800U && c <= 0xdfffU) {
      c = replacement_unit;
    }
    if (c < 0x800U) {
      *out++ = static_cast<std::uint8_t>(0xc0U | (c >> 6U));
    } else if (c < 0x10000U) {
      *out++ = static_cast<std::uint8_t>(0xe0U | (c >> 12U));
      *out++ = static_cast<std::uint8_t>(0x80U | ((c >> 6U) & 0x3fU));
    } else {
      *out++ = static_cast<std::uint8_t>(0xf0U | (c >> 18U));
      *out++ = static_cast<std::uint8_t>(0x80U | ((c >> 12U) & 0x3fU));
      *out++ = static_cast<std::uint8_t>(0x80U | ((c >> 6U) & 0x3fU));
    }
    *out++ = static_cast<std::uint8_t>(0x80U | (c & 0x3fU));
  }
}

std::string to_utf8(std::u16string_view text) {
  std::string out(utf8_length(text), '\0');
  utf16_to_utf8(text, reinterpret_cast<std::uint8_t*>(out.data()));
  return out;
}

std::string to_wtf8(std::u16string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    append_code_point(out, take_scalar(text, i));
  }
  return out;
}

void append_code_point(std::string& out, std::uint32_t c) {
  const auto put = [&out](std::uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (c < 0x80U) {
    put(c);
    return;
  }
  if (c < 0x800U) {
    put(0xc0U | (c >> 6U));
  } else if (c < 0x10000U) {
    put(0xe0U | (c >> 12U));
    put(0x80U | ((c >> 6U) & 0x3fU));
  } else {
    put(0xf0U | (c >> 18U));
    put(0x80U | ((c >> 12U) & 0x3fU));
    put(0x80U | ((c >> 6U) & 0x3fU));
  }
  put(0x80U | (c & 0x3fU));
}

}  // namespace syncline::ydoc
