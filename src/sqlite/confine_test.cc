#include "sqlite/confine.h"

#include <doctest/doctest.h>

#include "sqlite/database.h"

using namespace syncline;

namespace {

constexpr const char* endless =
    "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c";

Database notes() {
  Database out = std::move(*Database::open_memory());
  REQUIRE(out->execute("CREATE TABLE notes(id, body); INSERT INTO notes VALUES(1, 'a')"));
  return out;
}

}  // namespace

TEST_CASE("a stranger who reads changes nothing, and reaches no other file") {
  const Database database = notes();
  const Confinement held(database.connection(), {.reach = Reach::read});
  CHECK(database->execute("SELECT count(*), upper(body) FROM notes"));
  CHECK(database->execute("PRAGMA table_info(notes)"));
  for (const char* sql :
       {"INSERT INTO notes VALUES(2, 'b')", "DELETE FROM notes", "DROP TABLE notes",
        "CREATE TABLE x(a)", "CREATE TEMP TABLE x(a)", "BEGIN", "PRAGMA query_only = OFF",
        "PRAGMA hard_heap_limit = 1", "PRAGMA soft_heap_limit = 1", "PRAGMA threads = 8",
        "PRAGMA journal_mode = DELETE", "ATTACH ':memory:' AS other", "VACUUM",
        "VACUUM INTO 'elsewhere'", "SELECT load_extension('x')"}) {
    CAPTURE(sql);
    CHECK(!database->execute(sql));
  }
}

TEST_CASE("a stranger who writes stays in the file") {
  const Database database = notes();
  const Confinement held(database.connection(), {.reach = Reach::write});
  CHECK(
      database->execute("BEGIN; INSERT INTO notes VALUES(2, 'b'); DELETE FROM notes WHERE id = 1; "
                        "CREATE TABLE x(a); COMMIT"));
  for (const char* sql : {"ATTACH ':memory:' AS other", "VACUUM INTO 'elsewhere'",
                          "SELECT load_extension('x')", "PRAGMA writable_schema = ON",
                          "PRAGMA hard_heap_limit = 1", "PRAGMA temp_store_directory = '/'"}) {
    CAPTURE(sql);
    CHECK(!database->execute(sql));
  }
}

TEST_CASE("steps are counted over everything that runs, and values stay small") {
  const Database database = notes();
  {
    const Confinement held(database.connection(), {.reach = Reach::read, .steps_max = 100'000});
    CHECK(!database->execute(endless));
    // What is used up is used up.
    CHECK(
        !database->execute("WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT "
                           "1000) SELECT count(*) FROM c"));
  }
  CHECK(database->execute("ATTACH ':memory:' AS other"));
  const Confinement again(database.connection(), {.value_bytes_max = 1000});
  CHECK(!database->execute("SELECT length(hex(zeroblob(1000)))"));
  CHECK(database->execute("SELECT length(hex(zeroblob(100)))"));
}
