// Files that were copied while they held what no server had acknowledged.
#include <doctest/doctest.h>

#include <filesystem>
#include <set>

#include "model/value_codec.h"
#include "tests/conversation/notes.h"
#include "wire/change_codec.h"

using namespace syncline;

namespace {

const std::string ids = "SELECT group_concat(id) FROM (SELECT id FROM notes ORDER BY id)";
const std::string stars = "SELECT stars FROM notes WHERE id = 1";

// A device that has counted to 1 and synced, and then counted to 3 and written a note offline. It
// is closed.
struct Original {
  ConversationWorld world{"copies"};
  Device a{world, "a.db", 1};

  Original() {
    track_and_start({&a}, {"stars=counter"});
    insert(a, 1, "shared");
    a.run("UPDATE notes SET stars = stars + 1 WHERE id = 1");
    check_agreed(world, {&a});
    cut_off(a);
    a.run("UPDATE notes SET stars = stars + 2 WHERE id = 1");
    insert(a, 2, "unsent in both");
    a.close();
  }
};

// How often the server's log has a change that puts this note.
int times_logged(ConversationWorld& world, std::int64_t id) {
  const auto room = world.store->find_workspace("team");
  REQUIRE(room);
  REQUIRE(*room);
  int times = 0;
  const auto looked = world.store->for_each_entry(
      (*room)->id, ServerVersion(0), (*room)->head, [&](LogEntry& entry) -> Result<bool> {
        if (entry.sequence == ChangeSequence(0)) {
          return true;  // rows as somebody kept them
        }
        const std::vector<Bytes> parts(entry.parts.begin(), entry.parts.end());
        const auto change = decode_parts(parts);
        REQUIRE(change);
        for (const RowEdit& edit : change->edits) {
          const auto key = key_values(edit.key.view());
          REQUIRE(key);
          times += edit.kind == EditKind::put && key->front().view().integer == id ? 1 : 0;
        }
        return true;
      });
  REQUIRE(looked);
  return times;
}

}  // namespace

TEST_CASE_FIXTURE(Original, "two copies that come back at once tell what they share once") {
  Device b = copied(a, "b.db", 2);
  a.open();
  a.online = true;
  a.run("UPDATE notes SET stars = stars + 10 WHERE id = 1");
  world.time.ms += 1;
  b.run("UPDATE notes SET stars = stars + 100 WHERE id = 1");
  insert(b, 3, "only in the copy");
  a.start();
  b.start();  // says hello before the first has told anything
  check_converged(world, {&a, &b});
  CHECK(*a.engine->replica() != *b.engine->replica());
  CHECK(a.text(stars) == "113");
  CHECK(a.text(ids) == "1,2,3");
  CHECK(times_logged(world, 2) == 1);
  CHECK(times_logged(world, 3) == 1);
}

TEST_CASE_FIXTURE(
    Original,
    "a copy tells what it shares with an original that is away, and nothing counts twice") {
  Device b = copied(a, "b.db", 2);
  a.open();
  a.online = true;
  a.frames_left = 1;  // its welcome, and not one acknowledgement
  a.start();
  world.settle_now();
  cut_off(a);
  const ReplicaId original = *a.engine->replica();
  SUBCASE("which has written more since") {
    a.run("UPDATE notes SET stars = stars + 10 WHERE id = 1");
    insert(a, 4, "only in the original");
  }
  SUBCASE("which has not") { a.run("UPDATE notes SET stars = stars + 10 WHERE id = 1"); }
  world.time.ms += 1;
  b.run("UPDATE notes SET stars = stars + 100 WHERE id = 1");
  insert(b, 3, "only in the copy");
  b.start();
  check_converged(world, {&b});
  CHECK(b.text(stars) == "103");
  CHECK(*b.engine->replica() != original);
  a.online = true;
  world.advance(60'000);
  check_converged(world, {&a, &b});
  CHECK(a.text(stars) == "113");
  CHECK(times_logged(world, 2) == 1);
  CHECK(times_logged(world, 3) == 1);
}

TEST_CASE_FIXTURE(
    Original, "what a copy synced in its name the original takes from a file under another one") {
  Device b = copied(a, "b.db", 2);
  b.start();  // the first to come goes by the name
  b.run("UPDATE notes SET stars = stars + 100 WHERE id = 1");
  b.run("UPDATE notes SET title = 'acknowledged' WHERE id = 1");
  check_converged(world, {&b});
  cut_off(b);
  b.run("UPDATE notes SET title = 'written over' WHERE id = 1");
  insert(b, 3, "told by the file alone");
  const auto file = b.engine->changes_since(LocalVersion(0));
  REQUIRE(file);
  b.close();
  a.open();
  insert(a, 4, "ours");
  SUBCASE("before it has synced itself") {
    const auto refused = a.engine->apply_file(*file);
    REQUIRE(!refused);
    CHECK(refused.error().code() == ErrorCode::diverged);
    CHECK(a.text(ids) == "1,2,4");
  }
  SUBCASE("after it has synced itself") {}
  a.online = true;
  a.start();
  world.advance(60'000);
  check_converged(world, {&a});
  const auto applied = a.engine->apply_file(*file);
  REQUIRE_MESSAGE(applied, applied.error().message());
  CHECK(a.text(ids) == "1,2,3,4");
  world.advance(60'000);
  b.open();
  b.online = true;
  b.start();
  world.advance(60'000);
  check_converged(world, {&a, &b});
  CHECK(a.engine->counts()->rejected == 0);
  CHECK(a.text(stars) == "103");
  CHECK(a.text(ids) == "1,2,3,4");
  CHECK(a.text("SELECT title FROM notes WHERE id = 1") == "written over");
  CHECK(times_logged(world, 2) == 1);
}

TEST_CASE("a server that has less than it said takes what two copies share once") {
  ConversationWorld world("copies_restored");
  Device a(world, "a.db", 1);
  track_and_start({&a}, {"stars=counter"});
  insert(a, 1, "shared");
  check_agreed(world, {&a});
  REQUIRE(world.store->backup(world.folder.file("backup.db")));
  a.run("UPDATE notes SET stars = stars + 1 WHERE id = 1");
  check_agreed(world, {&a});
  cut_off(a);
  a.run("UPDATE notes SET stars = stars + 2 WHERE id = 1");
  insert(a, 2, "unsent in both");
  a.close();
  std::filesystem::copy_file(a.path, world.folder.file("b.db"));
  world.close_server();
  SUBCASE("because it was restored") { world.server_file = "backup.db"; }
  SUBCASE("because it is another one") { world.server_file = "other.db"; }
  world.open_server();
  Device b(world, "b.db", 2);
  a.open();
  a.online = true;
  // The server greets it, and is told nothing.
  a.before_frame = [&](Bytes frame) {
    if (std::holds_alternative<Welcome>(*decode_message(frame))) {
      cut_off(a);
    }
  };
  a.start();
  world.advance(1'000);
  a.before_frame = nullptr;
  REQUIRE(!a.online);
  a.run("UPDATE notes SET stars = stars + 10 WHERE id = 1");
  world.time.ms += 1;
  b.run("UPDATE notes SET stars = stars + 100 WHERE id = 1");
  insert(b, 3, "only in the copy");
  b.start();
  world.advance(60'000);
  check_converged(world, {&b});
  CHECK(b.text(stars) == "103");
  a.online = true;
  world.advance(60'000);
  check_converged(world, {&a, &b});
  CHECK(a.text(stars) == "113");
  CHECK(a.text(ids) == "1,2,3");
  CHECK(times_logged(world, 1) == 1);
  CHECK(times_logged(world, 2) == 1);
  CHECK(times_logged(world, 3) == 1);
}

TEST_CASE(
    "what a server lost of a copy comes back though another one takes its numbers meanwhile") {
  ConversationWorld world("copies_numbers");
  Device a(world, "a.db", 1);
  track_and_start({&a}, {"stars=counter"});
  insert(a, 1, "shared");
  check_agreed(world, {&a});
  const ReplicaId original = *a.engine->replica();
  REQUIRE(world.store->backup(world.folder.file("backup.db")));
  a.close();
  std::filesystem::copy_file(a.path, world.folder.file("b.db"));
  a.open();
  a.start();
  a.run("UPDATE notes SET stars = stars + 1 WHERE id = 1");
  insert(a, 2, "acknowledged, and lost by the server");
  check_agreed(world, {&a});
  a.online = false;
  world.close_server();
  world.server_file = "backup.db";
  world.open_server();
  Device b(world, "b.db", 2);
  // The first to be greeted, and it has nothing to tell yet.
  b.start();
  world.advance(10'000);
  cut_off(b);
  // The other one goes by another name from now on, and breaks off before it has told anything.
  a.before_frame = [&](Bytes frame) {
    if (std::holds_alternative<Welcome>(*decode_message(frame)) &&
        *a.engine->replica() != original) {
      cut_off(a);
    }
  };
  a.online = true;
  world.advance(60'000);
  a.before_frame = nullptr;
  REQUIRE(*a.engine->replica() != original);
  REQUIRE(!a.online);
  b.run("UPDATE notes SET stars = stars + 10 WHERE id = 1");
  insert(b, 3, "under the same number");
  b.online = true;
  world.advance(60'000);
  a.online = true;
  world.advance(60'000);
  check_converged(world, {&a, &b});
  CHECK(a.text(ids) == "1,2,3");
  CHECK(a.text(stars) == "11");
  CHECK(times_logged(world, 2) == 1);
  CHECK(times_logged(world, 3) == 1);
}

TEST_CASE_FIXTURE(
    Original, "copies of a copy share their next name as well, and what they share counts once") {
  {
    Device b = copied(a, "b.db", 2);
    b.run("UPDATE notes SET stars = stars + 100 WHERE id = 1");
    insert(b, 3, "in two copies of three");
  }
  std::filesystem::copy_file(world.folder.file("b.db"), world.folder.file("c.db"));
  a.open();
  a.online = true;
  a.run("UPDATE notes SET stars = stars + 10 WHERE id = 1");
  a.start();
  check_agreed(world, {&a});
  Device b(world, "b.db", 3);
  Device c(world, "c.db", 4);
  world.time.ms += 1;
  b.run("UPDATE notes SET stars = stars + 1000 WHERE id = 1");
  world.time.ms += 1;
  c.run("UPDATE notes SET stars = stars + 10000 WHERE id = 1");
  b.start();
  SUBCASE("one after the other") { check_converged(world, {&a, &b}); }
  SUBCASE("at once") {}
  c.start();
  check_converged(world, {&a, &b, &c});
  CHECK(a.text(stars) == "11113");
  CHECK(times_logged(world, 2) == 1);
  CHECK(times_logged(world, 3) == 1);
  const std::set<std::string> names{a.engine->replica()->hex(), b.engine->replica()->hex(),
                                    c.engine->replica()->hex()};
  CHECK(names.size() == 3);
}

TEST_CASE_FIXTURE(Original,
                  "the original is sent away when a copy told more in its name, and hears of it") {
  Device b = copied(a, "b.db", 2);
  a.open();
  a.online = true;
  a.start();
  check_agreed(world, {&a});
  b.run("UPDATE notes SET stars = stars + 100 WHERE id = 1");
  insert(b, 3, "only in the copy");
  b.start();
  check_converged(world, {&a, &b});
  CHECK(a.text(stars) == "103");
  CHECK(a.text(ids) == "1,2,3");
}

TEST_CASE("a copy counts what it wrote before its schema changed, too") {
  ConversationWorld world("copies_encoded");
  Device a(world, "a.db", 1);
  track_and_start({&a}, {"stars=counter"});
  insert(a, 1, "shared");
  check_agreed(world, {&a});
  cut_off(a);
  a.close();
  Device b = copied(a, "b.db", 2);
  a.open();
  a.online = true;
  a.start();
  a.run("UPDATE notes SET title = 'only in the original' WHERE id = 1");
  check_agreed(world, {&a});
  b.run("UPDATE notes SET stars = stars + 100 WHERE id = 1");
  // Whoever changes a schema encodes what is unsent as it is.
  REQUIRE(b.engine->alter_begin());
  REQUIRE(b.engine->alter_commit());
  b.run("UPDATE notes SET stars = stars + 1000 WHERE id = 1");
  b.start();
  check_converged(world, {&a, &b});
  CHECK(a.text(stars) == "1100");
}

TEST_CASE("what the server refuses the original keeps a copy from nothing") {
  ConversationWorld world("copies_refused");
  world.options.rules.read_only_tables = {"ledger"};
  world.close_server();
  world.open_server();
  Device a(world, "a.db", 1);
  a.run("CREATE TABLE ledger(id INTEGER PRIMARY KEY, text TEXT)");
  REQUIRE(a.engine->track("ledger", TrackOptions()));
  track(a, {"stars=counter"});
  a.start();
  insert(a, 1, "shared");
  check_agreed(world, {&a});
  cut_off(a);
  a.run("INSERT INTO ledger VALUES(1, 'refused')");
  a.run("UPDATE notes SET stars = stars + 2 WHERE id = 1");
  a.close();
  Device b = copied(a, "b.db", 2);
  a.open();
  a.online = true;
  a.start();
  check_converged(world, {&a});
  b.start();
  check_converged(world, {&a, &b});
  CHECK(a.text(stars) == "2");
  CHECK(b.text("SELECT count(*) FROM ledger") == "0");
  CHECK(b.engine->counts()->rejected == 1);
}

TEST_CASE_FIXTURE(
    Original,
    "an old file with unsent work that was sent since is put back, and nothing counts twice") {
  std::filesystem::copy_file(a.path, world.folder.file("old.db"));
  a.open();
  a.online = true;
  a.start();
  check_agreed(world, {&a});
  world.cut(a);  // the next hello confirms what was acknowledged
  world.advance(60'000);
  check_agreed(world, {&a});
  a.close();
  put_back(a, "old.db");
  a.open();
  a.run("UPDATE notes SET stars = stars + 100 WHERE id = 1");
  a.start();
  check_converged(world, {&a});
  CHECK(a.text(stars) == "103");
  CHECK(times_logged(world, 2) == 1);
}

TEST_CASE("after work from behind the fence was stamped anew other processes write later stamps") {
  ConversationWorld world("copies_fence");
  Device a(world, "a.db", 1);
  Device b(world, "b.db", 2);
  track_and_start({&a, &b});
  insert(a, 1, "shared");
  check_agreed(world, {&a, &b});
  b.close();
  b.open();
  insert(b, 2, "written a year ago");
  insert(b, 3, "and this");
  const std::int64_t year_ms = std::int64_t{400} * 24 * 60 * 60 * 1000;
  world.cut(a);
  world.time.ms += year_ms;
  world.now.ms += year_ms;
  insert(a, 4, "a year later");
  a.run("DELETE FROM notes WHERE id = 1");
  world.advance(10'000);
  REQUIRE(world.hub->retire(world.now));
  world.advance(1'000);
  b.start();
  world.advance(10'000);
  check_sound(b);
  CHECK(b.refusals == std::vector<std::string>{"clock_skew"});
  check_converged(world, {&a, &b});
  CHECK(a.text(ids) == "2,3,4");
}
