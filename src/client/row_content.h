#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/value_view.h"

namespace syncline {

// A row's content as a number: equal for equal rows, 0 for no row. Added up cell by cell, in any
// order; `index` counts the key's columns, then the others in the table's order.
class RowContent {
 public:
  void add(std::size_t index, const ValueView& value);
  void add_encoded(std::size_t index, Bytes value);
  std::uint64_t get() const { return sum_ == 0 ? 1 : sum_; }

 private:
  std::uint64_t sum_ = 0;
  Writer scratch_;
};

}  // namespace syncline
