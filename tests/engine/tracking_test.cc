// What tracking takes, what it refuses and in which words, and what untracking leaves.
#include <doctest/doctest.h>

#include "client/replica_world.h"

namespace syncline {
namespace {

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

std::string track(WorldReplica& replica, const std::string& table,
                  const std::vector<std::string>& rules) {
  const auto options = parse_track_options(rules);
  return options ? replica.track(table, *options) : options.error().message();
}

struct Untrackable {
  const char* sql;
  const char* table;
  std::vector<std::string> rules;
  const char* words;
};

}  // namespace

TEST_CASE("what cannot be synced is refused in words, and nothing is left behind") {
  const std::vector<Untrackable> refusals = {
      {"", "absent", {}, "create it before tracking it"},
      {"CREATE TABLE t(a, b)", "t", {}, "primary key"},
      {"CREATE TABLE t(a PRIMARY KEY); CREATE VIEW v AS SELECT * FROM t", "v", {}, "is a view"},
      {"CREATE VIRTUAL TABLE f USING fts5(a)", "f", {}, "virtual table"},
      {"CREATE TABLE t(a PRIMARY KEY, b)", "t", {"c=counter"}, "no column 'c'"},
      {"CREATE TABLE t(a PRIMARY KEY, b)", "t", {"a=json"}, "part of the key"},
      {"CREATE TABLE t(a PRIMARY KEY, b)", "t", {"counter"}, "for single columns"},
      {"CREATE TABLE t(a PRIMARY KEY, b)", "t", {"b=row"}, "for whole tables"},
      {"CREATE TABLE t(a PRIMARY KEY, b)", "t", {"b=magic"}, "magic"},
      {"CREATE TABLE t(rowid, _rowid_, oid, k TEXT PRIMARY KEY)", "t", {}, "rename one of them"},
      {"CREATE TABLE t(a PRIMARY KEY, b); CREATE UNIQUE INDEX u ON t(lower(b))",
       "t",
       {},
       "is on an expression"},
      {"CREATE TABLE t(a PRIMARY KEY); INSERT INTO t VALUES(NULL)", "t", {}, "NULL"},
      {"", "sqlite_schema", {}, "sqlite_"},
  };
  for (const Untrackable& refusal : refusals) {
    CAPTURE(refusal.sql);
    WorldReplica replica(1);
    REQUIRE(replica.run(refusal.sql) == "");
    const auto before = replica.rows(
        "SELECT type, name, sql FROM sqlite_schema WHERE name NOT "
        "LIKE 'syncline%' AND name NOT LIKE 'sqlite%' ORDER BY 2");
    const std::string error = track(replica, refusal.table, refusal.rules);
    CHECK_MESSAGE(contains(error, refusal.words), error);
    CHECK(replica.rows("SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'syncline%' "
                       "AND name NOT LIKE 'sqlite%' ORDER BY 2") == before);
    CHECK(replica
              .rows("SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name "
                    "NOT LIKE 'syncline%'")
              .empty());
  }
}

TEST_CASE("every shape of table is captured and told, and comes over as it is") {
  const std::vector<std::pair<std::string, std::string>> shapes = {
      {"CREATE TABLE t(id INTEGER PRIMARY KEY, a, b)",
       "INSERT INTO t VALUES(1, 2, 3), (9223372036854775807, NULL, x''), (-5, '', 0.5)"},
      {"CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, a)",
       "INSERT INTO t(a) VALUES(1), (2)"},
      {"CREATE TABLE t(a TEXT, b INT, c, PRIMARY KEY(b, a))",
       "INSERT INTO t VALUES('x', 1, 2), ('y', 1, 3)"},
      {"CREATE TABLE t(a TEXT PRIMARY KEY, b) WITHOUT ROWID", "INSERT INTO t VALUES('x', 1)"},
      {"CREATE TABLE t(a BLOB PRIMARY KEY, b)", "INSERT INTO t VALUES(x'00ff', 1), (x'', 2)"},
      {"CREATE TABLE t(a REAL PRIMARY KEY, b)", "INSERT INTO t VALUES(1.5, 1), (-0.0, 2)"},
      {"CREATE TABLE t(k TEXT PRIMARY KEY, a INT, b AS (a * 2) STORED, c AS (a + 1))",
       "INSERT INTO t(k, a) VALUES('x', 4)"},
      {"CREATE TABLE t(k TEXT PRIMARY KEY, a DEFAULT 7, b DEFAULT (1 + 1)) STRICT",
       "INSERT INTO t(k) VALUES('x')"},
      {"CREATE TABLE t(\"a\"\"b\" TEXT PRIMARY KEY, \"select\", \"c]d\", 'e''f')",
       "INSERT INTO t VALUES('x', 1, 2, 3)"},
      {"CREATE TABLE t(rowid TEXT, k TEXT PRIMARY KEY, oid)", "INSERT INTO t VALUES('r', 'x', 1)"},
      {"CREATE TABLE t(k TEXT PRIMARY KEY)", "INSERT INTO t VALUES('x'), ('y')"},
      {"CREATE TABLE t(k TEXT PRIMARY KEY COLLATE NOCASE, a)", "INSERT INTO t VALUES('X', 1)"},
  };
  for (const auto& shape : shapes) {
    const std::string create = shape.first;
    const std::string insert = shape.second;
    // Rows that stood before tracking, and rows written after it.
    for (const bool before : {true, false}) {
      CAPTURE(create);
      CAPTURE(before);
      WorldReplica one(1);
      WorldReplica two(2);
      const std::string sql = create.find("STRICT") == std::string::npos
                                  ? create
                                  : "CREATE TABLE t(k TEXT PRIMARY KEY, a ANY DEFAULT 7, b ANY "
                                    "DEFAULT (1 + 1)) STRICT";
      REQUIRE(one.run(sql) == "");
      REQUIRE(two.run(sql) == "");
      if (before) {
        REQUIRE(one.run(insert) == "");
      }
      REQUIRE(one.track("t") == "");
      REQUIRE(two.track("t") == "");
      if (!before) {
        REQUIRE(one.run(insert) == "");
      }
      REQUIRE(two.apply(one.changes()) == "");
      CHECK(two.rows("SELECT * FROM t ORDER BY 1, 2") == one.rows("SELECT * FROM t ORDER BY 1, 2"));
      CHECK_FALSE(two.rows("SELECT * FROM t").empty());
      CHECK(two.stamped_rows("t").size() == two.rows("SELECT * FROM t").size());
      CHECK(to_text(*one.engine().digest()) == to_text(*two.engine().digest()));
    }
  }
}

TEST_CASE("untracking leaves the application's table as it was") {
  WorldReplica replica(1);
  REQUIRE(replica.run("CREATE TABLE t(a TEXT PRIMARY KEY, b) WITHOUT ROWID; CREATE TABLE u(a "
                      "INTEGER PRIMARY KEY); CREATE TRIGGER mine AFTER INSERT ON t BEGIN SELECT 1; "
                      "END") == "");
  const char* const schema =
      "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE tbl_name = 't' ORDER BY 2";
  const auto before = replica.rows(schema);
  REQUIRE(replica.track("t") == "");
  REQUIRE(replica.track("u") == "");
  REQUIRE(replica.run("INSERT INTO t VALUES('x', 1); INSERT INTO u VALUES(1)") == "");
  CHECK(replica.rows(schema) != before);
  REQUIRE(replica.engine().untrack("t"));
  CHECK(replica.rows(schema) == before);
  CHECK(joined(replica.rows("SELECT * FROM t")) == "text:78|1");
  const std::uint64_t version = replica.version();
  REQUIRE(replica.run("UPDATE t SET b = 2") == "");
  CHECK(replica.version() == version);
  REQUIRE(replica.run("INSERT INTO u VALUES(2)") == "");
  CHECK(replica.version() == version + 1);
  SUBCASE("and tracking it again takes in its rows") {
    REQUIRE(replica.track("t") == "");
    WorldReplica other(2);
    REQUIRE(other.run("CREATE TABLE t(a TEXT PRIMARY KEY, b)") == "");
    REQUIRE(other.track("t") == "");
    REQUIRE(other.apply(replica.changes()) == "");
    CHECK(joined(other.rows("SELECT * FROM t")) == "text:78|2");
  }
  SUBCASE("a table that is not tracked cannot be untracked") {
    const auto again = replica.engine().untrack("t");
    REQUIRE_FALSE(again);
    CHECK(again.error().code() == ErrorCode::not_found);
  }
}

TEST_CASE("a change of the primary key is a delete and a put") {
  WorldReplica replica(1);
  REQUIRE(replica.run("CREATE TABLE t(k TEXT PRIMARY KEY, a)") == "");
  REQUIRE(replica.track("t") == "");
  REQUIRE(replica.run("INSERT INTO t VALUES('x', 1)") == "");
  REQUIRE(replica.run("UPDATE t SET k = 'y'") == "");
  CHECK(replica.last_change() == "erase t[text:78]; put t[text:79] a=1");
}

TEST_CASE("foreign key actions and the application's own triggers are captured") {
  WorldReplica replica(1);
  REQUIRE(replica.run("PRAGMA foreign_keys = ON; CREATE TABLE p(k INTEGER PRIMARY KEY); CREATE "
                      "TABLE c(k INTEGER PRIMARY KEY, p INT REFERENCES p(k) ON DELETE CASCADE ON "
                      "UPDATE CASCADE); CREATE TABLE audit(n INTEGER PRIMARY KEY, what TEXT); "
                      "CREATE TRIGGER note AFTER DELETE ON c BEGIN INSERT INTO audit(what) "
                      "VALUES('gone ' || OLD.k); END") == "");
  for (const char* table : {"p", "c", "audit"}) {
    REQUIRE(replica.track(table) == "");
  }
  REQUIRE(replica.run("INSERT INTO p VALUES(1), (2); INSERT INTO c VALUES(10, 1), (20, 2)") == "");
  REQUIRE(replica.run("UPDATE p SET k = 3 WHERE k = 2") == "");
  CHECK(replica.last_change() == "erase p[2]; put p[3]; set c[20] p=3");
  REQUIRE(replica.run("DELETE FROM p WHERE k = 1") == "");
  CHECK(replica.last_change() == "erase c[10]; erase p[1]; put audit[1] what=text:676f6e65203130");
}

TEST_CASE("a primary key that is NULL is refused when it is written") {
  WorldReplica replica(1);
  REQUIRE(replica.run("CREATE TABLE t(k TEXT PRIMARY KEY, a)") == "");
  REQUIRE(replica.track("t") == "");
  CHECK(contains(replica.run("INSERT INTO t VALUES(NULL, 1)"), "is NULL"));
  CHECK(replica.rows("SELECT * FROM t").empty());
  CHECK(replica.version() == 0);
}

}  // namespace syncline
