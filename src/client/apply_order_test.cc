// What the application's own triggers and transactions write while changes from elsewhere are
// applied: it must stand in the log in the order in which it happened.
#include <doctest/doctest.h>

#include "client/replica_world.h"

namespace syncline {
namespace {

WorldReplica& prepare(WorldReplica& replica, const std::vector<std::string>& schema,
                      const std::vector<std::string>& tables) {
  for (const std::string& sql : schema) {
    REQUIRE(replica.run(sql).empty());
  }
  for (const std::string& table : tables) {
    REQUIRE(replica.track(table, {}).empty());
  }
  return replica;
}

const std::vector<std::string> two_tables = {"CREATE TABLE m(id INTEGER PRIMARY KEY, c INT)",
                                             "CREATE TABLE c(id INTEGER PRIMARY KEY, n INT)"};
const char* const counting_trigger =
    "CREATE TRIGGER counts AFTER INSERT ON m BEGIN UPDATE c SET n = n + 1 WHERE id = NEW.c; END";

// Both tell all they have until neither learns anything; then they must hold the same.
void settle(WorldReplica& ann, WorldReplica& bob) {
  for (int round = 0; round < 3; ++round) {
    const ByteVector from_bob = bob.changes(0);
    REQUIRE_MESSAGE(!from_bob.empty(), bob.last_error());
    CHECK(ann.apply(from_bob) == "");
    const ByteVector from_ann = ann.changes(0);
    REQUIRE_MESSAGE(!from_ann.empty(), ann.last_error());
    CHECK(bob.apply(from_ann) == "");
  }
}

}  // namespace

TEST_CASE("a row that a trigger changed while a change was applied may end by the same change") {
  WorldReplica ann(1);
  WorldReplica bob(2);
  prepare(ann, two_tables, {"m", "c"});
  prepare(bob, two_tables, {"m", "c"});
  REQUIRE(ann.run("INSERT INTO c VALUES(1, 10), (2, 20)").empty());
  REQUIRE(bob.apply(ann.changes(0)).empty());
  REQUIRE(bob.run(counting_trigger).empty());
  REQUIRE(ann.run("BEGIN").empty());
  REQUIRE(ann.run("INSERT INTO m VALUES(1, 1), (2, 2)").empty());
  REQUIRE(ann.run("DELETE FROM c WHERE id = 1").empty());
  REQUIRE(ann.run("COMMIT").empty());
  CHECK(bob.apply(ann.changes(0)) == "");
  settle(ann, bob);
  CHECK(bob.rows("SELECT id, n FROM c") == std::vector<std::string>{"2|21"});
  CHECK(ann.rows("SELECT id, n FROM c") == std::vector<std::string>{"2|21"});
  CHECK(ann.stamped_rows("c") == bob.stamped_rows("c"));
}

TEST_CASE("a row that a trigger made while a change was applied may come with the same change") {
  WorldReplica ann(1);
  WorldReplica bob(2);
  prepare(ann, two_tables, {"m", "c"});
  prepare(bob, two_tables, {"m", "c"});
  REQUIRE(bob.run("CREATE TRIGGER makes AFTER INSERT ON m BEGIN INSERT INTO c VALUES(NEW.c, -1); "
                  "END")
              .empty());
  REQUIRE(ann.run("BEGIN").empty());
  REQUIRE(ann.run("INSERT INTO m VALUES(1, 7)").empty());
  REQUIRE(ann.run("INSERT INTO c VALUES(7, 70)").empty());
  REQUIRE(ann.run("COMMIT").empty());
  CHECK(bob.apply(ann.changes(0)) == "");
  settle(ann, bob);
  // Bob's trigger wrote later than ann.
  CHECK(ann.rows("SELECT id, n FROM c") == std::vector<std::string>{"7|-1"});
  CHECK(ann.stamped_rows("c") == bob.stamped_rows("c"));
}

TEST_CASE("what a transaction wrote before it applies changes is newer than they are") {
  WorldReplica ann(1);
  WorldReplica bob(2);
  prepare(ann, two_tables, {"m", "c"});
  prepare(bob, two_tables, {"m", "c"});
  REQUIRE(ann.run("INSERT INTO c VALUES(1, 10), (2, 20), (3, 30)").empty());
  REQUIRE(bob.apply(ann.changes(0)).empty());
  REQUIRE(ann.run("UPDATE c SET n = 11 WHERE id = 1").empty());
  REQUIRE(ann.run("UPDATE c SET n = 22 WHERE id = 2").empty());
  REQUIRE(ann.run("DELETE FROM c WHERE id = 3").empty());
  bob.clock().advance(10);
  REQUIRE(bob.run("BEGIN").empty());
  REQUIRE(bob.run("UPDATE c SET n = 12 WHERE id = 1").empty());
  REQUIRE(bob.run("DELETE FROM c WHERE id = 2").empty());
  REQUIRE(bob.run("INSERT OR REPLACE INTO c VALUES(3, 33)").empty());
  CHECK(bob.apply(ann.changes(0)) == "");
  REQUIRE(bob.run("INSERT INTO m VALUES(5, 5)").empty());
  REQUIRE(bob.run("COMMIT").empty());
  CHECK(bob.rows("SELECT id, n FROM c") == std::vector<std::string>{"1|12", "3|33"});
  settle(ann, bob);
  CHECK(ann.rows("SELECT id, n FROM c") == std::vector<std::string>{"1|12", "3|33"});
  CHECK(ann.rows("SELECT id FROM m") == std::vector<std::string>{"5"});
  CHECK(ann.stamped_rows("c") == bob.stamped_rows("c"));
}

TEST_CASE("changes are not applied under a savepoint that would take half of a change back") {
  WorldReplica ann(1);
  WorldReplica bob(2);
  prepare(ann, two_tables, {"m", "c"});
  prepare(bob, two_tables, {"m", "c"});
  REQUIRE(ann.run("INSERT INTO c VALUES(1, 10)").empty());
  REQUIRE(bob.run("BEGIN").empty());
  REQUIRE(bob.run("INSERT INTO m VALUES(1, 1)").empty());
  REQUIRE(bob.run("SAVEPOINT s").empty());
  REQUIRE(bob.run("INSERT INTO m VALUES(2, 2)").empty());
  CHECK(bob.apply(ann.changes(0)).find("savepoint") != std::string::npos);
  REQUIRE(bob.run("RELEASE s").empty());
  CHECK(bob.apply(ann.changes(0)) == "");
  REQUIRE(bob.run("COMMIT").empty());
  settle(ann, bob);
  CHECK(ann.rows("SELECT id FROM m") == std::vector<std::string>{"1", "2"});
}

TEST_CASE("a savepoint takes back what was applied under it, and nothing of what came before") {
  WorldReplica ann(1);
  WorldReplica bob(2);
  prepare(ann, two_tables, {"m", "c"});
  prepare(bob, two_tables, {"m", "c"});
  REQUIRE(bob.run(counting_trigger).empty());
  REQUIRE(bob.run("INSERT INTO c VALUES(1, 0)").empty());
  REQUIRE(ann.run("INSERT INTO m VALUES(1, 1)").empty());
  REQUIRE(bob.run("BEGIN").empty());
  REQUIRE(bob.run("SAVEPOINT s").empty());
  CHECK(bob.apply(ann.changes(0)) == "");
  CHECK(bob.rows("SELECT n FROM c") == std::vector<std::string>{"1"});
  REQUIRE(bob.run("ROLLBACK TO s").empty());
  REQUIRE(bob.run("INSERT INTO m VALUES(9, 1)").empty());
  REQUIRE(bob.run("COMMIT").empty());
  CHECK(bob.rows("SELECT n FROM c") == std::vector<std::string>{"1"});
  CHECK(bob.rows("SELECT id FROM m") == std::vector<std::string>{"9"});
  settle(ann, bob);
  CHECK(bob.rows("SELECT id FROM m") == std::vector<std::string>{"1", "9"});
  CHECK(ann.rows("SELECT n FROM c") == std::vector<std::string>{"2"});
  CHECK(ann.stamped_rows("c") == bob.stamped_rows("c"));
}

}  // namespace syncline
