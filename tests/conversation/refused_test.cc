// What becomes of rows that belong together when a server refuses a part of them.
#include <doctest/doctest.h>

#include "tests/conversation/notes.h"

using namespace syncline;

namespace {

void make_folders(Device& device) {
  device.run("PRAGMA foreign_keys = ON");
  device.run("CREATE TABLE folders(id INTEGER PRIMARY KEY, name TEXT UNIQUE)");
  device.run(
      "CREATE TABLE papers(id INTEGER PRIMARY KEY, folder INTEGER REFERENCES folders(id) ON DELETE "
      "CASCADE)");
  REQUIRE(device.engine->track("folders", {}));
  REQUIRE(device.engine->track("papers", {}));
}

void forbid_folders(ConversationWorld& world, bool forbidden) {
  world.close_server();
  world.options.rules.read_only_tables.clear();
  if (forbidden) {
    world.options.rules.read_only_tables.insert("folders");
  }
  world.open_server();
}

struct Two {
  Two() {
    for (Device* device : {&ann, &bob}) {
      make_folders(*device);
      device->start();
    }
  }

  ConversationWorld world{"refused"};
  Device ann{world, "ann.db", 1};
  Device bob{world, "bob.db", 2};
};

}  // namespace

TEST_CASE_FIXTURE(
    Two, "what is in a folder that the server refuses is held, and not deleted for everybody") {
  ann.run("INSERT INTO folders VALUES(1, 'allowed')");
  check_converged(world, {&ann, &bob});
  forbid_folders(world, true);
  ann.run("INSERT INTO folders VALUES(2, 'refused')");
  ann.run("INSERT INTO papers VALUES(7, 2), (8, 1)");
  world.advance(60'000);
  check_converged(world, {&ann, &bob});
  CHECK(ann.engine->counts()->rejected == 1);
  for (Device* device : {&ann, &bob}) {
    CHECK(device->text("SELECT group_concat(id) FROM papers") == "8");
    CHECK(device->engine->counts()->held == 1);
    check_sound(*device);
  }
  forbid_folders(world, false);
  const auto kept = ann.engine->rejected().list(10);
  REQUIRE(kept);
  REQUIRE(kept->size() == 1);
  REQUIRE(ann.engine->rejected().retry(kept->front().id));
  world.advance(60'000);
  check_converged(world, {&ann, &bob});
  for (Device* device : {&ann, &bob}) {
    CHECK(device->text("SELECT group_concat(id) FROM (SELECT id FROM papers ORDER BY id)") ==
          "7,8");
    CHECK(device->engine->counts()->held == 0);
    check_sound(*device);
  }
}

TEST_CASE_FIXTURE(Two, "a refused change that passed a unique value on is taken back whole") {
  ann.run("INSERT INTO folders VALUES(2, 'name'), (3, 'other')");
  ann.run("INSERT INTO papers VALUES(7, 2), (8, 3)");
  check_converged(world, {&ann, &bob});
  forbid_folders(world, true);
  ann.run(
      "BEGIN; DELETE FROM folders WHERE id = 2; INSERT INTO folders VALUES(1, 'name'), (4, "
      "'more'); "
      "INSERT INTO papers VALUES(9, 1), (10, 4); UPDATE folders SET name = 'x' WHERE id = 3; "
      "COMMIT");
  ann.run("UPDATE papers SET folder = 1 WHERE id = 8");
  world.advance(60'000);
  check_converged(world, {&ann, &bob});
  for (Device* device : {&ann, &bob}) {
    CAPTURE(device->path);
    CHECK(device->text("SELECT group_concat(id || ':' || name) FROM (SELECT * FROM folders ORDER "
                       "BY id)") == "2:name,3:other");
    // The move of 8 was not refused, and where it went is not there.
    CHECK(device->text("SELECT group_concat(id || ':' || folder) FROM papers") == "7:2");
    CHECK(device->engine->counts()->held == 1);
    check_sound(*device);
  }
}
