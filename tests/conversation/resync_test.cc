#include <doctest/doctest.h>

#include "tests/conversation/notes.h"

using namespace syncline;

TEST_CASE("a replica that begins anew keeps its unsent work in the tables and under its names") {
  ConversationWorld world("resync_unsent");
  Device a(world, "a.db", 1);
  Device b(world, "b.db", 2);
  for (Device* device : {&a, &b}) {
    track(*device, {"stars=counter"});
    device->start();
  }
  insert(a, 1, "shared");
  insert(b, 2, "by b");
  a.run("UPDATE notes SET stars = stars + 3 WHERE id = 1");
  check_agreed(world, {&a, &b});
  const ReplicaId name = *a.engine->replica();
  a.close();
  a.open();
  insert(a, 3, "unsent");
  a.run("UPDATE notes SET body = 'unsent', stars = stars + 4 WHERE id = 1");
  a.run("DELETE FROM notes WHERE id = 2");
  const auto pending = a.engine->counts()->pending;
  REQUIRE(pending == 3);
  b.run("UPDATE notes SET title = 'renamed meanwhile', stars = stars + 5 WHERE id = 1");
  world.advance(1000);

  const auto file = a.engine->resync();
  REQUIRE_MESSAGE(file, file.error().message());
  CHECK(!file->empty());
  CHECK(a.engine->counts()->pending == pending);
  CHECK(*a.engine->replica() == name);
  CHECK(a.text(all_notes) == "3:unsent:-:0");
  insert(a, 4, "written before the server was met");

  a.start();
  check_agreed(world, {&a, &b});
  CHECK(a.refusals.empty());
  CHECK(a.text(all_notes) ==
        "1:renamed meanwhile:unsent:12|3:unsent:-:0|4:written before the server was met:-:0");
  CHECK(a.engine->counts()->pending == 0);
  CHECK(*a.engine->replica() == name);
}

TEST_CASE("what was typed into a text and not sent yet outlives beginning anew") {
  ConversationWorld world("resync_text");
  Device a(world, "a.db", 1);
  Device b(world, "b.db", 2);
  track_and_start({&a, &b}, {"body=text"});
  a.run("INSERT INTO notes(id, title, body) VALUES(1, 'shared', 'one two three')");
  check_agreed(world, {&a, &b});
  cut_off(a);
  a.run("UPDATE notes SET body = 'zero one two three' WHERE id = 1");
  b.run("UPDATE notes SET body = 'one two three four' WHERE id = 1");
  world.advance(1000);
  REQUIRE(a.engine->resync());
  a.online = true;
  a.host->sync_now(world.now);
  check_agreed(world, {&a, &b});
  CHECK(a.text("SELECT body FROM notes") == "zero one two three four");
}

TEST_CASE("beginning anew neither deletes anywhere nor fires the application's triggers") {
  ConversationWorld world("resync_triggers");
  Device a(world, "a.db", 1);
  Device b(world, "b.db", 2);
  for (Device* device : {&a, &b}) {
    track(*device);
    device->run("CREATE TABLE mine(note INTEGER REFERENCES notes(id) ON DELETE CASCADE)");
    device->run("CREATE TABLE gone(id INTEGER)");
    device->run(
        "CREATE TRIGGER on_gone AFTER DELETE ON notes BEGIN INSERT INTO gone VALUES(old.id); END");
    device->run("PRAGMA foreign_keys = ON");
    device->start();
  }
  for (int i = 1; i <= 20; ++i) {
    insert(a, i, "note " + std::to_string(i));
  }
  check_agreed(world, {&a, &b});
  b.run("INSERT INTO mine VALUES(7)");
  const std::string before = a.text(all_notes);
  REQUIRE(b.engine->resync());
  CHECK(b.text("SELECT count(*) FROM notes") == "0");
  check_agreed(world, {&a, &b});
  CHECK(b.text(all_notes) == before);
  CHECK(b.text("SELECT count(*) FROM mine") == "1");
  CHECK(b.text("SELECT count(*) FROM gone") == "0");
}

TEST_CASE("a session goes on from the beginning when another process resyncs its file") {
  ConversationWorld world("resync_other");
  Device a(world, "a.db", 1);
  Device b(world, "b.db", 2);
  for (Device* device : {&a, &b}) {
    track(*device);
    device->start();
  }
  for (int i = 1; i <= 50; ++i) {
    insert(a, i, "note " + std::to_string(i));
  }
  check_agreed(world, {&a, &b});
  {
    WorldTime clock;
    SeededRandom random(7);
    OpenOptions how;
    how.synchronous_full = false;
    auto second = Database::open(b.path, how);
    REQUIRE(second);
    auto engine = Engine::attach({second->connection(), &clock, &random, true});
    REQUIRE(engine);
    REQUIRE((*engine)->resync());
    (*engine)->release();
    auto closing = std::move(*second);
  }
  // The session's next act is to take over a change with a cursor that is void by now.
  insert(a, 51, "afterwards");
  world.advance(20'000);
  CHECK(b.text("SELECT count(*) FROM notes") == "51");
  CHECK(b.text(all_notes) == a.text(all_notes));
  CHECK(status_name(b.status()) == "synced");
}

TEST_CASE("a server that was restored is healed by a replica that began anew since") {
  ConversationWorld world("resync_restored");
  Device a(world, "a.db", 1);
  track(a);
  a.start();
  insert(a, 1, "old");
  check_agreed(world, {&a});
  REQUIRE(world.store->backup(world.folder.file("backup.db")));
  insert(a, 2, "after the backup");
  a.run("UPDATE notes SET body = 'too' WHERE id = 1");
  check_agreed(world, {&a});
  REQUIRE(a.engine->resync());
  check_agreed(world, {&a});
  world.close_server();
  world.server_file = "backup.db";
  world.open_server();
  REQUIRE(world.store->begin_lineage(LineageId::draw(world.random)));
  world.advance(60'000);
  CHECK(a.text(all_notes) == "1:old:too:0|2:after the backup:-:0");
  CHECK(status_name(a.status()) == "synced");
}

TEST_CASE("what a restored server lost counts at once for a replica that begins anew with it") {
  ConversationWorld world("resync_counts");
  Device a(world, "a.db", 1);
  track(a, {"stars=counter"});
  a.start();
  insert(a, 1, "old");
  a.run("UPDATE notes SET stars = stars + 1 WHERE id = 1");
  check_agreed(world, {&a});
  REQUIRE(world.store->backup(world.folder.file("backup.db")));
  a.run("UPDATE notes SET stars = stars + 2 WHERE id = 1");
  insert(a, 2, "after the backup");
  check_agreed(world, {&a});
  cut_off(a);
  world.close_server();
  world.server_file = "backup.db";
  world.open_server();
  REQUIRE(world.store->begin_lineage(LineageId::draw(world.random)));
  REQUIRE(a.engine->resync());
  a.online = true;
  // The row is written to as soon as it is there, before what is told again can have come back.
  const std::string count = "SELECT count(*) FROM notes WHERE id = 1";
  for (int steps = 0; a.text(count) == "0"; ++steps) {
    REQUIRE(steps < 100'000);
    world.advance(1);
  }
  a.run("UPDATE notes SET stars = stars + 10 WHERE id = 1");
  CHECK(a.text("SELECT stars FROM notes WHERE id = 1") == "13");
  world.advance(60'000);
  check_agreed(world, {&a});
  CHECK(a.text("SELECT stars FROM notes WHERE id = 1") == "13");
  CHECK(a.text("SELECT title FROM notes WHERE id = 2") == "after the backup");
}

TEST_CASE("inside a transaction nothing begins anew") {
  ConversationWorld world("resync_busy");
  Device a(world, "a.db", 1);
  track(a);
  a.run("BEGIN");
  const auto done = a.engine->resync();
  REQUIRE(!done);
  CHECK(done.error().code() == ErrorCode::busy);
  a.run("COMMIT");
}

// A device whose rows come one by one while somebody else writes transactions with halves in the
// first and the last of them.
struct PairWatch {
  explicit PairWatch(ConversationWorld& world) : a(world, "a.db", 1), b(world, "b.db", 2) {
    track_and_start({&a, &b});
    b.run(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) "
        "INSERT INTO notes(id, title, body) SELECT i, '0', printf('%0500d', i) FROM n");
    check_agreed(world, {&a, &b});
    a.before_frame = [this](Bytes /*frame*/) { look_and_write(); };
  }
  void look_and_write() {
    const bool is_in_pieces = *a.engine->meta().integer(meta_name::in_pieces) != 0;
    const bool is_apart = a.text(halves) != "1";
    CHECK((is_in_pieces || !is_apart));
    was_apart = was_apart || is_apart;
    b.run("UPDATE notes SET title = '" + std::to_string(++writes) + "' WHERE id IN (1, 3000)");
  }
  void come_to_rest(ConversationWorld& world) {
    a.before_frame = nullptr;
    check_converged(world, {&a, &b});
    CHECK(*a.engine->meta().integer(meta_name::in_pieces) == 0);
    CHECK(a.text(halves) == "1");
  }
  // Of how many writes there are halves, where one that is missing is none.
  const std::string halves =
      "SELECT count(DISTINCT coalesce(title, '-')) "
      "FROM (SELECT 1 AS id UNION SELECT 3000) LEFT JOIN notes USING(id)";
  Device a;
  Device b;
  int writes = 0;
  bool was_apart = false;
};

TEST_CASE("halves of transactions are apart only while the file says that rows come in pieces") {
  ConversationWorld world("resync_pieces");
  PairWatch watch(world);
  SUBCASE("beginning anew") { REQUIRE(watch.a.engine->resync()); }
  SUBCASE("comparing all rows") {
    cut_off(watch.a);
    watch.a.before_frame = nullptr;
    watch.b.run("UPDATE notes SET body = 'other' || body");
    world.advance(5000);
    watch.a.online = true;
    watch.a.before_frame = [&](Bytes /*frame*/) { watch.look_and_write(); };
    watch.a.host->rescan_now(world.now);
    watch.a.host->sync_now(world.now);
  }
  for (int i = 0; i < 200; ++i) {
    world.step();
    if (i % 20 == 0) {
      world.now.ms += 50;
      world.time.ms += 50;
    }
  }
  CHECK(watch.was_apart);
  watch.come_to_rest(world);
}
