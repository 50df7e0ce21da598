#include "client/held.h"

#include <doctest/doctest.h>

#include <array>

#include "client/replica_world.h"

namespace syncline {
namespace {

constexpr const char* create_sql = "CREATE TABLE t(id INTEGER PRIMARY KEY, u UNIQUE, b)";

TEST_CASE("of two rows with one unique value the older life keeps its place on both replicas") {
  WorldReplica one(1);
  WorldReplica two(2);
  for (WorldReplica* replica : {&one, &two}) {
    REQUIRE(replica->run(create_sql) == "");
    REQUIRE(replica->track("t") == "");
  }
  two.clock().advance(100);
  REQUIRE(one.run("INSERT INTO t VALUES(1, 'same', 1)") == "");
  REQUIRE(two.run("INSERT INTO t VALUES(2, 'same', 2)") == "");
  REQUIRE(one.apply(two.changes()) == "");
  REQUIRE(two.apply(one.changes()) == "");
  CHECK(joined(one.rows("SELECT * FROM t")) == "1|text:73616d65|1");
  CHECK(one.stamped_rows("t") == two.stamped_rows("t"));
  SUBCASE("and the other comes in when it fits") {
    REQUIRE(one.run("UPDATE t SET u = 'free' WHERE id = 1") == "");
    REQUIRE(two.apply(one.changes()) == "");
    REQUIRE(one.apply(two.changes()) == "");
    CHECK(joined(two.rows("SELECT id, b FROM t ORDER BY id")) == "1|1; 2|2");
  }
}

TEST_CASE(
    "of two rows with one life and one unique value the same one keeps its place everywhere") {
  WorldReplica one(1);
  WorldReplica two(2);
  for (WorldReplica* replica : {&one, &two}) {
    REQUIRE(replica->run(create_sql) == "");
    REQUIRE(replica->track("t") == "");
  }
  bool is_first = false;
  SUBCASE("the row that stands is the lesser one") { is_first = true; }
  SUBCASE("the row that comes is the lesser one") {}
  REQUIRE(two.run("INSERT INTO t VALUES(2, NULL, 2)") == "");
  one.clock().advance(100);
  REQUIRE(one.run(is_first ? "INSERT INTO t VALUES(1, 'same', 1), (2, NULL, 1)"
                           : "INSERT INTO t VALUES(3, 'same', 1), (2, NULL, 1)") == "");
  two.clock().advance(200);
  REQUIRE(two.run("UPDATE t SET u = 'same' WHERE id = 2") == "");
  REQUIRE(one.apply(two.changes()) == "");
  REQUIRE(two.apply(one.changes()) == "");
  CHECK(joined(one.rows("SELECT id FROM t")) == (is_first ? "1" : "2"));
  CHECK(one.stamped_rows("t") == two.stamped_rows("t"));
}

TEST_CASE("a row that waits is passed on to others") {
  std::array<std::unique_ptr<WorldReplica>, 3> replicas;
  for (std::size_t i = 0; i < replicas.size(); ++i) {
    replicas[i] = std::make_unique<WorldReplica>(i + 1);
    REQUIRE(replicas[i]->run(create_sql) == "");
    REQUIRE(replicas[i]->track("t") == "");
  }
  const std::uint64_t empty = replicas[0]->version();
  REQUIRE(replicas[0]->run("INSERT INTO t VALUES(1, 'u', 1)") == "");
  const std::uint64_t first = replicas[0]->version();
  REQUIRE(first > empty);
  REQUIRE(replicas[0]->run("UPDATE t SET b = 2") == "");
  // The second replica hears the update only, and the third hears it from the second.
  REQUIRE(replicas[1]->apply(replicas[0]->changes(first)) == "");
  REQUIRE(replicas[2]->apply(replicas[1]->changes()) == "");
  CHECK(replicas[2]->rows("SELECT * FROM t").empty());
  REQUIRE(replicas[2]->apply(replicas[0]->changes()) == "");
  CHECK(joined(replicas[2]->rows("SELECT * FROM t")) == "1|text:75|2");
}

TEST_CASE("rows of a table that is not here are passed on, too") {
  WorldReplica one(1);
  WorldReplica relay(2);
  WorldReplica two(3);
  for (WorldReplica* replica : {&one, &two}) {
    REQUIRE(replica->run(create_sql) == "");
    REQUIRE(replica->track("t") == "");
  }
  REQUIRE(relay.run("CREATE TABLE other(id INTEGER PRIMARY KEY)") == "");
  REQUIRE(relay.track("other") == "");
  REQUIRE(one.run("INSERT INTO t VALUES(1, 'u', 1)") == "");
  REQUIRE(relay.apply(one.changes()) == "");
  REQUIRE(two.apply(relay.changes()) == "");
  CHECK(joined(two.rows("SELECT * FROM t")) == "1|text:75|1");
  SUBCASE("and merged on the way") {
    one.clock().advance(10);
    REQUIRE(one.run("UPDATE t SET b = 2") == "");
    REQUIRE(relay.apply(one.changes()) == "");
    REQUIRE(two.apply(relay.changes(relay.version())) == "");
    CHECK(joined(two.rows("SELECT * FROM t")) == "1|text:75|2");
  }
}

TEST_CASE("held rows are told by a replica that has forgotten its log") {
  WorldReplica one(1);
  WorldReplica two(2);
  WorldReplica three(3);
  for (WorldReplica* replica : {&one, &two, &three}) {
    REQUIRE(replica->run(create_sql) == "");
    REQUIRE(replica->track("t") == "");
  }
  two.clock().advance(100);
  REQUIRE(one.run("INSERT INTO t VALUES(1, 'same', 1)") == "");
  REQUIRE(two.run("INSERT INTO t VALUES(2, 'same', 2)") == "");
  REQUIRE(one.apply(two.changes()) == "");
  CHECK(one.engine().counts()->held == 1);
  constexpr std::int64_t month_ms = std::int64_t{30} * 24 * 3600 * 1000;
  one.clock().advance(month_ms);
  three.clock().advance(month_ms);
  REQUIRE(one.engine().acknowledge(*one.engine().version()));
  REQUIRE(one.run("UPDATE t SET b = 7 WHERE id = 1") == "");
  REQUIRE(one.engine().collect_garbage(0));
  REQUIRE(joined(one.rows("SELECT count(*) FROM syncline_log")) == "1");
  REQUIRE(three.apply(one.changes()) == "");
  CHECK(three.engine().counts()->held == 1);
  CHECK(to_text(*three.engine().digest()) == to_text(*one.engine().digest()));
}

}  // namespace
}  // namespace syncline
