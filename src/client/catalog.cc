#include "client/catalog.h"

#include <algorithm>
#include <array>
#include <set>

#include "client/own_schema.h"
#include "client/triggers.h"
#include "model/schema.h"
#include "wire/limits.h"

namespace syncline {
namespace {

Error cannot_track(const std::string& table, const std::string& why) {
  return Error(ErrorCode::invalid_argument, "cannot sync table '" + table + "': " + why);
}

bool starts_with(std::string_view text, std::string_view start) {
  return text.substr(0, start.size()) == start;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
           const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? char(c + 32) : c; };
           return lower(x) == lower(y);
         });
}

}  // namespace

int TrackedTable::position_of(std::string_view column) const {
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].name == column) {
      return static_cast<int>(i);
    }
  }
  return -1;
}

bool TrackedTable::has_rule(MergeRule wanted) const {
  return std::any_of(columns.begin(), columns.end(),
                     [&](const TrackedColumn& column) { return column.rule == wanted; });
}

ColumnSet TrackedTable::all_columns() const {
  ColumnSet set;
  for (const TrackedColumn& column : columns) {
    set.insert(column.id);
  }
  return set;
}

Result<TrackOptions> parse_track_options(std::span<const std::string> texts) {
  TrackOptions options;
  for (const std::string& text : texts) {
    // The last '=': a column's name may hold one, a rule's name does not.
    const std::size_t equals = text.rfind('=');
    if (equals == std::string::npos) {
      SL_TRY(options.rule, merge_rule_from_name(text));
    } else {
      SL_TRY(options.column_rules[text.substr(0, equals)],
             merge_rule_from_name(text.substr(equals + 1)));
    }
  }
  for (const auto& [column, rule] : options.column_rules) {
    if (rule == MergeRule::row) {
      return Error(ErrorCode::invalid_argument,
                   "rule 'row' is for whole tables, not for column '" + column + "'");
    }
  }
  if (options.rule == MergeRule::counter || options.rule == MergeRule::json ||
      options.rule == MergeRule::text || options.rule == MergeRule::doc) {
    return Error(ErrorCode::invalid_argument, "rule '" +
                                                  std::string(merge_rule_name(options.rule)) +
                                                  "' is for single columns: write 'column=" +
                                                  std::string(merge_rule_name(options.rule)) + "'");
  }
  return options;
}

Result<bool> Catalog::is_initialised() {
  SL_TRY(Statement * statement, read_own_.get(connection_));
  const Used used(*this, *statement);
  return statement->step();
}

Result<bool> Catalog::is_of_this_version() {
  SL_TRY(const auto format,
         connection_.query_int("SELECT value FROM syncline_meta WHERE name='format'"));
  if (format.has_value() && *format > own_schema_format) {
    return Error(ErrorCode::unsupported,
                 "this database was written by a newer version of syncline (format " +
                     std::to_string(*format) + ", this one knows " +
                     std::to_string(own_schema_format) + "): upgrade this program");
  }
  return format.has_value();
}

Result<void> Catalog::create_own_tables() {
  SL_TRY(const bool exists, is_initialised());
  if (exists) {
    SL_TRY(const bool complete, is_of_this_version());
    if (complete) {
      return {};
    }
  }
  SL_TRY(connection_.execute(own_schema_sql));
  SL_TRY(connection_.execute(own_views_sql()));
  return connection_.execute("INSERT OR IGNORE INTO syncline_meta(name, value) VALUES('format', " +
                             std::to_string(own_schema_format) + ")");
}

Result<TableId> Catalog::track(const std::string& table, const TrackOptions& options) {
  SL_TRY(Statement statement,
         connection_.prepare("SELECT type, sql, name FROM main.sqlite_schema WHERE name = ?1 "
                             "COLLATE NOCASE AND type IN ('table', 'view')"));
  statement.bind_text(1, table);
  SL_TRY(const bool exists, statement.step());
  if (!exists) {
    return Error(ErrorCode::not_found, "there is no table '" + table +
                                           "' in the main database: create it before tracking it");
  }
  const std::string type(statement.column_text(0));
  const std::string sql(statement.column_text(1));
  const std::string name(statement.column_text(2));
  statement.reset();
  if (type == "view") {
    return cannot_track(table, "it is a view; track the tables behind it");
  }
  if (starts_with(name, "syncline_") || starts_with(name, "sqlite_")) {
    return cannot_track(table,
                        "names that begin with syncline_ or sqlite_ are not an application's");
  }
  if (equal_ignoring_case(std::string_view(sql).substr(0, 14), "CREATE VIRTUAL")) {
    return cannot_track(table,
                        "it is a virtual table; track an ordinary table and fill the virtual "
                        "one from it by triggers");
  }
  return enter_table(name, options);
}

Result<TableId> Catalog::track_own(const std::string& table) { return enter_table(table, {}); }

Result<TableId> Catalog::enter_table(const std::string& name, const TrackOptions& options) {
  SL_TRY(Statement insert,
         connection_.prepare("INSERT INTO syncline_tables(name, rule) VALUES(?1, ?2) "
                             "ON CONFLICT(name) DO UPDATE SET rule = excluded.rule RETURNING id"));
  insert.bind_text(1, name).bind_text(2, merge_rule_name(options.rule));
  SL_TRY(const bool returned, insert.step());
  SL_CHECK(returned);
  const TableId id = insert.column_int(0);
  SL_TRY(insert.step());
  insert.reset();
  drop_cache();
  TrackedTable described;
  described.id = id;
  described.name = name;
  described.rule = options.rule;
  SL_TRY(store_columns(described, options));
  SL_TRY(auto loaded, load(id));
  if (loaded->without_rowid) {
    SL_TRY(connection_.execute("CREATE TABLE IF NOT EXISTS syncline_keys_" + std::to_string(id) +
                               "(rid INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE)"));
  }
  SL_TRY(drop_triggers(id));
  SL_TRY(install_triggers(*loaded));
  return id;
}

// SQLite must store a document's value as it is given.
Result<void> Catalog::check_documents(const TrackedTable& table,
                                      const TrackOptions& options) const {
  for (const auto& [column, rule] : options.column_rules) {
    if (!is_document(rule)) {
      continue;
    }
    if (options.rule == MergeRule::row) {
      return cannot_track(table.name, "column '" + column +
                                          "' cannot be a document where rule 'row' merges whole "
                                          "rows");
    }
    SL_TRY(Statement info,
           connection_.prepare("SELECT type FROM pragma_table_xinfo(?1, 'main') WHERE name = ?2"));
    info.bind_text(1, table.name).bind_text(2, column);
    SL_TRY(const bool found, info.step());
    const Affinity affinity = found ? affinity_of(info.column_text(0)) : Affinity::blob;
    const bool is_text = rule == MergeRule::text;
    if (affinity != Affinity::blob && !(is_text && affinity == Affinity::text)) {
      return cannot_track(table.name, "column '" + column + "' has rule '" +
                                          std::string(merge_rule_name(rule)) +
                                          "' and must be declared " + (is_text ? "TEXT" : "BLOB"));
    }
  }
  return {};
}

Result<void> Catalog::store_columns(TrackedTable& table, const TrackOptions& options) const {
  SL_TRY(Statement info, connection_.prepare("SELECT name, pk, hidden FROM pragma_table_xinfo(?1, "
                                             "'main') ORDER BY cid"));
  info.bind_text(1, table.name);
  std::set<std::string> names;
  bool has_key = false;
  std::size_t count = 0;
  std::vector<std::string> plain;
  for (;;) {
    SL_TRY(const bool row, info.step());
    if (!row) {
      break;
    }
    const std::string name(info.column_text(0));
    if (name.size() > limits::name_bytes_max) {
      return cannot_track(table.name, "a column's name is longer than 1024 bytes");
    }
    ++count;
    names.insert(name);
    if (info.column_int(1) > 0) {
      has_key = true;
      if (info.column_int(2) >= 2) {
        return cannot_track(table.name, "its primary key is a generated column");
      }
    } else if (info.column_int(2) == 0) {
      plain.push_back(name);
    }
  }
  if (!has_key) {
    return cannot_track(table.name,
                        "it declares no primary key, so two replicas could not name the same row; "
                        "add one, such as id TEXT PRIMARY KEY NOT NULL");
  }
  if (count > 900) {
    return cannot_track(table.name, "it has more than 900 columns");
  }
  for (const auto& [column, rule] : options.column_rules) {
    if (std::find(plain.begin(), plain.end(), column) == plain.end()) {
      return cannot_track(
          table.name,
          names.count(column) != 0
              ? "column '" + column + "' is part of the key or generated and cannot have a rule"
              : "there is no column '" + column + "' to give a rule");
    }
  }
  SL_TRY(check_documents(table, options));
  SL_TRY(connection_.execute("UPDATE syncline_columns SET gone = 1 WHERE tbl = " +
                             std::to_string(table.id)));
  SL_TRY(Statement known, connection_.prepare("UPDATE syncline_columns SET gone = 0, rule = "
                                              "coalesce(?3, rule) WHERE tbl = ?1 AND name = ?2"));
  SL_TRY(Statement add,
         connection_.prepare("INSERT INTO syncline_columns(tbl, id, name, rule) SELECT ?1, "
                             "coalesce(max(id) + 1, 0), ?2, ?3 FROM syncline_columns WHERE tbl = "
                             "?1"));
  for (const std::string& name : plain) {
    const auto chosen = options.column_rules.find(name);
    MergeRule rule = chosen != options.column_rules.end() ? chosen->second : options.rule;
    if (rule == MergeRule::row) {
      rule = MergeRule::lww;
    }
    known.bind(1, table.id).bind_text(2, name).bind_text(3, merge_rule_name(rule));
    SL_TRY(known.run());
    if (connection_.changes() == 0) {
      add.bind(1, table.id).bind_text(2, name).bind_text(3, merge_rule_name(rule));
      SL_TRY(add.run());
    }
  }
  return {};
}

Result<void> Catalog::load_columns(TrackedTable& table) const {
  SL_TRY(
      Statement info,
      connection_.prepare(
          "SELECT x.name, x.pk, x.hidden, x.\"notnull\", c.id, c.rule, x.type, x.dflt_value FROM "
          "pragma_table_xinfo(?1, 'main') x LEFT JOIN syncline_columns c ON "
          "c.tbl = ?2 AND c.name = x.name AND NOT c.gone ORDER BY x.cid"));
  info.bind_text(1, table.name).bind(2, table.id);
  std::map<std::int64_t, std::pair<std::string, std::string>> key;
  for (;;) {
    SL_TRY(const bool row, info.step());
    if (!row) {
      break;
    }
    const std::string name(info.column_text(0));
    if (info.column_int(1) > 0) {
      key[info.column_int(1)] = {name, std::string(info.column_text(6))};
      continue;
    }
    if (info.column(4).is_null()) {
      continue;  // generated, or added by a schema change that was not announced yet
    }
    TrackedColumn column;
    column.id = static_cast<std::uint16_t>(info.column_int(4));
    column.name = name;
    SL_TRY(column.rule, merge_rule_from_name(info.column_text(5)));
    column.type = info.column_text(6);
    column.not_null = info.column_int(3) != 0;
    column.default_sql = info.column_text(7);
    if (column.id >= table.positions.size()) {
      table.positions.resize(column.id + std::size_t{1}, -1);
    }
    table.positions[column.id] = static_cast<int>(table.columns.size());
    table.columns.push_back(std::move(column));
  }
  for (auto& [position, column] : key) {
    table.key.push_back(column.first);
    table.key_types.push_back(column.second);
  }
  if (table.key.empty()) {
    return cannot_track(table.name, "the table or its primary key is gone");
  }
  if (table.key.size() > limits::key_columns_max) {
    return cannot_track(table.name, "its key has more than 64 columns");
  }
  return {};
}

Result<bool> Catalog::describes(const TrackedTable& table) const {
  SL_TRY(Statement differing,
         connection_.prepare(
             "SELECT (SELECT count(*) FROM pragma_table_xinfo(?1, 'main') x WHERE x.pk = 0 AND "
             "x.hidden = 0 AND x.name NOT IN (SELECT name FROM syncline_columns WHERE tbl = ?2 AND "
             "NOT gone)) + (SELECT count(*) FROM syncline_columns WHERE tbl = ?2 AND NOT gone AND "
             "name NOT IN (SELECT name FROM pragma_table_xinfo(?1, 'main')))"));
  differing.bind_text(1, table.name).bind(2, table.id);
  SL_TRY(differing.step());
  return differing.column_int(0) == 0;
}

Result<void> Catalog::load_unique(TrackedTable& table) const {
  SL_TRY(
      Statement list,
      connection_.prepare("SELECT l.name, x.name, x.coll, x.cid, l.partial FROM "
                          "pragma_index_list(?1, 'main') l, pragma_index_xinfo(l.name, 'main') x "
                          "WHERE l.\"unique\" AND l.origin <> 'pk' AND x.key "
                          "ORDER BY l.seq, x.seqno"));
  list.bind_text(1, table.name);
  std::string last;
  for (;;) {
    SL_TRY(const bool row, list.step());
    if (!row) {
      return {};
    }
    const std::string index(list.column_text(0));
    if (list.column_int(3) < 0) {
      return cannot_track(table.name, "its unique index '" + index +
                                          "' is on an expression; make the expression a generated "
                                          "column and the index one on that column");
    }
    if (index != last) {
      table.unique.emplace_back();
      last = index;
    }
    table.unique.back().push_back(
        {std::string(list.column_text(1)), std::string(list.column_text(2))});
  }
}

Result<void> Catalog::load_surroundings(TrackedTable& table) const {
  SL_TRY(Statement kind,
         connection_.prepare("SELECT wr FROM pragma_table_list WHERE schema = 'main' "
                             "AND name = ?1"));
  kind.bind_text(1, table.name);
  SL_TRY(const bool row, kind.step());
  table.without_rowid = row && kind.column_int(0) != 0;
  if (!table.without_rowid) {
    SL_TRY(Statement names,
           connection_.prepare("SELECT lower(name) FROM pragma_table_xinfo(?1, 'main')"));
    names.bind_text(1, table.name);
    std::set<std::string> taken;
    for (;;) {
      SL_TRY(const bool more, names.step());
      if (!more) {
        break;
      }
      taken.insert(std::string(names.column_text(0)));
    }
    for (const char* candidate : {"rowid", "_rowid_", "oid"}) {
      if (taken.count(candidate) == 0) {
        table.rowid_name = candidate;
        break;
      }
    }
    if (table.rowid_name.empty()) {
      return cannot_track(table.name,
                          "its columns hide all names of the rowid (rowid, _rowid_, oid);"
                          " rename one of them");
    }
  }
  SL_TRY(Statement collation,
         connection_.prepare("SELECT count(*) FROM pragma_index_list(?1, 'main') l, "
                             "pragma_index_xinfo(l.name, 'main') x WHERE l.origin = 'pk' AND x.key "
                             "AND x.coll <> 'BINARY'"));
  collation.bind_text(1, table.name);
  SL_TRY(collation.step());
  table.key_collated = collation.column_int(0) > 0;
  SL_TRY(Statement triggers,
         connection_.prepare("SELECT count(*) FROM main.sqlite_schema WHERE type = 'trigger' AND "
                             "tbl_name = ?1 COLLATE NOCASE AND name NOT LIKE 'syncline\\_%' "
                             "ESCAPE '\\'"));
  triggers.bind_text(1, table.name);
  SL_TRY(triggers.step());
  table.has_triggers = triggers.column_int(0) > 0;
  SL_TRY(Statement conflicts,
         connection_.prepare("SELECT count(*) FROM main.sqlite_schema WHERE type = 'table' AND "
                             "name = ?1 COLLATE NOCASE AND sql LIKE '%CONFLICT%'"));
  conflicts.bind_text(1, table.name);
  SL_TRY(conflicts.step());
  table.resolves_conflicts = conflicts.column_int(0) > 0;
  SL_TRY(Statement keys,
         connection_.prepare(
             "SELECT count(*) FROM main.sqlite_schema s, pragma_foreign_key_list(s.name, 'main') f "
             "WHERE s.type = 'table' AND (s.name = ?1 COLLATE NOCASE OR f.\"table\" = ?1 COLLATE "
             "NOCASE)"));
  keys.bind_text(1, table.name);
  SL_TRY(keys.step());
  table.has_foreign_keys = keys.column_int(0) > 0;
  return {};
}

Result<std::unique_ptr<TrackedTable>> Catalog::load(TableId id) const {
  SL_TRY(
      Statement statement,
      connection_.prepare("SELECT name, rule, (SELECT coalesce(max(id), 0) FROM syncline_columns "
                          "WHERE tbl = t.id) FROM syncline_tables t WHERE id = ?1"));
  statement.bind(1, id);
  SL_TRY(const bool row, statement.step());
  if (!row) {
    return Error(ErrorCode::not_found, "no table with id " + std::to_string(id) + " is tracked");
  }
  auto table = std::make_unique<TrackedTable>();
  table->id = id;
  table->name = statement.column_text(0);
  SL_TRY(table->rule, merge_rule_from_name(statement.column_text(1)));
  table->last_column_id = static_cast<std::uint16_t>(statement.column_int(2));
  SL_TRY(load_columns(*table));
  SL_TRY(load_unique(*table));
  SL_TRY(load_surroundings(*table));
  return table;
}

Result<void> Catalog::catch_up() {
  if (holds_ > 0) {
    return {};
  }
  SL_TRY(Statement * statement, read_cookie_.get(connection_));
  const Used used(*this, *statement);
  SL_TRY(const bool row, statement->step());
  const std::int64_t cookie = row ? statement->column_int(0) : 0;
  if (cookie != schema_cookie_) {
    schema_cookie_ = cookie;
    stale_ = true;
  }
  settle();
  return {};
}

void Catalog::release() {
  for (CachedStatement* statement : {&read_own_, &read_cookie_, &read_ids_}) {
    statement->release();
  }
}

Result<const TrackedTable*> Catalog::table(TableId id) {
  const auto found = tables_.find(id);
  if (found != tables_.end()) {
    return static_cast<const TrackedTable*>(found->second.get());
  }
  SL_TRY(auto loaded, load(id));
  const TrackedTable* out = loaded.get();
  tables_[id] = std::move(loaded);
  return out;
}

Result<const TrackedTable*> Catalog::find(std::string_view name) {
  for (const auto& [id, table] : tables_) {
    if (table->name == name) {
      return static_cast<const TrackedTable*>(table.get());
    }
  }
  SL_TRY(Statement statement,
         connection_.prepare("SELECT id FROM syncline_tables WHERE name = ?1"));
  statement.bind_text(1, name);
  SL_TRY(const bool row, statement.step());
  if (!row) {
    return static_cast<const TrackedTable*>(nullptr);
  }
  const TableId id = statement.column_int(0);
  statement.reset();
  return table(id);
}

Result<std::vector<const TrackedTable*>> Catalog::all() {
  SL_TRY(std::vector<const TrackedTable*> tables, all_with_own());
  tables.erase(std::remove_if(
                   tables.begin(), tables.end(),
                   [](const TrackedTable* table) { return starts_with(table->name, "syncline_"); }),
               tables.end());
  return tables;
}

Result<std::vector<const TrackedTable*>> Catalog::all_with_own() {
  std::vector<TableId> ids;
  {
    SL_TRY(Statement * statement, read_ids_.get(connection_));
    const Used used(*this, *statement);
    for (;;) {
      SL_TRY(const bool row, statement->step());
      if (!row) {
        break;
      }
      ids.push_back(statement->column_int(0));
    }
  }
  std::vector<const TrackedTable*> out;
  for (const TableId id : ids) {
    SL_TRY(const TrackedTable* found, table(id));
    out.push_back(found);
  }
  return out;
}

Result<void> Catalog::untrack(const std::string& name) {
  SL_TRY(const TrackedTable* found, find(name));
  if (found == nullptr) {
    return Error(ErrorCode::not_found, "table '" + name + "' is not tracked");
  }
  return untrack_gone(found->id);
}

Result<void> Catalog::untrack_gone(TableId table) {
  const std::string id = std::to_string(table);
  SL_TRY(drop_triggers(table));
  SL_TRY(connection_.execute("DROP TABLE IF EXISTS syncline_keys_" + id));
  for (const char* own :
       {"syncline_clocks", "syncline_tombs", "syncline_cells", "syncline_columns"}) {
    SL_TRY(connection_.execute("DELETE FROM " + std::string(own) + " WHERE tbl = " + id));
  }
  SL_TRY(connection_.execute("DELETE FROM syncline_tables WHERE id = " + id));
  drop_cache();
  return {};
}

Result<void> Catalog::refresh(TableId id) {
  drop_cache();
  SL_TRY(Statement statement,
         connection_.prepare("SELECT name, rule FROM syncline_tables WHERE id = ?1"));
  statement.bind(1, id);
  SL_TRY(const bool row, statement.step());
  if (!row) {
    return Error(ErrorCode::not_found, "no table with id " + std::to_string(id) + " is tracked");
  }
  TrackedTable described;
  described.id = id;
  described.name = statement.column_text(0);
  SL_TRY(described.rule, merge_rule_from_name(statement.column_text(1)));
  statement.reset();
  TrackOptions options;
  options.rule = described.rule;
  SL_TRY(Statement rules,
         connection_.prepare("SELECT name, rule FROM syncline_columns WHERE tbl = ?1 AND name IN "
                             "(SELECT name FROM pragma_table_xinfo(?2, 'main') WHERE pk = 0 AND "
                             "hidden = 0)"));
  rules.bind(1, id).bind_text(2, described.name);
  for (;;) {
    SL_TRY(const bool more, rules.step());
    if (!more) {
      break;
    }
    SL_TRY(options.column_rules[std::string(rules.column_text(0))],
           merge_rule_from_name(rules.column_text(1)));
  }
  rules.reset();
  SL_TRY(store_columns(described, options));
  SL_TRY(drop_triggers(id));
  SL_TRY(auto loaded, load(id));
  return install_triggers(*loaded);
}

// SQL that drops the triggers of a table's JSON columns, of which there may be any number.
Result<std::string> Catalog::spelling_triggers(TableId id) const {
  SL_TRY(Statement select,
         connection_.prepare("SELECT name FROM main.sqlite_schema WHERE type = 'trigger' AND (name "
                             "GLOB ?1 OR name GLOB ?2)"));
  const std::string on_update = "syncline_spell_" + std::to_string(id) + "_*";
  const std::string on_insert = "syncline_spell_new_" + std::to_string(id) + "_*";
  select.bind_text(1, on_update).bind_text(2, on_insert);
  std::string sql;
  for (;;) {
    SL_TRY(const bool row, select.step());
    if (!row) {
      return sql;
    }
    sql += "DROP TRIGGER " + quote_identifier(select.column_text(0)) + ";";
  }
}

Result<void> Catalog::install_triggers(const TrackedTable& table) const {
  return connection_.execute(capture_triggers_sql(table));
}

Result<void> Catalog::drop_triggers(TableId id) const {
  SL_TRY(const std::string spelling, spelling_triggers(id));
  SL_TRY(connection_.execute(spelling));
  return connection_.execute(drop_capture_sql(id));
}

}  // namespace syncline
