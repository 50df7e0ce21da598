#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"

namespace syncline {

// Bounds on JSON from outside. Depth counts nested arrays and objects; values count every null,
// boolean, number, string, array and object.
struct JsonLimits {
  std::size_t bytes_max = std::size_t{64} << 20U;
  std::size_t depth_max = 100;
  std::size_t values_max = std::size_t{4} << 20U;
};
// No limit above this is honoured: reading, writing and freeing recurse.
inline constexpr std::size_t json_depth_max = 500;

// A JSON value that owns all it holds and keeps what it was given: numbers as their text (1, 1.0
// and 1e0 stay apart, and no digit is lost), members in their order, strings as WTF-8 (see
// base/text.h), so that an escaped lone surrogate goes out as it came in.
class Json {
 public:
  struct Member;
  using Array = std::vector<Json>;
  using Object = std::vector<Member>;
  enum class Kind { null, boolean, number, string, array, object };

  Json() = default;
  explicit Json(bool value);
  explicit Json(std::string value);
  explicit Json(std::string_view value);
  // Without it a literal would become a bool.
  explicit Json(const char* value);
  explicit Json(Array items);
  explicit Json(Object members);
  static Json integer(std::int64_t value);
  // Shortest form with a point or an exponent; null for infinities and NaN, which JSON lacks.
  static Json real(double value);
  // Fails unless `text` is a number by JSON's grammar.
  static Result<Json> number(std::string_view text);

  Kind kind() const;
  bool is_null() const { return kind() == Kind::null; }
  bool is_number() const { return kind() == Kind::number; }

  // Each is null or empty when the value is of another kind.
  const bool* boolean() const { return std::get_if<bool>(&value_); }
  const std::string* string() const { return std::get_if<std::string>(&value_); }
  const std::string* number_text() const;
  const Array* array() const { return std::get_if<Array>(&value_); }
  Array* array() { return std::get_if<Array>(&value_); }
  const Object* object() const { return std::get_if<Object>(&value_); }
  Object* object() { return std::get_if<Object>(&value_); }
  // Only for a number written without point and exponent that fits.
  std::optional<std::int64_t> as_int64() const;
  // The nearest double; only for numbers.
  std::optional<double> as_double() const;

  // The member of that name; null when there is none or this is no object.
  const Json* find(std::string_view name) const;
  Json* find(std::string_view name);
  // Sets a member, in its place if the name exists and at the end if not. A value that is no object
  // becomes one first.
  void set(std::string_view name, Json value);

  // Same kind, text, order and all.
  friend bool operator==(const Json& a, const Json& b);

 private:
  struct Number {
    std::string text;
    friend bool operator==(const Number&, const Number&) = default;
  };
  std::variant<std::monostate, bool, Number, std::string, Array, Object> value_;
};

struct Json::Member {
  std::string name;
  Json value;
  friend bool operator==(const Member&, const Member&) = default;
};

// Reads one value and nothing after it but white space. Strict RFC 8259, and on top of that: no
// invalid UTF-8, no name twice in one object. Errors are malformed or too_large and name the byte.
Result<Json> read_json(std::string_view text, const JsonLimits& limits = {});

// Without white space, members in their order.
std::string write_json(const Json& value);
// The same with members sorted by the bytes of their names, at every depth: equal values have equal
// bytes. Numbers keep their text, since 1 and 1.0 are different to SQLite.
std::string write_canonical_json(const Json& value);
void append_json(std::string& out, const Json& value);

// One JSON string with its quotes. Escapes the quote, the backslash and control characters (short
// forms where JSON has them), and surrogates as \uXXXX; all else goes out as it is. A byte that is
// not WTF-8 becomes U+FFFD: whoever must keep such text writes it as base64 (is_wtf8 tells).
void append_json_string(std::string& out, std::string_view text);

}  // namespace syncline
