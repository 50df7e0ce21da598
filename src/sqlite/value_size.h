#pragma once

#include <cstddef>

#include "sqlite/connection.h"

namespace syncline {

// What a value is and how large, without its bytes: SQLite knows both. Asked for every value of
// every row that is inserted.
struct ValueSize {
  ValueType type = ValueType::null;
  std::int64_t integer = 0;
  std::size_t bytes = 0;  // of text, in UTF-8, and of blobs
};
ValueSize size_of_value(sqlite3_value* value);

}  // namespace syncline
