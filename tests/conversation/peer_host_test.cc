#include "client/peer_host.h"

#include <doctest/doctest.h>

#include "tests/conversation/conversation_world.h"

using namespace syncline;

namespace {

const std::string all_notes =
    "SELECT group_concat(id || ':' || title || ':' || stars, '|') FROM (SELECT * FROM notes ORDER "
    "BY id)";

void track(Device& device) {
  device.run(notes_schema);
  const auto options = parse_track_options(std::vector<std::string>{"stars=counter"});
  REQUIRE(options);
  REQUIRE(device.engine->track("notes", *options));
  REQUIRE(device.engine->open_session("team"));
}

void insert(Device& device, std::int64_t id, const std::string& title) {
  device.run("INSERT INTO notes(id, title) VALUES(" + std::to_string(id) + ", '" + title + "')");
}

// Two replicas on one link, with frames in memory.
struct Pair {
  struct End final : PeerLink {
    std::deque<ByteVector> outgoing;
    bool hung_up = false;
    std::unique_ptr<PeerHost> host;
    void send(ByteVector frame) override { outgoing.push_back(std::move(frame)); }
    void hang_up(const std::string& /*reason*/) override { hung_up = true; }
    void wake_at(Instant /*at*/) override {}
  };
  ConversationWorld& world;
  End ends[2];

  Pair(ConversationWorld& in, Device& a, Device& b) : world(in) {
    Device* devices[2] = {&a, &b};
    for (int i = 0; i < 2; ++i) {
      ends[i].host = std::make_unique<PeerHost>(
          PeerHost::Parts{devices[i]->engine.get(), &devices[i]->clock, &ends[i]}, PeerOptions());
      REQUIRE(ends[i].host->start(world.now, ""));
    }
  }

  // Delivers up to so many frames; true when none is left.
  bool deliver(int frames_max = 100'000) {
    for (int i = 0; i < frames_max; ++i) {
      End* from = !ends[0].outgoing.empty() ? &ends[0] : &ends[1];
      if (from->outgoing.empty()) {
        return true;
      }
      End& to = from == &ends[0] ? ends[1] : ends[0];
      const ByteVector frame = std::move(from->outgoing.front());
      from->outgoing.pop_front();
      to.host->on_frame(world.now, frame);
    }
    return false;
  }
  void settle() {
    for (int round = 0; round < 4; ++round) {
      REQUIRE(deliver());
      world.now.ms += 1000;
      world.time.ms += 1000;
      for (End& end : ends) {
        end.host->on_wakeup(world.now);
      }
    }
    REQUIRE(deliver());
  }
  void check_equal() {
    settle();
    for (End& end : ends) {
      CHECK(end.host->last_error() == "");
      CHECK(end.host->session().trouble() == "");
      CHECK(end.host->session().is_equal());
      CHECK(end.host->session().bytes_held() == 0);
    }
  }
};

}  // namespace

TEST_CASE("two replicas come together without a server") {
  ConversationWorld world("peer_two");
  Device a(world, "a.db", 1);
  Device b(world, "b.db", 2);
  track(a);
  track(b);
  insert(a, 1, "from a");
  insert(b, 2, "from b");
  Pair pair(world, a, b);
  pair.check_equal();
  CHECK(a.text(all_notes) == "1:from a:0|2:from b:0");
  CHECK(b.text(all_notes) == a.text(all_notes));
  a.run("UPDATE notes SET stars = stars + 1 WHERE id = 2");
  b.run("UPDATE notes SET stars = stars + 10 WHERE id = 2");
  b.run("DELETE FROM notes WHERE id = 1");
  pair.check_equal();
  CHECK(a.text(all_notes) == "2:from b:11");
  CHECK(b.text(all_notes) == "2:from b:11");
}

TEST_CASE("changes pass through a replica that stands between two others") {
  ConversationWorld world("peer_chain");
  Device a(world, "a.db", 1);
  Device b(world, "b.db", 2);
  Device c(world, "c.db", 3);
  track(a);
  track(b);
  track(c);
  for (int i = 1; i <= 40; ++i) {
    insert(a, i, "a" + std::to_string(i));
  }
  a.run("UPDATE notes SET stars = stars + 1");
  {
    Pair ab(world, a, b);
    ab.check_equal();
  }
  b.run("UPDATE notes SET title = 'by b', stars = stars + 2 WHERE id % 2 = 0");
  {
    Pair bc(world, b, c);
    bc.check_equal();
  }
  c.run("UPDATE notes SET stars = stars + 4 WHERE id = 2");
  Pair ca(world, c, a);
  ca.check_equal();
  CHECK(a.text(all_notes) == c.text(all_notes));
  CHECK(a.text("SELECT title || stars FROM notes WHERE id = 2") == "by b7");
}

TEST_CASE("a link that broke off goes on where it was, and nothing is learned twice") {
  ConversationWorld world("peer_cut");
  Device a(world, "a.db", 1);
  Device b(world, "b.db", 2);
  track(a);
  track(b);
  for (int i = 1; i <= 60; ++i) {
    insert(a, i, "a");
    a.run("UPDATE notes SET stars = stars + 1 WHERE id = 1");
  }
  for (int frames = 3; frames < 40; frames += 9) {
    Pair pair(world, a, b);
    pair.deliver(frames);
  }
  Pair pair(world, a, b);
  pair.check_equal();
  CHECK(b.text("SELECT count(*) || ':' || max(stars) FROM notes") == "60:60");
  CHECK(a.text(all_notes) == b.text(all_notes));
}

TEST_CASE("peers that cannot live together part with a reason") {
  ConversationWorld world("peer_refused");
  Device a(world, "a.db", 1);
  Device b(world, "b.db", 2);
  track(a);
  SUBCASE("other schemas") {
    b.run(notes_schema);
    REQUIRE(b.engine->track("notes", {}));
    REQUIRE(b.engine->open_session("team"));
  }
  SUBCASE("other workspaces") {
    b.run(notes_schema);
    REQUIRE(
        b.engine->track("notes", *parse_track_options(std::vector<std::string>{"stars=counter"})));
    REQUIRE(b.engine->open_session("another"));
  }
  SUBCASE("clocks far apart") {
    track(b);
    b.clock.offset = 3'600'000;
  }
  insert(a, 1, "a");
  Pair pair(world, a, b);
  pair.deliver();
  for (Pair::End& end : pair.ends) {
    CHECK(end.hung_up);
    CHECK_FALSE(end.host->session().trouble().empty());
  }
  CHECK(b.text("SELECT count(*) FROM notes") == "0");
}

TEST_CASE("what was learned from a peer reaches the server once, whoever meets it first") {
  ConversationWorld world("peer_relay");
  Device a(world, "a.db", 1);
  Device b(world, "b.db", 2);
  Device c(world, "c.db", 3);
  track(a);
  track(b);
  track(c);
  c.start();
  for (int i = 1; i <= 20; ++i) {
    insert(a, i, "a");
  }
  a.run("UPDATE notes SET stars = stars + 1");
  {
    Pair ab(world, a, b);
    ab.check_equal();
  }
  insert(b, 100, "b");
  b.run("UPDATE notes SET title = 'b', stars = stars + 2 WHERE id = 1");
  {
    Pair ab(world, a, b);
    ab.check_equal();
  }
  // b meets the server first, and brings what it learned of a.
  b.start();
  world.advance(10'000);
  CHECK(b.host->last_error() == "");
  CHECK(status_name(b.status()) == "synced");
  CHECK(c.text(all_notes) == b.text(all_notes));
  CHECK(b.engine->counts()->pending == 0);
  const auto head = world.store->find_workspace("team");
  REQUIRE((head && *head));
  CHECK((*head)->head == ServerVersion(23));
  // Then a: nothing of what it brings is new, and the server knows it for its own.
  a.start();
  world.advance(10'000);
  CHECK(a.host->last_error() == "");
  CHECK(a.refusals.empty());
  CHECK((*world.store->find_workspace("team"))->head == ServerVersion(23));
  a.run("UPDATE notes SET stars = stars + 100 WHERE id = 1");
  world.advance(10'000);
  for (Device* device : {&a, &b, &c}) {
    CAPTURE(device->path);
    CHECK(status_name(device->status()) == "synced");
    CHECK(device->text("SELECT title || stars FROM notes WHERE id = 1") == "b103");
    CHECK(device->host->session().mismatches() == 0);
    CHECK(device->engine->counts()->pending == 0);
  }
}

TEST_CASE("what another user's replica told a peer waits for it, and everybody is well") {
  ConversationWorld world("peer_other_user");
  Device a(world, "a.db", 1);
  Device b(world, "b.db", 2);
  world.users = {{&a, "ann"}, {&b, "bob"}};
  track(a);
  track(b);
  insert(a, 1, "a");
  a.start();
  b.start();
  world.advance(10'000);
  CHECK(status_name(a.status()) == "synced");
  a.close();
  a.open();
  b.close();
  b.open();
  // Both are away, and meet.
  insert(a, 2, "told to b");
  a.run("UPDATE notes SET stars = stars + 5 WHERE id = 1");
  {
    Pair ab(world, a, b);
    ab.check_equal();
  }
  insert(b, 3, "b");
  b.start();
  world.advance(120'000);
  CHECK(status_name(b.status()) == "synced");
  CHECK(b.refusals.empty());
  CHECK(world.hub->foreign_changes() > 0);
  CHECK(b.engine->counts()->pending == 0);
  // Then its author brings it, and is no copy.
  a.start();
  world.advance(120'000);
  CHECK(a.refusals.empty());
  for (Device* device : {&a, &b}) {
    CAPTURE(device->path);
    CHECK(status_name(device->status()) == "synced");
    CHECK(device->text(all_notes) == "1:a:5|2:told to b:0|3:b:0");
  }
}

TEST_CASE("two replicas whose clocks were wrong together both reach the server") {
  for (const bool author_first : {false, true}) {
    CAPTURE(author_first);
    ConversationWorld world(author_first ? "peer_ahead_author" : "peer_ahead_reader");
    Device a(world, "a.db", 1);
    Device b(world, "b.db", 2);
    track(a);
    track(b);
    const std::int64_t month = std::int64_t{30} * 24 * 60 * 60 * 1000;
    a.clock.offset = month;
    b.clock.offset = month;
    insert(a, 1, "a");
    a.run("UPDATE notes SET stars = stars + 1");
    {
      Pair pair(world, a, b);
      pair.check_equal();
    }
    insert(b, 2, "b");
    b.run("UPDATE notes SET title = 'b saw it' WHERE id = 1");
    Device& first = author_first ? a : b;
    Device& second = author_first ? b : a;
    first.start();
    world.advance(20'000);
    CHECK(status_name(first.status()) == "synced");
    CHECK(first.engine->counts()->pending == 0);
    second.start();
    world.advance(60'000);
    for (Device* device : {&a, &b}) {
      CAPTURE(device->path);
      CAPTURE(device->host->status(world.now).message);
      CHECK(status_name(device->status()) == "synced");
      CHECK(device->text("SELECT stars FROM notes WHERE id = 1") == "1");
      CHECK(device->text("SELECT title FROM notes WHERE id = 2") == "b");
      CHECK(device->text(all_notes) == a.text(all_notes));
      CHECK(device->engine->counts()->pending == 0);
    }
  }
}

TEST_CASE("a relay that the rules forbid is dropped, and its author hears of it itself") {
  ConversationWorld world("peer_forbidden");
  world.close_server();
  world.options.rules.read_only_tables = {"notes"};
  world.open_server();
  Device a(world, "a.db", 1);
  Device b(world, "b.db", 2);
  track(a);
  track(b);
  insert(a, 1, "forbidden");
  {
    Pair ab(world, a, b);
    ab.check_equal();
  }
  b.start();
  world.advance(60'000);
  CHECK(b.text("SELECT count(*) FROM notes") == "0");
  CHECK(status_name(b.status()) == "synced");
  a.start();
  world.advance(20'000);
  CHECK(a.engine->counts()->rejected == 1);
  CHECK(a.text("SELECT count(*) FROM notes") == "0");
  CHECK(status_name(a.status()) == "synced");
}
