#include "sqlite/value_size.h"

#include "sqlite/api.h"

namespace syncline {

ValueSize size_of_value(sqlite3_value* value) {
  switch (sqlite3_value_type(value)) {
    case SQLITE_INTEGER:
      return {ValueType::integer, sqlite3_value_int64(value), 0};
    case SQLITE_FLOAT:
      return {ValueType::real, 0, 0};
    case SQLITE_TEXT:
      return {ValueType::text, 0, static_cast<std::size_t>(sqlite3_value_bytes(value))};
    case SQLITE_BLOB:
      return {ValueType::blob, 0, static_cast<std::size_t>(sqlite3_value_bytes(value))};
    default:
      return {};
  }
}

}  // namespace syncline
