// What a replica tells the server for others: rows that files brought while a part of them is on
// its way, and changes that the server cannot take now.
#include "tests/conversation/notes.h"

namespace syncline {
namespace {

void rebuild(ConversationWorld& world) {
  world.close_server();
  world.server_file += ".new";
  world.open_server();
}

}  // namespace

TEST_CASE("what a file brought while a part of what came before is on its way is told, too") {
  ConversationWorld world("told_under_way");
  Device ann(world, "ann.db", 1);
  Device eve(world, "eve.db", 2);
  Device bob(world, "bob.db", 3);
  Device cid(world, "cid.db", 4);
  for (Device* device : {&ann, &eve, &bob, &cid}) {
    track(*device);
  }
  bob.start();
  cid.start();
  check_agreed(world, {&bob, &cid});
  insert(ann, 5, "of ann");
  insert(eve, 3, "of eve");
  give(ann, bob);
  // The answer to the first part comes after the second file.
  bool given = false;
  bob.before_frame = [&](Bytes frame) {
    const auto message = decode_message(frame);
    if (message && std::holds_alternative<RelayAck>(*message) && !given) {
      given = true;
      give(eve, bob);
      ann.run("UPDATE notes SET title = 'ann again' WHERE id = 5");
      give(ann, bob);
      bob.host->on_wakeup(world.now);
    }
  };
  check_converged(world, {&bob, &cid});
  CHECK(given);
  CHECK(cid.text(all_notes) == "3:of eve:-:0|5:ann again:-:0");
  CHECK(bob.engine->counts()->pending == 0);
}

// The application imports, and before the host has looked there is something else to do for it.
TEST_CASE("what was imported while a frame was on its way here is told, too") {
  for (const bool merges : {true, false}) {
    CAPTURE(merges);
    ConversationWorld world("told_between");
    Device ann(world, "ann.db", 1);
    Device bob(world, "bob.db", 2);
    Device cid(world, "cid.db", 3);
    track(ann);
    track_and_start({&bob, &cid});
    check_agreed(world, {&bob, &cid});
    insert(ann, 5, "of ann");
    const auto file = ann.engine->export_pending();
    REQUIRE(file);
    bool given = false;
    bob.before_frame = [&](Bytes frame) {
      const auto message = decode_message(frame);
      const bool waits = message && (merges ? std::holds_alternative<PullPart>(*message)
                                            : std::holds_alternative<Ack>(*message));
      if (waits && !given) {
        given = true;
        REQUIRE(bob.engine->import_pending(*file));
      }
    };
    insert(merges ? cid : bob, 3, "meanwhile");
    check_converged(world, {&bob, &cid});
    CHECK(given);
    CHECK(cid.text(all_notes) == "3:meanwhile:-:0|5:of ann:-:0");
    CHECK(bob.host->session().mismatches() == 0);
  }
}

TEST_CASE("an imported change that the server cannot take in order keeps nobody from agreeing") {
  for (const bool writes : {false, true}) {
    CAPTURE(writes);
    ConversationWorld world("told_out_of_order");
    Device ann(world, "ann.db", 1);
    Device bob(world, "bob.db", 2);
    Device cid(world, "cid.db", 3);
    track_and_start({&ann, &bob, &cid}, {"stars=counter"});
    insert(ann, 1, "first");
    check_agreed(world, {&ann, &bob, &cid});
    cut_off(ann);
    insert(ann, 2, "second");
    ann.run("UPDATE notes SET stars = stars + 5 WHERE id = 1");
    const auto file = ann.engine->export_pending();
    REQUIRE(file);
    // The new server knows nothing of ann's first change as ann's.
    rebuild(world);
    check_converged(world, {&bob, &cid});
    REQUIRE(bob.engine->import_pending(*file));
    if (writes) {
      insert(bob, 3, "of bob");
    }
    world.advance(60'000);
    check_converged(world, {&bob, &cid});
    CHECK(bob.engine->counts()->pending == 0);
    CHECK(cid.text("SELECT title FROM notes WHERE id = 2") == "second");
    ann.online = true;
    ann.host->sync_now(world.now);
    world.advance(60'000);
    check_converged(world, {&ann, &bob, &cid});
    CHECK(ann.text("SELECT stars FROM notes WHERE id = 1") == "5");
  }
}

TEST_CASE("a change that comes after one which was told by its rows reaches the server, too") {
  ConversationWorld world("told_gap");
  Device ann(world, "ann.db", 1);
  Device bob(world, "bob.db", 2);
  Device cid(world, "cid.db", 3);
  for (Device* device : {&ann, &bob, &cid}) {
    track(*device);
  }
  bob.start();
  cid.start();
  insert(ann, 1, "first");
  const auto first = ann.engine->export_pending();
  REQUIRE(first);
  REQUIRE(ann.engine->acknowledge(ChangeSequence(1)));
  insert(ann, 2, "second");
  const auto second = ann.engine->export_pending();
  REQUIRE(second);
  REQUIRE(bob.engine->import_pending(*second));
  check_converged(world, {&bob, &cid});
  CHECK(cid.text(all_notes) == "2:second:-:0");
  REQUIRE(bob.engine->import_pending(*first));
  check_converged(world, {&bob, &cid});
  CHECK(cid.text(all_notes) == "1:first:-:0|2:second:-:0");
  CHECK(bob.engine->counts()->pending == 0);
}

TEST_CASE("what a clock far ahead stamped waits for its author and keeps nobody from agreeing") {
  ConversationWorld world("told_ahead");
  world.close_server();
  world.options.rules.read_only_tables = {"locked"};
  world.open_server();
  Device ann(world, "ann.db", 1);
  Device eve(world, "eve.db", 2);
  Device bob(world, "bob.db", 3);
  Device cid(world, "cid.db", 4);
  for (Device* device : {&ann, &eve, &bob, &cid}) {
    track(*device);
    device->run("CREATE TABLE locked(id INTEGER PRIMARY KEY, title TEXT)");
    REQUIRE(device->engine->track("locked", {}));
  }
  const std::int64_t month = std::int64_t{30} * 24 * 60 * 60 * 1000;
  ann.clock.offset = month;
  bob.clock.offset = month;
  insert(ann, 1, "ahead");
  REQUIRE(bob.engine->import_pending(*ann.engine->export_pending()));
  // What the server refuses of others is settled, though a change before it in the log waits.
  eve.run("INSERT INTO locked VALUES(7, 'refused')");
  REQUIRE(bob.engine->import_pending(*eve.engine->export_pending()));
  bob.start();
  cid.start();
  world.advance(60'000);
  check_converged(world, {&bob, &cid});
  CHECK(bob.text("SELECT count(*) FROM locked") == "0");
  CHECK(bob.engine->counts()->pending == 1);
  ann.start();
  world.advance(60'000);
  check_converged(world, {&ann, &bob, &cid});
  CHECK(cid.text(all_notes) == "1:ahead:-:0");
  // The next conversation asks for it once more.
  world.cut(bob);
  check_converged(world, {&ann, &bob, &cid});
  CHECK(bob.engine->counts()->pending == 0);
}

// What was exported is safe with whoever imported it, whatever the device forgot since.
TEST_CASE("what a device exported before an old file of it was put back reaches everybody") {
  for (const bool imports_late : {false, true}) {
    CAPTURE(imports_late);
    ConversationWorld world("others_put_back");
    Device ann(world, "ann.db", 1);
    Device bob(world, "bob.db", 2);
    track_and_start({&ann, &bob}, {"stars=counter"});
    insert(ann, 1, "shared");
    check_agreed(world, {&ann, &bob});
    cut_off(ann);
    cut_off(bob);
    ann.close();
    std::filesystem::copy_file(ann.path, world.folder.file("old.db"));
    ann.open();
    insert(ann, 2, "exported");
    ann.run("UPDATE notes SET body = 'exported' WHERE id = 1");
    insert(ann, 3, "exported, too");
    const auto file = ann.engine->export_pending();
    REQUIRE(file);
    ann.close();
    put_back(ann, "old.db");
    world.time.ms += 1000;
    ann.open();
    insert(ann, 4, "after");
    insert(ann, 5, "after, too");
    if (!imports_late) {
      REQUIRE(bob.engine->import_pending(*file));
    }
    ann.online = true;
    ann.start();
    check_agreed(world, {&ann});
    bob.online = true;
    check_agreed(world, {&ann, &bob});
    if (imports_late) {
      REQUIRE(bob.engine->import_pending(*file));
      check_agreed(world, {&ann, &bob});
    }
    CHECK(ann.text(all_notes) ==
          "1:shared:exported:0|2:exported:-:0|3:exported, too:-:0|4:after:-:0|5:after, too:-:0");
    CHECK(bob.engine->counts()->pending == 0);
    check_sound(ann);
    check_sound(bob);
    // Once more, and nothing happens.
    REQUIRE(bob.engine->import_pending(*file));
    check_agreed(world, {&ann, &bob});
  }
}

// Nobody but its author can stamp it anew, and that device may be no more.
TEST_CASE("what was imported and is too old for the server is listed and can be done again") {
  for (const bool forbidden : {false, true}) {
    CAPTURE(forbidden);
    ConversationWorld world("others_fenced");
    Device ann(world, "ann.db", 1);
    Device bob(world, "bob.db", 2);
    track_and_start({&ann, &bob});
    insert(ann, 1, "shared");
    check_agreed(world, {&ann, &bob});
    cut_off(ann);
    insert(ann, 2, "exported");
    ann.run("UPDATE notes SET body = 'exported' WHERE id = 1");
    const auto file = ann.engine->export_pending();
    REQUIRE(file);
    ann.close();
    insert(bob, 3, "of bob");
    check_agreed(world, {&bob});
    if (forbidden) {
      world.close_server();
      world.options.rules.read_only_tables = {"notes"};
      world.open_server();
    } else {
      const std::int64_t year_ms = std::int64_t{400} * 24 * 60 * 60 * 1000;
      world.cut(bob);
      world.time.ms += year_ms;
      world.now.ms += year_ms;
      insert(bob, 4, "a year later");
      world.advance(10'000);
      REQUIRE(world.hub->retire(world.now));
      bob.run("DELETE FROM notes WHERE id = 4");
    }
    REQUIRE(bob.engine->import_pending(*file));
    check_agreed(world, {&bob});
    CHECK(bob.engine->counts()->pending == 0);
    const auto kept = bob.engine->rejected().list(10);
    REQUIRE(kept);
    REQUIRE(kept->size() == (forbidden ? 2 : 1));
    CHECK(kept->front().code == "not_taken");
    if (forbidden) {
      world.close_server();
      world.options.rules.read_only_tables.clear();
      world.open_server();
    }
    for (const RejectedChange& change : *kept) {
      REQUIRE(bob.engine->rejected().retry(change.id));
    }
    check_agreed(world, {&bob});
    CHECK(bob.text(all_notes) == "1:shared:exported:0|2:exported:-:0|3:of bob:-:0");
    CHECK(bob.engine->counts()->rejected == 0);
  }
}

}  // namespace syncline
