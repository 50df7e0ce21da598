#include <doctest/doctest.h>

#include "session/client_session.h"
#include "wire/change_codec.h"
#include "wire/codec.h"
#include "wire/version.h"
#include "wire/wire_samples.h"

using namespace syncline;

namespace {

struct StandingClock final : WallClock {
  std::int64_t now_ms() override { return 1'000'000; }
};

// A session whose effects are collected.
struct Replica {
  StandingClock clock;
  SeededRandom random{1};
  ClientSession session{{&clock, &random}, {}};
  Instant now{1000};
  std::vector<ClientEffect> effects;

  explicit Replica(std::uint64_t changes, std::uint64_t acknowledged) {
    ReplicaFacts facts;
    facts.workspace = "team";
    facts.replica = sample_replica(1);
    facts.epoch.bytes.fill(3);
    facts.last_sequence = ChangeSequence(changes);
    facts.acknowledged = ChangeSequence(acknowledged);
    facts.cursor = ServerVersion(9);
    facts.lineage.bytes.fill(4);
    session.start(now, facts, "token");
    session.on_connected(now);
    drain();
  }
  void drain() {
    while (auto effect = session.next_effect()) {
      effects.push_back(std::move(*effect));
    }
  }
  void hear(const Message& message) {
    effects.clear();
    session.on_frame(now, *encode_message(message));
    drain();
  }
  void welcome(std::uint64_t known) {
    Welcome welcome;
    welcome.lineage.bytes.fill(4);
    welcome.head = welcome.resume_after = ServerVersion(9);
    welcome.known_sequence = ChangeSequence(known);
    welcome.may_write = true;
    welcome.protocol = 1;
    hear(welcome);
  }
  template <typename E>
  const E* find() const {
    for (const ClientEffect& effect : effects) {
      if (const auto* found = std::get_if<E>(&effect)) {
        return found;
      }
    }
    return nullptr;
  }
};

OutboxPart part(std::uint64_t sequence) {
  Change change = sample_change();
  change.sequence = ChangeSequence(sequence);
  return {change.sequence, change.stamp.time, true, encode_change(change)};
}

}  // namespace

TEST_CASE("what is acknowledged during a rescan counts as unsent until the rescan has ended") {
  Replica replica(1, 0);
  replica.welcome(0);
  replica.session.on_outbox(replica.now, ChangeSequence(0), {part(1)});
  replica.session.rescan_now(replica.now);
  replica.drain();
  replica.hear(Ack{ChangeSequence(1)});
  CHECK(replica.find<effect::Acknowledge>() == nullptr);
  CHECK(replica.session.status(replica.now).pending == 1);
  // Nothing differs: the rescan ends.
  replica.hear(RangeDigests{});
  replica.session.on_compared(replica.now, {});
  replica.drain();
  REQUIRE(replica.find<effect::FinishRescan>() != nullptr);
  replica.session.on_applied(replica.now, ServerVersion(9), {});
  replica.drain();
  REQUIRE(replica.find<effect::Acknowledge>() != nullptr);
  CHECK(replica.find<effect::Acknowledge>()->through == ChangeSequence(1));
}

TEST_CASE("a copy compares its times from where the server's begin, and then its rows") {
  Replica replica(9, 5);
  Refused refused;
  refused.reason = Refusal::replica_forked;
  refused.known_sequence = ChangeSequence(7);
  SUBCASE("behind what was acknowledged") {
    refused.known = {{11, 0}, {12, 0}};
    replica.hear(refused);
    CHECK(replica.find<effect::Reidentify>()->acknowledged == ChangeSequence(5));
    CHECK(replica.find<effect::Reidentify>()->known.size() == 2);
  }
  SUBCASE("before it, when the server was restored") {
    refused.known = {{9, 0}, {10, 0}, {11, 0}, {12, 0}};
    replica.hear(refused);
    CHECK(replica.find<effect::Reidentify>()->acknowledged == ChangeSequence(3));
  }
  SUBCASE("nowhere: a restored server knows less than was acknowledged") {
    refused.known_sequence = ChangeSequence(2);
    replica.hear(refused);
    CHECK(replica.find<effect::Reidentify>()->acknowledged == ChangeSequence(2));
  }
  SUBCASE("behind a gap: what lies in it is not taken for known") {
    refused.known_sequence = ChangeSequence(9);
    refused.known = {{12, 0}};
    replica.hear(refused);
    CHECK(replica.find<effect::Reidentify>()->acknowledged == ChangeSequence(5));
    CHECK(replica.find<effect::Reidentify>()->known.empty());
  }
  CHECK(replica.find<effect::Salvage>() != nullptr);
  CHECK(replica.find<effect::BeginRescan>() != nullptr);
}

TEST_CASE("a server that acknowledges what was not sent is not believed") {
  Replica replica(2, 0);
  replica.welcome(0);
  replica.session.on_outbox(replica.now, ChangeSequence(0), {part(1)});
  replica.hear(Ack{ChangeSequence(2)});
  CHECK(replica.session.status(replica.now).trouble == Trouble::malformed);
}

TEST_CASE("pushed and not acknowledged is never more than the window") {
  Replica replica(100, 0);
  replica.welcome(0);
  std::uint64_t sequence = 0;
  while (replica.find<effect::LoadOutbox>() != nullptr) {
    const auto ask = *replica.find<effect::LoadOutbox>();
    replica.effects.clear();
    std::vector<OutboxPart> parts;
    OutboxPart large = part(++sequence);
    large.part.resize(600'000);
    parts.push_back(std::move(large));
    replica.session.on_outbox(replica.now, ask.after, std::move(parts));
    replica.drain();
    REQUIRE(sequence < 100);
  }
  CHECK(replica.session.bytes_held() <= limits::push_window_bytes + 600'000);
}

TEST_CASE("a copy tells what it holds under the old name before it takes a new one") {
  Replica replica(7, 5);
  Refused refused;
  refused.reason = Refusal::replica_forked;
  refused.protocol = {1, bequests_since};
  refused.known_sequence = ChangeSequence(5);
  const auto said = [&] {
    for (const ClientEffect& effect : replica.effects) {
      const auto* send = std::get_if<effect::Send>(&effect);
      const auto message = send != nullptr ? decode_message(send->frame)
                                           : Result<Message>(Error(ErrorCode::not_found, ""));
      if (message && std::holds_alternative<Hello>(*message)) {
        return std::get<Hello>(*message).catch_up;
      }
    }
    return CatchUp::resume;
  };
  const auto connect = [&] {
    replica.effects.clear();
    replica.session.on_connected(replica.now);
    replica.drain();
  };
  replica.hear(refused);
  REQUIRE(replica.find<effect::Dial>() != nullptr);
  CHECK(replica.find<effect::Reidentify>() == nullptr);
  connect();
  CHECK(said() == CatchUp::bequest);
  SUBCASE("and the server takes it") {
    replica.welcome(5);
    CHECK(replica.find<effect::SaveWelcome>() == nullptr);
    REQUIRE(replica.find<effect::LoadOutbox>() != nullptr);
    replica.session.on_outbox(replica.now, ChangeSequence(5), {part(6), part(7)});
    replica.hear(Ack{ChangeSequence(6), {}});
    CHECK(replica.find<effect::Reidentify>() == nullptr);
    replica.hear(Ack{ChangeSequence(7), {}});
    REQUIRE(replica.find<effect::Reidentify>() != nullptr);
    CHECK(replica.find<effect::Reidentify>()->acknowledged == ChangeSequence(7));
    CHECK(replica.find<effect::Reidentify>()->known.empty());
    CHECK(replica.find<effect::BeginRescan>() != nullptr);
  }
  SUBCASE("but nothing that was written after the server's verdict") {
    replica.welcome(5);
    replica.session.on_local_change(replica.now, ChangeSequence(8), {});
    replica.session.on_outbox(replica.now, ChangeSequence(5), {part(6), part(7), part(8)});
    replica.effects.clear();
    replica.drain();
    std::vector<std::uint64_t> told;
    for (const ClientEffect& effect : replica.effects) {
      if (const auto* send = std::get_if<effect::Send>(&effect)) {
        const auto message = decode_message(send->frame);
        REQUIRE(message);
        if (const auto* push = std::get_if<PushPart>(&*message)) {
          Reader in(push->part);
          told.push_back(read_part_header(in)->sequence.get());
        }
      }
    }
    CHECK(told == std::vector<std::uint64_t>{6, 7});
    replica.hear(Ack{ChangeSequence(7), {}});
    CHECK(replica.find<effect::Reidentify>() != nullptr);
  }
  SUBCASE("and a cut does not keep it from it") {
    replica.welcome(5);
    replica.session.on_disconnected(replica.now);
    replica.now.ms += 60'000;
    replica.session.on_wakeup(replica.now);
    connect();
    CHECK(said() == CatchUp::bequest);
  }
  SUBCASE("until something differs") {
    replica.welcome(5);
    replica.session.on_outbox(replica.now, ChangeSequence(5), {part(6), part(7)});
    replica.hear(Ack{ChangeSequence(6), {}});
    refused.known_sequence = ChangeSequence(8);
    refused.known = {{0, 0}, {12, 0}, {13, 0}};
    replica.hear(refused);
    REQUIRE(replica.find<effect::Reidentify>() != nullptr);
    // The sixth was refused, and was acknowledged on the way.
    CHECK(replica.find<effect::Reidentify>()->acknowledged == ChangeSequence(6));
    CHECK(replica.find<effect::Reidentify>()->known == std::vector<KnownChange>{{12, 0}, {13, 0}});
  }
  SUBCASE("with what both had, where the server has lost it") {
    replica.welcome(3);
    REQUIRE(replica.find<effect::Unacknowledge>() != nullptr);
    CHECK(replica.find<effect::Unacknowledge>()->through == ChangeSequence(3));
    REQUIRE(replica.find<effect::LoadOutbox>() != nullptr);
    CHECK(replica.find<effect::LoadOutbox>()->after == ChangeSequence(3));
    replica.session.on_outbox(replica.now, ChangeSequence(3), {part(4), part(5), part(6), part(7)});
    replica.hear(Ack{ChangeSequence(7), {}});
    REQUIRE(replica.find<effect::Reidentify>() != nullptr);
    CHECK(replica.find<effect::Reidentify>()->acknowledged == ChangeSequence(7));
  }
}

TEST_CASE("a copy that a server has less of than it said tells all that can be compared") {
  Replica replica(7, 5);
  Refused refused;
  refused.reason = Refusal::replica_forked;
  refused.protocol = {1, bequests_since};
  refused.known_sequence = ChangeSequence(4);
  refused.known = {{11, 0}, {12, 0}};
  replica.hear(refused);
  replica.session.on_connected(replica.now);
  replica.drain();
  replica.welcome(4);
  REQUIRE(replica.find<effect::Unacknowledge>() != nullptr);
  CHECK(replica.find<effect::Unacknowledge>()->through == ChangeSequence(2));
  REQUIRE(replica.find<effect::LoadOutbox>() != nullptr);
  CHECK(replica.find<effect::LoadOutbox>()->after == ChangeSequence(2));
}
