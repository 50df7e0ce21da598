#include "client/event_order.h"

#include <doctest/doctest.h>

#include "client/replica_world.h"
#include "client/verify.h"

namespace syncline {
namespace {

constexpr const char* schema =
    "CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, v INT DEFAULT 0, w TEXT, u INT UNIQUE)";
constexpr const char* out =
    "CREATE TRIGGER out AFTER UPDATE OF w ON t WHEN new.w = 'out' BEGIN DELETE FROM t WHERE id = "
    "new.id; END";
constexpr const char* stay =
    "CREATE TRIGGER stay AFTER DELETE ON t WHEN old.w = 'stays' BEGIN INSERT INTO t(id, w) "
    "VALUES(old.id, 'again'); END";
constexpr const char* goes =
    "CREATE TRIGGER goes AFTER INSERT ON t WHEN new.w = 'goes' BEGIN DELETE FROM t WHERE id = "
    "new.id; END";
constexpr const char* any = "CREATE TRIGGER seen AFTER INSERT ON t BEGIN SELECT 1; END";

struct Case {
  const char* name;
  const char* rule;
  std::string schema;
  const char* trigger;  // made after tracking
  const char* before;
  const char* change;
  const char* told;  // of the change; null when that is not what the case is about
};

const std::vector<Case>& cases() {
  static const std::vector<Case> all{
      {"a record that a trigger deletes when it is updated", "row", schema, out,
       "INSERT INTO t VALUES('k', 1, 'a', NULL)", "UPDATE t SET v = 3; UPDATE t SET w = 'out'",
       "erase t[text:6b]"},
      {"a record that came and that a trigger deletes", "row", schema, out, "SELECT 1",
       "INSERT INTO t VALUES('k', 1, 'a', NULL); UPDATE t SET w = 'out'", ""},
      {"the same without a rowid", "row", std::string(schema) + " WITHOUT ROWID", out, "SELECT 1",
       "INSERT INTO t VALUES('k', 1, 'a', NULL); UPDATE t SET w = 'out'", ""},
      {"a record that a trigger deletes, and that is inserted again", "row", schema, out,
       "INSERT INTO t VALUES('k', 1, 'a', NULL)",
       "UPDATE t SET w = 'out'; INSERT INTO t VALUES('k', 2, 'b', NULL)",
       "put t[text:6b] u=null v=2 w=text:62"},
      {"a row that a trigger puts back", nullptr, schema, stay,
       "INSERT INTO t VALUES('k', 1, 'stays', NULL)", "DELETE FROM t",
       "put t[text:6b] u=null v=0 w=text:616761696e"},
      {"a row that a trigger puts back, and that is deleted again", nullptr, schema, stay,
       "INSERT INTO t VALUES('k', 1, 'stays', NULL)", "DELETE FROM t; DELETE FROM t",
       "erase t[text:6b]"},
      {"a row that a trigger takes away at once, in place of another", nullptr, schema, goes,
       "INSERT INTO t VALUES('k', 1, 'a', NULL)", "REPLACE INTO t VALUES('k', 2, 'goes', NULL)",
       "erase t[text:6b]"},
      {"a row that became what it was, and was then replaced by another key", nullptr, schema, any,
       "INSERT INTO t VALUES('k', 1, 'a', 7)",
       "UPDATE t SET v = 2; UPDATE t SET v = 1; REPLACE INTO t(rowid, id, u) VALUES(9, 'm', 7)",
       "erase t[text:6b]; put t[text:6d] u=7 v=0 w=null"},
      {"a row that refers to itself and gets another key", nullptr,
       "CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, v INT, w TEXT REFERENCES t(id) ON UPDATE "
       "CASCADE)",
       "SELECT 1", "INSERT INTO t VALUES('k', 1, 'k')", "UPDATE t SET id = 'm'",
       "erase t[text:6b]; put t[text:6d] v=1 w=text:6d"},
  };
  return all;
}

void check_alike(WorldReplica& writer, WorldReplica& reader) {
  CHECK(reader.apply(writer.changes()) == "");
  CHECK(reader.stamped_rows("t") == writer.stamped_rows("t"));
  CHECK(*reader.engine().digest() == *writer.engine().digest());
  CHECK(joined(*verify(writer.engine())) == "");
}

}  // namespace

TEST_CASE("what a newer trigger or a foreign key's action does to a row is told in one piece") {
  for (const Case& each : cases()) {
    CAPTURE(each.name);
    WorldReplica writer(1);
    WorldReplica reader(2);
    for (WorldReplica* replica : {&writer, &reader}) {
      REQUIRE(replica->run("PRAGMA foreign_keys = ON; " + each.schema) == "");
      const auto options = parse_track_options(
          each.rule == nullptr ? std::vector<std::string>() : std::vector<std::string>{each.rule});
      REQUIRE(replica->track("t", *options) == "");
    }
    REQUIRE(writer.run(each.trigger) == "");
    REQUIRE(writer.run(each.before) == "");
    REQUIRE(writer.run("BEGIN; " + std::string(each.change) + "; COMMIT") == "");
    if (each.told[0] != 0) {
      CHECK(writer.last_change() == each.told);
    }
    check_alike(writer, reader);
  }
}

TEST_CASE("a trigger made inside a transaction is seen by its own inserts") {
  WorldReplica writer(1);
  WorldReplica reader(2);
  for (WorldReplica* replica : {&writer, &reader}) {
    REQUIRE(replica->run(schema) == "");
    REQUIRE(replica->track("t") == "");
  }
  REQUIRE(writer.run("INSERT INTO t VALUES('a', 1, 'a', NULL)") == "");
  REQUIRE(writer.run("BEGIN; UPDATE t SET v = 5; " + std::string(goes) +
                     "; REPLACE INTO t VALUES('a', 2, 'goes', NULL); INSERT INTO t VALUES('b', 3, "
                     "'goes', NULL); COMMIT") == "");
  CHECK(writer.last_change() == "erase t[text:61]");
  check_alike(writer, reader);
}

TEST_CASE("only tables whose rows may be written unheard are watched closely") {
  WorldReplica replica(1);
  REQUIRE(replica.run("CREATE TABLE apart(id INTEGER PRIMARY KEY); "
                      "CREATE TABLE parent(id INTEGER PRIMARY KEY); "
                      "CREATE TABLE child(id INTEGER PRIMARY KEY, p REFERENCES parent(id) ON "
                      "DELETE CASCADE); "
                      "CREATE TRIGGER older AFTER INSERT ON apart BEGIN SELECT 1; END; "
                      "CREATE TABLE ring(id INTEGER PRIMARY KEY, p REFERENCES ring(id) ON DELETE "
                      "SET NULL)") == "");
  for (const char* table : {"apart", "parent", "child", "ring"}) {
    REQUIRE(replica.track(table) == "");
  }
  const auto tables = [&] {
    std::string names;
    const std::set<TableId> found = tables_out_of_order(replica.connection()).value();
    for (const TableId id : found) {
      names += (names.empty() ? "" : " ") +
               replica.rows("SELECT name FROM syncline_tables WHERE id = " + std::to_string(id))[0];
    }
    return names;
  };
  const auto hex = [](const char* name) {
    return exact_text(ValueView::of(std::string_view(name)));
  };
  CHECK(tables() == hex("ring"));
  SUBCASE("a trigger on the child may write the parent") {
    REQUIRE(replica.run("CREATE TRIGGER back AFTER DELETE ON child BEGIN SELECT 1; END") == "");
    CHECK(tables() == hex("parent") + " " + hex("child") + " " + hex("ring"));
  }
  SUBCASE("one of this connection alone fires before all") {
    REQUIRE(replica.run("CREATE TEMP TRIGGER mine AFTER DELETE ON main.apart BEGIN SELECT 1; "
                        "END") == "");
    CHECK(tables() == hex("apart") + " " + hex("ring"));
  }
}

}  // namespace syncline
