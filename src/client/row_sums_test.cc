#include "client/row_sums.h"

#include <doctest/doctest.h>

#include "client/test_replica.h"

using namespace syncline;

namespace {

constexpr const char* schema =
    "CREATE TABLE notes(id INTEGER PRIMARY KEY, title TEXT, stars INTEGER NOT NULL DEFAULT 0, "
    "code TEXT UNIQUE); CREATE TABLE tags(name TEXT PRIMARY KEY, n INTEGER) WITHOUT ROWID";

void prepare(TestReplica& replica) {
  REQUIRE(replica.execute(schema));
  const auto options = parse_track_options(std::vector<std::string>{"stars=counter"});
  REQUIRE(options);
  REQUIRE(replica.engine->track("notes", *options));
  REQUIRE(replica.engine->track("tags", {}));
}

void check_sums(TestReplica& replica) {
  const auto kept = replica.engine->digest_of_tables({});
  const auto counted = replica.engine->digest();
  REQUIRE(kept);
  REQUIRE(counted);
  CHECK(to_text(*kept) == to_text(*counted));
}

std::string random_write(Random& random) {
  const std::string id = std::to_string(random.below(1200));
  switch (random.below(8)) {
    case 0:
      return "INSERT OR REPLACE INTO notes(id, title, code) VALUES(" + id + ", 'new', " +
             (random.chance(1, 2) ? "NULL" : "'c" + std::to_string(random.below(5)) + "'") + ")";
    case 1:
      return "UPDATE notes SET title = 't" + id + "' WHERE id % 7 = " + id + " % 7";
    case 2:
      return "UPDATE notes SET stars = stars + 1 WHERE id < " + id;
    case 3:
      return "DELETE FROM notes WHERE id % 50 = " + id + " % 50";
    case 4:
      return "UPDATE notes SET id = id + 5000 WHERE id = " + id;
    case 5:
      return "INSERT OR IGNORE INTO tags VALUES('tag" + id + "', 1)";
    case 6:
      return "UPDATE tags SET n = n + 1 WHERE name LIKE 'tag1%'";
    default:
      return "INSERT OR IGNORE INTO notes(id, title) SELECT value, 'range' FROM json_each('[" + id +
             "," + id + "1," + id + "2]')";
  }
}

}  // namespace

TEST_CASE("sums that are kept equal those counted anew, whatever was written and merged") {
  TestReplica a(1);
  TestReplica b(2);
  prepare(a);
  prepare(b);
  SeededRandom random(7);
  for (int round = 0; round < 120; ++round) {
    TestReplica& writer = random.chance(1, 2) ? a : b;
    writer.clock.ms += 10;
    const std::string sql = random_write(random);
    CAPTURE(sql);
    (void)writer.execute(sql);  // some are refused by a constraint, which is as good
    if (random.chance(1, 3)) {
      check_sums(writer);
    }
    if (random.chance(1, 8)) {
      REQUIRE(a.pull(b));
      check_sums(a);
      REQUIRE(b.pull(a));
      check_sums(b);
    }
  }
  check_sums(a);
  check_sums(b);
}

TEST_CASE("sums are right after a rollback, a schema change and a collection of garbage") {
  TestReplica a;
  prepare(a);
  REQUIRE(a.execute("INSERT INTO notes(id, title) VALUES(1, 'kept'), (400, 'kept')"));
  check_sums(a);
  REQUIRE(a.execute("BEGIN; DELETE FROM notes; ROLLBACK"));
  check_sums(a);
  REQUIRE(a.execute("INSERT INTO notes(id, title) VALUES(2, 'after')"));
  REQUIRE(a.engine->collect_garbage(0));
  check_sums(a);
  REQUIRE(a.engine->alter_begin());
  REQUIRE(a.execute("ALTER TABLE notes ADD COLUMN more TEXT"));
  REQUIRE(a.engine->alter_commit());
  check_sums(a);
  REQUIRE(a.execute("UPDATE notes SET more = 'x' WHERE id = 400"));
  check_sums(a);
}

TEST_CASE("a counter that an older edit changes is told to whoever watches the table") {
  TestReplica a(1);
  TestReplica b(2);
  prepare(a);
  REQUIRE(a.execute("INSERT INTO notes(id, title) VALUES(1, 'shared')"));
  prepare(b);
  REQUIRE(b.pull(a));
  a.clock.ms += 10;
  REQUIRE(a.execute("UPDATE notes SET stars = stars + 1"));
  b.clock.ms += 20;
  REQUIRE(b.execute("UPDATE notes SET stars = stars + 2"));
  const auto report = b.pull(a);
  REQUIRE(report);
  CHECK(b.text("SELECT stars FROM notes") == "3");
  CHECK_FALSE(report->tables.empty());
  check_sums(b);
}

TEST_CASE("sums know what a change did that was encoded before anybody looked") {
  for (const bool sets_aside : {false, true}) {
    CAPTURE(sets_aside);
    TestReplica a;
    prepare(a);
    REQUIRE(a.execute("INSERT INTO notes(id, title) VALUES(1, 'one'), (2, 'two')"));
    REQUIRE(a.execute("INSERT INTO notes(id, title) VALUES(3, 'three')"));
    REQUIRE(a.engine->acknowledge(ChangeSequence(2)));
    check_sums(a);
    a.clock.ms += 10;
    REQUIRE(a.execute("UPDATE notes SET title = 'new' WHERE id = 1"));
    REQUIRE(a.execute("INSERT INTO notes(id, title) VALUES(700, 'far away')"));
    if (sets_aside) {
      REQUIRE(a.engine->set_aside_unsent("read_only", "may only read"));
    } else {
      // A server that has lost the second change.
      effect::SaveWelcome welcome;
      welcome.acknowledged = ChangeSequence(1);
      welcome.may_write = true;
      REQUIRE(a.engine->save_welcome(welcome));
    }
    check_sums(a);
    REQUIRE(a.execute("DELETE FROM notes WHERE id = 2"));
    check_sums(a);
  }
}

TEST_CASE("who compares all rows counts them anew, whatever the log says") {
  TestReplica a;
  prepare(a);
  REQUIRE(a.execute("INSERT INTO notes(id, title) VALUES(1, 'one')"));
  check_sums(a);
  REQUIRE(a.execute("INSERT INTO notes(id, title) VALUES(2, 'two')"));
  // A log that is damaged names no rows.
  REQUIRE(a.execute("UPDATE syncline_log SET body = x'' WHERE sequence = 2"));
  CHECK(to_text(*a.engine->digest_of_tables({})) != to_text(*a.engine->digest()));
  REQUIRE(a.engine->begin_rescan());
  check_sums(a);
}
