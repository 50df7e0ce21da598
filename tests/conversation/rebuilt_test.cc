// A server that lost everything: what a replica holds is not lost with it, whoever wrote it.
#include <doctest/doctest.h>

#include "tests/conversation/notes.h"

using namespace syncline;

namespace {

const std::vector<std::string> rules = {"stars=counter", "body=text"};

void rebuild(ConversationWorld& world) {
  world.close_server();
  world.server_file += ".new";
  world.open_server();
}

}  // namespace

TEST_CASE("rows of a replica that never comes back survive in those who have them") {
  ConversationWorld world("rebuilt_gone");
  Device gone(world, "gone.db", 1);
  Device kept(world, "kept.db", 2);
  for (Device* device : {&gone, &kept}) {
    track(*device, rules);
    device->start();
  }
  insert(gone, 1, "by one who is gone");
  insert(gone, 2, "deleted");
  insert(kept, 3, "by one who stays");
  check_agreed(world, {&gone, &kept});
  gone.run("UPDATE notes SET body = 'a text', stars = stars + 3 WHERE id = 3");
  kept.run("UPDATE notes SET stars = stars + 2 WHERE id = 3");
  check_agreed(world, {&gone, &kept});
  kept.run("DELETE FROM notes WHERE id = 2");
  check_agreed(world, {&gone, &kept});
  const std::string before = kept.text(all_notes);
  gone.close();
  rebuild(world);
  world.advance(60'000);
  CHECK(kept.text(all_notes) == before);
  check_converged(world, {&kept});
  CHECK(kept.engine->counts()->pending == 0);
  Device late(world, "late.db", 3);
  track(late, rules);
  late.start();
  check_converged(world, {&kept, &late});
  CHECK(late.text(all_notes) == before);
}

TEST_CASE("who comes back later adds what it did meanwhile, and counts nothing twice") {
  ConversationWorld world("rebuilt_later");
  Device away(world, "away.db", 1);
  Device kept(world, "kept.db", 2);
  for (Device* device : {&away, &kept}) {
    track(*device, rules);
    device->start();
  }
  insert(away, 1, "shared");
  away.run("UPDATE notes SET stars = stars + 3, body = 'milk' WHERE id = 1");
  check_agreed(world, {&away, &kept});
  cut_off(away);
  away.run(
      "UPDATE notes SET stars = stars + 4, body = 'milk, tea', title = 'from away' WHERE id = 1");
  insert(away, 2, "written away");
  world.advance(5'000);
  kept.run("UPDATE notes SET stars = stars + 10 WHERE id = 1");
  rebuild(world);
  check_converged(world, {&kept});
  CHECK(kept.text(all_notes) == "1:shared:milk:13");
  away.online = true;
  world.advance(90'000);
  check_converged(world, {&away, &kept});
  CHECK(kept.text(all_notes) == "1:from away:milk, tea:17|2:written away:-:0");
}

TEST_CASE("what is told to the new server survives cuts and ends of the process") {
  ConversationWorld world("rebuilt_cut");
  Device gone(world, "gone.db", 1);
  Device kept(world, "kept.db", 2);
  track_and_start({&gone, &kept});
  gone.run(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) INSERT INTO "
      "notes(id, title, body) SELECT i, 'note ' || i, hex(zeroblob(500)) FROM n");
  check_agreed(world, {&gone, &kept});
  gone.close();
  rebuild(world);
  // Each time there is one connection with a welcome, which lasts for one frame more.
  kept.before_frame = [&](Bytes frame) {
    kept.online = std::holds_alternative<Refused>(*decode_message(frame));
  };
  int untold = 0;
  for (int frames = 1; frames < 24; ++frames) {
    kept.online = true;
    kept.frames_left = frames;
    world.advance(4'000);
    if (kept.engine->counts()->pending > 0) {
      // To begin anew now would be to lose them.
      const auto refused = kept.engine->resync();
      REQUIRE_FALSE(refused);
      CHECK(refused.error().code() == ErrorCode::busy);
      ++untold;
    }
    kept.close();
    kept.open();
    kept.start();
  }
  kept.before_frame = nullptr;
  kept.online = true;
  CHECK(untold > 0);
  kept.frames_left = -1;
  check_converged(world, {&kept});
  CHECK(kept.text("SELECT count(*) FROM notes") == "3000");
  Device late(world, "late.db", 3);
  track(late);
  late.start();
  check_converged(world, {&kept, &late});
  CHECK(late.text("SELECT count(*) FROM notes") == "3000");
}

TEST_CASE("a server that is lost again while it is being told takes nothing with it") {
  ConversationWorld world("rebuilt_compared");
  Device gone(world, "gone.db", 1);
  Device kept(world, "kept.db", 2);
  track_and_start({&gone, &kept});
  insert(gone, 1, "kept");
  check_agreed(world, {&gone, &kept});
  gone.close();
  rebuild(world);
  // The connection breaks before anything was told.
  kept.before_frame = [&](Bytes frame) {
    if (std::holds_alternative<RangeRows>(*decode_message(frame))) {
      kept.online = false;
      kept.frames_left = 0;
    }
  };
  world.advance(60'000);
  kept.before_frame = nullptr;
  REQUIRE(kept.engine->counts()->pending > 0);
  rebuild(world);
  kept.online = true;
  world.advance(90'000);
  check_converged(world, {&kept});
  CHECK(kept.text(all_notes) == "1:kept:-:0");
  Device late(world, "late.db", 3);
  track(late);
  late.start();
  check_converged(world, {&kept, &late});
}

TEST_CASE("who may only read brings nothing and takes the new server's rows") {
  ConversationWorld world("rebuilt_reader");
  Device gone(world, "gone.db", 1);
  Device reader(world, "reader.db", 2);
  track_and_start({&gone, &reader});
  insert(gone, 1, "lost");
  check_agreed(world, {&gone, &reader});
  gone.close();
  world.rights.may_write = false;
  rebuild(world);
  check_converged(world, {&reader});
  CHECK(reader.text("SELECT count(*) FROM notes") == "0");
  CHECK(reader.engine->counts()->pending == 0);
  // It says what it could not keep.
  CHECK(reader.text("SELECT group_concat(code) FROM syncline_rejected") == "read_only");
  const auto listed = reader.engine->rejected().list(10);
  REQUIRE(listed);
  CHECK(reader.engine->rejected().read(listed->at(0).id)->edits.size() == 1);
}

TEST_CASE("rows that the new server refuses are listed with the reason, and all others come in") {
  ConversationWorld world("rebuilt_refused");
  Device gone(world, "gone.db", 1);
  Device kept(world, "kept.db", 2);
  for (Device* device : {&gone, &kept}) {
    track(*device);
    device->run("CREATE TABLE locked(id INTEGER PRIMARY KEY, title TEXT)");
    REQUIRE(device->engine->track("locked", {}));
    device->start();
  }
  insert(gone, 1, "taken");
  gone.run("INSERT INTO locked VALUES(7, 'not taken'), (8, 'nor this')");
  check_agreed(world, {&gone, &kept});
  REQUIRE(kept.text("SELECT count(*) FROM locked") == "2");
  gone.close();
  world.options.rules.read_only_tables.insert("locked");
  rebuild(world);
  world.advance(60'000);
  check_converged(world, {&kept});
  CHECK(kept.text(all_notes) == "1:taken:-:0");
  CHECK(kept.text("SELECT count(*) FROM locked") == "0");
  CHECK(kept.engine->counts()->pending == 0);
  CHECK(kept.engine->counts()->rejected == 2);
  CHECK(kept.text("SELECT group_concat(DISTINCT code) FROM syncline_rejected") == "not_taken");
  CHECK(kept.events(event_name::error).size() >= 1);
  // Each is there to be done again, once the server takes it.
  world.close_server();
  world.options.rules.read_only_tables.clear();
  world.open_server();
  const auto listed = kept.engine->rejected().list(10);
  REQUIRE(listed);
  for (const RejectedChange& change : *listed) {
    REQUIRE(kept.engine->rejected().retry(change.id));
  }
  world.advance(60'000);
  check_converged(world, {&kept});
  CHECK(kept.text("SELECT group_concat(title) FROM locked") == "not taken,nor this");
}

TEST_CASE("several replicas tell the same, and it is taken in once") {
  ConversationWorld world("rebuilt_several");
  Device gone(world, "gone.db", 1);
  Device b(world, "b.db", 2);
  Device c(world, "c.db", 3);
  for (Device* device : {&gone, &b, &c}) {
    track(*device);
    device->start();
  }
  for (int id = 1; id <= 50; ++id) {
    insert(gone, id, "note");
  }
  check_agreed(world, {&gone, &b, &c});
  gone.close();
  rebuild(world);
  check_converged(world, {&b, &c});
  CHECK(b.text("SELECT count(*) FROM notes") == "50");
  const auto record = world.store->find_workspace("team");
  REQUIRE(record);
  REQUIRE(record->has_value());
  CHECK((*record)->head == ServerVersion(1));
}

TEST_CASE("what others wrote after the backup comes back from those who have it") {
  ConversationWorld world("rebuilt_backup");
  Device gone(world, "gone.db", 1);
  Device kept(world, "kept.db", 2);
  for (Device* device : {&gone, &kept}) {
    track(*device, rules);
    device->start();
  }
  insert(gone, 1, "before");
  check_agreed(world, {&gone, &kept});
  REQUIRE(world.store->backup(world.folder.file("backup.db")));
  insert(gone, 2, "after");
  gone.run("UPDATE notes SET stars = stars + 2, title = 'renamed' WHERE id = 1");
  insert(gone, 3, "deleted");
  check_agreed(world, {&gone, &kept});
  gone.run("DELETE FROM notes WHERE id = 3");
  check_agreed(world, {&gone, &kept});
  gone.close();
  world.close_server();
  world.server_file = "backup.db";
  world.open_server();
  REQUIRE(world.store->begin_lineage(LineageId::draw(world.random)));
  world.advance(60'000);
  check_converged(world, {&kept});
  CHECK(kept.text(all_notes) == "1:renamed:-:2|2:after:-:0");
  Device late(world, "late.db", 3);
  track(late, rules);
  late.start();
  check_converged(world, {&kept, &late});
}

TEST_CASE("a conflict that was settled stays settled though the server began anew") {
  ConversationWorld world("rebuilt_conflict");
  Device a(world, "a.db", 1);
  Device b(world, "b.db", 2);
  for (Device* device : {&a, &b}) {
    track(*device, {"manual"});
    device->start();
  }
  insert(a, 1, "first");
  check_agreed(world, {&a, &b});
  cut_off(a);
  cut_off(b);
  a.run("UPDATE notes SET title = 'by a' WHERE id = 1");
  b.run("UPDATE notes SET title = 'by b' WHERE id = 1");
  a.online = b.online = true;
  world.advance(90'000);
  check_converged(world, {&a, &b});
  REQUIRE(a.engine->counts()->conflicts == 1);
  REQUIRE(a.engine->resolve(a.text("SELECT id FROM syncline_conflict_rows"), Resolution::mine,
                            ValueView::null()));
  check_converged(world, {&a, &b});
  REQUIRE(b.engine->counts()->conflicts == 0);
  a.close();
  rebuild(world);
  check_converged(world, {&b});
  CHECK(b.engine->counts()->conflicts == 0);
  CHECK(b.text("SELECT title FROM notes") == "by a");
}

TEST_CASE("what was deleted comes back with nobody who had heard of it") {
  ConversationWorld world("rebuilt_deleted");
  Device a(world, "a.db", 1);
  Device b(world, "b.db", 2);
  Device asleep(world, "asleep.db", 3);
  for (Device* device : {&a, &b, &asleep}) {
    track(*device);
    device->start();
  }
  insert(a, 1, "stays");
  insert(a, 2, "is deleted");
  check_agreed(world, {&a, &b, &asleep});
  cut_off(asleep);
  b.run("DELETE FROM notes WHERE id = 2");
  check_agreed(world, {&a, &b});
  a.close();
  rebuild(world);
  // First the one that never heard of it, then the one that did.
  asleep.online = true;
  cut_off(b);
  world.advance(90'000);
  check_converged(world, {&asleep});
  CHECK(asleep.text("SELECT group_concat(id) FROM notes") == "1,2");
  b.online = true;
  world.advance(90'000);
  check_converged(world, {&asleep, &b});
  CHECK(b.text("SELECT group_concat(id) FROM notes") == "1");
}

TEST_CASE("a rescan with the same server still takes away what it no longer has") {
  ConversationWorld world("rebuilt_same");
  Device a(world, "a.db", 1);
  Device b(world, "b.db", 2);
  for (Device* device : {&a, &b}) {
    track(*device);
    device->start();
  }
  insert(a, 1, "a");
  check_agreed(world, {&a, &b});
  rebuild(world);
  check_converged(world, {&a, &b});
  b.host->rescan_now(world.now);
  check_converged(world, {&a, &b});
  CHECK(b.text("SELECT group_concat(id) FROM notes") == "1");
  CHECK(b.engine->counts()->pending == 0);
}

TEST_CASE(
    "a process that ends between its welcome and the comparison compares when it comes back") {
  ConversationWorld world("rebuilt_welcome");
  Device a(world, "a.db", 1);
  track(a);
  a.start();
  insert(a, 1, "kept");
  check_agreed(world, {&a});
  const auto facts = a.engine->facts({});
  REQUIRE(facts);
  a.close();
  a.open();
  effect::SaveWelcome welcome;
  welcome.lineage = LineageId::draw(world.random);
  welcome.epoch = facts->epoch;
  welcome.cursor = facts->cursor;
  welcome.rescans = true;
  REQUIRE(a.engine->facts({}));
  REQUIRE(a.engine->save_welcome(welcome));
  const auto after = a.engine->facts({});
  REQUIRE(after);
  CHECK(after->wants_rescan);
}

TEST_CASE("notes that were moved before their folder ended stay, whoever compares with whom") {
  for (const bool is_rebuilt : {false, true}) {
    CAPTURE(is_rebuilt);
    ConversationWorld world("rebuilt_folders");
    Device ann(world, "ann.db", 1);
    Device bob(world, "bob.db", 2);
    for (Device* device : {&ann, &bob}) {
      device->run("PRAGMA foreign_keys = ON");
      device->run("CREATE TABLE folders(id INTEGER PRIMARY KEY, name TEXT)");
      device->run(
          "CREATE TABLE papers(id INTEGER PRIMARY KEY, folder INTEGER REFERENCES folders(id) ON "
          "DELETE CASCADE)");
      REQUIRE(device->engine->track("folders", {}));
      REQUIRE(device->engine->track("papers", {}));
      device->start();
    }
    ann.run("INSERT INTO folders VALUES(1, 'old'), (2, 'new')");
    ann.run("INSERT INTO papers VALUES(7, 1), (8, 1)");
    check_converged(world, {&ann, &bob});
    cut_off(bob);
    ann.run(
        "BEGIN; UPDATE folders SET name = 'newer' WHERE id = 2; UPDATE papers SET folder = 2 WHERE "
        "id = 7; DELETE FROM folders WHERE id = 1; COMMIT");
    check_converged(world, {&ann});
    if (is_rebuilt) {
      rebuild(world);
      check_converged(world, {&ann});
    }
    bob.online = true;
    bob.host->rescan_now(world.now);
    bob.host->sync_now(world.now);
    world.advance(60'000);
    check_converged(world, {&ann, &bob});
    for (Device* device : {&ann, &bob}) {
      CHECK(device->text("SELECT group_concat(id || ':' || folder) FROM papers") == "7:2");
      CHECK(device->text("SELECT group_concat(id) FROM folders") == "2");
      CHECK_FALSE(*device->engine->held().any());
    }
  }
}
