#include "ydoc/any.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <unordered_map>

#include "base/sort.h"
#include "ydoc/limits.h"
#include "ydoc/utf.h"

namespace syncline::ydoc {

namespace {

enum Tag : std::uint8_t {
  tag_bytes = 116,
  tag_array = 117,
  tag_object = 118,
  tag_string = 119,
  tag_true = 120,
  tag_false = 121,
  tag_bigint = 122,
  tag_float64 = 123,
  tag_float32 = 124,
  tag_integer = 125,
  tag_null = 126,
  tag_undefined = 127,
};

constexpr double varint_magnitude_max = 2147483647.0;

bool is_varint_number(double value) {
  return std::fabs(value) <= varint_magnitude_max && std::trunc(value) == value;
}

bool is_float32(double value) {
  // Converting a double outside float's range is undefined, so the range is tested first. NaN is
  // not equal to itself and is written as a float64, as Yjs does.
  if (std::isinf(value)) {
    return true;
  }
  return std::fabs(value) <= 3.4028234663852886e38 &&
         static_cast<double>(static_cast<float>(value)) == value;
}

void write_big_endian(Encoder& out, std::uint64_t bits, unsigned bytes) {
  for (unsigned i = bytes; i > 0; --i) {
    out.u8(static_cast<std::uint8_t>(bits >> (8U * (i - 1U))));
  }
}

std::uint64_t read_big_endian(Decoder& in, std::size_t bytes) {
  std::uint64_t bits = 0;
  for (const std::uint8_t byte : in.raw(bytes)) {
    bits = (bits << 8U) | byte;
  }
  return bits;
}

double float_of(std::uint64_t bits) {
  const auto narrow = static_cast<std::uint32_t>(bits);
  float value = 0;
  std::memcpy(&value, &narrow, sizeof value);
  return static_cast<double>(value);
}

double double_of(std::uint64_t bits) {
  double value = 0;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

void write_number(Encoder& out, double value) {
  if (is_varint_number(value)) {
    out.u8(tag_integer);
    out.var_int(std::signbit(value) ? Encoder::Sign::minus : Encoder::Sign::plus,
                static_cast<std::uint64_t>(std::fabs(value)));
  } else if (is_float32(value)) {
    const auto narrow = static_cast<float>(value);
    std::uint32_t bits = 0;
    std::memcpy(&bits, &narrow, sizeof bits);
    out.u8(tag_float32);
    write_big_endian(out, bits, 4);
  } else {
    // There is one NaN on the wire; the bits of ours may differ between machines.
    std::uint64_t bits = 0x7ff8000000000000ULL;
    if (!std::isnan(value)) {
      std::memcpy(&bits, &value, sizeof bits);
    }
    out.u8(tag_float64);
    write_big_endian(out, bits, 8);
  }
}

void write_string(Encoder& out, std::string_view text) {
  if (utf16_length(as_bytes(text))) {
    out.string(text);
  } else {
    out.string(to_utf8(to_utf16(text)));
  }
}

Any read_value(Decoder& in, int depth);

Any read_array(Decoder& in, int depth) {
  const std::uint64_t count = in.var_uint();
  if (count > in.remaining()) {
    in.fail();
  }
  Any::Array out;
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    out.push_back(read_value(in, depth));
  }
  return Any::array(std::move(out));
}

Any read_object(Decoder& in, int depth) {
  const std::uint64_t count = in.var_uint();
  if (count > in.remaining()) {
    in.fail();
  }
  Any::Object out;
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    std::string key(in.string());
    out.emplace_back(std::move(key), read_value(in, depth));
  }
  return Any::object(std::move(out));
}

Any read_value(Decoder& in, int depth) {
  if (depth == 0) {
    in.fail();
    return {};
  }
  switch (in.u8()) {
    case tag_undefined:
      return {};
    case tag_null:
      return Any::null();
    case tag_integer: {
      const Decoder::Signed value = in.var_int();
      const auto magnitude = static_cast<double>(value.magnitude);
      return Any::number(value.negative ? -magnitude : magnitude);
    }
    case tag_float32:
      return Any::number(float_of(read_big_endian(in, 4)));
    case tag_float64:
      return Any::number(double_of(read_big_endian(in, 8)));
    case tag_bigint:
      return Any::bigint(static_cast<std::int64_t>(read_big_endian(in, 8)));
    case tag_false:
      return Any::boolean(false);
    case tag_true:
      return Any::boolean(true);
    case tag_string:
      return Any::string(std::string(in.string()));
    case tag_object:
      return read_object(in, depth - 1);
    case tag_array:
      return read_array(in, depth - 1);
    case tag_bytes:
      return Any::bytes(to_vector(in.blob()));
    default:
      in.fail();
      return {};
  }
}

bool scan_value(Decoder& in, int depth, bool& canonical);

void scan_object(Decoder& in, int depth, bool& canonical) {
  constexpr std::size_t compared_keys_max = 16;
  std::string_view seen[compared_keys_max];
  const std::uint64_t count = in.var_uint();
  canonical = canonical && count <= compared_keys_max;
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    const std::string_view key = in.string();
    if (canonical) {
      canonical = !array_index(key) && std::find(seen, seen + i, key) == seen + i;
      seen[i] = key;
    }
    scan_value(in, depth, canonical);
  }
}

void scan_integer(Decoder& in, bool& canonical) {
  const std::uint8_t* const begin = in.position();
  const Decoder::Signed value = in.var_int();
  const std::uint8_t* const end = in.position();
  const bool padded = in.ok() && end - begin > 1 && end[-1] == 0;
  canonical = canonical && !padded && static_cast<double>(value.magnitude) <= varint_magnitude_max;
}

bool scan_value(Decoder& in, int depth, bool& canonical) {
  if (depth == 0) {
    in.fail();
    return false;
  }
  switch (in.u8()) {
    case tag_undefined:
    case tag_null:
    case tag_false:
    case tag_true:
      break;
    case tag_integer:
      scan_integer(in, canonical);
      break;
    case tag_float32: {
      const double value = float_of(read_big_endian(in, 4));
      canonical = canonical && !is_varint_number(value) && !std::isnan(value);
      break;
    }
    case tag_float64: {
      const std::uint64_t bits = read_big_endian(in, 8);
      const double value = double_of(bits);
      canonical = canonical && !is_varint_number(value) && !is_float32(value) &&
                  (!std::isnan(value) || bits == 0x7ff8000000000000ULL);
      break;
    }
    case tag_bigint:
      in.raw(8);
      break;
    case tag_string:
      in.string();
      break;
    case tag_object:
      scan_object(in, depth - 1, canonical);
      break;
    case tag_array: {
      const std::uint64_t count = in.var_uint();
      for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
        scan_value(in, depth - 1, canonical);
      }
      break;
    }
    case tag_bytes:
      in.blob();
      break;
    default:
      in.fail();
  }
  return in.ok();
}

}  // namespace

std::optional<std::uint32_t> array_index(std::string_view key) {
  if (key.empty() || key.size() > 10 || (key[0] == '0' && key.size() > 1)) {
    return std::nullopt;
  }
  std::uint64_t value = 0;
  for (const char c : key) {
    if (c < '0' || c > '9') {
      return std::nullopt;
    }
    value = value * 10 + static_cast<std::uint64_t>(c - '0');
  }
  if (value > 0xfffffffeULL) {
    return std::nullopt;
  }
  return static_cast<std::uint32_t>(value);
}

Any Any::object(Object value) {
  if (value.size() > 1) {
    std::unordered_map<std::string_view, std::size_t> place;
    Object unique;
    unique.reserve(value.size());
    for (auto& [key, member] : value) {
      const auto [found, fresh] = place.try_emplace(key, unique.size());
      if (fresh) {
        unique.emplace_back(key, std::move(member));
      } else {
        unique[found->second].second = std::move(member);
      }
    }
    syncline::stable_sort(unique.begin(), unique.end(), [](const auto& a, const auto& b) {
      const auto left = array_index(a.first);
      const auto right = array_index(b.first);
      return left && (!right || *left < *right);
    });
    value = std::move(unique);
  }
  return Any(State(std::in_place_type<Object>, std::move(value)));
}

const Any* Any::find(std::string_view key) const {
  if (kind() != Kind::object) {
    return nullptr;
  }
  for (const auto& [name, member] : as_object()) {
    if (name == key) {
      return &member;
    }
  }
  return nullptr;
}

bool Any::same_primitive(const Any& a, const Any& b) {
  if (a.kind() != b.kind()) {
    return false;
  }
  switch (a.kind()) {
    case Kind::undefined:
    case Kind::null:
      return true;
    case Kind::boolean:
      return a.as_boolean() == b.as_boolean();
    case Kind::number:
      return a.as_number() == b.as_number();
    case Kind::bigint:
      return a.as_bigint() == b.as_bigint();
    case Kind::string:
      return a.as_string() == b.as_string();
    case Kind::bytes:
    case Kind::array:
    case Kind::object:
      return &a == &b;
  }
  return false;
}

bool Any::deep_equal(const Any& a, const Any& b) {
  if (a.kind() != b.kind()) {
    return false;
  }
  if (a.kind() == Kind::bytes) {
    return a.as_bytes() == b.as_bytes();
  }
  if (a.kind() == Kind::number && std::isnan(a.as_number())) {
    return std::isnan(b.as_number());
  }
  if (a.kind() == Kind::array) {
    return std::equal(a.as_array().begin(), a.as_array().end(), b.as_array().begin(),
                      b.as_array().end(), deep_equal);
  }
  if (a.kind() == Kind::object) {
    return a.as_object().size() == b.as_object().size() &&
           std::all_of(a.as_object().begin(), a.as_object().end(), [&b](const auto& member) {
             const Any* other = b.find(member.first);
             return other != nullptr && deep_equal(member.second, *other);
           });
  }
  return same_primitive(a, b);
}

void write_any(Encoder& out, const Any& value) {
  switch (value.kind()) {
    case Any::Kind::undefined:
      return out.u8(tag_undefined);
    case Any::Kind::null:
      return out.u8(tag_null);
    case Any::Kind::boolean:
      return out.u8(value.as_boolean() ? tag_true : tag_false);
    case Any::Kind::number:
      return write_number(out, value.as_number());
    case Any::Kind::bigint:
      out.u8(tag_bigint);
      return write_big_endian(out, static_cast<std::uint64_t>(value.as_bigint()), 8);
    case Any::Kind::string:
      out.u8(tag_string);
      return write_string(out, value.as_string());
    case Any::Kind::bytes:
      out.u8(tag_bytes);
      return out.blob(value.as_bytes());
    case Any::Kind::array:
      out.u8(tag_array);
      out.var_uint(value.as_array().size());
      for (const Any& element : value.as_array()) {
        write_any(out, element);
      }
      return;
    case Any::Kind::object:
      out.u8(tag_object);
      out.var_uint(value.as_object().size());
      for (const auto& [key, member] : value.as_object()) {
        write_string(out, key);
        write_any(out, member);
      }
      return;
  }
}

Any read_any(Decoder& in) { return read_value(in, value_depth_max); }

Scan scan_any(Decoder& in) {
  bool canonical = true;
  if (!scan_value(in, value_depth_max, canonical)) {
    return Scan::malformed;
  }
  return canonical ? Scan::canonical : Scan::other;
}

}  // namespace syncline::ydoc
