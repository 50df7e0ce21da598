#include "client/capture.h"

#include <doctest/doctest.h>

#include <cstdio>

#include "client/replica_world.h"
#include "client/test_replica.h"

namespace syncline {
namespace {

TEST_CASE("an insert that becomes an update is one update") {
  WorldReplica replica(1);
  REQUIRE(replica.run("CREATE TABLE t(id INTEGER PRIMARY KEY, a, b)") == "");
  REQUIRE(replica.track("t") == "");
  REQUIRE(replica.run("INSERT INTO t VALUES(1, 10, 20)") == "");
  REQUIRE(replica.run("INSERT INTO t VALUES(1, 11, 20) ON CONFLICT DO UPDATE SET a = 12") == "");
  CHECK(replica.last_change() == "set t[1] a=12");
}

TEST_CASE("an insert that is ignored, and then an update, is one update") {
  WorldReplica replica(1);
  REQUIRE(replica.run("CREATE TABLE t(id INTEGER PRIMARY KEY, a, b)") == "");
  REQUIRE(replica.track("t") == "");
  REQUIRE(replica.run("INSERT INTO t VALUES(1, 10, 20)") == "");
  REQUIRE(replica.run("BEGIN; INSERT OR IGNORE INTO t VALUES(1, 11, 20); UPDATE t SET a = 12;"
                      "COMMIT") == "");
  CHECK(replica.last_change() == "set t[1] a=12");
}

TEST_CASE("a rowid given to another key, and the old key at another rowid, are both kept") {
  WorldReplica replica(1);
  REQUIRE(replica.run("CREATE TABLE t(id TEXT PRIMARY KEY, a)") == "");
  REQUIRE(replica.track("t") == "");
  REQUIRE(replica.run("INSERT INTO t VALUES('A', 1)") == "");
  REQUIRE(replica.run("BEGIN; DELETE FROM t; INSERT INTO t VALUES('B', 2); INSERT INTO t "
                      "VALUES('A', 3); COMMIT") == "");
  CHECK(replica.last_change() == "put t[text:41] a=3; put t[text:42] a=2");
  for (const std::string& row : replica.stamped_rows("t")) {
    CHECK(row.find("without") == std::string::npos);
  }
}

TEST_CASE("two rows that exchange their rowids keep their clocks") {
  WorldReplica replica(1);
  REQUIRE(replica.run("CREATE TABLE t(id TEXT PRIMARY KEY, a)") == "");
  REQUIRE(replica.track("t") == "");
  REQUIRE(replica.run("INSERT INTO t VALUES('A', 1), ('B', 2)") == "");
  REQUIRE(replica.run("BEGIN; DELETE FROM t; INSERT INTO t VALUES('B', 3); INSERT INTO t "
                      "VALUES('A', 4); COMMIT") == "");
  CHECK(replica.last_change() == "put t[text:41] a=4; put t[text:42] a=3");
  for (const std::string& row : replica.stamped_rows("t")) {
    CHECK(row.find("without") == std::string::npos);
  }
}

TEST_CASE("what was rolled back to a savepoint is not in the log") {
  for (const char* begin : {"", "BEGIN;", "BEGIN; UPDATE t SET a = 5 WHERE id = 2;"}) {
    for (const char* nested : {"", "SAVEPOINT two;", "SAVEPOINT two; SAVEPOINT three;"}) {
      WorldReplica replica(1);
      REQUIRE(replica.run("CREATE TABLE t(id INTEGER PRIMARY KEY, a); CREATE TABLE u(k TEXT "
                          "PRIMARY KEY NOT NULL, b)") == "");
      REQUIRE(replica.track("t") == "");
      REQUIRE(replica.track("u") == "");
      REQUIRE(replica.run("INSERT INTO t VALUES(1, 1), (2, 2)") == "");
      const std::uint64_t before = replica.version();
      const std::string start = begin;
      REQUIRE(replica.run(start + "SAVEPOINT one;" + nested) == "");
      REQUIRE(replica.run("INSERT INTO t VALUES(3, 3); UPDATE t SET a = 9; INSERT INTO u "
                          "VALUES('x', 1); DELETE FROM t WHERE id = 1") == "");
      REQUIRE(replica.run("ROLLBACK TO one") == "");
      SUBCASE("and nothing after it") {
        REQUIRE(replica.run(start.empty() ? "RELEASE one" : "COMMIT") == "");
        if (start.find("UPDATE") == std::string::npos) {
          CHECK(replica.version() == before);
        } else {
          CHECK(replica.last_change() == "set t[2] a=5");
        }
      }
      SUBCASE("but what came after it is") {
        REQUIRE(replica.run("INSERT INTO u VALUES('y', 2); SAVEPOINT four; INSERT INTO u VALUES("
                            "'z', 3); ROLLBACK TO four") == "");
        REQUIRE(replica.run(start.empty() ? "RELEASE one" : "COMMIT") == "");
        CHECK(replica.last_change() == (start.find("UPDATE") == std::string::npos
                                            ? "put u[text:79] b=2"
                                            : "put u[text:79] b=2; set t[2] a=5"));
      }
    }
  }
}

TEST_CASE("a tracking that was rolled back, and repeated, takes in the rows that were there") {
  WorldReplica replica(1);
  REQUIRE(replica.run("CREATE TABLE other(id INTEGER PRIMARY KEY); CREATE TABLE t(id INTEGER "
                      "PRIMARY KEY, a); INSERT INTO t VALUES(1, 2)") == "");
  REQUIRE(replica.track("other") == "");
  REQUIRE(replica.run("BEGIN") == "");
  REQUIRE(replica.track("t") == "");
  REQUIRE(replica.run("ROLLBACK") == "");
  REQUIRE(replica.track("t") == "");
  CHECK(replica.last_change() == "put t[1] a=2");
}

TEST_CASE("INSERT OR REPLACE tells the end of each row that it removes") {
  for (const char* recursive : {"off", "on"}) {
    WorldReplica replica(1);
    REQUIRE(replica.run("PRAGMA recursive_triggers = " + std::string(recursive)) == "");
    REQUIRE(replica.run("CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, u UNIQUE, v UNIQUE)") == "");
    REQUIRE(replica.track("t") == "");
    REQUIRE(replica.run("INSERT INTO t VALUES('a', 1, 1), ('b', 2, 2), ('c', 3, 3)") == "");
    REQUIRE(replica.run("INSERT OR REPLACE INTO t VALUES('c', 1, 2)") == "");
    CHECK(replica.last_change() == "erase t[text:61]; erase t[text:62]; put t[text:63] u=1 v=2");
    REQUIRE(replica.run("INSERT OR REPLACE INTO t(rowid, id) SELECT rowid, 'd' FROM t") == "");
    CHECK(replica.last_change() == "erase t[text:63]; put t[text:64] u=null v=null");
  }
}

TEST_CASE("a key that changes its case only is another row, and the log says so") {
  for (const char* kind : {"", " WITHOUT ROWID"}) {
    WorldReplica replica(1);
    REQUIRE(replica.run("CREATE TABLE t(id TEXT COLLATE NOCASE PRIMARY KEY NOT NULL, a)" +
                        std::string(kind)) == "");
    REQUIRE(replica.track("t") == "");
    REQUIRE(replica.run("INSERT INTO t VALUES('a', 1)") == "");
    REQUIRE(replica.run("UPDATE t SET id = 'A'") == "");
    CHECK(replica.last_change() == "erase t[text:61]; put t[text:41] a=1");
    REQUIRE(replica.run("INSERT OR REPLACE INTO t VALUES('a', 2)") == "");
    CHECK(replica.last_change() == "erase t[text:41]; put t[text:61] a=2");
    REQUIRE(replica.run("UPDATE t SET a = 2.0") == "");
    CHECK(replica.last_change() == "set t[text:61] a=real:0000000000000040");
  }
}

TEST_CASE("whatever replaces a row, its end is told") {
  struct Way {
    const char* schema;
    const char* write;
  };
  const Way ways[] = {
      {"CREATE TABLE t(id TEXT PRIMARY KEY, u UNIQUE)", "REPLACE INTO t VALUES('b', 1)"},
      {"CREATE TABLE t(id TEXT PRIMARY KEY, u UNIQUE)",
       "insert or /**/ replace into t values('b',1)"},
      {"CREATE TABLE t(id TEXT PRIMARY KEY, u UNIQUE ON CONFLICT REPLACE)",
       "INSERT INTO t VALUES('b', 1)"},
      {"CREATE TABLE t(id TEXT PRIMARY KEY, u UNIQUE);"
       "CREATE TABLE other(x);"
       "CREATE TRIGGER mine AFTER INSERT ON other BEGIN REPLACE INTO t VALUES('b', new.x); END",
       "INSERT INTO other VALUES(1)"},
      {"CREATE TABLE t(id TEXT PRIMARY KEY, u UNIQUE);"
       "CREATE TABLE other(x);"
       "CREATE TEMP TRIGGER mine AFTER INSERT ON other BEGIN REPLACE INTO t VALUES('b', new.x); "
       "END",
       "INSERT INTO other VALUES(1)"},
      {"CREATE TABLE t(id TEXT PRIMARY KEY, u UNIQUE);"
       "CREATE TABLE other(x);"
       "CREATE TRIGGER mine AFTER INSERT ON other BEGIN INSERT INTO t VALUES('b', new.x); END",
       "INSERT OR REPLACE INTO other VALUES(1)"},
      {"CREATE TABLE t(id TEXT PRIMARY KEY, u UNIQUE)",
       "UPDATE OR REPLACE t SET u = 1 WHERE id = 'b'"},
      {"CREATE TABLE t(id TEXT, part INTEGER, u UNIQUE, PRIMARY KEY(id, part)) WITHOUT ROWID",
       "REPLACE INTO t VALUES('b', 1, 1)"},
  };
  for (const Way& way : ways) {
    CAPTURE(way.schema);
    CAPTURE(way.write);
    const bool is_update = std::string(way.write).find("UPDATE") == 0;
    const bool has_part = std::string(way.schema).find("part") != std::string::npos;
    WorldReplica replica(1);
    REQUIRE(replica.run(way.schema) == "");
    REQUIRE(replica.track("t") == "");
    REQUIRE(replica.run(has_part ? "INSERT INTO t VALUES('a', 1, 1)"
                                 : "INSERT INTO t VALUES('a', 1)") == "");
    if (is_update) {
      REQUIRE(replica.run("INSERT INTO t VALUES('b', 2)") == "");
    }
    REQUIRE(replica.run(way.write) == "");
    const std::string told = replica.last_change();
    CHECK(told.find(has_part ? "erase t[text:61,1]" : "erase t[text:61]") != std::string::npos);
    CHECK(told.find(has_part ? "t[text:62,1] u=1" : "t[text:62] u=1") != std::string::npos);
  }
}

TEST_CASE("statements that are kept and run often tell what they replace, in any order") {
  WorldReplica replica(1);
  REQUIRE(replica.run("CREATE TABLE t(id TEXT PRIMARY KEY, u UNIQUE)") == "");
  REQUIRE(replica.track("t") == "");
  Connection connection = replica.connection();
  auto insert = connection.prepare("INSERT INTO t VALUES(?1, ?2)");
  auto replace = connection.prepare("INSERT OR REPLACE INTO t VALUES(?1, ?2)");
  REQUIRE(insert);
  REQUIRE(replace);
  for (int i = 0; i < 40; ++i) {
    const std::string id = std::string(1, static_cast<char>('A' + i % 20)) + std::to_string(i);
    const bool replaces = i >= 10 && i % 3 == 0;
    Statement& statement = replaces ? *replace : *insert;
    // What is replaced is the row before.
    statement.bind_text(1, id).bind(2, std::int64_t{replaces ? i - 1 : i});
    REQUIRE(statement.run());
    const std::string told = replica.last_change();
    CHECK((told.find("erase") != std::string::npos) == replaces);
  }
  // The last that is left is known to be harmless; then one comes that is not.
  replace = Statement();
  for (int i = 100; i < 110; ++i) {
    const std::string key = std::to_string(i);
    insert->bind_text(1, key).bind(2, std::int64_t{i});
    REQUIRE(insert->run());
  }
  REQUIRE(replica.run("REPLACE INTO t VALUES('last', 109)") == "");
  CHECK(replica.last_change() == "erase t[text:313039]; put t[text:6c617374] u=109");
}

TEST_CASE("a schema that was rolled back is not taken for the one that got its number") {
  WorldReplica replica(1);
  REQUIRE(replica.run("CREATE TABLE t(id TEXT PRIMARY KEY, u UNIQUE); CREATE TABLE other(x)") ==
          "");
  REQUIRE(replica.track("t") == "");
  REQUIRE(replica.run("INSERT INTO t VALUES('a', 1)") == "");
  REQUIRE(replica.run("BEGIN; CREATE TRIGGER mine AFTER INSERT ON other BEGIN INSERT INTO t "
                      "VALUES('b', new.x); END; INSERT INTO other VALUES(7); ROLLBACK") == "");
  REQUIRE(replica.run("BEGIN; CREATE TRIGGER mine AFTER INSERT ON other BEGIN REPLACE INTO t "
                      "VALUES('b', new.x); END; INSERT INTO other VALUES(1); COMMIT") == "");
  CHECK(replica.last_change() == "erase t[text:61]; put t[text:62] u=1");
}

TEST_CASE("a kept statement that finds the schema changed by another connection goes on") {
  const std::string path = "capture_test_schema.db";
  const auto clean = [&] {
    for (const char* suffix : {"", "-wal", "-shm"}) {
      std::remove((path + suffix).c_str());
    }
  };
  clean();
  {
    TestReplica::Clock clock;
    SeededRandom random(1);
    std::unique_ptr<Engine> engine;  // outlives the connection
    Database database = *Database::open(path);
    engine = *Engine::attach({database.connection(), &clock, &random, true});
    REQUIRE(engine->initialise());
    REQUIRE(database->execute("CREATE TABLE t(id INTEGER PRIMARY KEY, a)"));
    REQUIRE(engine->track("t", {}));
    REQUIRE(database->execute("INSERT INTO t VALUES(1, 10)"));
    REQUIRE(engine->apply_remote({}, ServerVersion(1)));
    {
      Database other = *Database::open(path);
      REQUIRE(other->execute("CREATE TABLE unrelated(x)"));
    }
    CHECK(engine->apply_remote({}, ServerVersion(2)));
    CHECK(database->execute("UPDATE t SET a = 11"));
    CHECK(engine->log_head()->own_sequence == ChangeSequence(2));
    engine->release();
  }
  clean();
}

}  // namespace
}  // namespace syncline
