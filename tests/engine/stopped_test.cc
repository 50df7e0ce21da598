// What a statement wrote before a trigger stopped it in the middle is told, though capture's own
// triggers never ran for it.
#include <doctest/doctest.h>

#include "client/event_order.h"
#include "client/replica_world.h"
#include "client/verify.h"

namespace syncline {
namespace {

constexpr const char* schema =
    "CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, v INT DEFAULT 0, u INT UNIQUE)";

struct Case {
  std::string name;
  std::string trigger;  // made after tracking
  std::string before;
  std::string change;
  std::string told;  // empty when that is not what the case is about
};

std::string trigger_on(const std::string& event, const std::string& when, const std::string& what) {
  return "CREATE TRIGGER stops AFTER " + event + " ON t WHEN " + when + " BEGIN SELECT " + what +
         "; END";
}

const std::vector<Case>& cases() {
  const std::string ignore = "RAISE(IGNORE)";
  const std::string fail = "RAISE(FAIL, 'enough')";
  static const std::vector<Case> all{
      {"an insert that is left where it is", trigger_on("INSERT", "new.v = 9", ignore), "SELECT 1",
       "INSERT INTO t VALUES('a', 1, NULL), ('b', 9, NULL), ('c', 2, NULL)",
       "put t[text:61] u=null v=1; put t[text:62] u=null v=9; put t[text:63] u=null v=2"},
      {"an insert that fails after its row", trigger_on("INSERT", "new.v = 9", fail), "SELECT 1",
       "INSERT INTO t VALUES('a', 1, NULL), ('b', 9, NULL), ('c', 2, NULL)",
       "put t[text:61] u=null v=1; put t[text:62] u=null v=9"},
      {"an update that is left where it is", trigger_on("UPDATE", "new.v = 9", ignore),
       "INSERT INTO t VALUES('a', 1, 1), ('b', 2, 2)", "UPDATE t SET v = 9 WHERE id = 'b'",
       "set t[text:62] v=9"},
      {"an update that fails after its row", trigger_on("UPDATE", "new.v = 9", fail),
       "INSERT INTO t VALUES('a', 1, 1), ('b', 2, 2)", "UPDATE t SET v = 9", "set t[text:61] v=9"},
      {"a delete that is left where it is", trigger_on("DELETE", "old.v = 2", ignore),
       "INSERT INTO t VALUES('a', 1, 1), ('b', 2, 2)", "DELETE FROM t",
       "erase t[text:61]; erase t[text:62]"},
      {"a delete that fails after its row", trigger_on("DELETE", "old.v = 1", fail),
       "INSERT INTO t VALUES('a', 1, 1), ('b', 2, 2)", "DELETE FROM t", "erase t[text:61]"},
      {"a key that changed unheard", trigger_on("UPDATE", "new.id = 'z'", ignore),
       "INSERT INTO t VALUES('a', 1, 1), ('b', 2, 2)", "UPDATE t SET id = 'z' WHERE id = 'a'",
       "erase t[text:61]; put t[text:7a] u=1 v=1"},
      {"a row that replaced others unheard", trigger_on("INSERT", "new.v = 9", ignore),
       "INSERT INTO t VALUES('a', 1, 1), ('b', 2, 2)", "REPLACE INTO t VALUES('a', 9, 2)", ""},
      {"a failing statement inside of a trigger",
       "CREATE TABLE log(n INT UNIQUE); CREATE TRIGGER stops AFTER UPDATE ON t BEGIN INSERT INTO "
       "log VALUES(1); END",
       "INSERT INTO t VALUES('a', 1, 1), ('b', 2, 2)", "UPDATE OR FAIL t SET v = v + 1",
       "set t[text:61] v=2; set t[text:62] v=3"},
      {"a trigger of this connection alone",
       "CREATE TEMP TRIGGER stops AFTER UPDATE ON main.t BEGIN SELECT RAISE(IGNORE); END",
       "INSERT INTO t VALUES('a', 1, 1), ('b', 2, 2)", "UPDATE t SET v = 9",
       "set t[text:61] v=9; set t[text:62] v=9"},
      {"a child's trigger that fails before the parent's end is heard",
       "CREATE TABLE child(p REFERENCES t(id) ON DELETE CASCADE); CREATE TRIGGER stops AFTER "
       "DELETE ON child BEGIN SELECT RAISE(FAIL, 'enough'); END",
       "INSERT INTO t VALUES('a', 1, 1), ('b', 2, 2); INSERT INTO child VALUES('a')",
       "DELETE FROM t WHERE id = 'a'", "erase t[text:61]"},
      {"what was written in the same transaction before and after",
       trigger_on("UPDATE", "new.v = 9", ignore), "INSERT INTO t VALUES('a', 1, 1), ('b', 2, 2)",
       "UPDATE t SET v = 3, u = 7 WHERE id = 'a'; UPDATE t SET v = 9 WHERE id = 'a'; UPDATE t SET "
       "u = 8 WHERE id = 'a'",
       "set t[text:61] u=8 v=9"},
      {"what a savepoint took back", trigger_on("UPDATE", "new.v = 9", ignore),
       "INSERT INTO t VALUES('a', 1, 1), ('b', 2, 2)",
       "SAVEPOINT s; UPDATE t SET v = 9 WHERE id = 'a'; ROLLBACK TO s; UPDATE t SET v = 9 WHERE id "
       "= 'b'; RELEASE s",
       "set t[text:62] v=9"},
      {"rows in the way of an index that was made since", "CREATE UNIQUE INDEX late ON t(v)",
       "INSERT INTO t VALUES('a', 1, 1), ('b', 2, 2)", "REPLACE INTO t VALUES('z', 1, 3)",
       "erase t[text:61]; put t[text:7a] u=3 v=1"},
      {"the same, by an update", "CREATE UNIQUE INDEX late ON t(v)",
       "INSERT INTO t VALUES('a', 1, 1), ('b', 2, 2)",
       "UPDATE OR REPLACE t SET v = 1 WHERE id = 'b'", "erase t[text:61]; set t[text:62] v=1"},
  };
  return all;
}

// Statement by statement: one that fails does not keep the next from running.
void run_all(WorldReplica& writer, const std::string& sql) {
  std::size_t begin = 0;
  while (begin < sql.size()) {
    const std::size_t end = std::min(sql.find("; ", begin), sql.size());
    (void)writer.run(sql.substr(begin, end - begin));
    begin = end + 2;
  }
}

void check_alike(WorldReplica& writer, WorldReplica& reader) {
  CHECK(reader.apply(writer.changes()) == "");
  CHECK(joined(reader.stamped_rows("t")) == joined(writer.stamped_rows("t")));
  CHECK(*reader.engine().digest() == *writer.engine().digest());
  CHECK(joined(*verify(writer.engine())) == "");
}

enum class When { alone, in_transaction, trigger_in_transaction };

void check_case(const Case& each, const std::string& table, When when) {
  CAPTURE(each.name);
  CAPTURE(table);
  CAPTURE(static_cast<int>(when));
  WorldReplica writer(1);
  WorldReplica reader(2);
  for (WorldReplica* replica : {&writer, &reader}) {
    REQUIRE(replica->run("PRAGMA foreign_keys = ON; " + table) == "");
    REQUIRE(replica->track("t") == "");
  }
  if (when == When::trigger_in_transaction) {
    REQUIRE(writer.run(each.before + "; BEGIN; UPDATE t SET v = v; " + each.trigger) == "");
    run_all(writer, each.change);
    REQUIRE(writer.run("COMMIT") == "");
  } else {
    // Before it is there, so that the trigger does not stop it.
    REQUIRE(writer.run(each.before.find("child") == std::string::npos
                           ? each.before + "; " + each.trigger
                           : each.trigger + "; " + each.before) == "");
    run_all(writer, when == When::alone ? each.change : "BEGIN; " + each.change + "; COMMIT");
  }
  if (!each.told.empty() && (when != When::alone || each.change.find("; ") == SIZE_MAX)) {
    CHECK(writer.last_change() == each.told);
  }
  check_alike(writer, reader);
}

}  // namespace

TEST_CASE("what a newer trigger left written when it stopped a statement is told") {
  for (const Case& each : cases()) {
    check_case(each, schema, When::alone);
    check_case(each, std::string(schema) + " WITHOUT ROWID", When::alone);
  }
}

TEST_CASE("what a newer trigger left written inside a transaction is told with it") {
  for (const Case& each : cases()) {
    check_case(each, schema, When::in_transaction);
    check_case(each, std::string(schema) + " WITHOUT ROWID", When::in_transaction);
  }
}

TEST_CASE("a trigger that a transaction makes and that stops its statements is noticed at once") {
  for (const Case& each : cases()) {
    if (each.before.find("child") == std::string::npos) {
      check_case(each, schema, When::trigger_in_transaction);
      check_case(each, std::string(schema) + " WITHOUT ROWID", When::trigger_in_transaction);
    }
  }
}

TEST_CASE("a conversation begins with capture's triggers the newest, and knowing every index") {
  WorldReplica writer(1);
  REQUIRE(writer.run(schema) == "");
  REQUIRE(writer.track("t") == "");
  REQUIRE(writer.run("CREATE TRIGGER stops AFTER INSERT ON t BEGIN SELECT RAISE(IGNORE); END; "
                     "CREATE UNIQUE INDEX late ON t(v)") == "");
  REQUIRE(tables_overtaken(writer.connection())->size() == 1);
  REQUIRE(writer.engine().catalog().catch_up());
  REQUIRE(tables_of_other_indexes(writer.connection(), writer.engine().catalog())->size() == 1);
  REQUIRE(writer.engine().open_session("team"));
  REQUIRE(writer.engine().catalog().catch_up());
  CHECK(tables_overtaken(writer.connection())->empty());
  CHECK(tables_of_other_indexes(writer.connection(), writer.engine().catalog())->empty());
  REQUIRE(writer.run("INSERT INTO t VALUES('a', 1, 1)") == "");
  CHECK(writer.last_change() == "put t[text:61] u=1 v=1");
  REQUIRE(writer.run("REPLACE INTO t VALUES('b', 1, 2)") == "");
  CHECK(writer.last_change() == "erase t[text:61]; put t[text:62] u=2 v=1");
}

}  // namespace syncline
