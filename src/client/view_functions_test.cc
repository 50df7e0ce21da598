#include "client/view_functions.h"

#include <doctest/doctest.h>

#include "client/test_replica.h"

namespace syncline {
namespace {

using Replica = TestReplica;

TEST_CASE("syncline_changes shows a transaction's origin, time, state and tables") {
  Replica replica;
  REQUIRE(
      replica.database->execute("CREATE TABLE b(id PRIMARY KEY NOT NULL, v);"
                                "CREATE TABLE a(id PRIMARY KEY NOT NULL, v)"));
  REQUIRE(replica.engine->track("a", {}));
  REQUIRE(replica.engine->track("b", {}));
  REQUIRE(replica.database->execute(
      "BEGIN; INSERT INTO b VALUES(1, 2); INSERT INTO a VALUES(1, 2); COMMIT"));
  const std::string id = replica.engine->replica()->hex();
  CHECK(replica.text("SELECT tables FROM syncline_changes") == "[\"a\",\"b\"]");
  CHECK(replica.text("SELECT op FROM syncline_changes") == id + ":1");
  CHECK(replica.text("SELECT state FROM syncline_changes") == "pending");
  CHECK(replica.text("SELECT time FROM syncline_changes") == "2020-09-13T12:26:40.000Z");
  CHECK(replica.text("SELECT stamp FROM syncline_changes").substr(16) == "@" + id);
  REQUIRE(
      replica.database->execute("INSERT INTO syncline_meta VALUES('acked_version', (SELECT "
                                "max(version) FROM syncline_log))"));
  CHECK(replica.text("SELECT state FROM syncline_changes") == "acked");
}

TEST_CASE("syncline_held shows the row that does not fit, and why") {
  Replica from;
  Replica to(2);
  REQUIRE(from.database->execute("CREATE TABLE a(id PRIMARY KEY NOT NULL, v)"));
  REQUIRE(to.database->execute("CREATE TABLE a(id PRIMARY KEY NOT NULL, v CHECK(v < 5))"));
  REQUIRE(from.engine->track("a", {}));
  REQUIRE(to.engine->track("a", {}));
  REQUIRE(from.database->execute("INSERT INTO a VALUES('k', 9)"));
  const auto file = from.engine->changes_since(LocalVersion(0));
  REQUIRE(file);
  REQUIRE(to.engine->apply_file(*file));
  CHECK(to.text("SELECT table_name || key || row || reason FROM syncline_held") ==
        "a[\"k\"]{\"v\":9}check");
  CHECK(to.text("SELECT state FROM syncline_changes") == "remote");
}

TEST_CASE("a conflict shows what this replica wrote as mine, whoever won") {
  Replica replica;
  REQUIRE(replica.engine->initialise());
  const std::string own = replica.engine->replica()->hex();
  const std::string other(32, '1');
  const auto add = [&](const char* id, const std::string& winner, const std::string& loser) {
    return replica.database->execute(
        "INSERT INTO syncline_conflict_rows(id, tbl, key, col, base, winner, loser, winner_stamp, "
        "loser_stamp) VALUES('" +
        std::string(id) + "', 't', x'', 'c', 0, 'won', 'lost', '0000000000000002@" + winner +
        "', '0000000000000001@" + loser + "')");
  };
  REQUIRE(add("x", own, other));
  REQUIRE(add("y", other, own));
  CHECK(replica.text("SELECT mine || theirs FROM syncline_conflicts WHERE id = 'x'") == "wonlost");
  CHECK(replica.text("SELECT mine || theirs FROM syncline_conflicts WHERE id = 'y'") == "lostwon");
}

TEST_CASE("syncline_events shows what waits, and draining empties it") {
  Replica replica;
  REQUIRE(replica.execute("CREATE TABLE a(id PRIMARY KEY NOT NULL)"));
  REQUIRE(replica.engine->track("a", {}));
  // The first look starts the queue.
  CHECK(replica.text("SELECT count(*) FROM syncline_events") == "0");
  REQUIRE(replica.execute("INSERT INTO a VALUES(1)"));
  CHECK(replica.text("SELECT name FROM syncline_events") == "sync.op:action:captured");
  CHECK(replica.text("SELECT json_type(payload) FROM syncline_events") == "object");
  CHECK(replica.engine->events().drain(10).size() == 1);
  CHECK(replica.text("SELECT count(*) FROM syncline_events") == "0");
}

TEST_CASE("damaged bytes make the views fail with a message, not crash") {
  Replica replica;
  const auto key = replica.database->query_text("SELECT syncline_key_json(x'ff')");
  CHECK_FALSE(key);
  const auto tables = replica.database->query_text("SELECT syncline_log_tables(0, x'ffff')");
  CHECK_FALSE(tables);
  const auto form = replica.database->query_text("SELECT syncline_log_tables(77, x'')");
  REQUIRE_FALSE(form);
  CHECK(form.error().message().find("form") != std::string::npos);
}

TEST_CASE("a tracked table can still be renamed by its application") {
  Replica replica;
  REQUIRE(replica.database->execute("CREATE TABLE a(id PRIMARY KEY NOT NULL); CREATE TABLE o(x)"));
  REQUIRE(replica.engine->track("a", {}));
  CHECK(replica.database->execute("ALTER TABLE o RENAME TO p"));
}

}  // namespace
}  // namespace syncline
