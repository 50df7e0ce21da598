// What the application's own triggers and transactions write while changes from elsewhere are
// applied: it must stand in the log in the order in which it happened.
#include <doctest/doctest.h>

#include "client/replica_world.h"
#include "client/verify.h"

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

TEST_CASE("a row that gets the rowid of one that went with its parent keeps its clock") {
  for (const std::string action :
       {"ON DELETE CASCADE", "ON DELETE SET NULL", "ON DELETE SET DEFAULT",
        "ON DELETE CASCADE ON UPDATE CASCADE"}) {
    for (const std::string kind : {"", " WITHOUT ROWID"}) {
      CAPTURE(action + kind);
      const std::vector<std::string> schema = {
          "PRAGMA foreign_keys = ON", "CREATE TABLE par(id TEXT PRIMARY KEY NOT NULL, v TEXT)",
          "CREATE TABLE chi(id TEXT PRIMARY KEY NOT NULL, p TEXT DEFAULT 'p1' REFERENCES par(id) " +
              action + ", v TEXT)" + kind};
      WorldReplica ann(1);
      WorldReplica bob(2);
      WorldReplica cid(3);
      for (WorldReplica* replica : {&ann, &bob, &cid}) {
        prepare(*replica, schema, {"par", "chi"});
      }
      REQUIRE(ann.run("INSERT INTO par VALUES('p0', ''), ('p1', '')").empty());
      REQUIRE(bob.apply(ann.changes(0)).empty());
      REQUIRE(cid.apply(ann.changes(0)).empty());
      REQUIRE(bob.run("INSERT INTO chi VALUES('c1', 'p0', 'x')").empty());
      REQUIRE(ann.run("DELETE FROM par WHERE id = 'p0'").empty());
      REQUIRE(ann.run("INSERT INTO chi VALUES('c2', 'p1', 'y')").empty());
      REQUIRE(ann.run("UPDATE chi SET v = 'z' WHERE id = 'c2'").empty());
      CHECK(bob.apply(ann.changes(0)) == "");
      settle(ann, bob);
      settle(bob, cid);
      settle(ann, bob);
      CHECK(ann.rows("SELECT * FROM chi ORDER BY id") == bob.rows("SELECT * FROM chi ORDER BY id"));
      for (WorldReplica* replica : {&ann, &bob, &cid}) {
        replica->engine().clocks().forget();
        CHECK(joined(*verify(replica->engine())) == "");
        CHECK(replica->stamped_rows("chi") == ann.stamped_rows("chi"));
        CHECK(*replica->engine().digest() == *ann.engine().digest());
      }
    }
  }
}

TEST_CASE("a row that comes while changes are applied replaces none by a constraint's clause") {
  const std::vector<std::string> schema = {
      "CREATE TABLE u(id TEXT PRIMARY KEY NOT NULL, n INT UNIQUE ON CONFLICT REPLACE)"};
  WorldReplica ann(1);
  WorldReplica bob(2);
  prepare(ann, schema, {"u"});
  prepare(bob, schema, {"u"});
  REQUIRE(bob.run("INSERT INTO u VALUES('older', 1)").empty());
  ann.clock().advance(1000);
  REQUIRE(ann.run("INSERT INTO u VALUES('younger', 1)").empty());
  settle(ann, bob);
  for (WorldReplica* replica : {&ann, &bob}) {
    CHECK(replica->rows("SELECT id, n FROM u") == std::vector<std::string>{"text:6f6c646572|1"});
    CHECK(joined(*verify(replica->engine())) == "");
    CHECK(*replica->engine().digest() == *ann.engine().digest());
  }
}

}  // namespace syncline
