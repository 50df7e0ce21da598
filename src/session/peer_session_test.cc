#include "session/peer_session.h"

#include <doctest/doctest.h>

#include "wire/codec.h"
#include "wire/limits.h"

using namespace syncline;

namespace {

struct StandingClock final : WallClock {
  std::int64_t ms = 1'700'000'000'000;
  std::int64_t now_ms() override { return ms; }
};

ReplicaId replica(std::uint8_t number) {
  ReplicaId id;
  id.bytes[0] = number;
  return id;
}

ByteVector part_of(std::uint8_t author, std::uint64_t sequence, std::uint64_t index = 0,
                   bool last = true, std::size_t padding = 0) {
  PartHeader header;
  header.sequence = ChangeSequence(sequence);
  header.stamp = {1000 + sequence, replica(author)};
  header.index = index;
  header.last = last;
  Writer out;
  write_part_header(out, header);
  ByteVector bytes = out.take();
  bytes.resize(bytes.size() + padding);
  return bytes;
}

VersionVector vector_of(std::initializer_list<Dot> dots) {
  VersionVector out;
  for (const Dot& dot : dots) {
    out.cover(dot);
  }
  return out;
}

ByteVector bytes_of(const VersionVector& vector) {
  Writer out;
  vector.encode(out);
  return out.take();
}

// A session of replica 1 with its effects at hand, and what replica 2 would say to it.
struct Talk {
  StandingClock clock;
  PeerSession session;
  Instant now{1'000'000};
  std::vector<PeerEffect> effects;

  explicit Talk(const VersionVector& seen = {}) : session(clock, PeerOptions()) {
    PeerFacts facts;
    facts.workspace = "team";
    facts.replica = replica(1);
    facts.seen = seen;
    session.start(now, facts, "token");
    take();
  }
  void take() {
    effects.clear();
    while (auto effect = session.next_effect()) {
      effects.push_back(std::move(*effect));
    }
  }
  template <typename E>
  const E* find() const {
    for (const PeerEffect& effect : effects) {
      if (const auto* found = std::get_if<E>(&effect)) {
        return found;
      }
    }
    return nullptr;
  }
  template <typename M>
  std::vector<M> sent() const {
    std::vector<M> out;
    for (const PeerEffect& effect : effects) {
      if (const auto* send = std::get_if<effect::Send>(&effect)) {
        auto message = decode_message(send->frame);
        REQUIRE(message);
        if (auto* found = std::get_if<M>(&*message)) {
          out.push_back(*found);
        }
      }
    }
    return out;
  }
  void hear(const Message& message) {
    session.on_frame(now, *encode_message(message));
    take();
  }
  PeerHello hello(const VersionVector& seen = {}) const {
    PeerHello out;
    out.protocol = protocol_spoken;
    out.workspace = "team";
    out.replica = replica(2);
    out.time_ms = clock.ms;
    out.seen = bytes_of(seen);
    return out;
  }
  void meet(const VersionVector& seen = {}) {
    hear(hello(seen));
    REQUIRE(find<effect::MeetPeer>() != nullptr);
    session.on_met(now, {});
    take();
    REQUIRE(session.is_met());
  }
  void check_refused(Refusal reason) const {
    REQUIRE(sent<Refused>().size() == 1);
    CHECK(refusal_name(sent<Refused>()[0].reason) == refusal_name(reason));
    CHECK(find<effect::HangUp>() != nullptr);
    CHECK(session.is_closed());
    CHECK_FALSE(session.trouble().empty());
  }
};

}  // namespace

TEST_CASE("what the peer lacks is asked of the host and told") {
  Talk talk(vector_of({{replica(1), ChangeSequence(2)}, {replica(3), ChangeSequence(1)}}));
  talk.meet(vector_of({{replica(1), ChangeSequence(1)}}));
  const auto* ask = talk.find<effect::LoadForPeer>();
  REQUIRE(ask != nullptr);
  CHECK(ask->after == vector_of({{replica(1), ChangeSequence(1)}}));
  CHECK(ask->bytes_max == limits::push_window_bytes);
  talk.session.on_changes(talk.now, {part_of(1, 2), part_of(3, 1)});
  talk.take();
  CHECK(talk.sent<PeerPart>().size() == 2);
  CHECK(talk.find<effect::LoadForPeer>() == nullptr);
  CHECK(talk.session.bytes_held() > 0);
  talk.hear(PeerSeen{bytes_of(talk.session.seen()), Digest()});
  CHECK(talk.session.bytes_held() == 0);
  CHECK(talk.session.is_equal());
}

TEST_CASE("what the peer has seen of replicas that nobody here knows is not kept") {
  const Dot own{replica(1), ChangeSequence(1)};
  Talk talk(vector_of({own}));
  talk.meet(vector_of({own}));
  for (std::uint8_t i = 100; i < 200; ++i) {
    talk.hear(PeerSeen{bytes_of(vector_of({own, {replica(i), ChangeSequence(9)}})), Digest()});
  }
  const Dot known{replica(199), ChangeSequence(10)};
  talk.session.on_local_change(talk.now, vector_of({{own.replica, ChangeSequence(2)}, known}),
                               Digest());
  talk.take();
  REQUIRE(talk.find<effect::LoadForPeer>() != nullptr);
  // Of the one that is known by now the last word counts.
  CHECK(talk.find<effect::LoadForPeer>()->after ==
        vector_of({own, {replica(199), ChangeSequence(9)}}));
}

TEST_CASE("a window that is full waits until the peer has seen what was sent") {
  Talk talk(vector_of({{replica(1), ChangeSequence(9)}}));
  talk.meet();
  talk.session.on_changes(talk.now, {part_of(1, 1, 0, true, limits::push_window_bytes)});
  talk.take();
  CHECK(talk.find<effect::LoadForPeer>() == nullptr);
  talk.hear(PeerSeen{bytes_of(vector_of({{replica(1), ChangeSequence(1)}})), Digest()});
  REQUIRE(talk.find<effect::LoadForPeer>() != nullptr);
  CHECK(talk.find<effect::LoadForPeer>()->after == vector_of({{replica(1), ChangeSequence(1)}}));
}

TEST_CASE("a change is learned when all its parts have come, one at a time") {
  Talk talk;
  talk.meet();
  talk.hear(PeerPart{part_of(2, 1, 0, false)});
  CHECK(talk.find<effect::LearnChange>() == nullptr);
  talk.hear(PeerPart{part_of(2, 1, 1, true)});
  REQUIRE(talk.find<effect::LearnChange>() != nullptr);
  CHECK(talk.find<effect::LearnChange>()->parts.size() == 2);
  talk.hear(PeerPart{part_of(2, 2)});
  CHECK(talk.find<effect::LearnChange>() == nullptr);
  talk.session.on_learned(talk.now, vector_of({{replica(2), ChangeSequence(1)}}), Digest());
  talk.take();
  CHECK(talk.sent<PeerSeen>().size() == 1);
  CHECK(talk.find<effect::LearnChange>() != nullptr);
}

TEST_CASE("what was seen already is not learned again") {
  Talk talk(vector_of({{replica(3), ChangeSequence(5)}}));
  talk.meet(vector_of({{replica(3), ChangeSequence(5)}}));
  talk.hear(PeerPart{part_of(3, 4)});
  CHECK(talk.find<effect::LearnChange>() == nullptr);
  CHECK(talk.session.bytes_held() == 0);
  // Learned from somebody else while it was on its way.
  talk.session.on_local_change(talk.now, vector_of({{replica(3), ChangeSequence(6)}}), Digest());
  talk.hear(PeerPart{part_of(3, 6)});
  CHECK(talk.find<effect::LearnChange>() == nullptr);
  talk.hear(PeerPart{part_of(3, 7)});
  CHECK(talk.find<effect::LearnChange>() != nullptr);
}

TEST_CASE("gaps, parts out of order and parts that are nobody's end the connection") {
  const std::vector<ByteVector> strange[] = {
      {part_of(2, 2)},                              // the first is missing
      {part_of(2, 1, 1)},                           // its first part is missing
      {part_of(2, 1, 0, false), part_of(2, 1, 2)},  // one in between is missing
      {part_of(2, 1, 0, false), part_of(3, 1, 1)},  // another change in between
      {part_of(2, 0)},                              // states
      {ByteVector{1, 2, 3}},                        // no header
  };
  for (const auto& parts : strange) {
    Talk talk;
    talk.meet();
    for (const ByteVector& part : parts) {
      talk.hear(PeerPart{part});
    }
    talk.check_refused(Refusal::malformed);
    CHECK(talk.session.bytes_held() == 0);
  }
}

TEST_CASE("who cannot take part is refused by name") {
  SUBCASE("another workspace") {
    Talk talk;
    PeerHello hello = talk.hello();
    hello.workspace = "other";
    talk.hear(hello);
    talk.check_refused(Refusal::not_allowed);
  }
  SUBCASE("a copy of this replica") {
    Talk talk;
    PeerHello hello = talk.hello();
    hello.replica = replica(1);
    talk.hear(hello);
    talk.check_refused(Refusal::replica_forked);
  }
  SUBCASE("a clock far away") {
    for (const std::int64_t away : {-60'001, 60'001}) {
      Talk talk;
      PeerHello hello = talk.hello();
      hello.time_ms += away;
      talk.hear(hello);
      talk.check_refused(Refusal::clock_skew);
    }
  }
  SUBCASE("another protocol") {
    Talk talk;
    PeerHello hello = talk.hello();
    hello.protocol = {900, 901};
    talk.hear(hello);
    talk.check_refused(Refusal::protocol_too_new);
  }
  SUBCASE("a vector that does not decode") {
    Talk talk;
    PeerHello hello = talk.hello();
    hello.seen = {1};
    talk.hear(hello);
    talk.check_refused(Refusal::malformed);
  }
  SUBCASE("whom the host does not want") {
    Talk talk;
    talk.hear(talk.hello());
    talk.session.on_met(talk.now, Error(ErrorCode::schema_mismatch, "other columns"));
    talk.take();
    talk.check_refused(Refusal::schema_incompatible);
  }
  SUBCASE("a message before the hello") {
    Talk talk;
    talk.hear(PeerPart{part_of(2, 1)});
    talk.check_refused(Refusal::malformed);
  }
  SUBCASE("a second hello") {
    Talk talk;
    talk.meet();
    talk.hear(talk.hello());
    talk.check_refused(Refusal::malformed);
  }
  SUBCASE("what only a server says") {
    Talk talk;
    talk.meet();
    talk.hear(Ack{ChangeSequence(1)});
    talk.check_refused(Refusal::malformed);
  }
}

TEST_CASE("a peer that falls silent is given up; one that is there says so") {
  Talk talk;
  talk.meet();
  talk.now.ms += 1000;
  talk.session.on_wakeup(talk.now);
  talk.take();
  CHECK(talk.sent<PeerSeen>().size() == 1);
  talk.now.ms += 14'001;
  talk.session.on_wakeup(talk.now);
  talk.take();
  CHECK(talk.find<effect::HangUp>() != nullptr);
  CHECK(talk.session.is_closed());
}

TEST_CASE("a peer that sends more than its window is refused") {
  Talk talk;
  talk.meet();
  std::uint64_t sequence = 0;
  while (!talk.session.is_closed()) {
    REQUIRE(++sequence < 1000);
    talk.hear(PeerPart{part_of(2, sequence, 0, true, std::size_t{4} << 20U)});
  }
  talk.check_refused(Refusal::malformed);
  CHECK(talk.session.bytes_held() == 0);
}

TEST_CASE("answers that come after the end change nothing") {
  Talk talk(vector_of({{replica(1), ChangeSequence(1)}}));
  talk.meet();
  talk.hear(Bye{});
  CHECK(talk.session.is_closed());
  CHECK(talk.session.trouble().empty());
  talk.session.on_met(talk.now, {});
  talk.session.on_changes(talk.now, {part_of(1, 1)});
  talk.session.on_learned(talk.now, {}, Digest());
  talk.session.on_host_failure(talk.now, Error(ErrorCode::full, "full"));
  talk.session.on_wakeup(talk.now);
  talk.take();
  CHECK(talk.effects.empty());
}
