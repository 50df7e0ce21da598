#include "client/collections.h"

#include <doctest/doctest.h>

#include "client/test_replica.h"

namespace syncline {
namespace {

TEST_CASE("a collection is a tracked table of JSON documents; making it twice is making it once") {
  TestReplica replica;
  REQUIRE(make_collection(*replica.engine, "no\"tes"));
  REQUIRE(replica.execute("INSERT INTO \"no\"\"tes\" VALUES('a', '{\"n\":1}')"));
  REQUIRE(make_collection(*replica.engine, "no\"tes"));
  CHECK(replica.text("SELECT doc ->> 'n' FROM \"no\"\"tes\"") == "1");
  CHECK(replica.text("SELECT rule FROM syncline_columns WHERE name = 'doc'") == "json");
  CHECK(replica.text("SELECT tables FROM syncline_changes") == "[\"no\\\"tes\"]");
}

TEST_CASE("what is no JSON is refused by the collection") {
  TestReplica replica;
  REQUIRE(make_collection(*replica.engine, "notes"));
  const auto refused = replica.execute("INSERT INTO notes VALUES('a', '{nonsense')");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == ErrorCode::constraint);
}

TEST_CASE("documents reach another replica") {
  TestReplica one(1);
  TestReplica two(2);
  REQUIRE(make_collection(*one.engine, "notes"));
  REQUIRE(make_collection(*two.engine, "notes"));
  REQUIRE(one.execute("INSERT INTO notes VALUES('a', '{\"title\":\"x\",\"done\":false}')"));
  REQUIRE(two.pull(one));
  CHECK(two.text("SELECT doc ->> 'title' FROM notes") == "x");
}

TEST_CASE("a table that is no collection is left alone, and names have limits") {
  TestReplica replica;
  REQUIRE(replica.execute("CREATE TABLE other(id PRIMARY KEY NOT NULL, v)"));
  const auto other = make_collection(*replica.engine, "other");
  REQUIRE_FALSE(other);
  CHECK(other.error().code() == ErrorCode::already_exists);
  CHECK_FALSE(make_collection(*replica.engine, ""));
  CHECK_FALSE(make_collection(*replica.engine, std::string("a\0b", 3)));
  CHECK_FALSE(make_collection(*replica.engine, "syncline_notes"));
  CHECK(replica.text("SELECT count(*) FROM sqlite_schema WHERE name = 'syncline_notes'") == "0");
}

}  // namespace
}  // namespace syncline
