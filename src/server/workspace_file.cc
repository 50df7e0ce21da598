#include "server/workspace_file.h"

#include <algorithm>
#include <set>

#include "model/cell_content.h"
#include "model/schema.h"
#include "server/row_bytes.h"
#include "sqlite/savepoint.h"

namespace syncline {
namespace {

std::string create_sql(const TableSchema& table) {
  std::string columns;
  for (const ColumnSchema& column : table.columns) {
    columns += quote_identifier(column.name);
    // A type is the application's text, and nothing but a type.
    columns += column.type.empty() ? "" : " " + quote_identifier(column.type);
    columns += ", ";
  }
  std::string key;
  for (const std::string& name : table.key) {
    key += (key.empty() ? "" : ", ") + quote_identifier(name);
  }
  return "CREATE TABLE " + quote_identifier(table.name) + "(" + columns + "PRIMARY KEY(" + key +
         ")) WITHOUT ROWID";
}

std::string insert_sql(const TableSchema& table) {
  std::string names;
  std::string marks;
  for (const ColumnSchema& column : table.columns) {
    names += (names.empty() ? "" : ", ") + quote_identifier(column.name);
    marks += marks.empty() ? "?" : ", ?";
  }
  return "INSERT OR REPLACE INTO " + quote_identifier(table.name) + "(" + names + ") VALUES(" +
         marks + ")";
}

// A table that no replica declared has whatever columns its rows have.
Result<void> add_columns(const LogReader& reader, const LogReader::Space& space,
                         TableSchema& table) {
  const bool is_declared =
      std::any_of(table.columns.begin(), table.columns.end(), [&](const ColumnSchema& column) {
        return column.rule != MergeRule::json &&
               std::find(table.key.begin(), table.key.end(), column.name) == table.key.end();
      });
  if (is_declared) {
    return {};
  }
  std::set<std::string> names;
  for (const ColumnSchema& column : table.columns) {
    names.insert(folded_name(column.name));
  }
  return reader.rows(space, table.name, [&](Bytes, Bytes bytes) -> Result<void> {
    SL_TRY(const RowState state, decode_row_state(bytes));
    for (const CellState& cell : state.cells) {
      // Of two names that are one to SQLite, the first that came.
      if (table.columns.size() < schema_columns_max && is_plain_name(cell.column) &&
          names.insert(folded_name(cell.column)).second) {
        table.columns.push_back({cell.column, "", false, false, MergeRule::lww});
      }
    }
    return {};
  });
}

Result<void> insert_row(Statement& insert, const TableSchema& table, Bytes key, Bytes bytes) {
  SL_TRY(const RowState state, decode_row_state(bytes));
  SL_TRY(const std::vector<Value> keys, key_values(key));
  std::vector<Value> values(table.columns.size());
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    const std::string& name = table.columns[i].name;
    const auto part = std::find(table.key.begin(), table.key.end(), name);
    const auto position = static_cast<std::size_t>(part - table.key.begin());
    if (position < keys.size()) {
      values[i] = keys[position];
    } else if (const CellState* cell = state.find(name)) {
      SL_TRY(values[i], cell_value(*cell));
    }
    insert.bind(static_cast<int>(i) + 1, values[i].view());
  }
  return insert.run();
}

Result<Database> make_database(const LogReader& reader, const std::string& workspace,
                               std::size_t bytes_max) {
  constexpr std::size_t page_bytes = 4096;
  SL_TRY(const LogReader::Space space, reader.find(workspace));
  SL_TRY(const Schema schema, reader.schema(workspace));
  SL_TRY(Database database, Database::open_memory());
  // Rows of two kilobytes have a page each: what they take there is what counts.
  SL_TRY(database->execute("PRAGMA page_size = " + std::to_string(page_bytes) +
                           "; PRAGMA max_page_count = " + std::to_string(bytes_max / page_bytes)));
  SL_TRY(Transaction transaction, Transaction::begin(database.connection()));
  for (const TableSchema& known : schema.tables) {
    TableSchema table = known;
    if (table.name.rfind("syncline_", 0) == 0 || table.name.rfind("sqlite_", 0) == 0) {
      continue;
    }
    SL_TRY(add_columns(reader, space, table));
    SL_TRY(database->execute(create_sql(table)));
    SL_TRY(Statement insert, database->prepare(insert_sql(table)));
    SL_TRY(reader.rows(space, table.name, [&](Bytes key, Bytes state) -> Result<void> {
      return insert_row(insert, table, key, state);
    }));
  }
  SL_TRY(transaction.commit());
  return database;
}

}  // namespace

Result<Database> workspace_database(const LogReader& reader, const std::string& workspace,
                                    std::size_t bytes_max) {
  auto made = make_database(reader, workspace, bytes_max);
  if (!made && made.error().code() == ErrorCode::full) {
    return Error(ErrorCode::too_large, "as a file the workspace has more than " +
                                           std::to_string(bytes_max >> 20U) +
                                           " MiB; sync a replica instead");
  }
  return made;
}

}  // namespace syncline
