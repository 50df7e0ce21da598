#include "client/event_order.h"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "client/triggers.h"

namespace syncline {
namespace {

// Of each table, in lower case: which others a foreign key's action writes when it is written.
using Actions = std::map<std::string, std::set<std::string>>;

Result<Actions> read_actions(const Connection& connection) {
  SL_TRY(Statement select,
         connection.prepare("SELECT DISTINCT lower(f.\"table\"), lower(s.name) FROM "
                            "main.sqlite_schema s, pragma_foreign_key_list(s.name, 'main') f WHERE "
                            "s.type = 'table' AND s.sql LIKE '%references%' AND (f.on_update NOT "
                            "IN ('NO ACTION', 'RESTRICT') OR f.on_delete NOT IN ('NO ACTION', "
                            "'RESTRICT'))"));
  Actions out;
  for (;;) {
    SL_TRY(const bool more, select.step());
    if (!more) {
      return out;
    }
    out[std::string(select.column_text(0))].emplace(select.column_text(1));
  }
}

// The tables that have triggers which are not ours.
Result<std::set<std::string>> read_triggered(const Connection& connection) {
  SL_TRY(Statement select,
         connection.prepare("SELECT DISTINCT lower(tbl_name) FROM (SELECT type, name, tbl_name "
                            "FROM main.sqlite_schema UNION ALL SELECT type, name, tbl_name FROM "
                            "temp.sqlite_schema) WHERE type = 'trigger' AND name NOT LIKE "
                            "'syncline\\_%' ESCAPE '\\'"));
  std::set<std::string> out;
  for (;;) {
    SL_TRY(const bool more, select.step());
    if (!more) {
      return out;
    }
    out.emplace(select.column_text(0));
  }
}

// Whether what the actions of a table's foreign keys write may write the table itself. A trigger
// may write anything.
bool comes_back(const std::string& table, const Actions& actions,
                const std::set<std::string>& triggered) {
  std::set<std::string> seen;
  std::vector<std::string> waiting{table};
  while (!waiting.empty()) {
    const std::string from = waiting.back();
    waiting.pop_back();
    const auto to = actions.find(from);
    if (to == actions.end()) {
      continue;
    }
    for (const std::string& next : to->second) {
      if (next == table || triggered.count(next) != 0) {
        return true;
      }
      if (seen.insert(next).second) {
        waiting.push_back(next);
      }
    }
  }
  return false;
}

// Of capture's triggers on the table: what they look for before a row is inserted, and in which
// order. The rest of their SQL is another version's affair.
std::string what_they_look_for(const TrackedTable& table) {
  const std::string made = capture_triggers_sql(table);
  const std::size_t begin = made.find(table.without_rowid ? " AND EXISTS(" : in_way_function,
                                      made.find("syncline_replacing_"));
  const std::size_t end = made.find(table.without_rowid ? " BEGIN " : "; SELECT c0 FROM ", begin);
  return made.substr(begin, end - begin);
}

}  // namespace

Result<std::set<TableId>> tables_out_of_order(const Connection& connection) {
  SL_TRY(const Actions actions, read_actions(connection));
  SL_TRY(const std::set<std::string> triggered, read_triggered(connection));
  // Triggers of the temporary schema fire first: they count as the newest.
  SL_TRY(Statement select,
         connection.prepare(
             "SELECT CAST(substr(o.name, 19) AS INTEGER), lower(o.tbl_name), EXISTS(SELECT 1 FROM "
             "(SELECT rowid AS at, type, name, tbl_name FROM main.sqlite_schema "
             "UNION ALL SELECT ~(1 << 63), type, name, tbl_name FROM "
             "temp.sqlite_schema) t WHERE t.type = 'trigger' AND t.tbl_name = "
             "o.tbl_name COLLATE NOCASE AND t.name NOT LIKE 'syncline\\_%' ESCAPE "
             "'\\' AND t.at > o.rowid) FROM main.sqlite_schema o WHERE o.type = "
             "'trigger' AND o.name LIKE 'syncline\\_inserted\\_%' ESCAPE '\\'"));
  std::set<TableId> out;
  for (;;) {
    SL_TRY(const bool more, select.step());
    if (!more) {
      return out;
    }
    if (select.column_int(2) != 0 ||
        comes_back(std::string(select.column_text(1)), actions, triggered)) {
      out.insert(select.column_int(0));
    }
  }
}

Result<std::set<TableId>> tables_overtaken(const Connection& connection) {
  SL_TRY(Statement select,
         connection.prepare(
             "SELECT CAST(substr(o.name, 19) AS INTEGER) FROM main.sqlite_schema o WHERE o.type = "
             "'trigger' AND o.name LIKE 'syncline\\_inserted\\_%' ESCAPE '\\' AND EXISTS(SELECT 1 "
             "FROM main.sqlite_schema t WHERE t.type = 'trigger' AND t.tbl_name = o.tbl_name "
             "COLLATE NOCASE AND t.name NOT LIKE 'syncline\\_%' ESCAPE '\\' AND t.rowid > "
             "o.rowid)"));
  std::set<TableId> out;
  for (;;) {
    SL_TRY(const bool more, select.step());
    if (!more) {
      return out;
    }
    out.insert(select.column_int(0));
  }
}

Result<std::set<TableId>> tables_of_other_indexes(const Connection& connection, Catalog& catalog) {
  const Catalog::Hold hold(catalog);
  SL_TRY(const std::vector<const TrackedTable*> tables, catalog.all_with_own());
  SL_TRY(Statement select,
         connection.prepare("SELECT sql FROM main.sqlite_schema WHERE type = 'trigger' AND name = "
                            "'syncline_replacing_' || ?1"));
  std::set<TableId> out;
  for (const TrackedTable* table : tables) {
    const std::string made = what_they_look_for(*table);
    select.reset();
    select.bind(1, table->id);
    SL_TRY(const bool there, select.step());
    if (there && select.column_text(0).find(made) == std::string_view::npos) {
      out.insert(table->id);
    }
  }
  return out;
}

Result<bool> triggers_may_stop(const Connection& connection) {
  SL_TRY(const auto found,
         connection.query_int(
             "SELECT 1 FROM (SELECT type, name, sql FROM main.sqlite_schema UNION ALL SELECT type, "
             "name, sql FROM temp.sqlite_schema) WHERE name NOT LIKE 'syncline\\_%' ESCAPE '\\' "
             "AND (sql LIKE '%fail%' OR (type = 'trigger' AND sql LIKE '%raise%ignore%')) LIMIT "
             "1"));
  return found.has_value();
}

}  // namespace syncline
