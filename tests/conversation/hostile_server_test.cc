// Servers that lie: what a replica does not believe them, and that it is well afterwards.
#include <doctest/doctest.h>

#include "tests/conversation/notes.h"
#include "wire/change_codec.h"

using namespace syncline;

namespace {

// A server of which every word is chosen. One of two devices that know each other finds it instead
// of its own, which does not have all that the device wrote.
struct Liar {
  ConversationWorld world{"hostile_server"};
  Device a{world, "a.db", 1};
  Device b{world, "b.db", 2};
  Hello hello;
  int dials = 0;

  Liar() {
    track_and_start({&a, &b}, {"stars=counter"});
    insert(a, 1, "known");
    check_agreed(world, {&a, &b});
    cut_off(a);
    insert(a, 2, "unsent");
    a.host->on_disconnected(world.now);
    be_called_again();
  }

  // When the device has waited for long enough.
  void be_called_again() {
    world.now.ms += 120'000;
    a.host->on_wakeup(world.now);
    listen();
  }

  // Takes the device's calls and hellos; answers nothing by itself.
  void listen() {
    if (a.hung_up) {
      a.hung_up = false;
      a.outgoing.clear();
    }
    if (a.wants_dial) {
      a.wants_dial = false;
      ++dials;
      a.host->on_connected(world.now);
    }
    for (const ByteVector& frame : std::exchange(a.outgoing, {})) {
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
    a.host->on_frame(world.now, *frame);
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
  StatusReport report() const { return a.host->status(world.now); }

  void pull(const ByteVector& part) {
    say(PullPart{ServerVersion(hello.cursor.get() + 1), part, {}});
  }

  void leave() {
    world.cut(a);
    a.host->on_disconnected(world.now);
    a.hung_up = a.wants_dial = false;
    a.online = true;
    world.time.ms += 700'000;
    world.now.ms += 700'000;
    a.host->sync_now(world.now);
    world.advance(5'000);
  }

  // The honest server is back, and gets what was written all the while.
  void check_recovered() {
    leave();
    insert(a, 1000, "after");
    world.advance(10'000);
    CHECK(status_name(a.status()) == "synced");
    CHECK(a.text(all_notes) == b.text(all_notes));
    CHECK(b.text("SELECT title FROM notes WHERE id = 2") == "unsent");
    CHECK(b.text("SELECT title FROM notes WHERE id = 1000") == "after");
    check_sound(a);
  }
};

}  // namespace

TEST_CASE_FIXTURE(Liar, "a server that refuses every hello does not keep the device busy") {
  Refused refused;
  refused.server_time_ms = world.time.ms;
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
  for (int i = 0; i < 100 && report().status == Status::connecting; ++i) {
    if (welcomes) {
      say(welcome());
    }
    say(refused);
  }
  CHECK(dials <= 12);
  CHECK(trouble_name(report().trouble) == "unreachable");
  CHECK(report().message.find(refusal_name(refused.reason)) != std::string::npos);
  const auto replicas = a.text("SELECT count(*) FROM syncline_replicas");
  CHECK(std::stoi(replicas) < 20);
  check_recovered();
}

TEST_CASE_FIXTURE(Liar, "a welcome acknowledges nothing that was not sent") {
  Welcome forged = welcome();
  forged.known_sequence = hello.last_sequence;
  REQUIRE(forged.known_sequence > hello.acknowledged);
  say(forged);
  CHECK(status_name(report().status) == "stuck");
  CHECK(report().message.find("not sent") != std::string::npos);
  CHECK(a.engine->counts()->pending == 1);
  check_recovered();
}

TEST_CASE_FIXTURE(Liar, "a welcome without a lineage is none") {
  Welcome forged = welcome();
  forged.lineage = LineageId();
  say(forged);
  CHECK(status_name(report().status) == "stuck");
  check_recovered();
}

TEST_CASE_FIXTURE(Liar, "a server cannot use up the numbers of a replica's own changes") {
  say(welcome());
  const Stamp stamp{stamp_time(world), *a.engine->replica()};
  const std::uint64_t numbers[] = {3, std::uint64_t{1} << 40U, limits::sequence_max};
  for (const std::uint64_t number : numbers) {
    CAPTURE(number);
    pull(encode_change(forged_note(number, stamp, 77)));
    CHECK(status_name(report().status) == "stuck");
    CHECK(trouble_name(report().trouble) == "malformed");
    CHECK(report().message.find("in this replica's name") != std::string::npos);
    be_called_again();
    say(welcome());
  }
  CHECK(a.text("SELECT count(*) FROM notes WHERE id = 77") == "0");
  check_recovered();
}

TEST_CASE_FIXTURE(Liar, "what a server sends and nobody can take is not the file's fault") {
  say(welcome());
  SUBCASE("a change that does not decode") {
    ByteVector part = encode_change(forged_note(1, {stamp_time(world), stranger()}, 77));
    part.resize(part.size() - 3);
    pull(part);
  }
  SUBCASE("a change of the future") {
    pull(encode_change(forged_note(1, {stamp_time(world, 70'000), stranger()}, 77)));
  }
  CHECK(status_name(report().status) == "stuck");
  CHECK(trouble_name(report().trouble) == "malformed");
  CHECK(report().advice.find("disk") == std::string::npos);
  CHECK(a.text("SELECT count(*) FROM notes WHERE id = 77") == "0");
  check_recovered();
}

TEST_CASE_FIXTURE(Liar,
                  "a server's clock moves a replica's within the years that stamps can tell") {
  Welcome forged = welcome();
  std::int64_t id = 10;
  const std::int64_t times[] = {INT64_MIN, INT64_MAX, std::int64_t{1} << 47U};
  for (const std::int64_t time : times) {
    CAPTURE(time);
    forged.server_time_ms = time;
    say(forged);
    insert(a, ++id, "then");
    say(Bye{});
    be_called_again();
    CHECK(std::stoll(a.text("SELECT min(time) FROM syncline_log WHERE origin = 1")) > 0);
  }
  check_recovered();
}
