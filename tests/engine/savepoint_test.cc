#include "sqlite/savepoint.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdio>

#include "sqlite/database.h"
#include "sqlite/function.h"

namespace syncline {
namespace {

// Two connections on one file that wait for nobody.
struct TwoConnections {
  explicit TwoConnections(const char* name)
      : path("savepoint_test_" + std::to_string(::getpid()) + "_" + name + ".db") {
    remove();
    OpenOptions options;
    options.busy_timeout_ms = 0;
    one.emplace(*Database::open(path, options));
    two.emplace(*Database::open(path, options));
    REQUIRE((*one)->execute("CREATE TABLE t(a); INSERT INTO t VALUES(1)"));
  }
  ~TwoConnections() {
    one.reset();
    two.reset();
    remove();
  }
  void remove() const {
    for (const char* suffix : {"", "-wal", "-shm", "-journal"}) {
      std::remove((path + suffix).c_str());
    }
  }
  std::int64_t count(const Database& database) {
    return database->query_int("SELECT count(*) FROM t")->value_or(-1);
  }
  std::string path;
  std::optional<Database> one;
  std::optional<Database> two;
};

constexpr const char* insert = "INSERT INTO t VALUES(2)";

}  // namespace

TEST_CASE("who may write goes first: what others commit after its first read does not stop it") {
  TwoConnections both("writer");
  auto writing = Savepoint::to_write((*both.one).connection());
  REQUIRE(writing);
  CHECK(both.count(*both.one) == 1);
  const auto other = (*both.two)->execute(insert);
  REQUIRE_FALSE(other);
  CHECK(other.error().code() == ErrorCode::busy);
  CHECK(other.error().retryable());
  CHECK((*both.one)->execute(insert));
  CHECK(writing->release());
  CHECK((*both.two)->execute(insert));
  CHECK(both.count(*both.one) == 3);
}

TEST_CASE("who only reads has one snapshot and is in nobody's way") {
  TwoConnections both("reader");
  auto reading = Savepoint::open((*both.one).connection());
  REQUIRE(reading);
  CHECK(both.count(*both.one) == 1);
  CHECK((*both.two)->execute(insert));
  CHECK(both.count(*both.one) == 1);
  CHECK(reading->release());
  CHECK(both.count(*both.one) == 2);
}

TEST_CASE("another writer is busy at the beginning, and nothing was begun") {
  TwoConnections both("begun");
  auto writing = Savepoint::to_write((*both.one).connection());
  REQUIRE(writing);
  const auto second = Savepoint::to_write((*both.two).connection());
  REQUIRE_FALSE(second);
  CHECK(second.error().code() == ErrorCode::busy);
  CHECK((*both.two)->autocommit());
}

TEST_CASE("inside an application's transaction it is a part of that one") {
  TwoConnections both("nested");
  const Connection one = (*both.one).connection();
  REQUIRE(one.execute("BEGIN"));
  {
    auto kept = Savepoint::to_write(one);
    REQUIRE(kept);
    REQUIRE(one.execute(insert));
    CHECK(kept->release());
  }
  {
    const auto dropped = Savepoint::to_write(one);
    REQUIRE(dropped);
    REQUIRE(one.execute(insert));
  }
  CHECK_FALSE(one.autocommit());
  REQUIRE(one.execute("COMMIT"));
  CHECK(both.count(*both.two) == 2);
}

TEST_CASE("a statement that writes cannot hold a transaction of ours, and is not broken by it") {
  TwoConnections both("inside");
  const Connection one = (*both.one).connection();
  REQUIRE(register_function(one, "ours", 0, Purity::effects,
                            [&](std::span<const ValueView>) -> Result<SqlValue> {
                              SL_TRY(Savepoint savepoint, Savepoint::to_write(one));
                              SL_TRY(savepoint.release());
                              return SqlValue(std::int64_t{7});
                            }));
  const auto inside = one.execute("INSERT INTO t VALUES(ours())");
  REQUIRE_FALSE(inside);
  CHECK(inside.error().message().find("SELECT it by itself") != std::string::npos);
  CHECK(one.autocommit());
  CHECK(one.query_int("SELECT ours()")->value_or(0) == 7);
  CHECK(one.query_int("SELECT ours() FROM t")->value_or(0) == 7);
  REQUIRE(both.two->connection().execute("BEGIN IMMEDIATE"));
  const auto busy = one.query_int("SELECT ours()");
  REQUIRE_FALSE(busy);
  CHECK(busy.error().code() == ErrorCode::busy);
}

}  // namespace syncline
