#include "client/capture.h"

#include <doctest/doctest.h>

#include "client/replica_world.h"

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

}  // namespace
}  // namespace syncline
