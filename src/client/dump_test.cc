#include "client/dump.h"

#include <doctest/doctest.h>

#include "client/test_replica.h"

namespace syncline {
namespace {

std::string dump_text(TestReplica& replica, const std::string& table = "") {
  std::string out;
  const auto done = dump(*replica.database.operator->(), replica.engine->catalog(), table,
                         [&](std::string_view line) -> Result<void> {
                           out += std::string(line) + "\n";
                           return {};
                         });
  return done ? out : done.error().message();
}

TEST_CASE("a dump has tables by name, rows by key, members sorted, every value exact") {
  TestReplica replica;
  REQUIRE(replica.execute(
      "CREATE TABLE b(y, x, id TEXT COLLATE NOCASE PRIMARY KEY NOT NULL, g AS (x) STORED);"
      "CREATE TABLE a(k1 INTEGER, k2 TEXT, v, PRIMARY KEY(k2, k1)) WITHOUT ROWID;"
      "CREATE TABLE untracked(id PRIMARY KEY)"));
  REQUIRE(replica.engine->track("b", {}));
  REQUIRE(replica.engine->track("a", {}));
  REQUIRE(
      replica.execute("INSERT INTO b(id, x, y) VALUES('b', 1, x'00ff'), ('B2', 1.0, NULL), "
                      "('a', 9e999, 'q\"');"
                      "INSERT INTO a VALUES(2, 'a', ''), (1, 'b', 0.1), (1, 'a', -0.0)"));
  CHECK(dump_text(replica) ==
        "{\"key\":[\"a\",1],\"table\":\"a\",\"value\":{\"v\":-0.0}}\n"
        "{\"key\":[\"a\",2],\"table\":\"a\",\"value\":{\"v\":\"\"}}\n"
        "{\"key\":[\"b\",1],\"table\":\"a\",\"value\":{\"v\":0.1}}\n"
        "{\"key\":[\"B2\"],\"table\":\"b\",\"value\":{\"x\":1.0,\"y\":null}}\n"
        "{\"key\":[\"a\"],\"table\":\"b\",\"value\":{\"x\":{\"real\":\"inf\"},\"y\":\"q\\\"\"}}\n"
        "{\"key\":[\"b\"],\"table\":\"b\",\"value\":{\"x\":1,\"y\":{\"base64\":\"AP8=\"}}}\n");
  CHECK(dump_text(replica, "a").find("\"table\":\"b\"") == std::string::npos);
  CHECK(dump_text(replica, "untracked") == "table 'untracked' is not tracked");
}

TEST_CASE("two replicas with the same rows have the same digest, other rows another") {
  TestReplica one(1);
  TestReplica two(2);
  for (TestReplica* replica : {&one, &two}) {
    REQUIRE(replica->execute("CREATE TABLE t(id PRIMARY KEY NOT NULL, v)"));
    REQUIRE(replica->engine->track("t", {}));
  }
  REQUIRE(one.execute("INSERT INTO t VALUES(1, 'a'), (2, 'b')"));
  REQUIRE(two.execute("INSERT INTO t VALUES(3, 'c')"));
  const auto digest = [](TestReplica& replica) {
    return *dump_digest(*replica.database.operator->(), replica.engine->catalog());
  };
  CHECK(digest(one) != digest(two));
  REQUIRE(one.pull(two));
  REQUIRE(two.pull(one));
  CHECK(dump_text(one) == dump_text(two));
  CHECK(digest(one) == digest(two));
  const std::string text = dump_text(one);
  CHECK(digest(one) == sha256(as_bytes(text)));
}

TEST_CASE("a database that does not sync says so") {
  TestReplica replica;
  CHECK(dump_text(replica).find("does not sync yet") != std::string::npos);
}

}  // namespace
}  // namespace syncline
