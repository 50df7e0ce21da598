#include "client/rich.h"

#include <doctest/doctest.h>

#include <cstdio>

#include "client/test_replica.h"

namespace syncline {
namespace {

// A database file that is gone when the test ends.
struct File {
  std::string path;
  explicit File(std::string name) : path(std::move(name)) { remove(); }
  ~File() { remove(); }
  void remove() const {
    for (const char* end : {"", "-wal", "-shm"}) {
      std::remove((path + end).c_str());
    }
  }
};

TEST_CASE("a counter counts apart when the first thing a connection does is to write") {
  const File files[] = {File("rich_test_1.db"), File("rich_test_2.db")};
  for (std::size_t i = 0; i < 2; ++i) {
    TestReplica replica(i + 1, files[i].path);
    REQUIRE(replica.execute("CREATE TABLE t(id PRIMARY KEY NOT NULL, n)"));
    TrackOptions options;
    options.column_rules["n"] = MergeRule::counter;
    REQUIRE(replica.engine->track("t", options));
    REQUIRE(i == 1 || replica.execute("INSERT INTO t VALUES(1, 10)"));
  }
  {
    TestReplica one(1, files[0].path);
    TestReplica two(2, files[1].path);
    REQUIRE(two.pull(one));
  }
  // New connections, which have not been asked for anything yet.
  TestReplica one(3, files[0].path);
  TestReplica two(4, files[1].path);
  REQUIRE(one.execute("UPDATE t SET n = n + 2"));
  REQUIRE(two.execute("UPDATE t SET n = n + 3"));
  REQUIRE(one.pull(two));
  REQUIRE(two.pull(one));
  CHECK(one.text("SELECT n FROM t") == "15");
  CHECK(two.text("SELECT n FROM t") == "15");
}

}  // namespace
}  // namespace syncline
