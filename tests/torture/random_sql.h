#pragma once

#include <string>
#include <vector>

#include "base/random.h"
#include "sqlite/connection.h"

namespace syncline::torture {

// Random SQL over a few tables that between them have every feature that capture must live with.

struct TableShape {
  const char* name;
  std::vector<const char*> key;
  std::vector<const char*> columns;
  std::vector<const char*> create;
};

// Text keys, integer keys, composite keys, WITHOUT ROWID, generated columns, defaults, secondary
// UNIQUE, NOCASE, CHECK, NOT NULL, foreign keys that cascade, the application's own triggers.
inline const std::vector<TableShape>& shapes() {
  static const std::vector<TableShape> all = {
      {"ints",
       {"id"},
       {"a", "b"},
       {"CREATE TABLE ints(id INTEGER PRIMARY KEY, a, b INT DEFAULT 7)"}},
      {"texts",
       {"id"},
       {"a", "u"},
       {"CREATE TABLE texts(id TEXT PRIMARY KEY NOT NULL, a TEXT COLLATE NOCASE, u UNIQUE, "
        "g AS (a || '!') STORED, v AS (length(a)))"}},
      {"pairs",
       {"x", "y"},
       {"a", "b"},
       {"CREATE TABLE pairs(a, x TEXT NOT NULL, b NUMERIC, y INT NOT NULL, PRIMARY KEY(y, x), "
        "UNIQUE(a, b))"}},
      {"bare",
       {"k"},
       {"a", "b"},
       {"CREATE TABLE bare(k TEXT PRIMARY KEY, a, b UNIQUE) WITHOUT ROWID"}},
      {"folded",
       {"k"},
       {"a"},
       {"CREATE TABLE folded(k TEXT COLLATE NOCASE PRIMARY KEY NOT NULL, a CHECK(a IS NOT 13))"}},
      {"parents", {"id"}, {"name"}, {"CREATE TABLE parents(id INTEGER PRIMARY KEY, name UNIQUE)"}},
      {"children",
       {"id"},
       {"p", "a"},
       {"CREATE TABLE children(id TEXT PRIMARY KEY NOT NULL, p REFERENCES parents(id) ON DELETE "
        "CASCADE ON UPDATE CASCADE, a NOT NULL DEFAULT 'x')",
        "CREATE TABLE audit(n INTEGER PRIMARY KEY, what, id)",
        "CREATE TRIGGER children_before BEFORE INSERT ON children WHEN new.a = 'twice' BEGIN "
        "INSERT OR IGNORE INTO children VALUES(new.id || '2', new.p, 'once'); END",
        "CREATE TRIGGER ints_after AFTER UPDATE OF a ON ints BEGIN INSERT INTO audit(what, id) "
        "VALUES('u', new.id); UPDATE ints SET b = coalesce(b, 0) + 1 WHERE id = new.id; END",
        "CREATE TRIGGER texts_gone AFTER DELETE ON texts BEGIN INSERT INTO audit(what, id) "
        "VALUES('d', old.id); END"}},
      {"audit", {"n"}, {"what", "id"}, {}},
  };
  return all;
}

// Runs each statement that creates the tables.
inline void create_tables(Connection connection) {
  for (const TableShape& shape : shapes()) {
    for (const char* sql : shape.create) {
      SL_CHECK(connection.execute(sql).has_value());
    }
  }
}

class SqlMaker {
 public:
  explicit SqlMaker(Random& random) : random_(random) {}

  std::string statement() {
    switch (random_.below(16)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return insert("INSERT");
      case 4:
      case 5:
        return insert("INSERT OR REPLACE");
      case 6:
        return insert("INSERT OR IGNORE");
      case 7:
        return upsert();
      case 8:
      case 9:
      case 10:
        return update("UPDATE");
      case 11:
        return update(random_.chance(1, 2) ? "UPDATE OR REPLACE" : "UPDATE OR IGNORE");
      case 12:
        return update_key();
      case 13:
      case 14:
        return erase();
      default:
        return insert(random_.chance(1, 2) ? "INSERT OR FAIL" : "INSERT OR ROLLBACK");
    }
  }

  std::string value() {
    static const std::vector<const char*> values = {"NULL",
                                                    "0",
                                                    "1",
                                                    "1.0",
                                                    "-0.0",
                                                    "'1'",
                                                    "'a'",
                                                    "'A'",
                                                    "x'61'",
                                                    "''",
                                                    "x''",
                                                    "13",
                                                    "2.5",
                                                    "'twice'",
                                                    "9223372036854775807",
                                                    "1e999",
                                                    "-1e999",
                                                    "'b'",
                                                    "3",
                                                    "CAST(x'61ff00' AS TEXT)",
                                                    "'0e37b1a4-8a4e-4a8e-9f7e-4e1f6f6b9c11'",
                                                    "-9223372036854775808"};
    return values[static_cast<std::size_t>(random_.below(values.size()))];
  }
  std::string key() {
    static const std::vector<const char*> keys = {"1",   "2", "3",    "4",   "'a'", "'A'",
                                                  "'b'", "5", "NULL", "'1'", "6",   "7"};
    return keys[static_cast<std::size_t>(random_.below(keys.size()))];
  }

 private:
  const TableShape& shape() {
    return shapes()[static_cast<std::size_t>(random_.below(shapes().size()))];
  }
  std::string one_of(const std::vector<const char*>& names) {
    return names[static_cast<std::size_t>(random_.below(names.size()))];
  }
  std::string tuple(const TableShape& table, std::size_t columns) {
    std::string out;
    for (std::size_t i = 0; i < table.key.size(); ++i) {
      out += (i == 0 ? "(" : ",") + key();
    }
    for (std::size_t i = 0; i < columns; ++i) {
      out += "," + (random_.chance(1, 4) ? key() : value());
    }
    return out + ")";
  }
  std::string insert(const std::string& verb) {
    const TableShape& table = shape();
    const std::size_t columns = random_.chance(1, 4)
                                    ? static_cast<std::size_t>(random_.below(table.columns.size()))
                                    : table.columns.size();
    std::string names;
    for (const char* name : table.key) {
      names += (names.empty() ? "" : ",") + std::string(name);
    }
    for (std::size_t i = 0; i < columns; ++i) {
      names += std::string(",") + table.columns[i];
    }
    std::string out = verb + " INTO " + table.name + "(" + names + ") VALUES";
    const std::uint64_t rows = random_.chance(1, 3) ? 1 + random_.below(4) : 1;
    for (std::uint64_t i = 0; i < rows; ++i) {
      out += (i == 0 ? "" : ",") + tuple(table, columns);
    }
    return out;
  }
  std::string upsert() {
    const TableShape& table = shape();
    std::string names;
    for (const char* name : table.key) {
      names += (names.empty() ? "" : ",") + std::string(name);
    }
    std::string columns = names;
    for (const char* name : table.columns) {
      columns += std::string(",") + name;
    }
    const std::string tail =
        random_.chance(1, 4)
            ? " DO NOTHING"
            : " DO UPDATE SET " + one_of(table.columns) + " = " +
                  (random_.chance(1, 2) ? value() : "excluded." + one_of(table.columns));
    return "INSERT INTO " + std::string(table.name) + "(" + columns + ") VALUES" +
           tuple(table, table.columns.size()) + " ON CONFLICT" +
           (random_.chance(1, 2)   ? "(" + names + ")"
            : random_.chance(1, 2) ? "(" + names + ")"
                                   : "") +
           tail;
  }
  std::string where(const TableShape& table) {
    switch (random_.below(5)) {
      case 0:
        return "";
      case 1:
        return " WHERE " + one_of(table.columns) + " IS " + value();
      default:
        return " WHERE " + std::string(table.key[0]) + " = " + key();
    }
  }
  std::string update(const std::string& verb) {
    const TableShape& table = shape();
    std::string out = verb + " " + table.name + " SET " + one_of(table.columns) + " = " +
                      (random_.chance(1, 4) ? one_of(table.columns) : value());
    if (random_.chance(1, 3)) {
      const std::string other = one_of(table.columns);
      out += ", " + other + " = " + value();
    }
    return out + where(table);
  }
  std::string update_key() {
    const TableShape& table = shape();
    static const std::vector<const char*> verbs = {"UPDATE ", "UPDATE OR REPLACE ",
                                                   "UPDATE OR IGNORE "};
    return one_of(verbs) + table.name + " SET " + one_of(table.key) + " = " +
           (random_.chance(1, 3) ? std::string(table.key[0]) + " + 1" : key()) +
           (random_.chance(1, 3) ? ", " + one_of(table.columns) + " = " + value() : "") +
           where(table);
  }
  std::string erase() {
    const TableShape& table = shape();
    if (random_.chance(1, 20)) {
      return "DELETE FROM " + std::string(table.name);
    }
    return "DELETE FROM " + std::string(table.name) + " WHERE " + table.key[0] + " = " + key();
  }

  Random& random_;
};

}  // namespace syncline::torture
