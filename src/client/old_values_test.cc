#include "client/old_values.h"

#include <doctest/doctest.h>

#include "client/replica_world.h"
#include "client/test_replica.h"

namespace syncline {
namespace {

// One replica writes, another that has seen it writes over that, and the first hears of it.
struct Two {
  WorldReplica ours{1};
  WorldReplica theirs{2};

  explicit Two(const char* create) {
    for (WorldReplica* replica : {&ours, &theirs}) {
      REQUIRE(replica->run(create) == "");
      REQUIRE(replica->track("t") == "");
      replica->clock().advance(replica == &theirs ? 1000 : 0);
    }
  }
  void send() { REQUIRE(theirs.apply(ours.changes()) == ""); }
  void hear(const char* sql) {
    const std::uint64_t before = theirs.version();
    REQUIRE(theirs.run(sql) == "");
    REQUIRE(ours.apply(theirs.changes(before)) == "");
  }
};

TEST_CASE("an unsent change is told as it was made, whatever was written over it since") {
  Two two("CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, a, b)");
  REQUIRE(two.ours.run("INSERT INTO t VALUES('x', 1, 2)") == "");
  REQUIRE(two.ours.run("UPDATE t SET a = 3") == "");
  const std::string made = two.ours.all_changes();
  CHECK(made == "put t[text:78] a=1 b=2 / set t[text:78] a=3");
  two.send();
  SUBCASE("by ourselves") {
    REQUIRE(two.ours.run("UPDATE t SET a = 4, b = 5; DELETE FROM t") == "");
    CHECK(two.ours.all_changes().compare(0, made.size(), made) == 0);
  }
  SUBCASE("by others, cell after cell, and then the row ended") {
    two.hear("UPDATE t SET a = 6");
    two.hear("UPDATE t SET b = 7");
    two.hear("DELETE FROM t");
    CHECK(two.ours.all_changes().compare(0, made.size(), made) == 0);
  }
  SUBCASE("by others, who replaced the row") {
    two.hear("INSERT OR REPLACE INTO t VALUES('x', 8, 9)");
    CHECK(two.ours.all_changes().compare(0, made.size(), made) == 0);
  }
}

TEST_CASE(
    "a row that is written again and again is told without looking at all of that each time") {
  TestReplica replica(1);
  REQUIRE(replica.execute("CREATE TABLE t(id INTEGER PRIMARY KEY NOT NULL, a, b)"));
  REQUIRE(replica.engine->track("t", TrackOptions()));
  REQUIRE(replica.execute("INSERT INTO t VALUES(1, 0, 0)"));
  const LocalVersion born = replica.engine->log().head()->version;
  for (int i = 1; i <= 100; ++i) {
    REQUIRE(replica.execute("UPDATE t SET a = " + std::to_string(i)));
  }
  REQUIRE(replica.execute("UPDATE t SET a = -1, b = -1"));
  OldValues values(replica.database.connection(), replica.engine->log());
  REQUIRE(values.cover(born, replica.engine->log().head()->version));
  const auto past = values.past((*replica.engine->catalog().find("t"))->id, 1, born);
  REQUIRE(past);
  CHECK(past->values.size() == 2);
  CHECK(values.lookups() == 2);
}

TEST_CASE("rows of one change are told apart though one came to stand where the other was") {
  Two two("CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, a, b)");
  REQUIRE(two.ours.run("INSERT INTO t VALUES('x', 1, 2), ('y', 3, 4)") == "");
  two.send();
  two.ours.clock().advance(10'000);
  REQUIRE(two.ours.run("UPDATE t SET a = a + 10") == "");
  const std::string made = two.ours.all_changes();
  // Earlier, and not knowing of it; what was set counts for the row that came back.
  two.hear("DELETE FROM t");
  two.hear("INSERT INTO t VALUES('y', 5, 6)");
  CHECK(two.ours.rows("SELECT rowid || id || a FROM t") ==
        std::vector<std::string>{"text:31793133"});
  CHECK(two.ours.all_changes().compare(0, made.size(), made) == 0);
}

TEST_CASE("what a third wrote later into a row that was replaced over ours is handed on") {
  Two two("CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, a, b)");
  WorldReplica third(3);
  REQUIRE(third.run("CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, a, b)") == "");
  REQUIRE(third.track("t") == "");
  third.clock().advance(2000);
  REQUIRE(two.ours.run("INSERT INTO t VALUES('x', 1, 2)") == "");
  two.send();
  REQUIRE(third.apply(two.ours.changes()) == "");
  REQUIRE(two.ours.run("UPDATE t SET b = 3") == "");
  REQUIRE(third.run("UPDATE t SET a = 4") == "");
  REQUIRE(two.ours.apply(third.changes()) == "");
  two.hear("INSERT OR REPLACE INTO t VALUES('x', 5, 6)");
  const auto expected = std::vector<std::string>{"text:3436"};
  CHECK(two.ours.rows("SELECT a || b FROM t") == expected);
  two.send();
  CHECK(two.theirs.rows("SELECT a || b FROM t") == expected);
}

TEST_CASE("an unsent row of nothing but its key is told after others ended it") {
  Two two("CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL)");
  REQUIRE(two.ours.run("INSERT INTO t VALUES('x')") == "");
  two.send();
  two.hear("DELETE FROM t");
  CHECK(two.ours.all_changes().compare(0, 14, "put t[text:78]") == 0);
}

}  // namespace
}  // namespace syncline
