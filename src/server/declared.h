#pragma once

#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "model/schema.h"

namespace syncline {

// The tables that a workspace's writers declared, for looking up what rows are called. Rows may
// name tables and columns that nobody declared: somebody's schema is newer. They may not name one
// that SQLite would take for a declared one and that is spelled differently.
class Declared {
 public:
  Declared() = default;
  explicit Declared(const Schema& schema);

  // Whether a row may be stored under these names and this key. Fails with `malformed`,
  // `too_large` or `schema_mismatch`. Names of columns are all different.
  Result<void> check(const std::string& table, Bytes key,
                     std::span<const std::string_view> columns) const;
  // How many values a key of the table has; zero when nobody declared it.
  std::size_t key_columns(const std::string& table) const;

 private:
  struct Table {
    std::size_t key_columns = 0;
    std::set<std::string, std::less<>> columns;
    std::map<std::string, std::string> by_folded_name;
  };
  static Result<void> check_columns(const Table& table, std::span<const std::string_view> columns);

  std::map<std::string, Table, std::less<>> tables_;
  std::map<std::string, std::string> by_folded_name_;
};

}  // namespace syncline
