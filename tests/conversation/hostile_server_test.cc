// Servers that lie: what a replica does not believe them, and that it is well afterwards.
#include <doctest/doctest.h>

#include "client/verify.h"
#include "tests/conversation/notes.h"
#include "wire/state_part.h"

using namespace syncline;

namespace {

Stamp stamp_of(const WorldTime& time, std::int64_t ahead_ms, std::uint8_t replica) {
  Stamp out;
  out.time = static_cast<std::uint64_t>(time.ms + ahead_ms) << Stamp::counter_bits;
  out.replica.bytes.fill(replica);
  return out;
}

Change note_of(std::uint64_t sequence, const Stamp& stamp, std::int64_t id) {
  Change out;
  out.sequence = ChangeSequence(sequence);
  out.stamp = stamp;
  out.schema_version = 1;
  const ValueView key[] = {ValueView::of(id)};
  RowEdit put{EditKind::put, "notes", make_key(key), {}, {}};
  put.cells = {{"title", CellForm::plain, Value::text("forged"), {}}};
  out.edits = {put};
  return out;
}

// A server of which every word is chosen.
struct Liar {
  ConversationWorld& world;
  Device& device;
  Hello hello;
  int dials = 0;

  Liar(ConversationWorld& in, Device& whose) : world(in), device(whose) {
    world.cut(device);
    device.online = false;
    device.host->on_disconnected(world.now);
    world.now.ms += 120'000;
    device.host->on_wakeup(world.now);
    listen();
  }

  // Takes the device's calls and hellos; answers nothing by itself.
  void listen() {
    if (device.hung_up) {
      device.hung_up = false;
      device.outgoing.clear();
    }
    if (device.wants_dial) {
      device.wants_dial = false;
      ++dials;
      device.host->on_connected(world.now);
    }
    for (const ByteVector& frame : std::exchange(device.outgoing, {})) {
      const auto message = decode_message(frame);
      REQUIRE(message);
      if (const auto* said = std::get_if<Hello>(&*message)) {
        hello = *said;
      }
    }
  }
  void say(const Message& message) {
    const auto frame = encode_message(message);
    REQUIRE(frame);
    device.host->on_frame(world.now, *frame);
    listen();
  }
  Welcome welcome() const {
    Welcome out;
    out.protocol = protocol_spoken.max;
    out.lineage = hello.lineage;
    if (out.lineage.is_zero()) {
      out.lineage.bytes.fill(9);
    }
    out.head = out.resume_after = hello.cursor;
    out.known_sequence = hello.acknowledged;
    out.known_time = hello.acknowledged_time;
    out.server_time_ms = world.time.ms;
    out.frame_bytes_max = limits::frame_bytes_max;
    out.heartbeat_ms = 1000;
    out.may_write = true;
    return out;
  }
  StatusReport report() const { return device.host->status(world.now); }

  // The honest server is back, and gets what was written all the while.
  void leave() {
    world.cut(device);
    device.host->on_disconnected(world.now);
    device.hung_up = device.wants_dial = false;
    device.online = true;
    world.time.ms += 700'000;
    world.now.ms += 700'000;
    device.host->sync_now(world.now);
    world.advance(5'000);
  }
};

void check_well(ConversationWorld& world, Device& device, Device& other) {
  device.run("INSERT INTO notes(id, title) VALUES(1000, 'after')");
  world.advance(10'000);
  CHECK(status_name(device.status()) == "synced");
  CHECK(device.text(all_notes) == other.text(all_notes));
  CHECK(other.text("SELECT title FROM notes WHERE id = 1000") == "after");
  const auto problems = verify(*device.engine);
  REQUIRE(problems);
  for (const std::string& problem : *problems) {
    FAIL_CHECK(problem);
  }
}

// Two devices that know each other, one of which wrote something that no server has.
struct Scene {
  ConversationWorld world;
  Device a;
  Device b;
  explicit Scene(const std::string& name)
      : world("hostile_" + name), a(world, "a.db", 1), b(world, "b.db", 2) {
    for (Device* device : {&a, &b}) {
      track(*device, {"stars=counter"});
      device->start();
    }
    insert(a, 1, "known");
    check_agreed(world, {&a, &b});
    a.online = false;
    world.cut(a);
    insert(a, 2, "unsent");
  }
};

}  // namespace

TEST_CASE("a server that refuses every hello does not keep the device busy") {
  Scene scene("refusals");
  Liar liar(scene.world, scene.a);
  Refused refused;
  refused.server_time_ms = scene.world.time.ms;
  refused.protocol = protocol_spoken;
  SUBCASE("with another lineage") { refused.reason = Refusal::unknown_lineage; }
  SUBCASE("with a cursor that is too old") { refused.reason = Refusal::cursor_expired; }
  SUBCASE("with a copy's name") { refused.reason = Refusal::replica_forked; }
  SUBCASE("with a wrong clock") { refused.reason = Refusal::clock_skew; }
  bool welcomes = false;
  SUBCASE("after a welcome") {
    refused.reason = Refusal::cursor_expired;
    welcomes = true;
  }
  for (int i = 0; i < 100 && liar.report().status == Status::connecting; ++i) {
    if (welcomes) {
      liar.say(liar.welcome());
    }
    liar.say(refused);
  }
  CHECK(liar.dials <= 12);
  CHECK(trouble_name(liar.report().trouble) == "unreachable");
  CHECK(liar.report().message.find(refusal_name(refused.reason)) != std::string::npos);
  const auto replicas = scene.a.text("SELECT count(*) FROM syncline_replicas");
  CHECK(std::stoi(replicas) < 20);
  liar.leave();
  check_well(scene.world, scene.a, scene.b);
  CHECK(scene.b.text("SELECT title FROM notes WHERE id = 2") == "unsent");
}

TEST_CASE("a welcome acknowledges nothing that was not sent") {
  Scene scene("welcome");
  Liar liar(scene.world, scene.a);
  Welcome welcome = liar.welcome();
  welcome.known_sequence = liar.hello.last_sequence;
  REQUIRE(welcome.known_sequence > liar.hello.acknowledged);
  liar.say(welcome);
  CHECK(status_name(liar.report().status) == "stuck");
  CHECK(liar.report().message.find("not sent") != std::string::npos);
  CHECK(scene.a.engine->counts()->pending == 1);
  liar.leave();
  check_well(scene.world, scene.a, scene.b);
  CHECK(scene.b.text("SELECT title FROM notes WHERE id = 2") == "unsent");
}

TEST_CASE("a welcome without a lineage is none") {
  Scene scene("lineage");
  Liar liar(scene.world, scene.a);
  Welcome welcome = liar.welcome();
  welcome.lineage = LineageId();
  liar.say(welcome);
  CHECK(status_name(liar.report().status) == "stuck");
  liar.leave();
  check_well(scene.world, scene.a, scene.b);
}

TEST_CASE("a server cannot use up the numbers of a replica's own changes") {
  Scene scene("numbers");
  Liar liar(scene.world, scene.a);
  liar.say(liar.welcome());
  Stamp stamp = stamp_of(scene.world.time, 0, 0);
  stamp.replica = *scene.a.engine->replica();
  const std::uint64_t numbers[] = {3, std::uint64_t{1} << 40U, limits::sequence_max};
  for (const std::uint64_t number : numbers) {
    CAPTURE(number);
    liar.say(PullPart{
        ServerVersion(liar.hello.cursor.get() + 1), encode_change(note_of(number, stamp, 77)), {}});
    CHECK(status_name(liar.report().status) == "stuck");
    CHECK(trouble_name(liar.report().trouble) == "malformed");
    CHECK(liar.report().message.find("in this replica's name") != std::string::npos);
    scene.world.now.ms += 120'000;
    scene.a.host->on_wakeup(scene.world.now);
    liar.listen();
    liar.say(liar.welcome());
  }
  CHECK(scene.a.text("SELECT count(*) FROM notes WHERE id = 77") == "0");
  liar.leave();
  check_well(scene.world, scene.a, scene.b);
}

TEST_CASE("what a server sends and nobody can take is not the file's fault") {
  Scene scene("blame");
  Liar liar(scene.world, scene.a);
  liar.say(liar.welcome());
  SUBCASE("a change that does not decode") {
    ByteVector part = encode_change(note_of(1, stamp_of(scene.world.time, 0, 7), 77));
    part.resize(part.size() - 3);
    liar.say(PullPart{ServerVersion(liar.hello.cursor.get() + 1), part, {}});
  }
  SUBCASE("a change of the future") {
    liar.say(PullPart{ServerVersion(liar.hello.cursor.get() + 1),
                      encode_change(note_of(1, stamp_of(scene.world.time, 70'000, 7), 77)),
                      {}});
  }
  CHECK(status_name(liar.report().status) == "stuck");
  CHECK(trouble_name(liar.report().trouble) == "malformed");
  CHECK(liar.report().advice.find("disk") == std::string::npos);
  CHECK(scene.a.text("SELECT count(*) FROM notes WHERE id = 77") == "0");
  liar.leave();
  check_well(scene.world, scene.a, scene.b);
}

TEST_CASE("a server's clock moves a replica's within the years that stamps can tell") {
  Scene scene("clock");
  Liar liar(scene.world, scene.a);
  Welcome welcome = liar.welcome();
  std::int64_t id = 10;
  const std::int64_t times[] = {INT64_MIN, INT64_MAX, std::int64_t{1} << 47U};
  for (const std::int64_t time : times) {
    CAPTURE(time);
    welcome.server_time_ms = time;
    liar.say(welcome);
    insert(scene.a, ++id, "then");
    liar.say(Bye{});
    scene.world.now.ms += 120'000;
    scene.a.host->on_wakeup(scene.world.now);
    liar.listen();
    CHECK(std::stoll(scene.a.text("SELECT min(time) FROM syncline_log WHERE origin = 1")) > 0);
  }
  liar.leave();
  check_well(scene.world, scene.a, scene.b);
  CHECK(scene.b.text("SELECT title FROM notes WHERE id = 2") == "unsent");
}
