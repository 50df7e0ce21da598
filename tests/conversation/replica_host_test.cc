#include "client/replica_host.h"

#include <doctest/doctest.h>

#include "tests/conversation/notes.h"

using namespace syncline;

TEST_CASE("what one replica wrote before it ever met a server reaches another") {
  ConversationWorld world("host_first");
  Device a(world, "a.db", 1);
  track(a);
  insert(a, 1, "milk");
  insert(a, 2, "bread");
  a.start();
  Device b(world, "b.db", 2);
  track(b);
  b.start();
  check_agreed(world, {&a, &b});
  CHECK(b.text(all_notes) == "1:milk:-:0|2:bread:-:0");
  insert(b, 3, "tea");
  a.run("UPDATE notes SET stars = 5 WHERE id = 1");
  a.run("DELETE FROM notes WHERE id = 2");
  check_agreed(world, {&a, &b});
  CHECK(a.text(all_notes) == "1:milk:-:5|3:tea:-:0");
  CHECK(a.engine->counts()->pending == 0);
}

TEST_CASE("edits on both sides while offline come together") {
  ConversationWorld world("host_offline");
  Device a(world, "a.db", 1);
  Device b(world, "b.db", 2);
  track_and_start({&a, &b});
  insert(a, 1, "draft");
  check_agreed(world, {&a, &b});
  cut_off(a);
  cut_off(b);
  a.run("UPDATE notes SET title = 'from a' WHERE id = 1");
  b.run("UPDATE notes SET body = 'from b' WHERE id = 1");
  for (int i = 10; i < 60; ++i) {
    insert(a, i, "a");
    insert(b, 100 + i, "b");
  }
  world.advance(60'000);
  CHECK(status_name(a.status()) != "synced");
  a.online = b.online = true;
  world.advance(60'000);
  check_agreed(world, {&a, &b});
  CHECK(a.text("SELECT title || body FROM notes WHERE id = 1") == "from afrom b");
  CHECK(a.text("SELECT count(*) FROM notes") == "101");
}

TEST_CASE("under the manual rule the loser is kept as a conflict on both replicas") {
  ConversationWorld world("host_conflict");
  Device a(world, "a.db", 1);
  Device b(world, "b.db", 2);
  track_and_start({&a, &b}, {"manual"});
  insert(a, 1, "draft");
  check_agreed(world, {&a, &b});
  cut_off(a);
  cut_off(b);
  a.run("UPDATE notes SET title = 'a' WHERE id = 1");
  world.time.ms += 5;
  b.run("UPDATE notes SET title = 'b' WHERE id = 1");
  a.online = b.online = true;
  world.advance(60'000);
  check_agreed(world, {&a, &b});
  CHECK(a.text("SELECT title FROM notes") == "b");
  CHECK(a.engine->counts()->conflicts == 1);
  CHECK(b.engine->counts()->conflicts == 1);
  const auto conflicts = a.engine->conflicts();
  REQUIRE(conflicts);
  REQUIRE(a.engine->resolve((*conflicts)[0].id, Resolution::theirs, ValueView()));
  check_agreed(world, {&a, &b});
  CHECK(b.engine->counts()->conflicts == 0);
}

TEST_CASE("a change that the server refuses leaves the rows and blocks nothing") {
  ConversationWorld world("host_reject");
  Device a(world, "a.db", 1);
  Device b(world, "b.db", 2);
  track_and_start({&a, &b});
  insert(a, 1, "kept");
  check_agreed(world, {&a, &b});
  world.close_server();
  world.options.rules.read_only_tables = {"notes"};
  world.open_server();
  a.run("UPDATE notes SET title = 'refused' WHERE id = 1");
  insert(a, 2, "refused too");
  world.advance(60'000);
  check_agreed(world, {&a, &b});
  CHECK(a.text(all_notes) == "1:kept:-:0");
  CHECK(a.engine->counts()->rejected == 2);
  CHECK(a.engine->counts()->pending == 0);
  // The refused stamp is gone from the row's clock, too: an edit of before it would win again.
  CHECK(*a.engine->digest() == *b.engine->digest());
}

TEST_CASE("a bootstrap that was cut goes on behind the last page that was applied") {
  ConversationWorld world("host_bootstrap");
  Device a(world, "a.db", 1);
  track(a);
  a.run(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) "
      "INSERT INTO notes(id, title, body) SELECT i, 'note ' || i, hex(randomblob(30)) FROM n");
  a.start();
  check_agreed(world, {&a});
  Device b(world, "b.db", 2);
  track(b);
  insert(b, 50'000, "written before the first sync");
  b.start();
  b.frames_left = 5;  // welcome, begin, and three pages
  world.settle_now();
  CHECK(b.text("SELECT count(*) > 1 FROM notes") == "1");
  CHECK(b.text("SELECT count(*) < 20001 FROM notes") == "1");
  b.close();
  b.open();
  b.start();
  check_agreed(world, {&a, &b});
  CHECK(b.text("SELECT count(*) FROM notes") == "20001");
  const auto starts = b.events("sync.bootstrap:action:start");
  CHECK(starts.size() == 1);
  CHECK(b.events("sync.bootstrap:action:complete").size() == 1);
  CHECK(b.events("sync.conflict:action:detected").empty());
}

TEST_CASE("a replica that slept below the fence rescans, and what was deleted stays deleted") {
  ConversationWorld world("host_rescan");
  Device a(world, "a.db", 1);
  Device b(world, "b.db", 2);
  track_and_start({&a, &b});
  for (int i = 1; i <= 300; ++i) {
    insert(a, i, "n" + std::to_string(i));
  }
  check_agreed(world, {&a, &b});
  b.close();
  a.run("DELETE FROM notes WHERE id % 7 = 0");
  a.run("UPDATE notes SET title = 'changed' WHERE id BETWEEN 100 AND 110");
  insert(a, 1000, "new");
  world.advance(10'000);
  // Long enough for every cursor of b to expire and every tombstone to go.
  const std::int64_t year_ms = std::int64_t{400} * 24 * 60 * 60 * 1000;
  world.cut(a);
  world.time.ms += year_ms;
  world.now.ms += year_ms;
  insert(a, 1001, "a year later");
  world.advance(10'000);
  REQUIRE(world.hub->retire(world.now));
  b.open();
  b.run("UPDATE notes SET body = 'unsent' WHERE id = 7");
  b.run("UPDATE notes SET body = 'unsent' WHERE id = 8");
  insert(b, 2000, "unsent");
  b.start();
  check_agreed(world, {&a, &b});
  CHECK(b.refusals == std::vector<std::string>{"cursor_expired"});
  CHECK(b.events("sync.rescan:action:completed").size() == 1);
  CHECK(a.text("SELECT count(*) FROM notes WHERE id % 7 = 0 AND id < 1000") == "0");
  CHECK(a.text("SELECT body FROM notes WHERE id = 8") == "unsent");
  CHECK(a.text("SELECT title FROM notes WHERE id = 2000") == "unsent");
  CHECK(b.salvages.size() == 1);
}

TEST_CASE("a cloned database file goes on under an id of its own") {
  ConversationWorld world("host_clone");
  Device a(world, "a.db", 1);
  track(a, {"stars=counter"});
  a.start();
  insert(a, 1, "shared");
  a.run("UPDATE notes SET stars = stars + 5 WHERE id = 1");
  check_agreed(world, {&a});
  // Unsent when the copy is made: both have it.
  cut_off(a);
  a.run("UPDATE notes SET stars = stars + 2 WHERE id = 1");
  insert(a, 2, "unsent in both");
  a.close();
  Device b = copied(a, "b.db", 2);
  a.open();
  a.online = true;
  a.run("UPDATE notes SET stars = stars + 10 WHERE id = 1");
  world.time.ms += 1;
  b.run("UPDATE notes SET stars = stars + 100 WHERE id = 1");
  insert(b, 3, "only in the copy");
  a.start();
  check_agreed(world, {&a});
  b.start();
  check_agreed(world, {&a, &b});
  // Once at its hello, and once when what it tells is another than the original's.
  CHECK(b.refusals == std::vector<std::string>{"replica_forked", "replica_forked"});
  CHECK(*a.engine->replica() != *b.engine->replica());
  CHECK(a.text("SELECT stars FROM notes WHERE id = 1") == "117");
  CHECK(a.text("SELECT group_concat(id) FROM (SELECT id FROM notes ORDER BY id)") == "1,2,3");
  b.run("UPDATE notes SET stars = stars + 1000 WHERE id = 1");
  a.run("UPDATE notes SET stars = stars + 10000 WHERE id = 1");
  check_agreed(world, {&a, &b});
  CHECK(a.text("SELECT stars FROM notes WHERE id = 1") == "11117");
}

TEST_CASE("two copies that wrote in the same millisecond both keep what they wrote") {
  ConversationWorld world("host_clone_same_time");
  Device a(world, "a.db", 1);
  track(a);
  a.start();
  insert(a, 1, "shared");
  check_agreed(world, {&a});
  cut_off(a);
  a.close();
  Device b = copied(a, "b.db", 2);
  a.open();
  a.online = true;
  insert(a, 2, "in the first");
  insert(b, 3, "in the copy");
  a.start();
  check_agreed(world, {&a});
  b.start();
  check_agreed(world, {&a, &b});
  CHECK(a.text("SELECT group_concat(title) FROM (SELECT title FROM notes ORDER BY id)") ==
        "shared,in the first,in the copy");
}

TEST_CASE("a copy that counts from a new value does not lose what the original counted before") {
  ConversationWorld world("host_clone_recount");
  Device a(world, "a.db", 1);
  track(a);
  a.start();
  insert(a, 1, "shared");
  a.run("UPDATE notes SET stars = stars + 30 WHERE id = 1");
  check_agreed(world, {&a});
  a.close();
  Device b = copied(a, "b.db", 2);
  a.open();
  a.start();
  insert(a, 2, "the original went on");
  check_agreed(world, {&a});
  b.run("UPDATE notes SET stars = stars + 4 WHERE id = 1");
  b.run("INSERT OR REPLACE INTO notes(id, title, stars) VALUES(1, 'again', 100)");
  b.run("UPDATE notes SET stars = stars + 5 WHERE id = 1");
  b.start();
  check_agreed(world, {&a, &b});
  CHECK(a.text("SELECT title || stars FROM notes WHERE id = 1") == "again105");
}

TEST_CASE("an old copy that was put back loses nothing that it or the server had") {
  ConversationWorld world("host_old_copy");
  Device a(world, "a.db", 1);
  track(a);
  a.start();
  insert(a, 1, "before the copy");
  check_agreed(world, {&a});
  a.close();
  std::filesystem::copy_file(a.path, world.folder.file("old.db"));
  a.open();
  a.start();
  insert(a, 2, "after the copy");
  check_agreed(world, {&a});
  a.close();
  put_back(a, "old.db");
  a.open();
  insert(a, 3, "written on the old copy");
  a.start();
  check_agreed(world, {&a});
  CHECK(a.refusals == std::vector<std::string>{"replica_forked", "replica_forked"});
  CHECK(a.text("SELECT group_concat(id) FROM (SELECT id FROM notes ORDER BY id)") == "1,2,3");
}

TEST_CASE("a server that was restored from a backup is healed by its replicas") {
  ConversationWorld world("host_restored");
  Device a(world, "a.db", 1);
  Device b(world, "b.db", 2);
  track_and_start({&a, &b});
  insert(a, 1, "old");
  check_agreed(world, {&a, &b});
  REQUIRE(world.store->backup(world.folder.file("backup.db")));
  insert(a, 2, "after the backup");
  b.run("UPDATE notes SET title = 'renamed' WHERE id = 1");
  check_agreed(world, {&a, &b});
  a.run("UPDATE notes SET title = 'renamed again' WHERE id = 2");
  b.run("UPDATE notes SET body = 'b' WHERE id = 2");
  check_agreed(world, {&a, &b});
  world.close_server();
  world.server_file = "backup.db";
  world.open_server();
  REQUIRE(world.store->begin_lineage(LineageId::draw(world.random)));
  world.advance(60'000);
  check_converged(world, {&a, &b});
  CHECK(a.text(all_notes) == "1:renamed:-:0|2:renamed again:b:0");
}

TEST_CASE("a restored server is healed though others overwrote what it forgot") {
  ConversationWorld world("host_restored_over");
  Device a(world, "a.db", 1);
  Device b(world, "b.db", 2);
  track_and_start({&a, &b}, {"stars=counter"});
  insert(a, 1, "old");
  check_agreed(world, {&a, &b});
  REQUIRE(world.store->backup(world.folder.file("backup.db")));
  insert(a, 2, "deleted by b");
  insert(a, 3, "renamed by b");
  a.run("UPDATE notes SET body = 'by a', stars = stars + 1 WHERE id = 1");
  check_agreed(world, {&a, &b});
  b.run("DELETE FROM notes WHERE id = 2");
  b.run("UPDATE notes SET title = 'by b' WHERE id = 3");
  b.run("UPDATE notes SET body = 'by b', stars = stars + 2 WHERE id = 1");
  check_agreed(world, {&a, &b});
  a.run("DELETE FROM notes WHERE id = 3");
  check_agreed(world, {&a, &b});
  const std::string before = a.text(all_notes);
  world.close_server();
  world.server_file = "backup.db";
  world.open_server();
  REQUIRE(world.store->begin_lineage(LineageId::draw(world.random)));
  // Each alone in turn, so that neither can lean on the other.
  b.online = false;
  world.advance(90'000);
  CHECK(a.host->last_error() == "");
  CHECK(a.engine->counts()->pending == 0);
  b.online = true;
  world.advance(90'000);
  check_converged(world, {&a, &b});
  CHECK(a.text(all_notes) == before);
}

TEST_CASE("a server that was built anew gets everything back from its replicas") {
  ConversationWorld world("host_rebuilt");
  Device a(world, "a.db", 1);
  Device b(world, "b.db", 2);
  track_and_start({&a, &b});
  insert(a, 1, "a");
  insert(b, 2, "b");
  check_agreed(world, {&a, &b});
  world.close_server();
  world.server_file = "new.db";
  world.open_server();
  insert(a, 3, "while the server was away");
  world.advance(60'000);
  check_converged(world, {&a, &b});
  CHECK(a.text("SELECT group_concat(id) FROM (SELECT id FROM notes ORDER BY id)") == "1,2,3");
}

TEST_CASE("what a clock far ahead wrote gets stamps of now, and others may edit it") {
  ConversationWorld world("host_clock");
  Device a(world, "a.db", 1);
  Device b(world, "b.db", 2);
  track_and_start({&a, &b}, {"stars=counter"});
  insert(b, 1, "shared");
  check_agreed(world, {&a, &b});
  a.close();
  a.open();
  a.clock.offset = std::int64_t{10} * 365 * 24 * 60 * 60 * 1000;
  // Before a server could say what time it is.
  REQUIRE(a.engine->correct_clock(0));
  a.run("UPDATE notes SET title = 'from the future', stars = stars + 3 WHERE id = 1");
  insert(a, 2, "from the future");
  b.run("UPDATE notes SET title = 'now' WHERE id = 1");
  world.advance(5'000);
  a.start();
  world.advance(60'000);
  check_agreed(world, {&a, &b});
  CHECK(a.text("SELECT title FROM notes WHERE id = 1") == "from the future");
  CHECK(a.text("SELECT stars FROM notes WHERE id = 1") == "3");
  b.run("UPDATE notes SET title = 'later' WHERE id = 1");
  insert(a, 3, "stamped right");
  check_agreed(world, {&a, &b});
  CHECK(a.text("SELECT title FROM notes WHERE id = 1") == "later");
}

TEST_CASE("what another connection or process writes is noticed and sent") {
  ConversationWorld world("host_foreign");
  Device a(world, "a.db", 1);
  Device b(world, "b.db", 2);
  track_and_start({&a, &b});
  check_agreed(world, {&a, &b});
  Device other(world, "a.db", 3);  // the same file, a process of its own without a conversation
  insert(other, 1, "from next door");
  check_agreed(world, {&a, &b});
  CHECK(b.text(all_notes) == "1:from next door:-:0");
}

TEST_CASE("a write that nobody has noticed yet is not taken for a difference to the server") {
  ConversationWorld world("host_foreign_between");
  Device a(world, "a.db", 1);
  Device b(world, "b.db", 2);
  track_and_start({&a, &b});
  check_agreed(world, {&a, &b});
  insert(b, 1, "from b");
  // The heartbeat overtakes the change that it speaks of, and a writes just before it comes.
  bool wrote = false;
  a.before_frame = [&](Bytes frame) {
    const auto message = decode_message(frame);
    if (wrote || !message || !std::holds_alternative<PullPart>(*message)) {
      return;
    }
    wrote = true;
    const auto digest = b.engine->digest();
    REQUIRE(digest);
    a.host->on_frame(world.now,
                     *encode_message(Heartbeat{ServerVersion(1), world.time.ms, *digest}));
    insert(a, 2, "unnoticed");
  };
  world.advance(1'000);
  CHECK(wrote);
  check_agreed(world, {&a, &b});
}

TEST_CASE("a token that was refused waits for another one and loses nothing") {
  ConversationWorld world("host_token");
  Device a(world, "a.db", 1);
  track(a);
  insert(a, 1, "unsent");
  a.start("bad");
  world.advance(5'000);
  CHECK(status_name(a.status()) == "stuck");
  CHECK(a.refusals.at(0) == "not_allowed");
  a.host->refresh_token(world.now, "good");
  check_agreed(world, {&a});
  CHECK(a.engine->counts()->pending == 0);
  // Inside a live connection, too.
  world.token = "next";
  a.host->refresh_token(world.now, "next");
  insert(a, 2, "goes on");
  check_agreed(world, {&a});
}

TEST_CASE("a schema that cannot live with the server's is told, and works once it fits") {
  ConversationWorld world("host_schema");
  Device a(world, "a.db", 1);
  track(a, {"stars=counter"});
  a.start();
  insert(a, 1, "kept");
  check_agreed(world, {&a});
  Device b(world, "b.db", 2);
  track(b);  // the same column with another rule
  b.start();
  world.advance(2'000);
  CHECK(status_name(b.status()) == "incompatible");
  CHECK(b.refusals.at(0) == "schema_incompatible");
  const auto options = parse_track_options(std::vector<std::string>{"stars=counter"});
  REQUIRE(b.engine->alter_begin());
  REQUIRE(b.engine->track("notes", *options));
  REQUIRE(b.engine->alter_commit());
  check_agreed(world, {&a, &b});
  CHECK(b.text(all_notes) == "1:kept:-:0");
}

TEST_CASE("nothing is done to the database inside an application's transaction") {
  ConversationWorld world("host_transaction");
  Device a(world, "a.db", 1);
  Device b(world, "b.db", 2);
  track_and_start({&a, &b});
  check_agreed(world, {&a, &b});
  a.run("BEGIN");
  insert(a, 1, "rolled back");
  insert(b, 2, "from b");
  world.advance(3'000);
  CHECK(a.text("SELECT count(*) FROM notes WHERE id = 2") == "0");
  a.run("ROLLBACK");
  check_agreed(world, {&a, &b});
  CHECK(a.text(all_notes) == "2:from b:-:0");
}
