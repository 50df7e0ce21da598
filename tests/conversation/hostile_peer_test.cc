// Peers that lie: what they can make a replica take, and what they cannot make it lose.
#include <doctest/doctest.h>

#include "client/peer_host.h"
#include "tests/conversation/notes.h"

using namespace syncline;

namespace {

struct Link final : PeerLink {
  std::deque<ByteVector> sent;
  bool hung_up = false;
  void send(ByteVector frame) override { sent.push_back(std::move(frame)); }
  void hang_up(const std::string& /*reason*/) override { hung_up = true; }
  void wake_at(Instant /*at*/) override {}
};

// A peer of which every word is chosen; greeted as one that has seen nothing.
struct LyingPeer {
  ConversationWorld& world;
  Device& device;
  Link link;
  PeerHost host;
  PeerHello theirs;

  LyingPeer(ConversationWorld& in, Device& whose)
      : world(in), device(whose), host({whose.engine.get(), &whose.clock, &link}, PeerOptions()) {
    REQUIRE(host.start(world.now, ""));
    const auto hello = decode_message(link.sent.front());
    REQUIRE(hello);
    theirs = std::get<PeerHello>(*hello);
    PeerHello ours = theirs;
    ours.replica.bytes.fill(0xEE);
    ours.time_ms = world.time.ms;
    Writer seen;
    VersionVector().encode(seen);
    ours.seen = seen.take();
    say(ours);
    REQUIRE(host.session().is_met());
  }
  void say(const Message& message) {
    const auto frame = encode_message(message);
    REQUIRE(frame);
    host.on_frame(world.now, *frame);
  }
};

// With all its columns.
Change note_of(const ReplicaId& author, std::uint64_t sequence, std::uint64_t time,
               std::int64_t id) {
  Change out = forged_note(sequence, {time, author}, id);
  std::vector<CellEdit>& cells = out.edits[0].cells;
  cells.insert(cells.begin(), {{"body", CellForm::plain, Value(), {}},
                               {"stars", CellForm::plain, Value::integer(0), {}}});
  return out;
}

// A device that takes notes and has no server.
struct Prey {
  ConversationWorld world{"hostile_peer"};
  Device a{world, "a.db", 1};

  Prey() {
    track(a);
    REQUIRE(a.engine->open_session("team"));
  }
};

}  // namespace

TEST_CASE("a change that a peer tells in our own name is taken, and said") {
  ConversationWorld world("hostile_own_name");
  Device a(world, "a.db", 1);
  Device b(world, "b.db", 2);
  track_and_start({&a, &b});
  insert(a, 1, "known");
  check_agreed(world, {&a, &b});
  cut_off(a);
  insert(a, 2, "unsent");
  {
    LyingPeer peer(world, a);
    peer.say(PeerPart{encode_change(note_of(*a.engine->replica(), 3, stamp_time(world) + 50, 77))});
    CHECK(peer.host.last_error() == "");
  }
  CHECK(a.text("SELECT title FROM notes WHERE id = 77") == "forged");
  const std::vector<std::string> told = a.events(event_name::error);
  REQUIRE(told.size() == 1);
  CHECK(told[0].find("in this device's name") != std::string::npos);
  // What the device writes itself is neither lost nor taken for the other.
  insert(a, 3, "after");
  a.online = true;
  check_converged(world, {&a, &b});
  CHECK(b.text("SELECT group_concat(id) FROM (SELECT id FROM notes ORDER BY id)") == "1,2,3,77");
  CHECK(a.refusals.empty());
}

TEST_CASE_FIXTURE(Prey, "what a peer tells out of order or of the far future is not learned") {
  insert(a, 1, "own");
  const std::uint64_t now = stamp_time(world);
  const std::uint64_t minute = std::uint64_t{61'000} << Stamp::counter_bits;
  const ReplicaId other = stranger();
  const Change forged[] = {note_of(*a.engine->replica(), limits::sequence_max, now, 77),
                           note_of(other, limits::sequence_max, now, 77),
                           note_of(other, 1, now + minute, 77), note_of(other, 1, UINT64_MAX, 77)};
  for (const Change& change : forged) {
    LyingPeer peer(world, a);
    peer.say(PeerPart{encode_change(change)});
    CHECK(peer.link.hung_up);
    CHECK(peer.host.session().trouble() != "");
  }
  CHECK(a.text("SELECT count(*) FROM notes") == "1");
  CHECK(a.engine->clock().last() <= now + minute);
  insert(a, 2, "own");
  check_sound(a);
}

TEST_CASE_FIXTURE(Prey, "what nobody else could read is not learned, because it would be told on") {
  insert(a, 1, "own");
  const ReplicaId other = stranger();
  for (const ReplicaId& author : {other, *a.engine->replica()}) {
    const std::uint64_t next = author == other ? 1 : 2;
    Change twice = note_of(author, next, stamp_time(world) + 1, 77);
    twice.edits.push_back(twice.edits[0]);
    LyingPeer peer(world, a);
    peer.say(PeerPart{encode_change(twice)});
    CHECK(peer.link.hung_up);
    CHECK(peer.host.last_error().find("twice") != std::string::npos);
  }
  CHECK(a.text("SELECT count(*) FROM notes") == "1");
  check_sound(a);
}

TEST_CASE_FIXTURE(Prey, "a peer cannot invent more replicas than can be told to others") {
  a.run(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) "
      "INSERT INTO syncline_replicas(replica) SELECT CAST(printf('%016d', i) AS BLOB) FROM n");
  LyingPeer peer(world, a);
  const ReplicaId other = stranger();
  peer.say(PeerPart{encode_change(note_of(other, 1, stamp_time(world), 77))});
  CHECK(peer.link.hung_up);
  CHECK(peer.host.last_error().find("more replicas") != std::string::npos);
  CHECK(a.text("SELECT count(*) FROM notes") == "0");
}

TEST_CASE("a key that the column would store as another one is held, and every replica agrees") {
  ConversationWorld world("hostile_keys");
  Device a(world, "a.db", 1);
  Device b(world, "b.db", 2);
  for (Device* device : {&a, &b}) {
    track(*device);
    device->run("CREATE TABLE tags(id TEXT PRIMARY KEY, n)");
    REQUIRE(device->engine->track("tags", TrackOptions()));
    device->start();
  }
  insert(a, 5, "of a");
  a.run("INSERT INTO tags VALUES('5', 'of a')");
  check_agreed(world, {&a, &b});
  const ReplicaId other = stranger();
  Change forged = note_of(other, 1, stamp_time(world) + 1, 5);
  const ValueView text[] = {ValueView::of("5")};
  const ValueView number[] = {ValueView::of(std::int64_t{5})};
  forged.edits[0].key = make_key(text);
  forged.edits.push_back({EditKind::put, "tags", make_key(number), {}, {}});
  {
    LyingPeer peer(world, a);
    peer.say(PeerPart{encode_change(forged)});
    Change set = forged;
    set.sequence = ChangeSequence(2);
    set.stamp.time += 1;
    set.edits.resize(1);
    set.edits[0].kind = EditKind::set;
    peer.say(PeerPart{encode_change(set)});
    CHECK(peer.host.last_error() == "");
  }
  check_agreed(world, {&a, &b});
  for (Device* device : {&a, &b}) {
    CHECK(device->text("SELECT title FROM notes WHERE id = 5") == "of a");
    CHECK(device->text("SELECT group_concat(quote(id) || n) FROM tags") == "'5'of a");
    CHECK(device->text("SELECT count(*) FROM syncline_held") == "2");
  }
}

// docs/decisions/0020: until a replica has said its first hello, whoever got its changes directly
// may tell the server others in its name.
TEST_CASE("what a peer made up of a device that no server knew stands, or makes it a copy") {
  ConversationWorld world("hostile_first_hello");
  Device a(world, "a.db", 1);
  Device mallory(world, "mallory.db", 2);
  track(a);
  track(mallory);
  world.users[&a] = "ann";
  world.users[&mallory] = "mallory";
  a.online = false;
  a.start();
  insert(a, 1, "of ann");
  const auto waiting = a.engine->outbox(LocalVersion(0), SIZE_MAX);
  REQUIRE(waiting);
  REQUIRE(waiting->size() == 1);
  std::uint64_t time = waiting->front().stamp.time;
  SUBCASE("with its times: nobody notices, and all agree") {}
  SUBCASE("with other times: it goes on under another name") { time += 1; }
  const bool is_same_time = time == waiting->front().stamp.time;
  const ByteVector forged = encode_change(note_of(waiting->front().stamp.replica, 1, time, 1));
  REQUIRE(mallory.engine->open_session("team"));
  REQUIRE(mallory.engine->learn(std::vector<ByteVector>{forged}));
  mallory.start();
  world.advance(3'000);
  a.online = true;
  insert(a, 2, "later");
  check_converged(world, {&a, &mallory});
  CHECK(mallory.text("SELECT title FROM notes WHERE id = 2") == "later");
  if (is_same_time) {
    CHECK(a.refusals.empty());
    CHECK(a.text("SELECT title FROM notes WHERE id = 1") == "forged");
  } else {
    REQUIRE_FALSE(a.refusals.empty());
    CHECK(a.refusals.front() == "replica_forked");
    CHECK(*a.engine->replica() != waiting->front().stamp.replica);
  }
}
