// Changes that are kept whole because they are to be told on: imported ones, and what peers told.
#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdio>

#include "client/replica_world.h"
#include "client/verify.h"

namespace syncline {
namespace {

const char* const items = "CREATE TABLE items(id TEXT PRIMARY KEY NOT NULL, v TEXT)";

void prepare(WorldReplica& replica) {
  REQUIRE(replica.run(items).empty());
  REQUIRE(replica.track("items", {}).empty());
}

void import(WorldReplica& from, WorldReplica& to) {
  const auto file = from.engine().export_pending();
  REQUIRE(file);
  const auto report = to.engine().import_pending(*file);
  REQUIRE_MESSAGE(report, report.error().message());
}

// What a connection that was not open when it happened makes of the log.
void look_anew(WorldReplica& replica) {
  replica.engine().clocks().forget();
  const auto problems = verify(replica.engine());
  REQUIRE(problems);
  CHECK(joined(*problems) == "");
}

}  // namespace

TEST_CASE("the log can be read again after an import of several rows with increments and texts") {
  const char* const notes =
      "CREATE TABLE notes(id INTEGER PRIMARY KEY, essay TEXT, total INTEGER, title TEXT)";
  const std::string rules[] = {"total=counter", "essay=text"};
  for (const std::string imported :
       {"INSERT INTO notes(id, total) VALUES(9, 0), (10, 0)",
        "INSERT INTO notes(id, total) VALUES(9, 0), (10, 6); UPDATE notes SET essay = 'x' WHERE id "
        "= 9",
        "INSERT INTO notes VALUES(1, 'a', 1, 't'), (2, 'b', 2, 'u'), (3, NULL, NULL, NULL)",
        "INSERT INTO notes(id, total) VALUES(9, 0); UPDATE notes SET total = total + 1 WHERE id = "
        "9; INSERT INTO notes(id, total) VALUES(10, 0)"}) {
    CAPTURE(imported);
    WorldReplica ann(1);
    WorldReplica bob(2);
    for (WorldReplica* replica : {&ann, &bob}) {
      REQUIRE(replica->run(notes).empty());
      REQUIRE(replica->track("notes", *parse_track_options(rules)).empty());
    }
    REQUIRE(ann.run("BEGIN; " + imported + "; COMMIT").empty());
    import(ann, bob);
    look_anew(bob);
    CHECK(*ann.engine().digest() == *bob.engine().digest());
    CHECK(ann.stamped_rows("notes") == bob.stamped_rows("notes"));
  }
}

TEST_CASE("a file that may have left out what a server has says so in the file") {
  WorldReplica ann(1);
  WorldReplica bob(2);
  for (WorldReplica* replica : {&ann, &bob}) {
    prepare(*replica);
  }
  const auto in_pieces = [&] { return *bob.engine().meta().integer(meta_name::in_pieces); };
  REQUIRE(ann.run("INSERT INTO items VALUES('a', '1')").empty());
  const LocalVersion first = *ann.engine().version();
  REQUIRE(bob.apply(ann.changes()).empty());
  REQUIRE(ann.run("INSERT INTO items VALUES('b', '2')").empty());
  REQUIRE(bob.engine().apply_file(*ann.engine().changes_since(first)));
  CHECK(in_pieces() == 0);
  const LocalVersion second = *ann.engine().version();
  REQUIRE(ann.run("INSERT INTO items VALUES('c', '3')").empty());
  const LocalVersion third = *ann.engine().version();
  REQUIRE(ann.run("INSERT INTO items VALUES('d', '4')").empty());
  REQUIRE(bob.engine().apply_file(*ann.engine().changes_since(third)));
  CHECK(in_pieces() == 1);
  REQUIRE(bob.engine().note_whole());
  REQUIRE(bob.engine().apply_file(*ann.engine().changes_since(second)));
  CHECK(in_pieces() == 0);
  // The same for changes that are kept whole.
  REQUIRE(ann.engine().acknowledge(ann.engine().log_head()->own_sequence));
  REQUIRE(ann.run("INSERT INTO items VALUES('e', '5')").empty());
  import(ann, bob);
  CHECK(in_pieces() == 0);
  REQUIRE(ann.run("INSERT INTO items VALUES('f', '6')").empty());
  REQUIRE(ann.engine().acknowledge(ann.engine().log_head()->own_sequence));
  REQUIRE(ann.run("INSERT INTO items VALUES('g', '7')").empty());
  import(ann, bob);
  CHECK(in_pieces() == 1);
}

TEST_CASE("the log can be read again after an import, whatever was imported and written since") {
  for (const std::string imported :
       {"INSERT INTO items VALUES('k', '1')", "INSERT INTO items VALUES('k', '1'), ('l', '2')",
        "UPDATE items SET v = '1' WHERE id = 'old'", "DELETE FROM items WHERE id = 'old'",
        "DELETE FROM items WHERE id = 'old'; INSERT INTO items VALUES('old', '2'), ('k', '3')"}) {
    CAPTURE(imported);
    WorldReplica ann(1);
    WorldReplica bob(2);
    WorldReplica cid(3);
    for (WorldReplica* replica : {&ann, &bob, &cid}) {
      prepare(*replica);
    }
    REQUIRE(bob.run("INSERT INTO items VALUES('old', '0')").empty());
    REQUIRE(ann.apply(bob.changes()).empty());
    REQUIRE(ann.run("BEGIN; " + imported + "; COMMIT").empty());
    import(ann, bob);
    look_anew(bob);
    CHECK(*ann.engine().digest() == *bob.engine().digest());
    CHECK(ann.stamped_rows("items") == bob.stamped_rows("items"));
    for (const std::string later :
         {"INSERT INTO items VALUES('k', '7') ON CONFLICT(id) DO UPDATE SET v = excluded.v",
          "DELETE FROM items WHERE id = 'old'",
          "INSERT OR REPLACE INTO items VALUES('old', '8')"}) {
      REQUIRE(bob.run(later).empty());
      look_anew(bob);
    }
    const ByteVector file = bob.changes();
    REQUIRE_MESSAGE(!file.empty(), bob.last_error());
    CHECK(cid.apply(file) == "");
    CHECK(cid.stamped_rows("items") == bob.stamped_rows("items"));
    CHECK(ann.apply(file) == "");
    CHECK(ann.stamped_rows("items") == bob.stamped_rows("items"));
  }
}

TEST_CASE("who is told of an imported change still sees what it is concurrent with") {
  WorldReplica ann(1);
  WorldReplica bob(2);
  WorldReplica cid(3);
  const std::vector<std::string> rules = {"manual"};
  const auto manual = parse_track_options(rules);
  for (WorldReplica* replica : {&ann, &bob, &cid}) {
    REQUIRE(replica->run(items).empty());
    REQUIRE(replica->track("items", *manual).empty());
  }
  REQUIRE(ann.run("INSERT INTO items VALUES('k', 'first')").empty());
  REQUIRE(bob.apply(ann.changes()).empty());
  REQUIRE(cid.apply(ann.changes()).empty());
  REQUIRE(ann.run("UPDATE items SET v = 'of ann' WHERE id = 'k'").empty());
  REQUIRE(cid.run("UPDATE items SET v = 'of cid' WHERE id = 'k'").empty());
  import(ann, bob);
  const auto report = cid.engine().apply_file(bob.changes());
  REQUIRE(report);
  CHECK(report->conflicts.size() == 1);
}

TEST_CASE("what a copy wrote in our name is told as it was told there, whatever it wrote on") {
  const std::string path = "import_test_" + std::to_string(::getpid());
  const auto remove = [&] {
    for (const char* name : {"_one.db", "_two.db"}) {
      for (const char* suffix : {"", "-wal", "-shm"}) {
        std::remove((path + name + suffix).c_str());
      }
    }
  };
  remove();
  {
    WorldReplica first(1, path + "_one.db");
    prepare(first);
    REQUIRE(first.run("INSERT INTO items VALUES('ours', '1')") == "");
    REQUIRE(first.run("VACUUM INTO '" + path + "_two.db'") == "");
  }
  WorldReplica one(2, path + "_one.db");
  WorldReplica two(3, path + "_two.db");
  WorldReplica other(4);
  prepare(other);
  REQUIRE(other.run("INSERT INTO items VALUES('theirs', '2')") == "");
  REQUIRE(two.apply(other.changes()) == "");
  const std::uint64_t heard = two.version();
  REQUIRE(two.run("UPDATE items SET v = '3' WHERE id = 'theirs'") == "");
  REQUIRE(two.run("UPDATE items SET v = '4' WHERE id = 'ours'") == "");
  // The row that the copy edited is not here.
  REQUIRE(one.apply(two.changes(heard)) == "");
  CHECK(joined(one.rows("SELECT id || v FROM items")) == "text:6f75727334");
  look_anew(one);
  const auto mine = one.engine().own_changes(ChangeSequence(0), 1U << 20U);
  const auto copys = two.engine().own_changes(ChangeSequence(0), 1U << 20U);
  REQUIRE_MESSAGE(mine, mine.error().message());
  REQUIRE(copys);
  REQUIRE(mine->size() == copys->size());
  for (std::size_t i = 0; i < mine->size(); ++i) {
    CHECK(to_hex((*mine)[i].part) == to_hex((*copys)[i].part));
  }
  REQUIRE(one.apply(other.changes()) == "");
  CHECK(one.stamped_rows("items") == two.stamped_rows("items"));
  remove();
}

// What was written later may be acknowledged first.
TEST_CASE("what was imported and not told yet stays when rows become the server's") {
  for (const bool looks_before : {false, true}) {
    CAPTURE(looks_before);
    WorldReplica ann(1);
    WorldReplica bob(2);
    prepare(ann);
    prepare(bob);
    REQUIRE(ann.run("INSERT INTO items VALUES('imported', 'of ann')").empty());
    import(ann, bob);
    REQUIRE(bob.run("INSERT INTO items VALUES('own', 'of bob')").empty());
    RangeRows nothing;
    nothing.table = "items";
    const auto compare = [&] {
      REQUIRE(bob.engine().begin_rescan());
      REQUIRE(bob.engine().adopt_range(nothing));
      return joined(bob.rows("SELECT group_concat(id) FROM (SELECT id FROM items ORDER BY id)"));
    };
    if (looks_before) {
      CHECK(compare() == joined(bob.rows("SELECT 'imported,own'")));
    }
    REQUIRE(bob.engine().acknowledge(bob.engine().log_head()->own_sequence));
    CHECK(compare() == joined(bob.rows("SELECT 'imported'")));
  }
}

}  // namespace syncline
