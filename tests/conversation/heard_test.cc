// What a file of changes brought: whoever wrote it, it reaches the server that the replica meets.
#include "tests/conversation/notes.h"

namespace syncline {
TEST_CASE("what a file brought before the first sync reaches the server without its author") {
  ConversationWorld world("heard_before");
  Device ann(world, "ann.db", 1);
  Device bob(world, "bob.db", 2);
  Device cid(world, "cid.db", 3);
  for (Device* device : {&ann, &bob, &cid}) {
    track(*device);
  }
  insert(ann, 1, "of ann");
  insert(ann, 2, "ended");
  ann.run("UPDATE notes SET body = 'x' WHERE id = 1");
  ann.run("DELETE FROM notes WHERE id = 2");
  give(ann, bob);
  CHECK(bob.engine->counts()->pending > 0);
  bob.start();
  cid.start();
  check_agreed(world, {&bob, &cid});
  CHECK(cid.text(all_notes) == "1:of ann:x:0");
  CHECK(bob.engine->counts()->pending == 0);
  // A comparison of all rows takes nothing away either.
  bob.host->rescan_now(world.now);
  check_converged(world, {&bob, &cid});
  CHECK(bob.text(all_notes) == "1:of ann:x:0");
}

TEST_CASE("what a file brought between two syncs, or while one runs, reaches the server") {
  for (const bool live : {true, false}) {
    CAPTURE(live);
    ConversationWorld world("heard_between");
    Device ann(world, "ann.db", 1);
    Device bob(world, "bob.db", 2);
    Device cid(world, "cid.db", 3);
    for (Device* device : {&ann, &bob, &cid}) {
      track(*device);
    }
    bob.start();
    cid.start();
    insert(bob, 1, "shared");
    check_agreed(world, {&bob, &cid});
    if (!live) {
      bob.close();
      bob.open();
    }
    give(cid, ann);
    insert(ann, 2, "of ann");
    ann.run("DELETE FROM notes WHERE id = 1");
    give(ann, bob);
    insert(bob, 3, "of bob");
    if (!live) {
      bob.start();
    }
    check_agreed(world, {&bob, &cid});
    CHECK(cid.text(all_notes) == "2:of ann:-:0|3:of bob:-:0");
    // Once more, now that the server has it.
    give(ann, bob);
    CHECK(bob.engine->counts()->pending == 0);
    check_agreed(world, {&bob, &cid});
  }
}

TEST_CASE("an author who comes later finds its rows there, and its increments count once") {
  ConversationWorld world("heard_author");
  Device ann(world, "ann.db", 1);
  Device bob(world, "bob.db", 2);
  Device cid(world, "cid.db", 3);
  for (Device* device : {&ann, &bob, &cid}) {
    track(*device, {"stars=counter"});
  }
  insert(ann, 1, "counted");
  give(ann, bob);
  ann.run("UPDATE notes SET stars = stars + 5 WHERE id = 1");
  bob.run("UPDATE notes SET stars = stars + 2 WHERE id = 1");
  give(ann, bob);
  give(bob, ann);
  ann.run("UPDATE notes SET stars = stars + 10 WHERE id = 1");
  bob.start();
  cid.start();
  check_agreed(world, {&bob, &cid});
  CHECK(cid.text(all_notes) == "1:counted:-:7");
  ann.start();
  check_agreed(world, {&ann, &bob, &cid});
  CHECK(cid.text(all_notes) == "1:counted:-:17");
}

TEST_CASE("replicas that took each other's files both sync, and nothing is there twice") {
  ConversationWorld world("heard_both");
  Device ann(world, "ann.db", 1);
  Device bob(world, "bob.db", 2);
  for (Device* device : {&ann, &bob}) {
    track(*device, {"stars=counter"});
  }
  insert(ann, 1, "of ann");
  insert(bob, 2, "of bob");
  give(ann, bob);
  give(bob, ann);
  ann.run("UPDATE notes SET stars = stars + 1");
  bob.run("UPDATE notes SET stars = stars + 1");
  bob.run("UPDATE notes SET title = 'renamed' WHERE id = 1");
  give(ann, bob);
  give(bob, ann);
  ann.start();
  bob.start();
  check_agreed(world, {&ann, &bob});
  CHECK(ann.text(all_notes) == "1:renamed:-:2|2:of bob:-:2");
}

TEST_CASE("what a file brought outlives a migration, an end of the process and a pruned log") {
  ConversationWorld world("heard_kept");
  Device ann(world, "ann.db", 1);
  Device bob(world, "bob.db", 2);
  Device cid(world, "cid.db", 3);
  for (Device* device : {&ann, &bob, &cid}) {
    track(*device);
  }
  insert(ann, 1, "one");
  insert(ann, 2, "two");
  give(ann, bob);
  CHECK(bob.engine->collect_garbage(0));
  CHECK(bob.engine->resync().error().code() == ErrorCode::busy);
  for (Device* device : {&ann, &bob, &cid}) {
    REQUIRE(device->engine->alter_begin());
    device->run("ALTER TABLE notes ADD COLUMN place TEXT");
    REQUIRE(device->engine->alter_commit());
  }
  bob.close();
  bob.open();
  bob.start();
  cid.start();
  check_agreed(world, {&bob, &cid});
  CHECK(cid.text(all_notes) == "1:one:-:0|2:two:-:0");
}

}  // namespace syncline
