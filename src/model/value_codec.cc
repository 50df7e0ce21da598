#include "model/value_codec.h"

#include <array>

namespace syncline {
namespace {

// Tags. Short texts and small integers, the bulk of real rows, have their size or value in the tag.
constexpr std::uint8_t tag_null = 0x00;
constexpr std::uint8_t tag_integer = 0x01;
constexpr std::uint8_t tag_real = 0x02;
constexpr std::uint8_t tag_text = 0x03;
constexpr std::uint8_t tag_blob = 0x04;
constexpr std::uint8_t tag_uuid = 0x05;
constexpr std::uint8_t tag_small_integer = 0x40;
constexpr std::uint8_t tag_short_text = 0x80;
constexpr std::int64_t small_integers = 0x40;
constexpr std::size_t short_texts = 0x80;
constexpr std::size_t uuid_text_bytes = 36;

constexpr std::array<std::int8_t, 256> make_hex_digits() {
  std::array<std::int8_t, 256> digits{};
  for (auto& digit : digits) {
    digit = -1;
  }
  for (std::size_t i = 0; i < 10; ++i) {
    digits['0' + i] = static_cast<std::int8_t>(i);
  }
  for (std::size_t i = 0; i < 6; ++i) {
    digits['a' + i] = static_cast<std::int8_t>(10 + i);
  }
  return digits;
}
constexpr std::array<std::int8_t, 256> hex_digits = make_hex_digits();

constexpr bool is_dash_position(std::size_t i) { return i == 8 || i == 13 || i == 18 || i == 23; }

// Lower case with dashes only: anything else must come back as it was, so it travels as text.
bool parse_uuid(Bytes text, std::array<std::uint8_t, 16>& out) {
  if (text.size() != uuid_text_bytes || text[8] != '-') {
    return false;
  }
  std::size_t count = 0;
  for (std::size_t i = 0; i < uuid_text_bytes;) {
    if (is_dash_position(i)) {
      if (text[i] != '-') {
        return false;
      }
      ++i;
      continue;
    }
    const int high = hex_digits[text[i]];
    const int low = hex_digits[text[i + 1]];
    if (high < 0 || low < 0) {
      return false;
    }
    out[count++] = static_cast<std::uint8_t>(high * 16 + low);
    i += 2;
  }
  return true;
}

void format_uuid(Bytes raw, char* out) {
  static constexpr char digits[] = "0123456789abcdef";
  std::size_t at = 0;
  for (std::size_t i = 0; i < 16; ++i) {
    if (is_dash_position(at)) {
      out[at++] = '-';
    }
    out[at++] = digits[raw[i] >> 4U];
    out[at++] = digits[raw[i] & 15U];
  }
}

void write_text(Writer& out, Bytes text) {
  if (text.size() == uuid_text_bytes) {
    std::array<std::uint8_t, 16> uuid{};
    if (parse_uuid(text, uuid)) {
      out.u8(tag_uuid);
      out.raw(uuid);
      return;
    }
  }
  if (text.size() < short_texts) {
    out.u8(static_cast<std::uint8_t>(tag_short_text + text.size()));
    out.raw(text);
    return;
  }
  out.u8(tag_text);
  out.blob(text);
}

Error two_encodings() {
  return Error(ErrorCode::malformed, "a value is not in its shortest encoding");
}

}  // namespace

void write_value(Writer& out, const ValueView& value) {
  switch (value.type) {
    case ValueType::null:
      out.u8(tag_null);
      return;
    case ValueType::integer:
      if (value.integer >= 0 && value.integer < small_integers) {
        out.u8(static_cast<std::uint8_t>(tag_small_integer + value.integer));
        return;
      }
      out.u8(tag_integer);
      out.signed_varint(value.integer);
      return;
    case ValueType::real:
      out.u8(tag_real);
      out.f64(value.real);
      return;
    case ValueType::text:
      write_text(out, value.data);
      return;
    case ValueType::blob:
      out.u8(tag_blob);
      out.blob(value.data);
      return;
  }
}

Result<void> DecodedValue::read(Reader& in) {
  SL_TRY(const std::uint8_t tag, in.u8());
  if (tag >= tag_short_text) {
    SL_TRY(const Bytes text, in.raw(tag - tag_short_text));
    if (text.size() == uuid_text_bytes) {
      std::array<std::uint8_t, 16> uuid{};
      if (parse_uuid(text, uuid)) {
        return two_encodings();
      }
    }
    view_ = {ValueType::text, 0, 0, text};
    return {};
  }
  if (tag >= tag_small_integer) {
    view_ = ValueView::of(std::int64_t{tag} - tag_small_integer);
    return {};
  }
  switch (tag) {
    case tag_null:
      view_ = ValueView::null();
      return {};
    case tag_integer: {
      SL_TRY(const std::int64_t integer, in.signed_varint());
      if (integer >= 0 && integer < small_integers) {
        return two_encodings();
      }
      view_ = ValueView::of(integer);
      return {};
    }
    case tag_real: {
      SL_TRY(const double real, in.f64());
      view_ = ValueView::of(real);
      return {};
    }
    case tag_text: {
      SL_TRY(const Bytes text, in.blob());
      if (text.size() < short_texts) {
        return two_encodings();
      }
      view_ = {ValueType::text, 0, 0, text};
      return {};
    }
    case tag_blob: {
      SL_TRY(const Bytes blob, in.blob());
      view_ = ValueView::blob(blob);
      return {};
    }
    case tag_uuid: {
      SL_TRY(const Bytes raw, in.raw(16));
      format_uuid(raw, uuid_text_);
      view_ = ValueView::of(std::string_view(uuid_text_, uuid_text_bytes));
      return {};
    }
    default:
      return Error(ErrorCode::malformed, "unknown value tag " + std::to_string(tag));
  }
}

Result<void> skip_value(Reader& in) {
  DecodedValue value;
  return value.read(in);
}

Result<std::size_t> count_key_values(Bytes key) {
  Reader in(key);
  std::size_t count = 0;
  while (!in.at_end()) {
    SL_TRY(skip_value(in));
    ++count;
  }
  return count;
}

RowKey make_key(std::span<const ValueView> values) {
  Writer out;
  for (const ValueView& value : values) {
    write_value(out, value);
  }
  return RowKey{out.take()};
}

Result<std::vector<Value>> key_values(Bytes key, std::size_t count_max) {
  std::vector<Value> out;
  Reader in(key);
  DecodedValue value;
  while (!in.at_end()) {
    if (out.size() == count_max) {
      return Error(ErrorCode::malformed, "a key has too many values");
    }
    SL_TRY(value.read(in));
    out.emplace_back(value.view());
  }
  return out;
}

}  // namespace syncline
