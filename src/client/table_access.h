#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "client/catalog.h"
#include "client/column_set.h"
#include "model/value.h"
#include "model/value_codec.h"
#include "sqlite/connection.h"

namespace syncline {

// One row of an application's table, borrowed from a statement until the next call on its table.
struct StoredRow {
  RowId row = 0;
  // Key values, then the tracked columns in the table's order.
  std::vector<ValueView> values;
};

// The prepared SQL that reads and writes one tracked table, prepared at first use. Rows are named
// by rowid, or in tables without one by the number that syncline_keys_<id> gives their key.
class TableAccess {
 public:
  TableAccess(Connection connection, const TrackedTable& table)
      : connection_(connection), table_(table) {}

  const TrackedTable& table() const { return table_; }

  // Null when there is no such row.
  Result<const StoredRow*> read(RowId row);
  // Rows in [first, last], rising: start_range(), then next_in_range() until null. For tables with
  // rowids only.
  Result<void> start_range(RowId first, RowId last);
  Result<const StoredRow*> next_in_range();
  void end_range();
  // The row with exactly this encoded key; null when there is none. A row whose key is equal only
  // to the column's collation ('A' and 'a') is not it.
  Result<const StoredRow*> find(Bytes key);

  // Where the row with this key stands, without reading it; nothing when there is none.
  Result<std::optional<RowId>> find_row(Bytes key);

  // Writes; the caller tells capture to expect them. Values are in rising order of column id.
  // Inserts unless the key is taken: then nothing happens and false is returned.
  Result<bool> insert(Bytes key, const ColumnSet& columns, std::span<const ValueView> values);
  Result<void> update(RowId row, const ColumnSet& columns, std::span<const ValueView> values);
  Result<void> erase(RowId row);

  // SQL that lists every row's key, in key order.
  std::string select_keys_sql() const;
  // What the schema gives a column that an INSERT does not name.
  Result<Value> default_value(const TrackedColumn& column) const;

  // The value of a column in a stored row.
  const ValueView& value(const StoredRow& row, std::uint16_t column_id) const {
    return row.values[table_.key.size() + static_cast<std::size_t>(table_.position_of(column_id))];
  }

 private:
  std::string select_list() const;
  // Only where it matters: said by the statement, it holds for what triggers write, too.
  std::string or_abort() const { return table_.resolves_conflicts ? "OR ABORT " : ""; }
  std::string key_condition(int first_parameter) const;
  Result<Bytes> stored_key(RowId row);
  Result<int> bind_key(Statement& statement, int first_parameter, Bytes key);
  // Binds the condition that names `row`, from parameter 1.
  Result<int> bind_row(Statement& statement, RowId row);
  void load(const Statement& statement);

  Connection connection_;
  const TrackedTable& table_;
  StoredRow row_;
  ByteVector key_;
  std::deque<DecodedValue> key_values_;
  Writer scratch_;
  Statement read_;
  Statement range_;
  Statement find_;
  Statement find_row_;
  Statement key_of_;
  Statement erase_;
  struct Shaped {
    ColumnSet columns;
    Statement statement;
  };
  std::vector<Shaped> inserts_;
  std::vector<Shaped> updates_;
};

}  // namespace syncline
