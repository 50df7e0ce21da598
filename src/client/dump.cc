#include "client/dump.h"

#include <algorithm>

#include "base/json.h"
#include "base/sort.h"
#include "base/value_json.h"
#include "sqlite/savepoint.h"

namespace syncline {
namespace {

struct DumpColumn {
  std::string quoted_name;  // as JSON
  int position = 0;         // in the statement
};

std::string select_sql(const TrackedTable& table) {
  std::string columns;
  std::string order;
  for (const std::string& name : table.key) {
    const std::string quoted = quote_identifier(name);
    columns += (columns.empty() ? "" : ",") + quoted;
    // By bytes, whatever the column's own collation: that one may not be loaded everywhere.
    order += (order.empty() ? "" : ",") + quoted + " COLLATE BINARY";
  }
  for (const TrackedColumn& column : table.columns) {
    columns += "," + quote_identifier(column.name);
  }
  return "SELECT " + columns + " FROM main." + quote_identifier(table.name) + " ORDER BY " + order;
}

std::vector<DumpColumn> sorted_columns(const TrackedTable& table) {
  std::vector<std::pair<std::string, int>> named;
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    named.emplace_back(table.columns[i].name, static_cast<int>(table.key.size() + i));
  }
  syncline::sort(named.begin(), named.end());
  std::vector<DumpColumn> out;
  for (const auto& [name, position] : named) {
    DumpColumn column;
    append_json_string(column.quoted_name, name);
    column.position = position;
    out.push_back(std::move(column));
  }
  return out;
}

Result<void> dump_table(Connection connection, const TrackedTable& table, DumpSink sink) {
  const std::vector<DumpColumn> columns = sorted_columns(table);
  std::string name;
  append_json_string(name, table.name);
  SL_TRY(Statement rows, connection.prepare(select_sql(table)));
  std::string line;
  for (;;) {
    SL_TRY(const bool row, rows.step());
    if (!row) {
      return {};
    }
    line = "{\"key\":[";
    for (std::size_t i = 0; i < table.key.size(); ++i) {
      line += i == 0 ? "" : ",";
      append_value_json(line, rows.column(static_cast<int>(i)));
    }
    line += "],\"table\":" + name + ",\"value\":{";
    bool first = true;
    for (const DumpColumn& column : columns) {
      line += first ? "" : ",";
      first = false;
      line += column.quoted_name + ":";
      append_value_json(line, rows.column(column.position));
    }
    line += "}}";
    SL_TRY(sink(line));
  }
}

}  // namespace

Result<void> dump(Connection connection, Catalog& catalog, const std::string& table,
                  DumpSink sink) {
  SL_TRY(const bool initialised, catalog.is_initialised());
  if (!initialised) {
    return Error(ErrorCode::not_found,
                 "this database does not sync yet: SELECT syncline_track('your_table') first");
  }
  // One snapshot for all tables.
  SL_TRY(Savepoint savepoint, Savepoint::open(connection));
  if (!table.empty()) {
    SL_TRY(const TrackedTable* found, catalog.find(table));
    if (found == nullptr) {
      return Error(ErrorCode::not_found, "table '" + table + "' is not tracked");
    }
    SL_TRY(dump_table(connection, *found, sink));
    return savepoint.release();
  }
  SL_TRY(const std::vector<const TrackedTable*> tables, catalog.all());
  for (const TrackedTable* tracked : tables) {
    SL_TRY(dump_table(connection, *tracked, sink));
  }
  return savepoint.release();
}

Result<Sha256Digest> dump_digest(Connection connection, Catalog& catalog) {
  Sha256 hash;
  const std::uint8_t line_feed[] = {'\n'};
  SL_TRY(dump(connection, catalog, "", [&](std::string_view line) -> Result<void> {
    hash.update(as_bytes(line));
    hash.update(line_feed);
    return {};
  }));
  return hash.finish();
}

}  // namespace syncline
