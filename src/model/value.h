#pragma once

#include <cstdint>
#include <string>

#include "base/value_view.h"

namespace syncline {

// One SQLite value, owned.
class Value {
 public:
  Value() = default;
  explicit Value(const ValueView& view)
      : type_(view.type), integer_(view.integer), real_(view.real), data_(as_text(view.data)) {}
  static Value integer(std::int64_t value) { return Value(ValueView::of(value)); }
  static Value real(double value) { return Value(ValueView::of(value)); }
  static Value text(std::string_view value) { return Value(ValueView::of(value)); }
  static Value blob(Bytes value) { return Value(ValueView::blob(value)); }

  // Borrows from this value.
  ValueView view() const { return {type_, integer_, real_, as_bytes(data_)}; }
  ValueType type() const { return type_; }
  bool is_null() const { return type_ == ValueType::null; }

  friend bool operator==(const Value& a, const Value& b) { return same_value(a.view(), b.view()); }

 private:
  ValueType type_ = ValueType::null;
  std::int64_t integer_ = 0;
  double real_ = 0;
  std::string data_;
};

// One total order over all values, the same on every replica: by type (null, numbers, text, blob),
// numbers by size with integer before an equal real, text and blobs by their bytes. Negative, zero
// or positive; zero only for same_value.
int compare_values(const ValueView& a, const ValueView& b);

}  // namespace syncline
