#include "client/triggers.h"

#include <algorithm>

#include "base/function_ref.h"
#include "client/row_measure.h"

namespace syncline {
namespace {

constexpr const char* shared_tap_name = "syncline_inserts";

std::string tap_name(TableId table) { return "syncline_tap_" + std::to_string(table); }

std::string trigger_name(TableId table, const char* what) {
  return "syncline_" + std::string(what) + "_" + std::to_string(table);
}

// Collects the columns and expressions of one INSERT into the tap.
struct TapInsert {
  std::string columns = "c0";
  std::string values;

  explicit TapInsert(TapKind kind) : values(std::to_string(static_cast<int>(kind))) {}
  void add(std::size_t column, const std::string& expression) {
    columns += ",c" + std::to_string(column);
    values += "," + expression;
  }
};

void add_old(TapInsert& tap, const TrackedTable& table, const std::string& source) {
  if (!table.without_rowid) {
    tap.add(1, source + table.rowid_name);
  }
  std::size_t index = 0;
  for (const std::string& column : table.key) {
    tap.add(tap_old_column(index++), source + quote_identifier(column));
  }
  for (const TrackedColumn& column : table.columns) {
    tap.add(tap_old_column(index++), source + quote_identifier(column.name));
  }
}

void add_new_key(TapInsert& tap, const TrackedTable& table) {
  for (std::size_t i = 0; i < table.key.size(); ++i) {
    tap.add(tap_new_column(i), "new." + quote_identifier(table.key[i]));
  }
}

std::string insert_into(const TrackedTable& table, const TapInsert& tap) {
  return "INSERT INTO " + tap_name(table.id) + "(" + tap.columns + ") ";
}

// Rows other than the one being written that share the key or a unique value with `new`, whose
// column's value is written as `value` says.
std::string clash(const TrackedTable& table, const std::string& alias,
                  FunctionRef<std::string(const std::string& column)> value) {
  std::string out;
  for (std::size_t i = 0; i < table.key.size(); ++i) {
    const std::string column = quote_identifier(table.key[i]);
    out += (i == 0 ? "" : " AND ") + alias + column + " = " + value(table.key[i]);
  }
  if (table.unique.empty()) {
    return out;
  }
  out = "(" + out + ")";
  for (const auto& index : table.unique) {
    std::string match;
    for (const TrackedTable::UniqueColumn& part : index) {
      match += (match.empty() ? "" : " AND ") + alias + quote_identifier(part.name) + " = " +
               value(part.name) + " COLLATE " + quote_identifier(part.collation);
    }
    out += " OR (" + match + ")";
  }
  return "(" + out + ")";
}

std::string new_value(const std::string& column) { return "new." + quote_identifier(column); }

// The columns by which a row can be in the way of another, each once, the key first.
std::vector<std::string> clash_columns(const TrackedTable& table) {
  std::vector<std::string> out = table.key;
  for (const auto& index : table.unique) {
    for (const TrackedTable::UniqueColumn& part : index) {
      if (std::find(out.begin(), out.end(), part.name) == out.end()) {
        out.push_back(part.name);
      }
    }
  }
  return out;
}

// What tells the tap of a row that was inserted, and how large it is, without the row: `source` is
// "new." or an alias.
struct TellInserted {
  std::string into;
  std::string values;

  TellInserted(const TrackedTable& table, const std::string& source) {
    if (!table.without_rowid) {
      into = std::string("INSERT INTO ") + shared_tap_name + "(c0,c1,c2) ";
      values = std::to_string(shared_tap_tag(table)) + "," + source + table.rowid_name + "," +
               row_bytes_sql(table, source);
      return;
    }
    TapInsert tap(TapKind::inserted);
    tap.add(1, row_bytes_sql(table, source));
    for (std::size_t i = 0; i < table.key.size(); ++i) {
      tap.add(tap_new_column(i), source + quote_identifier(table.key[i]));
    }
    into = insert_into(table, tap);
    values = tap.values;
  }
};

std::string insert_trigger(const TrackedTable& table) {
  const TellInserted tell(table, "new.");
  return "CREATE TRIGGER " + trigger_name(table.id, "inserted") + " AFTER INSERT ON " +
         quote_identifier(table.name) + " BEGIN " + tell.into + "VALUES(" + tell.values + "); END;";
}

// Reading the tap, which is empty, tells capture of each statement that may bring us here: whoever
// makes a trigger makes such statements be prepared anew. Nothing of it runs.
std::string tell_of_prepare(const TrackedTable& table) {
  return "SELECT c0 FROM " + tap_name(table.id) + " WHERE 0;";
}

std::string update_trigger(const TrackedTable& table) {
  TapInsert tap(TapKind::updated);
  add_old(tap, table, "old.");
  if (!table.without_rowid) {
    tap.add(2, "new." + table.rowid_name);
  }
  add_new_key(tap, table);
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    tap.add(tap_new_column(table.key.size() + i), "new." + quote_identifier(table.columns[i].name));
  }
  return "CREATE TRIGGER " + trigger_name(table.id, "updated") + " AFTER UPDATE ON " +
         quote_identifier(table.name) + " BEGIN " + insert_into(table, tap) + "VALUES(" +
         tap.values + "); " + tell_of_prepare(table) + " END;";
}

std::string delete_trigger(const TrackedTable& table) {
  TapInsert tap(TapKind::deleted);
  add_old(tap, table, "old.");
  return "CREATE TRIGGER " + trigger_name(table.id, "deleted") + " AFTER DELETE ON " +
         quote_identifier(table.name) + " BEGIN " + insert_into(table, tap) + "VALUES(" +
         tap.values + "); " + tell_of_prepare(table) + " END;";
}

std::string from_rows(const TrackedTable& table, const std::string& where) {
  return " FROM " + quote_identifier(table.name) + " x WHERE " + where + "; ";
}

std::string any_row(const TrackedTable& table, const std::string& where) {
  return "EXISTS(SELECT 1 FROM " + quote_identifier(table.name) + " x WHERE " + where + ")";
}

// Where the rowid is no part of the key a statement may still name it.
bool has_hidden_rowid(const TrackedTable& table) { return !table.without_rowid; }

std::string before_insert_trigger(const TrackedTable& table) {
  // Reading the tap, which is empty, tells capture of each statement that may bring us here.
  std::string when = std::string(may_replace_function) + "()";
  std::string body;
  if (table.without_rowid) {
    const std::string where = clash(table, "x.", &new_value);
    TapInsert values(TapKind::may_vanish);
    add_old(values, table, "x.");
    add_new_key(values, table);
    when += " AND " + any_row(table, where);
    body = insert_into(table, values) + "SELECT " + values.values + from_rows(table, where) +
           "SELECT c0 FROM " + tap_name(table.id) + ";";
  } else {
    // A program without loops and with few registers: SQLite sets it up for every row.
    body = std::string("SELECT ") + in_way_function + "(" + std::to_string(table.id) + ",new." +
           table.rowid_name;
    for (const std::string& column : clash_columns(table)) {
      body += "," + new_value(column);
    }
    body += std::string("); SELECT c0 FROM ") + shared_tap_name + ";";
  }
  return "CREATE TRIGGER " + trigger_name(table.id, "replacing") + " BEFORE INSERT ON " +
         quote_identifier(table.name) + " WHEN " + when + " BEGIN " + body + " END;";
}

std::string before_update_trigger(const TrackedTable& table) {
  std::string of;
  for (const std::string& column : table.key) {
    of += (of.empty() ? "" : ",") + quote_identifier(column);
  }
  if (has_hidden_rowid(table)) {
    of += ",rowid,_rowid_,oid";
  }
  for (const auto& index : table.unique) {
    for (const TrackedTable::UniqueColumn& part : index) {
      // A generated column cannot be named here, and changes through others: then watch them all.
      if (table.position_of(part.name) < 0 &&
          std::find(table.key.begin(), table.key.end(), part.name) == table.key.end()) {
        of.clear();
        break;
      }
      of += "," + quote_identifier(part.name);
    }
    if (of.empty()) {
      break;
    }
  }
  std::string other;
  for (const std::string& column : table.key) {
    const std::string quoted = quote_identifier(column);
    other += (other.empty() ? "" : " OR ") + ("x." + quoted + " IS NOT old." + quoted);
  }
  std::string where = "(" + other + ") AND " + clash(table, "x.", &new_value);
  std::string when = any_row(table, where);
  if (has_hidden_rowid(table)) {
    const std::string rowid = table.rowid_name;
    const std::string moved = "new." + rowid + " <> old." + rowid;
    const std::string same_rowid = "x." + rowid + " = new." + rowid;
    when += " OR (" + moved + " AND " + any_row(table, same_rowid) + ")";
    where = "(" + where + ") OR (" + moved + " AND " + same_rowid + ")";
  }
  TapInsert tap(TapKind::may_vanish);
  add_old(tap, table, "x.");
  add_new_key(tap, table);
  return "CREATE TRIGGER " + trigger_name(table.id, "overtaking") + " BEFORE UPDATE " +
         (of.empty() ? "" : "OF " + of) + " ON " + quote_identifier(table.name) + " WHEN " + when +
         " BEGIN " + insert_into(table, tap) + "SELECT " + tap.values + from_rows(table, where) +
         "END;";
}

std::string where_new_row(const TrackedTable& table) {
  if (!table.without_rowid) {
    return table.rowid_name + " = new." + table.rowid_name;
  }
  std::string row;
  for (const std::string& key : table.key) {
    const std::string quoted = quote_identifier(key);
    row += (row.empty() ? "" : " AND ") + (quoted + " = new." + quoted);
  }
  return row;
}

// A trigger a document column; its second round finds nothing to do.
std::string document_triggers(const TrackedTable& table) {
  std::string sql;
  std::size_t number = 0;
  for (const TrackedColumn& column : table.columns) {
    if (column.rule != MergeRule::doc) {
      continue;
    }
    const std::string name = quote_identifier(column.name);
    const std::string joined =
        std::string(joined_document_function) + "(old." + name + ",new." + name + ")";
    sql += "CREATE TRIGGER " + trigger_name(table.id, "join") + "_" + std::to_string(number++) +
           " AFTER UPDATE OF " + name + " ON " + quote_identifier(table.name) + " WHEN new." +
           name + " IS NOT " + joined + " BEGIN UPDATE " + quote_identifier(table.name) + " SET " +
           name + " = " + joined + " WHERE " + where_new_row(table) + "; END;";
  }
  return sql;
}

// Two triggers a JSON column: what is not in the common spelling is rewritten at once. The
// rewritten row fires capture's own trigger, and a second round finds nothing to do.
std::string json_triggers(const TrackedTable& table) {
  std::string sql;
  std::size_t number = 0;
  for (const TrackedColumn& column : table.columns) {
    if (column.rule != MergeRule::json) {
      continue;
    }
    const std::string name = quote_identifier(column.name);
    const std::string spelled = std::string(canonical_json_function) + "(new." + name + ")";
    const std::string body = " WHEN new." + name + " IS NOT " + spelled + " BEGIN UPDATE " +
                             quote_identifier(table.name) + " SET " + name + " = " + spelled +
                             " WHERE " + where_new_row(table) + "; END;";
    const std::string suffix = "_" + std::to_string(number++);
    sql += "CREATE TRIGGER " + trigger_name(table.id, "spell_new") + suffix + " AFTER INSERT ON " +
           quote_identifier(table.name) + body;
    sql += "CREATE TRIGGER " + trigger_name(table.id, "spell") + suffix + " AFTER UPDATE OF " +
           name + " ON " + quote_identifier(table.name) + body;
  }
  return sql;
}

}  // namespace

std::string rows_in_way_sql(const TrackedTable& table) {
  const std::vector<std::string> columns = clash_columns(table);
  const auto parameter = [&](const std::string& column) {
    const auto found = std::find(columns.begin(), columns.end(), column);
    return "?" + std::to_string(2 + (found - columns.begin()));
  };
  return "SELECT t." + table.rowid_name + " FROM main." + quote_identifier(table.name) +
         " t WHERE " + clash(table, "t.", parameter) + " OR t." + table.rowid_name + " = ?1";
}

std::string capture_triggers_sql(const TrackedTable& table) {
  const auto make_tap = [](const std::string& name, TableId id, int columns) {
    return "CREATE VIRTUAL TABLE IF NOT EXISTS " + name + " USING " + capture_module + "(" +
           std::to_string(id) + "," + std::to_string(columns) + ");";
  };
  return make_tap(shared_tap_name, shared_tap, shared_tap_columns) +
         make_tap(tap_name(table.id), table.id, tap_column_count(table)) +
         // Of triggers on one event SQLite fires the newest first: capture must hear of a row
         // before another trigger writes it again.
         json_triggers(table) + document_triggers(table) + before_insert_trigger(table) +
         before_update_trigger(table) + insert_trigger(table) + update_trigger(table) +
         delete_trigger(table);
}

std::string drop_capture_sql(TableId table) {
  std::string sql;
  for (const char* what : {"replacing", "overtaking", "inserted", "updated", "deleted"}) {
    sql += "DROP TRIGGER IF EXISTS " + trigger_name(table, what) + ";";
  }
  return sql + "DROP TABLE IF EXISTS " + tap_name(table) + ";";
}

std::string adopt_rows_sql(const TrackedTable& table) {
  const TellInserted tell(table, "t.");
  return tell.into + "SELECT " + tell.values + " FROM main." + quote_identifier(table.name) + " t";
}

std::string adopt_row_sql(const TrackedTable& table) {
  if (!table.without_rowid) {
    return adopt_rows_sql(table) + " WHERE t." + table.rowid_name + " = ?1";
  }
  // A row of such a table has no number before it was captured: 0 stands for all that have none.
  return adopt_rows_sql(table) + " WHERE ?1 = 0";
}

std::string list_rows_sql(const TrackedTable& table) {
  if (!table.without_rowid) {
    return "SELECT " + table.rowid_name + " FROM main." + quote_identifier(table.name);
  }
  return "SELECT rid FROM syncline_keys_" + std::to_string(table.id);
}

std::string own_views_sql() {
  // Names may be anybody's: only the functions of client/view_functions and SQLite's own.
  return R"sql(
CREATE VIEW IF NOT EXISTS syncline_changes AS
SELECT l.version, lower(hex(r.replica)) || ':' || l.sequence AS op,
  lower(hex(r.replica)) AS replica, l.sequence,
  printf('%016x@%s', l.time, lower(hex(r.replica))) AS stamp,
  strftime('%Y-%m-%dT%H:%M:%fZ', (l.time >> 16) / 1000.0, 'unixepoch') AS time,
  CASE WHEN NOT r.own THEN 'remote'
    WHEN l.version <= coalesce((SELECT value FROM syncline_meta WHERE name = 'acked_version'), 0)
    THEN 'acked' ELSE 'pending' END AS state,
  (SELECT json_group_array(name) FROM (
    SELECT DISTINCT coalesce(t.name, j.value) AS name
    FROM (SELECT l.body UNION ALL
          SELECT p.body FROM syncline_log_parts p WHERE p.version = l.version) b,
      json_each(syncline_log_tables(l.form, b.body)) j
      LEFT JOIN syncline_tables t ON t.id = j.value AND j.type = 'integer'
    ORDER BY 1)) AS tables
FROM syncline_log l JOIN syncline_replicas r ON r.id = l.origin;
CREATE VIEW IF NOT EXISTS syncline_held AS
SELECT id, tbl AS table_name, syncline_key_json(key) AS key, reason, message,
  syncline_state_json(state) AS row,
  strftime('%Y-%m-%dT%H:%M:%fZ', since / 1000.0, 'unixepoch') AS since
FROM syncline_held_rows;
CREATE VIEW IF NOT EXISTS syncline_rejected AS
SELECT id, lower(hex(replica)) || ':' || sequence AS op, lower(hex(replica)) AS replica, sequence,
  code, message, strftime('%Y-%m-%dT%H:%M:%fZ', at / 1000.0, 'unixepoch') AS at
FROM syncline_rejected_changes;
CREATE VIEW IF NOT EXISTS syncline_conflicts AS
SELECT c.id, c.tbl AS table_name, syncline_key_json(c.key) AS key, c.col AS column_name, c.base,
  CASE WHEN c.loser_is_own THEN c.loser ELSE c.winner END AS mine,
  CASE WHEN c.loser_is_own THEN c.winner ELSE c.loser END AS theirs,
  c.winner, c.winner_stamp, c.loser_stamp
FROM (SELECT *, substr(loser_stamp, 18) IN
    (SELECT lower(hex(replica)) FROM syncline_replicas WHERE own) AS loser_is_own
  FROM syncline_conflict_rows WHERE state = 'open') c;
CREATE VIEW IF NOT EXISTS syncline_events AS
SELECT value ->> 'name' AS name, value ->> 'at' AS at, value -> 'payload' AS payload
FROM json_each(syncline_queued_events());
CREATE VIEW IF NOT EXISTS syncline_status AS
SELECT key AS name, value FROM json_each(syncline_status_json());
)sql";
}

}  // namespace syncline
