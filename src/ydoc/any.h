#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "ydoc/lib0.h"

namespace syncline::ydoc {

// A plain JavaScript value, as lib0 writes it: what arrays and maps hold besides shared types, and
// what text marks and embeds are made of. Strings are UTF-8 (lone surrogates: see utf.h). Objects
// keep their order: whole-number keys ascending, then insertion order, as in JavaScript.
class Any {
 public:
  enum class Kind : std::uint8_t {
    undefined,
    null,
    boolean,
    number,
    bigint,
    string,
    bytes,
    array,
    object,
  };
  struct Undefined {
    friend bool operator==(Undefined, Undefined) { return true; }
  };
  struct Null {
    friend bool operator==(Null, Null) { return true; }
  };
  using Array = std::vector<Any>;
  using Object = std::vector<std::pair<std::string, Any>>;

  Any() = default;
  static Any null() { return Any(State(std::in_place_type<Null>)); }
  static Any boolean(bool value) { return Any(State(std::in_place_type<bool>, value)); }
  static Any number(double value) { return Any(State(std::in_place_type<double>, value)); }
  static Any bigint(std::int64_t value) {
    return Any(State(std::in_place_type<std::int64_t>, value));
  }
  static Any string(std::string value) {
    return Any(State(std::in_place_type<std::string>, std::move(value)));
  }
  static Any bytes(ByteVector value) {
    return Any(State(std::in_place_type<ByteVector>, std::move(value)));
  }
  static Any array(Array value) { return Any(State(std::in_place_type<Array>, std::move(value))); }
  // Brings the keys into JavaScript's order; of equal keys the last value wins.
  static Any object(Object value);

  Kind kind() const { return static_cast<Kind>(state_.index()); }
  bool is_null() const { return kind() == Kind::null; }
  bool is_undefined() const { return kind() == Kind::undefined; }
  bool as_boolean() const { return std::get<bool>(state_); }
  double as_number() const { return std::get<double>(state_); }
  std::int64_t as_bigint() const { return std::get<std::int64_t>(state_); }
  const std::string& as_string() const { return std::get<std::string>(state_); }
  const ByteVector& as_bytes() const { return std::get<ByteVector>(state_); }
  const Array& as_array() const { return std::get<Array>(state_); }
  const Object& as_object() const { return std::get<Object>(state_); }
  // The member of an object; null if there is none or this is no object.
  const Any* find(std::string_view key) const;

  // JavaScript's ===, with arrays, objects and bytes never the same unless they are one object.
  static bool same_primitive(const Any& a, const Any& b);
  // Equal all the way down, in any key order; NaN equals itself here.
  static bool deep_equal(const Any& a, const Any& b);

 private:
  using State = std::variant<Undefined, Null, bool, double, std::int64_t, std::string, ByteVector,
                             Array, Object>;
  explicit Any(State state) : state_(std::move(state)) {}

  State state_;
};

// The number a key stands for if JavaScript takes it for an array index; such keys come first in
// every object, by number.
std::optional<std::uint32_t> array_index(std::string_view key);

void write_any(Encoder& out, const Any& value);
// Fails the decoder on malformed bytes and beyond value_depth_max.
Any read_any(Decoder& in);

// What a value's bytes look like without building it.
enum class Scan : std::uint8_t {
  malformed,
  canonical,  // writing the decoded value gives these bytes again
  other,      // valid, but Yjs would write it differently
};
Scan scan_any(Decoder& in);

// JSON.stringify: no spaces, undefined members left out. The text of undefined itself is empty.
std::string to_json(const Any& value);
// JSON.parse. Malformed text is an Error, and so is nesting beyond value_depth_max.
Result<Any> from_json(std::string_view text);
// Whether to_json(from_json(text)) is `text`, without building the value in the common cases.
Scan scan_json(std::string_view text);
// A number as JavaScript prints it.
std::string number_to_text(double value);

}  // namespace syncline::ydoc
