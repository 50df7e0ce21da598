#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"

namespace syncline {

// SQLite's storage classes, exactly. The order is SQLite's own sort order of the classes, with
// integer and real apart.
enum class ValueType : std::uint8_t { null, integer, real, text, blob };

// One value, borrowed: text and blob point into memory that somebody else keeps (a statement's row,
// a frame). `data` is meaningful for text and blob only.
struct ValueView {
  ValueType type = ValueType::null;
  std::int64_t integer = 0;
  double real = 0;
  Bytes data;

  static ValueView null() { return {}; }
  static ValueView of(std::int64_t value) { return {ValueType::integer, value, 0, {}}; }
  static ValueView of(double value) { return {ValueType::real, 0, value, {}}; }
  static ValueView of(std::string_view value) { return {ValueType::text, 0, 0, as_bytes(value)}; }
  static ValueView of(const char* value) { return of(std::string_view(value)); }
  static ValueView blob(Bytes value) { return {ValueType::blob, 0, 0, value}; }

  bool is_null() const { return type == ValueType::null; }
  std::string_view text() const { return as_text(data); }
};

// The same storage class and the same bits; 1 and 1.0 differ, and so do 0.0 and -0.0.
inline bool same_value(const ValueView& a, const ValueView& b) {
  if (a.type != b.type) {
    return false;
  }
  switch (a.type) {
    case ValueType::null:
      return true;
    case ValueType::integer:
      return a.integer == b.integer;
    case ValueType::real:
      // By their bits, so that -0.0 and each NaN are themselves.
      // NOLINTNEXTLINE(bugprone-suspicious-memory-comparison)
      return std::memcmp(&a.real, &b.real, sizeof a.real) == 0;
    case ValueType::text:
    case ValueType::blob:
      return equal_bytes(a.data, b.data);
  }
  return false;
}

}  // namespace syncline
