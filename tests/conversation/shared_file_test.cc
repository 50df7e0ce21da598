// Several hosts on one file, and files that others have locked.
#include <doctest/doctest.h>

#include <filesystem>
#include <functional>

#include "client/sync_state.h"
#include "tests/conversation/notes.h"

using namespace syncline;

namespace {

// What a program that leads does every two seconds (apps/syncline).
void say_state(
    ConversationWorld& world, Device& leader, const std::function<void()>& meanwhile = [] {}) {
  const StatusReport report = leader.host->status(world.now);
  SyncState state;
  state.status = report.status;
  state.trouble = report.trouble;
  state.message = report.message;
  state.at_ms = leader.clock.now_ms();
  state.by = "process 1";
  state.wish = leader.host->wish();
  state.live = true;
  meanwhile();
  REQUIRE(write_sync_state(*leader.engine, state));
}

std::string report_of(const StatusReport& report) {
  return std::string(status_name(report.status)) + " " + std::string(trouble_name(report.trouble)) +
         " " + report.message;
}

void expect_no_trouble(Device& device) {
  CHECK(device.events(event_name::error).empty());
  for (const std::string& told : device.events(event_name::subscription_status)) {
    CHECK_MESSAGE(told.find("stuck") == std::string::npos, told);
    CHECK_MESSAGE(told.find("storage") == std::string::npos, told);
  }
}

}  // namespace

TEST_CASE("of two hosts on one file one leads, and the other says what it says") {
  ConversationWorld world("shared_lead");
  Device a(world, "a.db", 1);
  track(a);
  Device beside(world, "a.db", 2);
  Device b(world, "b.db", 3);
  track(b);
  const ReplicaId name = *a.engine->replica();
  a.start();
  b.start();
  insert(a, 1, "by the leader");
  insert(beside, 2, "by the other");
  world.advance(1000);
  beside.start();
  CHECK(beside.host->is_following());
  CHECK(report_of(beside.host->status(world.now)) ==
        "disconnected led_elsewhere another process syncs this database, and has said nothing yet");
  world.advance(5000);
  CHECK(a.status() == Status::synced);
  say_state(world, a);
  CHECK(report_of(beside.host->status(world.now)) ==
        "synced led_elsewhere another process syncs this database (process 1)");
  insert(beside, 3, "not heard of yet");
  CHECK(beside.status() == Status::syncing);
  CHECK(beside.host->status(world.now).pending == 1);
  world.advance(5000);
  // A write that comes between what is said and its being written down.
  say_state(world, a, [&] { insert(beside, 4, "not heard of either"); });
  CHECK(beside.status() == Status::syncing);
  world.advance(60'000);
  CHECK(b.text(all_notes) ==
        "1:by the leader:-:0|2:by the other:-:0|3:not heard of yet:-:0|4:not heard of either:-:0");
  CHECK(report_of(beside.host->status(world.now)).find("has said nothing for") !=
        std::string::npos);
  CHECK(*a.engine->replica() == name);
  CHECK(a.refusals.empty());
  CHECK(beside.refusals.empty());
  CHECK_FALSE(beside.connection.has_value());
}

TEST_CASE("when the leader ends another host takes over, under the same name") {
  ConversationWorld world("shared_heir");
  Device a(world, "a.db", 1);
  track(a);
  Device beside(world, "a.db", 2);
  Device b(world, "b.db", 3);
  track(b);
  a.start();
  beside.start();
  b.start();
  insert(a, 1, "before");
  world.advance(5000);
  REQUIRE(beside.host->is_following());
  const ReplicaId name = *a.engine->replica();
  SUBCASE("in order") { a.host->stop(world.now); }
  SUBCASE("at once") { a.close(); }
  insert(beside, 2, "after");
  world.advance(5000);
  CHECK_FALSE(beside.host->is_following());
  check_agreed(world, {&beside, &b});
  CHECK(b.text(all_notes) == "1:before:-:0|2:after:-:0");
  CHECK(*beside.engine->replica() == name);
  CHECK(beside.refusals.empty());
}

TEST_CASE("an heir speaks under the name that the leader gave the file") {
  ConversationWorld world("shared_renamed");
  Device a(world, "a.db", 1);
  track(a);
  a.start();
  insert(a, 1, "first");
  world.advance(3000);
  a.close();
  std::filesystem::copy_file(a.path, world.folder.file("copy.db"));
  a.open();
  a.start();
  insert(a, 2, "by the original");
  world.advance(3000);
  Device copy(world, "copy.db", 4);
  Device beside(world, "copy.db", 5);
  insert(copy, 3, "by the copy");
  REQUIRE(*beside.engine->replica() == *a.engine->replica());
  copy.start();
  beside.start();
  world.advance(5000);
  REQUIRE(*copy.engine->replica() != *a.engine->replica());
  const ReplicaId name = *copy.engine->replica();
  copy.close();
  insert(beside, 4, "by the heir");
  world.advance(5000);
  CHECK(*beside.engine->replica() == name);
  check_agreed(world, {&a, &beside});
}

TEST_CASE("whoever follows and is asked to sync has the leader look at once") {
  ConversationWorld world("shared_wish");
  Device a(world, "a.db", 1);
  track(a);
  Device beside(world, "a.db", 2);
  a.online = false;
  a.start();
  beside.start();
  world.advance(120'000);
  REQUIRE(a.status() != Status::synced);
  a.online = true;
  // Its next attempt lies far ahead; only the wish brings it forward.
  beside.host->sync_now(world.now);
  CHECK(beside.host->wish() == 1);
  CHECK(a.host->wish() == 0);
  a.host->on_wakeup(world.now);
  world.advance(2000);
  CHECK(a.status() == Status::synced);
  CHECK(a.host->wish() == 1);
}

TEST_CASE("a file that another connection has locked is waited for, and is nobody's trouble") {
  ConversationWorld world("shared_locked");
  Device a(world, "a.db", 1);
  Device b(world, "b.db", 2);
  for (Device* device : {&a, &b}) {
    track(*device);
    device->start();
    insert(*device, static_cast<std::int64_t>(device->seed), "before");
  }
  check_agreed(world, {&a, &b});
  a.run("PRAGMA busy_timeout = 0");
  auto other = Database::open(a.path, {});
  REQUIRE(other);
  REQUIRE((*other)->execute("BEGIN IMMEDIATE"));
  insert(b, 3, "while it is locked");
  world.advance(20'000);
  CHECK(a.text(all_notes) == "1:before:-:0|2:before:-:0");
  CHECK(trouble_name(a.host->status(world.now).trouble) == "busy");
  CHECK(a.status() == Status::syncing);
  REQUIRE((*other)->execute("COMMIT"));
  check_agreed(world, {&a, &b});
  CHECK(a.text(all_notes) == "1:before:-:0|2:before:-:0|3:while it is locked:-:0");
  expect_no_trouble(a);
}

TEST_CASE("a host that finds the file locked when it begins begins later") {
  ConversationWorld world("shared_begins");
  Device a(world, "a.db", 1);
  track(a);
  insert(a, 1, "waits");
  a.run("PRAGMA busy_timeout = 0");
  auto other = Database::open(a.path, {});
  REQUIRE(other);
  REQUIRE((*other)->execute("BEGIN IMMEDIATE"));
  a.start();
  world.advance(3000);
  CHECK(trouble_name(a.host->status(world.now).trouble) == "busy");
  CHECK_FALSE(a.host->is_following());
  REQUIRE((*other)->execute("COMMIT"));
  world.advance(5000);
  CHECK(a.status() == Status::synced);
  expect_no_trouble(a);
}

TEST_CASE("a copy that finds its file locked in the middle of taking a name takes one name") {
  ConversationWorld world("shared_naming");
  Device a(world, "a.db", 1);
  track(a);
  a.start();
  insert(a, 1, "first");
  world.advance(3000);
  a.close();
  std::filesystem::copy_file(a.path, world.folder.file("copy.db"));
  a.open();
  a.start();
  insert(a, 2, "by the original");
  world.advance(3000);
  Device copy(world, "copy.db", 4);
  insert(copy, 3, "by the copy");
  copy.run("PRAGMA busy_timeout = 0");
  auto other = Database::open(copy.path, {});
  REQUIRE(other);
  int locked = 0;
  copy.before_frame = [&](Bytes) {
    if (locked++ == 0) {
      REQUIRE((*other)->execute("BEGIN IMMEDIATE"));
    }
  };
  copy.start();
  world.advance(2000);
  REQUIRE(locked > 0);
  REQUIRE((*other)->execute("COMMIT"));
  check_agreed(world, {&a, &copy});
  CHECK(a.text(all_notes) == "1:first:-:0|2:by the original:-:0|3:by the copy:-:0");
  expect_no_trouble(copy);
}

TEST_CASE(
    "what came as rows from a clock ahead is older than what another process writes over it") {
  ConversationWorld world("shared_clock_ahead");
  Device b(world, "b.db", 1);
  track(b);
  b.clock.offset = 30'000;  // not so far that anybody would mind
  insert(b, 1, "from ahead");
  b.start();
  check_agreed(world, {&b});
  Device a(world, "a.db", 2);
  track(a);
  a.start();
  SUBCASE("in a snapshot") { check_agreed(world, {&a, &b}); }
  SUBCASE("in a comparison") {
    check_agreed(world, {&a, &b});
    cut_off(a);
    REQUIRE(b.engine->correct_clock(0));  // it has not heard the server's time yet
    b.run("UPDATE notes SET title = 'once more' WHERE id = 1");
    world.advance(2'000);
    a.host->rescan_now(world.now);
    a.online = true;
    world.advance(2'000);
  }
  Device beside(world, "a.db", 3);
  beside.run("UPDATE notes SET title = 'later' WHERE id = 1");
  check_agreed(world, {&a, &b});
  CHECK(b.text(all_notes) == "1:later:-:0");
}
