#include "client/triggers.h"

#include <algorithm>

namespace syncline {
namespace {

std::string tap_name(TableId table) { return "syncline_tap_" + std::to_string(table); }

std::string trigger_name(TableId table, const char* what) {
  return "syncline_" + std::string(what) + "_" + std::to_string(table);
}

// Collects the columns and expressions of one INSERT into the tap.
struct TapInsert {
  std::string columns = "c0";
  std::string values;

  explicit TapInsert(TapKind kind) : values(std::to_string(static_cast<int>(kind))) {}
  void add(int column, const std::string& expression) {
    columns += ",c" + std::to_string(column);
    values += "," + expression;
  }
};

int old_column(std::size_t index) { return tap_fixed_columns + 2 * static_cast<int>(index); }
int new_column(std::size_t index) { return old_column(index) + 1; }

void add_old(TapInsert& tap, const TrackedTable& table, const std::string& source) {
  if (!table.without_rowid) {
    tap.add(1, source + table.rowid_name);
  }
  std::size_t index = 0;
  for (const std::string& column : table.key) {
    tap.add(old_column(index++), source + quote_identifier(column));
  }
  for (const TrackedColumn& column : table.columns) {
    tap.add(old_column(index++), source + quote_identifier(column.name));
  }
}

void add_new_key(TapInsert& tap, const TrackedTable& table) {
  for (std::size_t i = 0; i < table.key.size(); ++i) {
    tap.add(new_column(i), "new." + quote_identifier(table.key[i]));
  }
}

std::string insert_into(const TrackedTable& table, const TapInsert& tap) {
  return "INSERT INTO " + tap_name(table.id) + "(" + tap.columns + ") ";
}

// Rows other than the one being written that share the key or a unique value with `new`.
std::string clash(const TrackedTable& table, const std::string& alias) {
  std::string out;
  for (std::size_t i = 0; i < table.key.size(); ++i) {
    const std::string column = quote_identifier(table.key[i]);
    out += (i == 0 ? "" : " AND ") + alias + column + " = new." + column;
  }
  if (table.unique.empty()) {
    return out;
  }
  out = "(" + out + ")";
  for (const auto& index : table.unique) {
    std::string match;
    for (const TrackedTable::UniqueColumn& part : index) {
      const std::string column = quote_identifier(part.name);
      match += (match.empty() ? "" : " AND ") + alias + column + " = new." + column + " COLLATE " +
               quote_identifier(part.collation);
    }
    out += " OR (" + match + ")";
  }
  return "(" + out + ")";
}

std::string insert_trigger(const TrackedTable& table) {
  TapInsert tap(TapKind::inserted);
  if (!table.without_rowid) {
    tap.add(2, "new." + table.rowid_name);
  }
  if (table.without_rowid || table.key_nullable) {
    add_new_key(tap, table);
  }
  return "CREATE TRIGGER " + trigger_name(table.id, "inserted") + " AFTER INSERT ON " +
         quote_identifier(table.name) + " BEGIN " + insert_into(table, tap) + "VALUES(" +
         tap.values + "); END;";
}

std::string update_trigger(const TrackedTable& table) {
  TapInsert tap(TapKind::updated);
  add_old(tap, table, "old.");
  if (!table.without_rowid) {
    tap.add(2, "new." + table.rowid_name);
  }
  add_new_key(tap, table);
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    tap.add(new_column(table.key.size() + i), "new." + quote_identifier(table.columns[i].name));
  }
  return "CREATE TRIGGER " + trigger_name(table.id, "updated") + " AFTER UPDATE ON " +
         quote_identifier(table.name) + " BEGIN " + insert_into(table, tap) + "VALUES(" +
         tap.values + "); END;";
}

std::string delete_trigger(const TrackedTable& table) {
  TapInsert tap(TapKind::deleted);
  add_old(tap, table, "old.");
  return "CREATE TRIGGER " + trigger_name(table.id, "deleted") + " AFTER DELETE ON " +
         quote_identifier(table.name) + " BEGIN " + insert_into(table, tap) + "VALUES(" +
         tap.values + "); END;";
}

std::string vanish_body(const TrackedTable& table, const std::string& where) {
  TapInsert tap(TapKind::may_vanish);
  add_old(tap, table, "x.");
  return " BEGIN " + insert_into(table, tap) + "SELECT " + tap.values + " FROM " +
         quote_identifier(table.name) + " x WHERE " + where + "; END;";
}

std::string before_insert_trigger(const TrackedTable& table) {
  return "CREATE TRIGGER " + trigger_name(table.id, "replacing") + " BEFORE INSERT ON " +
         quote_identifier(table.name) + " WHEN EXISTS(SELECT 1 FROM " +
         quote_identifier(table.name) + " x WHERE " + clash(table, "x.") + ")" +
         vanish_body(table, clash(table, "x."));
}

std::string before_update_trigger(const TrackedTable& table) {
  std::string of;
  for (const std::string& column : table.key) {
    of += (of.empty() ? "" : ",") + quote_identifier(column);
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
  const std::string where = "(" + other + ") AND " + clash(table, "x.");
  return "CREATE TRIGGER " + trigger_name(table.id, "overtaking") + " BEFORE UPDATE " +
         (of.empty() ? "" : "OF " + of) + " ON " + quote_identifier(table.name) +
         " WHEN EXISTS(SELECT 1 FROM " + quote_identifier(table.name) + " x WHERE " + where + ")" +
         vanish_body(table, where);
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
    std::string row;
    if (table.without_rowid) {
      for (const std::string& key : table.key) {
        const std::string quoted = quote_identifier(key);
        row += (row.empty() ? "" : " AND ") + (quoted + " = new." + quoted);
      }
    } else {
      row = table.rowid_name + " = new." + table.rowid_name;
    }
    const std::string body = " WHEN new." + name + " IS NOT " + spelled + " BEGIN UPDATE " +
                             quote_identifier(table.name) + " SET " + name + " = " + spelled +
                             " WHERE " + row + "; END;";
    const std::string suffix = "_" + std::to_string(number++);
    sql += "CREATE TRIGGER " + trigger_name(table.id, "spell_new") + suffix + " AFTER INSERT ON " +
           quote_identifier(table.name) + body;
    sql += "CREATE TRIGGER " + trigger_name(table.id, "spell") + suffix + " AFTER UPDATE OF " +
           name + " ON " + quote_identifier(table.name) + body;
  }
  return sql;
}

}  // namespace

std::string capture_triggers_sql(const TrackedTable& table) {
  return "CREATE VIRTUAL TABLE " + tap_name(table.id) + " USING " + capture_module + "(" +
         std::to_string(table.id) + "," + std::to_string(tap_column_count(table)) + ");" +
         before_insert_trigger(table) + before_update_trigger(table) + insert_trigger(table) +
         update_trigger(table) + delete_trigger(table) + json_triggers(table);
}

std::string drop_capture_sql(TableId table) {
  std::string sql;
  for (const char* what : {"replacing", "overtaking", "inserted", "updated", "deleted"}) {
    sql += "DROP TRIGGER IF EXISTS " + trigger_name(table, what) + ";";
  }
  return sql + "DROP TABLE IF EXISTS " + tap_name(table) + ";";
}

std::string adopt_rows_sql(const TrackedTable& table) {
  TapInsert tap(TapKind::inserted);
  if (!table.without_rowid) {
    tap.add(2, "t." + table.rowid_name);
  }
  for (std::size_t i = 0; i < table.key.size(); ++i) {
    tap.add(new_column(i), "t." + quote_identifier(table.key[i]));
  }
  return insert_into(table, tap) + "SELECT " + tap.values + " FROM main." +
         quote_identifier(table.name) + " t";
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

std::string own_views_sql() { return ""; }

}  // namespace syncline
