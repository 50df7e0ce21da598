// What foreign key actions do here while a change that did the same elsewhere is applied.
#include <doctest/doctest.h>

#include "client/replica_world.h"

namespace syncline {
namespace {

void prepare(WorldReplica& replica) {
  for (const char* sql :
       {"PRAGMA foreign_keys = ON", "CREATE TABLE folders(id TEXT PRIMARY KEY NOT NULL, name TEXT)",
        "CREATE TABLE notes(id TEXT PRIMARY KEY NOT NULL, folder TEXT REFERENCES folders(id) ON "
        "DELETE CASCADE, body TEXT)"}) {
    REQUIRE(replica.run(sql).empty());
  }
  REQUIRE(replica.track("folders", {}).empty());
  REQUIRE(replica.track("notes", {}).empty());
}

}  // namespace

TEST_CASE("what a transaction took from a parent before it deleted that stays") {
  for (const std::string moves :
       {"UPDATE notes SET folder = 'new' WHERE folder = 'old'; DELETE FROM folders WHERE id = "
        "'old'",
        "DELETE FROM folders WHERE id = 'old'; INSERT INTO notes VALUES('n', 'new', 'again')",
        "INSERT OR REPLACE INTO notes VALUES('n', 'new', 'again'); DELETE FROM folders WHERE id = "
        "'old'"}) {
    for (const bool makes : {false, true}) {
      CAPTURE(moves);
      CAPTURE(makes);
      WorldReplica ann(1);
      WorldReplica bob(2);
      prepare(ann);
      prepare(bob);
      REQUIRE(ann.run("INSERT INTO folders VALUES('old', 'a')").empty());
      if (!makes) {
        REQUIRE(ann.run("INSERT INTO folders VALUES('new', 'b')").empty());
      }
      REQUIRE(ann.run("INSERT INTO notes VALUES('n', 'old', 'text')").empty());
      REQUIRE(bob.apply(ann.changes()).empty());
      const std::string make = makes ? "INSERT INTO folders VALUES('new', 'b'); " : "";
      REQUIRE(ann.run("BEGIN; " + make + moves + "; COMMIT").empty());
      REQUIRE(bob.apply(ann.changes()).empty());
      CHECK(rows_of(bob.connection(), "SELECT id, folder FROM notes") ==
            rows_of(ann.connection(), "SELECT id, folder FROM notes"));
      REQUIRE(ann.apply(bob.changes()).empty());
      CHECK(rows_of(ann.connection(), "SELECT count(*) FROM notes")[0] == "1");
      CHECK(*ann.engine().digest() == *bob.engine().digest());
    }
  }
}

// A snapshot tells rows as they stand, and names those that ended in between the others.
TEST_CASE("what was taken from a parent before it ended stays where all of it comes as states") {
  for (const bool makes : {false, true}) {
    CAPTURE(makes);
    WorldReplica ann(1);
    WorldReplica bob(2);
    prepare(ann);
    prepare(bob);
    REQUIRE(ann.run("INSERT INTO folders VALUES('old', 'a')").empty());
    REQUIRE(ann.run("INSERT INTO notes VALUES('n', 'old', 'text'), ('o', 'old', 'gone')").empty());
    REQUIRE(bob.apply(ann.changes()).empty());
    REQUIRE(bob.run("INSERT INTO folders VALUES('bob', 'b')").empty());
    REQUIRE(ann.run(std::string("BEGIN; INSERT INTO folders VALUES('new', 'b'); UPDATE notes SET "
                                "folder = 'new' WHERE id = 'n'; DELETE FROM folders WHERE id = "
                                "'old'; COMMIT"))
                .empty());
    if (makes) {
      REQUIRE(ann.run("INSERT INTO notes VALUES('p', 'new', 'more')").empty());
    }
    REQUIRE(ann.engine().acknowledge(ann.engine().log_head()->own_sequence));
    ann.clock().advance(std::int64_t{90} * 24 * 3600 * 1000);
    REQUIRE(ann.engine().collect_garbage(0));
    REQUIRE(bob.apply(ann.changes()).empty());
    CHECK(joined(bob.rows("SELECT id || folder FROM notes WHERE id = 'n'")) ==
          joined(bob.rows("SELECT 'nnew'")));
    CHECK(bob.engine().log_head()->own_sequence == ChangeSequence(1));
    CHECK(joined(bob.rows("SELECT count(*) FROM notes WHERE id = 'o'")) ==
          joined(bob.rows("SELECT 0")));
  }
}

// The same where an application does by a trigger what a foreign key would do.
TEST_CASE("what a transaction took from a parent before a trigger deleted it stays") {
  const char* const schema =
      "CREATE TABLE folders(id TEXT PRIMARY KEY NOT NULL, name TEXT UNIQUE);"
      "CREATE TABLE notes(id TEXT PRIMARY KEY NOT NULL, folder TEXT);"
      "CREATE TRIGGER gone AFTER DELETE ON folders BEGIN DELETE FROM notes WHERE folder = old.id; "
      "END";
  for (const std::string writes :
       {"INSERT INTO folders VALUES('new', 'b'); UPDATE notes SET folder = 'new'; DELETE FROM "
        "folders WHERE id = 'old'",
        "DELETE FROM folders WHERE id = 'old'; INSERT INTO folders VALUES('new', 'a'); INSERT INTO "
        "notes VALUES('n', 'new')",
        "UPDATE folders SET name = 'c'; DELETE FROM folders; INSERT INTO folders VALUES('old', "
        "'a')"}) {
    CAPTURE(writes);
    WorldReplica ann(1);
    WorldReplica bob(2);
    for (WorldReplica* replica : {&ann, &bob}) {
      REQUIRE(replica->run(schema).empty());
      REQUIRE(replica->track("folders", {}).empty());
      REQUIRE(replica->track("notes", {}).empty());
    }
    REQUIRE(ann.run("INSERT INTO folders VALUES('old', 'a'); INSERT INTO notes VALUES('n', 'old')")
                .empty());
    REQUIRE(bob.apply(ann.changes()).empty());
    REQUIRE(ann.run("BEGIN; " + writes + "; COMMIT").empty());
    const auto notes = [](WorldReplica& replica) {
      return joined(replica.rows("SELECT * FROM notes")) +
             joined(replica.rows("SELECT * FROM folders ORDER BY id"));
    };
    const std::string wanted = notes(ann);
    REQUIRE(bob.apply(ann.changes()).empty());
    CHECK(notes(bob) == wanted);
    REQUIRE(ann.apply(bob.changes()).empty());
    CHECK(notes(ann) == wanted);
    CHECK(*ann.engine().digest() == *bob.engine().digest());
  }
}

// Three storeys, actions of every kind, and a name that only one folder may have.
TEST_CASE("what actions did elsewhere is what the change says, and no change of ours") {
  const char* const schema =
      "PRAGMA foreign_keys = ON;"
      "CREATE TABLE shelves(id TEXT PRIMARY KEY NOT NULL);"
      "CREATE TABLE folders(id TEXT PRIMARY KEY NOT NULL, name TEXT UNIQUE, shelf TEXT REFERENCES "
      "shelves(id) ON DELETE CASCADE ON UPDATE CASCADE);"
      "CREATE TABLE notes(id TEXT PRIMARY KEY NOT NULL, folder TEXT REFERENCES folders(id) ON "
      "DELETE CASCADE ON UPDATE CASCADE, before TEXT REFERENCES folders(id) ON DELETE SET NULL ON "
      "UPDATE CASCADE)";
  const char* const begin =
      "INSERT INTO shelves VALUES('s'), ('t');"
      "INSERT INTO folders VALUES('a', 'A', 's'), ('b', 'B', 's');"
      "INSERT INTO notes VALUES('m', 'a', 'b'), ('n', 'b', 'a')";
  for (const std::string writes :
       {"UPDATE folders SET id = 'c' WHERE id = 'a'", "UPDATE shelves SET id = 'u' WHERE id = 's'",
        "INSERT INTO folders VALUES('c', 'C', 't'); UPDATE notes SET folder = 'c'; DELETE FROM "
        "shelves WHERE id = 's'",
        "UPDATE folders SET shelf = 't' WHERE id = 'b'; DELETE FROM shelves WHERE id = 's'",
        "DELETE FROM folders WHERE id = 'a'; INSERT INTO folders VALUES('c', 'A', 't'); INSERT "
        "INTO "
        "notes VALUES('m', 'c', NULL)",
        "DELETE FROM folders WHERE id = 'a'; INSERT INTO folders VALUES('a', 'A', 't')",
        "INSERT OR REPLACE INTO folders VALUES('c', 'A', 't')"}) {
    CAPTURE(writes);
    WorldReplica ann(1);
    WorldReplica bob(2);
    for (WorldReplica* replica : {&ann, &bob}) {
      REQUIRE(replica->run(schema).empty());
      for (const char* table : {"notes", "folders", "shelves"}) {
        REQUIRE(replica->track(table, {}).empty());
      }
    }
    REQUIRE(ann.run(begin).empty());
    REQUIRE(bob.apply(ann.changes()).empty());
    REQUIRE(ann.run("BEGIN; " + writes + "; COMMIT").empty());
    const auto everything = [](WorldReplica& replica) {
      std::vector<std::string> out;
      for (const char* table : {"notes", "folders", "shelves"}) {
        for (const std::string& row :
             replica.rows(std::string("SELECT * FROM ") + table + " ORDER BY id")) {
          out.push_back(row);
        }
      }
      return joined(out);
    };
    const std::string wanted = everything(ann);
    REQUIRE(bob.apply(ann.changes()).empty());
    CHECK(everything(bob) == wanted);
    REQUIRE(ann.apply(bob.changes()).empty());
    CHECK(everything(ann) == wanted);
    CHECK(*ann.engine().digest() == *bob.engine().digest());
    CHECK(bob.engine().log_head()->own_sequence == ChangeSequence(0));
  }
}

// What the author knew nothing of goes with its parent, as it would have gone there.
TEST_CASE("a child that its parent's end did not know of goes with it, for everybody") {
  WorldReplica ann(1);
  WorldReplica bob(2);
  for (WorldReplica* replica : {&ann, &bob}) {
    prepare(*replica);
  }
  REQUIRE(ann.run("INSERT INTO folders VALUES('old', 'a'), ('new', 'b')").empty());
  REQUIRE(ann.run("INSERT INTO notes VALUES('n', 'old', 'text')").empty());
  REQUIRE(bob.apply(ann.changes()).empty());
  REQUIRE(bob.run("INSERT INTO notes VALUES('m', 'old', 'late')").empty());
  REQUIRE(
      ann.run("BEGIN; UPDATE folders SET name = 'c' WHERE id = 'new'; UPDATE notes SET folder = "
              "'new'; DELETE FROM folders WHERE id = 'old'; COMMIT")
          .empty());
  for (int round = 0; round < 2; ++round) {
    REQUIRE(bob.apply(ann.changes()).empty());
    REQUIRE(ann.apply(bob.changes()).empty());
  }
  for (WorldReplica* replica : {&ann, &bob}) {
    CHECK(joined(replica->rows("SELECT id || folder FROM notes")) ==
          joined(replica->rows("SELECT 'nnew'")));
  }
  CHECK(*ann.engine().digest() == *bob.engine().digest());
}

}  // namespace syncline
