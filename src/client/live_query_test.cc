#include "client/live_query.h"

#include <doctest/doctest.h>

#include "client/test_replica.h"

namespace syncline {
namespace {

// Counts what was told and keeps the last result as text.
struct Watcher {
  int times = 0;
  std::string last;

  LiveQueries::Told told() {
    return [this](Statement& rows) {
      ++times;
      last.clear();
      for (auto more = rows.step(); more && *more; more = rows.step()) {
        last += std::string(rows.column_text(0)) + ",";
      }
    };
  }
};

struct Fixture {
  TestReplica replica;
  LiveQueries live{replica.database.connection()};
  Fixture() {
    REQUIRE(
        replica.execute("CREATE TABLE a(id PRIMARY KEY NOT NULL, v);"
                        "CREATE INDEX a_v ON a(v);"
                        "CREATE TABLE b(id PRIMARY KEY NOT NULL, v) WITHOUT ROWID;"
                        "CREATE TABLE plain(v)"));
    REQUIRE(replica.engine->track("a", {}));
    REQUIRE(replica.engine->track("b", {}));
  }
};

TEST_CASE("a live query tells its first result, then each new one, and no equal one") {
  Fixture f;
  Watcher watcher;
  REQUIRE(f.live.subscribe("SELECT v FROM a ORDER BY v", {}, watcher.told()));
  CHECK(*f.live.poll() == 1);
  CHECK(watcher.last == "");
  REQUIRE(f.replica.execute("INSERT INTO a VALUES(1, 'x')"));
  CHECK(*f.live.poll() == 1);
  CHECK(watcher.last == "x,");
  CHECK(*f.live.poll() == 0);
  REQUIRE(f.replica.execute("UPDATE a SET v = 'y'; UPDATE a SET v = 'x'"));
  CHECK(*f.live.poll() == 0);
  REQUIRE(f.replica.execute("INSERT INTO b VALUES(1, 'x')"));
  CHECK(*f.live.poll() == 0);
  CHECK(watcher.times == 2);
}

TEST_CASE("tables without rowid, untracked tables and joins are watched too") {
  Fixture f;
  Watcher without;
  Watcher plain;
  Watcher joined;
  REQUIRE(f.live.subscribe("SELECT v FROM b", {}, without.told()));
  REQUIRE(f.live.subscribe("SELECT v FROM plain", {}, plain.told()));
  REQUIRE(f.live.subscribe("SELECT b.v FROM a JOIN b USING(id)", {}, joined.told()));
  CHECK(*f.live.poll() == 3);
  REQUIRE(f.replica.execute("INSERT INTO b VALUES(1, 'w')"));
  CHECK(*f.live.poll() == 1);
  REQUIRE(f.replica.execute("INSERT INTO plain VALUES('p')"));
  CHECK(*f.live.poll() == 1);
  REQUIRE(f.replica.execute("INSERT INTO a VALUES(1, 'z')"));
  CHECK(*f.live.poll() == 1);
  CHECK(without.last == "w,");
  CHECK(plain.last == "p,");
  CHECK(joined.last == "w,");
}

TEST_CASE("remote changes and our own views are told") {
  Fixture f;
  TestReplica source(5);
  REQUIRE(source.execute("CREATE TABLE a(id PRIMARY KEY NOT NULL, v)"));
  REQUIRE(source.engine->track("a", {}));
  REQUIRE(source.execute("INSERT INTO a VALUES(1, 'far')"));
  Watcher rows;
  Watcher log;
  REQUIRE(f.live.subscribe("SELECT v FROM a", {}, rows.told()));
  REQUIRE(f.live.subscribe("SELECT state FROM syncline_changes", {}, log.told()));
  REQUIRE(f.live.poll());
  REQUIRE(f.replica.pull(source));
  CHECK(*f.live.poll() == 2);
  CHECK(rows.last == "far,");
  CHECK(log.last == "remote,");
}

TEST_CASE("values bound to a query stay bound") {
  Fixture f;
  Watcher watcher;
  REQUIRE(f.replica.execute("INSERT INTO a VALUES(1, 'x'), (2, 'y')"));
  REQUIRE(f.live.subscribe("SELECT v FROM a WHERE id = ?1", {Value::integer(2)}, watcher.told()));
  REQUIRE(f.live.poll());
  CHECK(watcher.last == "y,");
  REQUIRE(f.replica.execute("UPDATE a SET v = 'q' WHERE id = 1"));
  CHECK(*f.live.poll() == 0);
  REQUIRE(f.replica.execute("UPDATE a SET v = 'q' WHERE id = 2"));
  CHECK(*f.live.poll() == 1);
}

TEST_CASE("nothing is told inside a transaction, nor of what was rolled back") {
  Fixture f;
  Watcher watcher;
  REQUIRE(f.live.subscribe("SELECT v FROM a", {}, watcher.told()));
  REQUIRE(f.live.poll());
  REQUIRE(f.replica.execute("BEGIN; INSERT INTO a VALUES(1, 'x')"));
  CHECK(*f.live.poll() == 0);
  REQUIRE(f.replica.execute("ROLLBACK"));
  CHECK(*f.live.poll() == 0);
  CHECK(watcher.times == 1);
}

TEST_CASE("what cannot be watched is refused, and a table that is gone is an error") {
  Fixture f;
  Watcher watcher;
  CHECK_FALSE(f.live.subscribe("DELETE FROM a", {}, watcher.told()));
  CHECK_FALSE(f.live.subscribe("SELECT * FROM nowhere", {}, watcher.told()));
  CHECK_FALSE(f.live.subscribe("SELECT ?1", {}, watcher.told()));
  REQUIRE(f.live.subscribe("SELECT v FROM plain", {}, watcher.told()));
  REQUIRE(f.live.poll());
  REQUIRE(f.replica.execute("DROP TABLE plain"));
  CHECK_FALSE(f.live.poll());
  REQUIRE(f.replica.execute("CREATE TABLE plain(v); INSERT INTO plain VALUES('again')"));
  CHECK(*f.live.poll() == 1);
  CHECK(watcher.last == "again,");
}

TEST_CASE("a callback may end its own subscription and begin another") {
  Fixture f;
  Watcher second;
  LiveQueryId id = 0;
  int times = 0;
  const auto first = f.live.subscribe("SELECT v FROM a", {}, [&](Statement& /*rows*/) {
    ++times;
    f.live.unsubscribe(id);
    REQUIRE(f.live.subscribe("SELECT v FROM b", {}, second.told()));
  });
  REQUIRE(first);
  id = *first;
  REQUIRE(f.live.poll());
  REQUIRE(f.replica.execute("INSERT INTO a VALUES(1, 1); INSERT INTO b VALUES(1, 'b')"));
  REQUIRE(f.live.poll());
  CHECK(times == 1);
  CHECK(second.last == "b,");
}

TEST_CASE("a query that fails tells its own reason once, and the others go on") {
  Fixture f;
  Watcher watcher;
  std::vector<std::string> failures;
  REQUIRE(f.live.subscribe(
      "SELECT v FROM plain", {}, [](Statement&) {},
      [&](const Error& error) { failures.push_back(error.message()); }));
  REQUIRE(f.live.subscribe("SELECT v FROM a", {}, watcher.told()));
  REQUIRE(f.live.poll().has_value());
  REQUIRE(f.replica.execute("DROP TABLE plain; INSERT INTO a VALUES(1, 'x')"));
  CHECK(*f.live.poll() == 1);
  CHECK(watcher.last == "x,");
  REQUIRE(failures.size() == 1);
  CHECK(failures[0].find("plain") != std::string::npos);
  REQUIRE(f.replica.execute("INSERT INTO a VALUES(2, 'y')"));
  REQUIRE(f.live.poll().has_value());
  CHECK(failures.size() == 1);
}

}  // namespace
}  // namespace syncline
