// Several connections on one file, attached databases, VACUUM, and commits that fail at first.
#include <doctest/doctest.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cstdio>
#include <functional>

#include "client/replica_world.h"

namespace syncline {
namespace {

// A file of this process's own that goes with the test.
struct TemporaryFile {
  explicit TemporaryFile(const char* name)
      : path("connections_test_" + std::to_string(::getpid()) + "_" + name) {
    remove();
  }
  ~TemporaryFile() { remove(); }
  void remove() const {
    for (const char* suffix : {"", "-wal", "-shm", "-journal"}) {
      std::remove((path + suffix).c_str());
    }
  }
  std::string path;
};

}  // namespace

TEST_CASE(
    "connections that take turns number their changes together and read each other's clocks") {
  const TemporaryFile file("turns.db");
  WorldReplica one(1, file.path);
  REQUIRE(one.run("CREATE TABLE t(k INTEGER PRIMARY KEY, a, b)") == "");
  REQUIRE(one.track("t") == "");
  WorldReplica two(2, file.path);
  CHECK(*one.engine().replica() == *two.engine().replica());
  for (int i = 0; i < 20; ++i) {
    WorldReplica& writer = i % 2 == 0 ? one : two;
    REQUIRE(writer.run("INSERT INTO t VALUES(" + std::to_string(i) + ", 0, 0)") == "");
    REQUIRE(writer.run("UPDATE t SET a = a + 1") == "");
    if (i == 7) {
      REQUIRE(two.engine().collect_garbage(0));
    }
  }
  CHECK(one.version() == 40);
  CHECK(two.version() == 40);
  CHECK(one.stamped_rows("t") == two.stamped_rows("t"));
  CHECK(to_text(*one.engine().digest()) == to_text(*two.engine().digest()));
  const std::string told = one.all_changes();
  CHECK(told == two.all_changes());
  WorldReplica other(3);
  REQUIRE(other.run("CREATE TABLE t(k INTEGER PRIMARY KEY, a, b)") == "");
  REQUIRE(other.track("t") == "");
  REQUIRE(other.apply(two.changes()) == "");
  CHECK(other.stamped_rows("t") == one.stamped_rows("t"));
}

TEST_CASE("sums see what another connection wrote since the last commit of ours") {
  const TemporaryFile file("sums.db");
  WorldReplica one(1, file.path);
  REQUIRE(one.run("CREATE TABLE t(k INTEGER PRIMARY KEY, a)") == "");
  REQUIRE(one.track("t") == "");
  WorldReplica two(2, file.path);
  REQUIRE(one.run("INSERT INTO t VALUES(1, 0)") == "");
  REQUIRE(one.engine().digest_of_tables({}));
  REQUIRE(one.run("INSERT INTO t VALUES(2, 0)") == "");
  // The other writes when the transaction has begun and nothing was read in it yet.
  bool wrote = false;
  const std::function<void(const std::string&)> before = [&](const std::string& sql) {
    if (!wrote && sql == "SAVEPOINT syncline") {
      wrote = true;
      REQUIRE(two.run("INSERT INTO t VALUES(3, 0)") == "");
    }
  };
  const auto trace = [](unsigned, void* context, void*, void* sql) {
    (*static_cast<const std::function<void(const std::string&)>*>(context))(
        static_cast<const char*>(sql));
    return 0;
  };
  sqlite3* handle = one.connection().handle();
  void* context = const_cast<std::function<void(const std::string&)>*>(&before);
  REQUIRE(sqlite3_trace_v2(handle, SQLITE_TRACE_STMT, trace, context) == SQLITE_OK);
  const auto kept = one.engine().digest_of_tables({});
  REQUIRE(sqlite3_trace_v2(handle, 0, nullptr, nullptr) == SQLITE_OK);
  CHECK(wrote);
  REQUIRE(kept);
  CHECK(to_text(*kept) == to_text(*two.engine().digest_of_tables({})));
  CHECK(to_text(*one.engine().digest_of_tables({})) == to_text(*two.engine().digest_of_tables({})));
}

TEST_CASE("a table that one connection tracks is captured by another that was open before") {
  const TemporaryFile file("late.db");
  WorldReplica one(1, file.path);
  REQUIRE(one.run("CREATE TABLE t(k INTEGER PRIMARY KEY, a)") == "");
  WorldReplica two(2, file.path);
  REQUIRE(two.run("INSERT INTO t VALUES(1, 1)") == "");
  REQUIRE(one.track("t") == "");
  REQUIRE(two.run("INSERT INTO t VALUES(2, 2)") == "");
  CHECK(two.last_change() == "put t[2] a=2");
  REQUIRE(one.engine().untrack("t"));
  REQUIRE(two.run("INSERT INTO t VALUES(3, 3)") == "");
  CHECK(one.version() == 2);
}

TEST_CASE("a column that another connection adds takes what is merged next") {
  const TemporaryFile file("altered.db");
  WorldReplica one(1, file.path);
  REQUIRE(one.run("CREATE TABLE t(k INTEGER PRIMARY KEY, a)") == "");
  REQUIRE(one.track("t") == "");
  REQUIRE(one.run("INSERT INTO t VALUES(1, 1)") == "");
  WorldReplica author(3);
  REQUIRE(author.run("CREATE TABLE t(k INTEGER PRIMARY KEY, a, b)") == "");
  REQUIRE(author.track("t") == "");
  // What `one` knows of the table by now is older than what `two` makes of it.
  REQUIRE(author.apply(one.changes()) == "");
  WorldReplica two(2, file.path);
  REQUIRE(two.engine().alter_begin());
  REQUIRE(two.run("ALTER TABLE t ADD COLUMN b") == "");
  REQUIRE(two.engine().alter_commit());
  REQUIRE(author.run("UPDATE t SET b = 'new' WHERE k = 1") == "");
  REQUIRE(one.apply(author.changes()) == "");
  CHECK(joined(one.rows("SELECT a, b FROM t")) == joined(author.rows("SELECT a, b FROM t")));
  CHECK(one.stamped_rows("t") == author.stamped_rows("t"));
}

TEST_CASE("a connection stays whole while others change the schema between its calls") {
  const TemporaryFile file("alters.db");
  WorldReplica one(1, file.path);
  REQUIRE(one.run("CREATE TABLE t(k INTEGER PRIMARY KEY, a)") == "");
  REQUIRE(one.track("t") == "");
  WorldReplica two(2, file.path);
  for (int round = 0; round < 5; ++round) {
    const std::string column = "b" + std::to_string(round);
    REQUIRE(one.run("INSERT INTO t(a) VALUES(1)") == "");
    // Without alter_begin(), so that only SQLite's own reading of the schema tells the first.
    REQUIRE(two.run("CREATE TABLE other" + column + "(x)") == "");
    switch (round) {
      case 0:
        CHECK(one.engine().log_head());
        break;
      case 1:
        CHECK(one.engine().version());
        break;
      case 2:
        CHECK(!one.changes().empty());
        break;
      case 3:
        CHECK(one.engine().status_json());
        break;
      default:
        CHECK(one.engine().own_changes(ChangeSequence(0), 1000));
        break;
    }
  }
  CHECK(joined(one.rows("SELECT count(*) FROM t")) == joined(two.rows("SELECT count(*) FROM t")));
}

TEST_CASE("a commit that is busy may be tried again, with more written meanwhile") {
  const TemporaryFile file("busy.db");
  OpenOptions impatient;
  impatient.busy_timeout_ms = 0;
  WorldReplica one(1, file.path, impatient);
  REQUIRE(one.run("CREATE TABLE t(k INTEGER PRIMARY KEY, a)") == "");
  REQUIRE(one.track("t") == "");
  // Readers do not hinder a commit in WAL mode, which every opening asks for.
  REQUIRE(joined(one.rows("PRAGMA journal_mode = DELETE")) == "text:64656c657465");
  WorldReplica two(2);
  REQUIRE(two.run("ATTACH '" + file.path + "' AS other") == "");
  REQUIRE(one.run("BEGIN; INSERT INTO t VALUES(1, 1)") == "");
  {
    auto reading = two.connection().prepare("SELECT * FROM other.sqlite_schema");
    REQUIRE(reading);
    REQUIRE(reading->step());
    CHECK(one.run("COMMIT") != "");
    CHECK_FALSE(one.connection().autocommit());
    SUBCASE("as it was") {}
    SUBCASE("with another row") { REQUIRE(one.run("INSERT INTO t VALUES(2, 2)") == ""); }
    SUBCASE("with less") {
      REQUIRE(one.run("SAVEPOINT s; INSERT INTO t VALUES(3, 3)") == "");
      CHECK(one.run("COMMIT") != "");
      REQUIRE(one.run("ROLLBACK TO s") == "");
    }
  }
  REQUIRE(one.run("COMMIT") == "");
  CHECK(one.version() == 1);
  const auto told = decode_file(one.changes());
  REQUIRE(told.changes.size() == 1);
  CHECK(told.changes[0].edits.size() == one.rows("SELECT * FROM t").size());
  CHECK(one.rows("SELECT count(*) FROM syncline_log") == std::vector<std::string>{"1"});
}

TEST_CASE("attached databases are left alone") {
  const TemporaryFile file("attached.db");
  {
    WorldReplica plain(3, file.path);
    REQUIRE(plain.run("CREATE TABLE t(k INTEGER PRIMARY KEY, a)") == "");
  }
  WorldReplica replica(1);
  REQUIRE(replica.run("CREATE TABLE t(k INTEGER PRIMARY KEY, a)") == "");
  REQUIRE(replica.track("t") == "");
  REQUIRE(replica.run("ATTACH '" + file.path + "' AS other") == "");
  REQUIRE(replica.run("BEGIN; INSERT INTO other.t VALUES(1, 'there'); INSERT INTO main.t VALUES(2, "
                      "'here'); COMMIT") == "");
  CHECK(replica.last_change() == "put t[2] a=text:68657265");
  REQUIRE(replica.run("INSERT INTO other.t SELECT * FROM main.t") == "");
  CHECK(replica.version() == 1);
  CHECK(joined(replica.rows("SELECT count(*) FROM other.sqlite_schema")) == "1");
  SUBCASE("also one that syncs itself") {
    const TemporaryFile second("second.db");
    {
      WorldReplica syncing(4, second.path);
      REQUIRE(syncing.run("CREATE TABLE t(k INTEGER PRIMARY KEY, a)") == "");
      REQUIRE(syncing.track("t") == "");
      REQUIRE(syncing.run("INSERT INTO t VALUES(1, 1)") == "");
    }
    REQUIRE(replica.run("ATTACH '" + second.path + "' AS syncing") == "");
    CHECK(joined(replica.rows("SELECT * FROM syncing.t")) == "1|1");
    REQUIRE(replica.run("INSERT INTO main.t VALUES(5, 5)") == "");
    CHECK(replica.last_change() == "put t[5] a=5");
    REQUIRE(replica.run("DETACH syncing") == "");
  }
}

TEST_CASE("VACUUM keeps every clock, also of rows whose rowid it may change") {
  const TemporaryFile file("vacuum.db");
  WorldReplica replica(1, file.path);
  REQUIRE(replica.run("CREATE TABLE t(k TEXT PRIMARY KEY NOT NULL, a); CREATE TABLE n(k INTEGER "
                      "PRIMARY KEY, a); CREATE TABLE w(k TEXT PRIMARY KEY, a) WITHOUT ROWID") ==
          "");
  for (const char* table : {"t", "n", "w"}) {
    REQUIRE(replica.track(table) == "");
    for (int i = 0; i < 50; ++i) {
      REQUIRE(replica.run("INSERT INTO " + std::string(table) + " VALUES(" + std::to_string(i) +
                          ", 0)") == "");
    }
    REQUIRE(replica.run("DELETE FROM " + std::string(table) + " WHERE k % 3 = 0") == "");
    REQUIRE(replica.run("UPDATE " + std::string(table) + " SET a = k WHERE k % 2 = 0") == "");
  }
  std::vector<std::vector<std::string>> before;
  for (const char* table : {"t", "n", "w"}) {
    before.push_back(replica.stamped_rows(table));
  }
  const std::string told = replica.all_changes();
  REQUIRE(replica.run("VACUUM") == "");
  std::size_t at = 0;
  for (const char* table : {"t", "n", "w"}) {
    CHECK(replica.stamped_rows(table) == before[at++]);
  }
  CHECK(replica.all_changes() == told);
  WorldReplica again(2, file.path);
  CHECK(again.all_changes() == told);
}

// Nothing of this touches the application's tables, so that SQLite tells nobody of the rollback.
TEST_CASE("a rollback takes back what memory learned in a transaction that only told of deaths") {
  WorldReplica one(1);
  WorldReplica two(2);
  WorldReplica three(3);
  for (WorldReplica* replica : {&one, &two, &three}) {
    REQUIRE(replica->run("CREATE TABLE t(k INTEGER PRIMARY KEY, a)") == "");
    REQUIRE(replica->track("t") == "");
  }
  const auto grave = [](WorldReplica& replica, int key) {
    const std::string row = std::to_string(key);
    REQUIRE(replica.run("INSERT INTO t VALUES(" + row + ", 1)") == "");
    const std::uint64_t before = replica.version();
    REQUIRE(replica.run("DELETE FROM t WHERE k = " + row) == "");
    return replica.changes(before);
  };
  const ByteVector from_one = grave(one, 1);
  const ByteVector from_three = grave(three, 2);
  REQUIRE(two.run("BEGIN") == "");
  REQUIRE(two.apply(from_one) == "");
  REQUIRE_FALSE(two.changes().empty());
  REQUIRE(two.run("ROLLBACK") == "");
  REQUIRE(two.apply(from_three) == "");
  REQUIRE_MESSAGE(!two.changes().empty(), two.last_error());
  REQUIRE(two.apply(from_one) == "");
  REQUIRE_MESSAGE(!two.changes().empty(), two.last_error());
  REQUIRE(three.apply(from_one) == "");
  CHECK(two.rows("SELECT count(*) FROM syncline_log") == std::vector<std::string>{"2"});
  // An older insert of either key stays dead.
  REQUIRE(two.apply(one.changes()) == "");
  REQUIRE(two.apply(three.changes()) == "");
  CHECK(two.rows("SELECT * FROM t").empty());
}

TEST_CASE("a connection tells of a counter what another connection of the file counted first") {
  const TemporaryFile file("counted.db");
  WorldReplica one(1, file.path);
  WorldReplica two(2, file.path);
  WorldReplica bob(3);
  WorldReplica cid(4);
  const std::vector<std::string> rules = {"n=counter"};
  const auto counted = parse_track_options(rules);
  for (WorldReplica* replica : {&one, &bob, &cid}) {
    REQUIRE(replica->run("CREATE TABLE t(id INTEGER PRIMARY KEY, n INT)").empty());
    REQUIRE(replica->track("t", *counted).empty());
  }
  REQUIRE(bob.run("INSERT INTO t VALUES(1, 0)").empty());
  REQUIRE(one.apply(bob.changes()).empty());
  // Looks beside the table, where nothing is yet.
  REQUIRE(!one.changes().empty());
  REQUIRE(bob.run("UPDATE t SET n = n + 1").empty());
  REQUIRE(two.apply(bob.changes()).empty());
  REQUIRE(cid.apply(one.changes()).empty());
  CHECK(to_text(*cid.engine().digest()) == to_text(*bob.engine().digest()));
}

}  // namespace syncline
