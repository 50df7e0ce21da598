#include "server/declared.h"

#include <algorithm>

#include "wire/limits.h"

namespace syncline {
namespace {

Error no_name(const std::string& what) {
  return Error(ErrorCode::malformed, "a " + what + "'s name must be text of 1 to " +
                                         std::to_string(schema_name_bytes_max) +
                                         " bytes without a zero among them");
}

// Fails when `name` is one of `known` to SQLite and not to us.
Result<void> check_spelling(const std::map<std::string, std::string>& known,
                            const std::string& what, const std::string& name) {
  const auto at = known.find(folded_name(name));
  if (at == known.end() || at->second == name) {
    return {};
  }
  return Error(ErrorCode::schema_mismatch,
               what + " '" + name + "' is spelled '" + at->second + "' in this workspace");
}

}  // namespace

Declared::Declared(const Schema& schema) {
  for (const TableSchema& table : schema.tables) {
    by_folded_name_.emplace(folded_name(table.name), table.name);
    Table& known = tables_[table.name];
    known.key_columns = table.key.size();
    for (const ColumnSchema& column : table.columns) {
      known.columns.insert(column.name);
      known.by_folded_name.emplace(folded_name(column.name), column.name);
    }
  }
}

std::size_t Declared::key_columns(const std::string& table) const {
  const auto at = tables_.find(table);
  return at == tables_.end() ? 0 : at->second.key_columns;
}

Result<void> Declared::check(const std::string& table, Bytes key,
                             std::span<const std::string_view> columns) const {
  if (key.size() > limits::key_bytes_max) {
    return Error(ErrorCode::too_large, "a key of " + std::to_string(key.size()) + " bytes; " +
                                           std::to_string(limits::key_bytes_max) + " is the most");
  }
  const auto at = tables_.find(table);
  if (at != tables_.end()) {
    return check_columns(at->second, columns);
  }
  if (!is_plain_name(table)) {
    return no_name("table");
  }
  SL_TRY(check_spelling(by_folded_name_, "table", table));
  return check_columns(Table(), columns);
}

Result<void> Declared::check_columns(const Table& table,
                                     std::span<const std::string_view> columns) {
  const bool is_declared = std::all_of(columns.begin(), columns.end(), [&](std::string_view name) {
    return table.columns.find(name) != table.columns.end();
  });
  if (is_declared) {
    return {};
  }
  std::set<std::string> seen;
  for (const std::string_view column : columns) {
    if (!is_plain_name(column)) {
      return no_name("column");
    }
    SL_TRY(check_spelling(table.by_folded_name, "column", std::string(column)));
    if (!seen.insert(folded_name(column)).second) {
      return Error(ErrorCode::malformed, "a row has two columns that SQLite takes for one: '" +
                                             std::string(column) + "'");
    }
  }
  return {};
}

}  // namespace syncline
