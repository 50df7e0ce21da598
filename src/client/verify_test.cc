#include "client/verify.h"

#include <doctest/doctest.h>

#include "client/test_replica.h"

namespace syncline {
namespace {

struct Fixture {
  TestReplica replica;
  Fixture() {
    REQUIRE(
        replica.execute("CREATE TABLE t(id PRIMARY KEY NOT NULL, v);"
                        "CREATE TABLE w(id PRIMARY KEY NOT NULL, v) WITHOUT ROWID"));
    REQUIRE(replica.engine->track("t", {}));
    REQUIRE(replica.engine->track("w", {}));
    REQUIRE(
        replica.execute("INSERT INTO t VALUES(1, 2), (3, 4); INSERT INTO w VALUES(1, 2);"
                        "DELETE FROM t WHERE id = 1; UPDATE w SET v = 5"));
  }
  // The name of the trigger that captures inserts.
  std::string trigger(const std::string& table) {
    return "syncline_inserted_" +
           replica.text("SELECT id FROM syncline_tables WHERE name = '" + table + "'");
  }
  // What verify says after `damage`, one problem a line.
  std::string after(const std::string& damage) {
    REQUIRE(replica.execute(damage));
    replica.engine->clocks().forget();
    replica.engine->log().forget();
    const auto problems = verify(*replica.engine);
    REQUIRE(problems);
    std::string out;
    for (const std::string& problem : *problems) {
      out += problem + "\n";
    }
    return out;
  }
};

TEST_CASE("a healthy replica has no problems, and neither has a database that does not sync") {
  Fixture fixture;
  CHECK(fixture.after("") == "");
  TestReplica other;
  REQUIRE(other.execute("CREATE TABLE t(id)"));
  const auto problems = verify(*other.engine);
  REQUIRE(problems);
  CHECK(problems->empty());
}

TEST_CASE("a row that capture never saw is found") {
  Fixture fixture;
  const std::string problems =
      fixture.after("DROP TRIGGER " + fixture.trigger("t") + "; INSERT INTO t VALUES(7, 7)");
  CHECK(problems.find("1 rows that capture never saw") != std::string::npos);
  CHECK(problems.find("lacks some of its triggers") != std::string::npos);
}

TEST_CASE("a row without rowid that capture never saw is found") {
  Fixture fixture;
  const std::string problems =
      fixture.after("DROP TRIGGER " + fixture.trigger("w") + "; INSERT INTO w VALUES(7, 7)");
  CHECK(problems.find("table 'w' has 1 rows that capture never saw") != std::string::npos);
}

TEST_CASE("a damaged log row, a gap in the numbers and an unknown replica are found") {
  Fixture fixture;
  CHECK(fixture.after("UPDATE syncline_log SET body = x'ff' WHERE version = 2").find("log row 2") !=
        std::string::npos);
  CHECK(Fixture().after("DELETE FROM syncline_log WHERE version = 2").find("follows 1") !=
        std::string::npos);
  CHECK(Fixture().after("UPDATE syncline_log SET origin = 99 WHERE version = 2") != "");
  CHECK(Fixture().after("UPDATE syncline_log SET hlc = 5 WHERE version > 0").find("later") !=
        std::string::npos);
}

TEST_CASE("a tracked table that is gone is found") {
  Fixture fixture;
  CHECK(fixture.after("DROP TABLE t").find("'t' is tracked but gone") != std::string::npos);
}

TEST_CASE("a damaged held row is found") {
  Fixture fixture;
  CHECK(fixture
            .after("INSERT INTO syncline_held_rows(tbl, key, reason, message, state, since) "
                   "VALUES('t', x'', 'check', '', x'ff', 0)")
            .find("syncline_held_rows") != std::string::npos);
}

}  // namespace
}  // namespace syncline
