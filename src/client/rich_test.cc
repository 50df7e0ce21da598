#include "client/rich.h"

#include <doctest/doctest.h>

#include <cstdio>

#include "client/test_replica.h"

namespace syncline {
namespace {

// A database file that is gone when the test ends.
struct File {
  std::string path;
  explicit File(std::string name) : path(std::move(name)) { remove(); }
  ~File() { remove(); }
  void remove() const {
    for (const char* end : {"", "-wal", "-shm"}) {
      std::remove((path + end).c_str());
    }
  }
};

TEST_CASE("a counter counts apart when the first thing a connection does is to write") {
  const File files[] = {File("rich_test_1.db"), File("rich_test_2.db")};
  for (std::size_t i = 0; i < 2; ++i) {
    TestReplica replica(i + 1, files[i].path);
    REQUIRE(replica.execute("CREATE TABLE t(id PRIMARY KEY NOT NULL, n)"));
    TrackOptions options;
    options.column_rules["n"] = MergeRule::counter;
    REQUIRE(replica.engine->track("t", options));
    if (i == 0) {
      REQUIRE(replica.execute("INSERT INTO t VALUES(1, 10)"));
    }
  }
  {
    TestReplica one(1, files[0].path);
    TestReplica two(2, files[1].path);
    REQUIRE(two.pull(one));
  }
  // New connections, which have not been asked for anything yet.
  TestReplica one(3, files[0].path);
  TestReplica two(4, files[1].path);
  REQUIRE(one.execute("UPDATE t SET n = n + 2"));
  REQUIRE(two.execute("UPDATE t SET n = n + 3"));
  REQUIRE(one.pull(two));
  REQUIRE(two.pull(one));
  CHECK(one.text("SELECT n FROM t") == "15");
  CHECK(two.text("SELECT n FROM t") == "15");
}

TEST_CASE("what a counter says is not told of another table's row with the same number") {
  TestReplica one(1);
  TestReplica two(2);
  for (TestReplica* replica : {&one, &two}) {
    REQUIRE(
        replica->execute("CREATE TABLE t(id INTEGER PRIMARY KEY NOT NULL, n);"
                         "CREATE TABLE u(id INTEGER PRIMARY KEY NOT NULL, n)"));
    TrackOptions options;
    options.column_rules["n"] = MergeRule::counter;
    REQUIRE(replica->engine->track("t", options));
    REQUIRE(replica->engine->track("u", {}));
  }
  REQUIRE(one.execute("INSERT INTO t VALUES(1, 10); INSERT INTO u VALUES(1, 'plain')"));
  REQUIRE(two.pull(one));
  REQUIRE(one.execute("BEGIN; UPDATE t SET n = n + 1; UPDATE u SET n = 'changed'; COMMIT"));
  REQUIRE(two.engine->apply_file(*one.engine->export_pending()));
  CHECK(two.text("SELECT n FROM t") == "11");
  CHECK(two.text("SELECT n FROM u") == "changed");
}

TEST_CASE("a row that replaced another keeps its NULL where the column has a default") {
  TestReplica one(1);
  TestReplica two(2);
  for (TestReplica* replica : {&one, &two}) {
    REQUIRE(
        replica->execute("CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, n INT DEFAULT 1) "
                         "WITHOUT ROWID"));
    TrackOptions options;
    options.column_rules["n"] = MergeRule::counter;
    REQUIRE(replica->engine->track("t", options));
  }
  REQUIRE(one.execute("INSERT INTO t VALUES('k', 2)"));
  REQUIRE(two.pull(one));
  two.clock.ms += 5;
  REQUIRE(two.execute("INSERT OR REPLACE INTO t VALUES('k', NULL)"));
  REQUIRE(one.pull(two));
  CHECK(one.text("SELECT n IS NULL FROM t") == "1");
  REQUIRE(two.pull(one));
  CHECK(two.text("SELECT n IS NULL FROM t") == "1");
}

TEST_CASE("a commit that failed and comes again with more counts and types once") {
  const File file("rich_test_busy.db");
  TestReplica one(1, file.path);
  TestReplica two(2);
  CHECK(one.text("PRAGMA journal_mode = DELETE") == "delete");
  for (TestReplica* replica : {&one, &two}) {
    REQUIRE(replica->execute("CREATE TABLE t(id PRIMARY KEY NOT NULL, n, body TEXT)"));
    TrackOptions options;
    options.column_rules["n"] = MergeRule::counter;
    options.column_rules["body"] = MergeRule::text;
    REQUIRE(replica->engine->track("t", options));
  }
  REQUIRE(one.execute("INSERT INTO t VALUES(1, 10, 'a')"));
  REQUIRE(one.execute("UPDATE t SET n = n + 1, body = 'ab'"));
  OpenOptions reading;
  reading.read_only = true;
  auto reader = Database::open(file.path, reading);
  REQUIRE(reader);
  REQUIRE((*reader)->execute("BEGIN; SELECT count(*) FROM t"));
  REQUIRE(one.execute("PRAGMA busy_timeout = 0; BEGIN"));
  REQUIRE(one.execute("UPDATE t SET n = n + 2, body = 'abc'"));
  REQUIRE_FALSE(one.execute("COMMIT"));
  REQUIRE(one.execute("UPDATE t SET n = n + 4, body = 'abcd'"));
  REQUIRE((*reader)->execute("ROLLBACK"));
  REQUIRE(one.execute("COMMIT"));
  REQUIRE(two.pull(one));
  CHECK(two.text("SELECT n || body FROM t") == "17abcd");
  REQUIRE(one.execute("UPDATE t SET n = n + 1, body = 'abcde'"));
  REQUIRE(two.pull(one));
  CHECK(two.text("SELECT n || body FROM t") == "18abcde");
}

}  // namespace
}  // namespace syncline
