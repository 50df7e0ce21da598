#include "session/client_session.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "wire/change_codec.h"

using namespace syncline;

namespace {

struct StandingClock final : WallClock {
  std::int64_t ms = 1'700'000'000'000;
  std::int64_t now_ms() override { return ms; }
};

ReplicaFacts some_facts() {
  ReplicaFacts facts;
  facts.workspace = "team";
  facts.replica.bytes[0] = 1;
  facts.epoch.bytes[0] = 2;
  facts.lineage.bytes[0] = 3;
  facts.last_sequence = ChangeSequence(5);
  facts.acknowledged = ChangeSequence(5);
  facts.acknowledged_time = 55;
  facts.cursor = ServerVersion(10);
  return facts;
}

// A session with its effects at hand, and what a server would say to it.
struct Talk {
  StandingClock clock;
  SeededRandom random{1};
  ClientSession session;
  Instant now{1'000'000};
  std::vector<ClientEffect> effects;
  // Others' changes that wait to be relayed.
  std::vector<ByteVector> relays;

  explicit Talk(const ClientOptions& options = {}, ReplicaFacts facts = some_facts())
      : session({&clock, &random}, options) {
    session.start(now, std::move(facts), "token");
    take();
  }

  void take() {
    effects.clear();
    while (auto effect = session.next_effect()) {
      if (std::holds_alternative<effect::LoadRelays>(*effect)) {
        session.on_relays(now, std::exchange(relays, {}));
      } else {
        effects.push_back(std::move(*effect));
      }
    }
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
  template <typename E>
  std::size_t count() const {
    std::size_t out = 0;
    for (const ClientEffect& effect : effects) {
      out += std::holds_alternative<E>(effect) ? 1U : 0U;
    }
    return out;
  }
  template <typename M>
  std::optional<M> sent() const {
    for (const ClientEffect& effect : effects) {
      if (const auto* send = std::get_if<effect::Send>(&effect)) {
        auto message = decode_message(send->frame);
        REQUIRE(message);
        if (auto* found = std::get_if<M>(&*message)) {
          return *found;
        }
      }
    }
    return std::nullopt;
  }
  void hear(const Message& message) {
    session.on_frame(now, *encode_message(message));
    take();
  }
  void connect() {
    session.on_connected(now);
    take();
  }
  Welcome welcome(std::uint64_t known = 5) const {
    Welcome out;
    out.protocol = 1;
    out.lineage = some_facts().lineage;
    out.head = ServerVersion(10);
    out.resume_after = ServerVersion(10);
    out.known_sequence = ChangeSequence(known);
    out.known_time = 55;
    out.server_time_ms = clock.ms;
    out.heartbeat_ms = 1000;
    out.may_write = true;
    return out;
  }
  void go_live() {
    connect();
    hear(welcome());
  }
  void wait(std::int64_t ms) {
    now.ms += ms;
    session.on_wakeup(now);
    take();
  }
  Status status() const { return session.status(now).status; }
  Trouble trouble() const { return session.status(now).trouble; }
};

Refused refused(Refusal reason) {
  Refused out;
  out.reason = reason;
  out.message = "because";
  out.server_time_ms = 1'700'000'000'000;
  return out;
}

// Somebody else's change, whole.
ByteVector foreign_change(std::uint64_t sequence) {
  Change change;
  change.sequence = ChangeSequence(sequence);
  change.stamp.time = 100 + sequence;
  change.stamp.replica.bytes[0] = 200;
  return encode_change(change);
}

OutboxPart part(std::uint64_t sequence, std::size_t bytes = 10, bool last = true) {
  return {ChangeSequence(sequence), sequence * 11, last, ByteVector(bytes)};
}

}  // namespace

TEST_CASE("a change's parts come in order, and no more of them than it has") {
  Talk talk;
  talk.connect();
  talk.hear(talk.welcome());
  PartHeader header;
  header.sequence = ChangeSequence(1);
  header.stamp = {1000, some_facts().replica};
  header.last = false;
  Writer out;
  write_part_header(out, header);
  talk.hear(PullPart{ServerVersion(11), to_vector(out.bytes()), {}});
  CHECK(talk.find<effect::HangUp>() == nullptr);
  talk.hear(PullPart{ServerVersion(11), to_vector(out.bytes()), {}});
  CHECK(talk.find<effect::HangUp>() != nullptr);
  CHECK(status_name(talk.session.status(talk.now).status) == "stuck");
}

TEST_CASE("a session dials, says hello, and is live after the welcome") {
  Talk talk;
  CHECK(talk.find<effect::Dial>() != nullptr);
  CHECK(talk.status() == Status::connecting);
  talk.connect();
  const auto hello = talk.sent<Hello>();
  REQUIRE(hello.has_value());
  CHECK(hello->catch_up == CatchUp::resume);
  CHECK(hello->acknowledged_time == 55);
  talk.hear(talk.welcome());
  REQUIRE(talk.find<effect::SaveWelcome>() != nullptr);
  CHECK(talk.find<effect::SaveWelcome>()->acknowledged == ChangeSequence(5));
  CHECK(talk.find<effect::SaveWelcome>()->acknowledged_time == 55);
  CHECK(talk.sent<Applied>()->version == ServerVersion(10));
  talk.hear(Heartbeat{ServerVersion(10), 0, Digest()});
  CHECK(talk.status() == Status::synced);
}

TEST_CASE("a refusal that only people can mend is told and tried again") {
  struct Expected {
    Refusal reason;
    Trouble trouble;
    Status status;
  };
  const Expected all[] = {
      {Refusal::schema_incompatible, Trouble::schema_incompatible, Status::incompatible},
      {Refusal::protocol_too_old, Trouble::protocol_too_old, Status::incompatible},
      {Refusal::protocol_too_new, Trouble::protocol_too_new, Status::incompatible},
      {Refusal::not_allowed, Trouble::not_allowed, Status::stuck},
      {Refusal::malformed, Trouble::malformed, Status::stuck},
  };
  for (const Expected& expected : all) {
    CAPTURE(refusal_name(expected.reason));
    Talk talk;
    talk.connect();
    talk.hear(refused(expected.reason));
    CHECK(talk.trouble() == expected.trouble);
    CHECK(talk.status() == expected.status);
    CHECK(talk.session.status(talk.now).message == "because");
    CHECK(talk.find<effect::HangUp>() != nullptr);
    CHECK(talk.find<effect::Salvage>() == nullptr);
    const bool seldom = expected.status == Status::incompatible;
    talk.wait(200'000);
    CHECK((talk.find<effect::Dial>() != nullptr) == !seldom);
    talk.wait(200'000);
    CHECK((talk.find<effect::Dial>() != nullptr) == seldom);
  }
}

TEST_CASE("a busy server is tried again by back-off") {
  Talk talk;
  talk.connect();
  talk.hear(refused(Refusal::busy));
  talk.wait(120'000);
  CHECK(talk.find<effect::Dial>() != nullptr);
}

TEST_CASE("a cursor or lineage that the server does not know is mended by a rescan") {
  for (const Refusal reason : {Refusal::cursor_expired, Refusal::unknown_lineage}) {
    Talk talk;
    talk.connect();
    talk.hear(refused(reason));
    CHECK(talk.find<effect::Salvage>() != nullptr);
    CHECK(talk.find<effect::Dial>() != nullptr);
    talk.connect();
    const auto hello = talk.sent<Hello>();
    REQUIRE(hello.has_value());
    CHECK(hello->catch_up == CatchUp::rescan);
    CHECK(hello->lineage.is_zero() == (reason == Refusal::unknown_lineage));
  }
}

TEST_CASE("a copy is told to take another id, and goes on with what that left") {
  Talk talk;
  talk.connect();
  Refused forked = refused(Refusal::replica_forked);
  forked.known_sequence = ChangeSequence(7);
  forked.known = {{66, 0}, {77, 0}};
  talk.hear(forked);
  CHECK(talk.find<effect::Salvage>() != nullptr);
  REQUIRE(talk.find<effect::Reidentify>() != nullptr);
  CHECK(talk.find<effect::Reidentify>()->acknowledged == ChangeSequence(5));
  CHECK(talk.find<effect::Reidentify>()->known == std::vector<KnownChange>{{66, 0}, {77, 0}});
  CHECK(talk.find<effect::Dial>() == nullptr);
  ReplicaFacts other = some_facts();
  other.replica.bytes[0] = 9;
  other.wants_rescan = true;
  talk.session.on_facts(talk.now, other);
  talk.take();
  CHECK(talk.find<effect::Dial>() != nullptr);
  talk.connect();
  CHECK(talk.sent<Hello>()->replica == other.replica);
  CHECK(talk.sent<Hello>()->catch_up == CatchUp::rescan);
}

TEST_CASE(
    "a schema that changed is told by another handshake, then what was written with it goes") {
  Talk talk;
  talk.go_live();
  ReplicaFacts changed = some_facts();
  changed.schema_version = 1;
  changed.fingerprint.bytes[0] = 7;
  changed.last_sequence = ChangeSequence(6);
  talk.session.on_facts(talk.now, changed);
  talk.take();
  CHECK(talk.find<effect::HangUp>() != nullptr);
  REQUIRE(talk.find<effect::Dial>() != nullptr);
  talk.connect();
  CHECK(talk.sent<Hello>()->fingerprint == changed.fingerprint);
  talk.hear(talk.welcome());
  REQUIRE(talk.find<effect::LoadOutbox>() != nullptr);
  CHECK(talk.find<effect::LoadOutbox>()->after == ChangeSequence(5));
}

TEST_CASE("a wrong clock is corrected before anything is stamped anew") {
  Talk talk;
  talk.clock.ms += 3'600'000;
  talk.connect();
  Refused skewed = refused(Refusal::clock_skew);
  skewed.known_sequence = ChangeSequence(7);
  talk.hear(skewed);
  CHECK(talk.find<effect::Salvage>() != nullptr);
  REQUIRE(talk.find<effect::CorrectClock>() != nullptr);
  CHECK(talk.find<effect::CorrectClock>()->offset_ms == -3'600'000);
  REQUIRE(talk.find<effect::Restamp>() != nullptr);
  CHECK(talk.find<effect::Restamp>()->after == ChangeSequence(7));
}

TEST_CASE("a server that knows less than it acknowledged was restored: the rest is unsent again") {
  Talk talk;
  talk.connect();
  talk.hear(talk.welcome(2));
  CHECK(talk.find<effect::Salvage>() != nullptr);
  CHECK(talk.find<effect::SaveWelcome>()->acknowledged == ChangeSequence(2));
  REQUIRE(talk.find<effect::LoadOutbox>() != nullptr);
  CHECK(talk.find<effect::LoadOutbox>()->after == ChangeSequence(2));
}

TEST_CASE("messages at the wrong time end the connection") {
  const Message strange[] = {
      Message(PullPart{ServerVersion(11), {}}),
      Message(SnapshotBegin{}),
      Message(SnapshotPage{}),
      Message(SnapshotEnd{}),
      Message(RangeDigests{}),
      Message(RangeRows{"t", {}, {}, {}}),
      Message(Ack{ChangeSequence(99)}),
      Message(Rejected{ChangeSequence(99), "not_allowed", "", {}}),
      Message(Hello()),
      Message(Welcome()),
  };
  for (std::size_t i = 0; i < std::size(strange); ++i) {
    CAPTURE(i);
    Talk early;
    early.connect();
    if (i != 9) {
      early.hear(strange[i]);
      CHECK(early.trouble() == Trouble::malformed);
      CHECK(early.find<effect::HangUp>() != nullptr);
    }
    if (i == 0) {
      continue;  // what it is for
    }
    Talk late;
    late.go_live();
    late.hear(strange[i]);
    CHECK(late.trouble() == Trouble::malformed);
    CHECK(late.find<effect::HangUp>() != nullptr);
  }
}

TEST_CASE("bytes that do not decode end the connection") {
  Talk talk;
  talk.go_live();
  talk.session.on_frame(talk.now, ByteVector{0xFF, 1, 2});
  talk.take();
  CHECK(talk.find<effect::HangUp>() != nullptr);
  CHECK(talk.trouble() == Trouble::malformed);
}

TEST_CASE("a server that falls silent is given up, one that answers is not") {
  Talk talk;
  talk.go_live();
  for (int i = 0; i < 40; ++i) {
    talk.wait(1000);
    CHECK(talk.find<effect::HangUp>() == nullptr);
    talk.hear(Heartbeat{ServerVersion(10), 0, Digest()});
  }
  talk.wait(15'000);
  CHECK(talk.find<effect::HangUp>() == nullptr);
  talk.wait(1);
  CHECK(talk.find<effect::HangUp>() != nullptr);
  CHECK(talk.trouble() == Trouble::unreachable);
}

TEST_CASE("heartbeats alone are no answer to what was asked") {
  Talk talk;
  talk.go_live();
  talk.session.on_local_change(talk.now, ChangeSequence(6), Digest());
  talk.session.on_outbox(talk.now, ChangeSequence(5), {part(6)});
  for (int i = 0; i < 30; ++i) {
    talk.wait(1000);
    talk.hear(Heartbeat{ServerVersion(10), 0, Digest()});
  }
  CHECK(talk.find<effect::HangUp>() == nullptr);
  talk.wait(1000);
  CHECK(talk.find<effect::HangUp>() != nullptr);
}

TEST_CASE("a dial that leads nowhere is given up") {
  Talk talk;
  talk.wait(30'000);
  CHECK(talk.find<effect::HangUp>() == nullptr);
  talk.wait(1);
  CHECK(talk.find<effect::HangUp>() != nullptr);
  CHECK(talk.trouble() == Trouble::unreachable);
}

TEST_CASE("attempts come ever more seldom, and at once when a person asks") {
  Talk talk;
  std::int64_t longest = 0;
  for (int i = 0; i < 12; ++i) {
    talk.session.on_disconnected(talk.now);
    talk.take();
    REQUIRE(talk.find<effect::WakeAt>() != nullptr);
    const Instant next = talk.find<effect::WakeAt>()->at;
    longest = std::max(longest, (next - talk.now).ms);
    talk.wait((next - talk.now).ms - 1);
    CHECK(talk.find<effect::Dial>() == nullptr);
    talk.wait(1);
    CHECK(talk.find<effect::Dial>() != nullptr);
  }
  CHECK(longest > 1000);
  talk.session.on_disconnected(talk.now);
  talk.take();
  talk.session.sync_now(talk.now);
  talk.take();
  CHECK(talk.find<effect::Dial>() != nullptr);
}

TEST_CASE("a push waits for the debounce and is one then") {
  ClientOptions options;
  options.debounce = Duration{200};
  Talk talk(options);
  talk.go_live();
  talk.session.on_local_change(talk.now, ChangeSequence(6), Digest());
  talk.take();
  CHECK(talk.find<effect::LoadOutbox>() == nullptr);
  talk.wait(100);
  talk.session.on_local_change(talk.now, ChangeSequence(7), Digest());
  talk.take();
  CHECK(talk.find<effect::LoadOutbox>() == nullptr);
  talk.wait(100);
  CHECK(talk.count<effect::LoadOutbox>() == 1);
  CHECK(talk.find<effect::LoadOutbox>()->after == ChangeSequence(5));
}

TEST_CASE("a replica that may not write does not push") {
  Talk talk;
  talk.connect();
  Welcome welcome = talk.welcome();
  welcome.may_write = false;
  talk.hear(welcome);
  talk.session.on_local_change(talk.now, ChangeSequence(6), Digest());
  talk.take();
  CHECK(talk.find<effect::LoadOutbox>() == nullptr);
}

TEST_CASE("what a replica that may not write has written is set aside, and waits for nobody") {
  Talk talk;
  talk.connect();
  Welcome welcome = talk.welcome();
  welcome.may_write = false;
  talk.hear(welcome);
  CHECK(talk.find<effect::SetAside>() == nullptr);
  talk.session.on_local_change(talk.now, ChangeSequence(6), Digest());
  talk.session.on_local_change(talk.now, ChangeSequence(7), Digest());
  talk.take();
  CHECK(talk.count<effect::SetAside>() == 1);
  CHECK(talk.session.status(talk.now).pending == 2);
  talk.session.on_set_aside(talk.now, ChangeSequence(7), true);
  talk.take();
  CHECK(talk.session.status(talk.now).pending == 0);
  CHECK(talk.find<effect::BeginRescan>() != nullptr);
  CHECK(talk.sent<RescanRequest>().has_value());
}

TEST_CASE("what cannot be said is a cause that stands in the status, and ends nothing") {
  Talk talk;
  talk.go_live();
  talk.session.refresh_token(talk.now, std::string(limits::token_bytes_max + 1, 'x'));
  talk.take();
  CHECK(talk.trouble() == Trouble::too_large);
  CHECK(talk.status() == Status::stuck);
  CHECK(talk.session.status(talk.now).message.find("token") != std::string::npos);
  CHECK(talk.find<effect::HangUp>() != nullptr);
}

TEST_CASE("acknowledgements are cumulative and move the exact time of the last one") {
  Talk talk;
  talk.go_live();
  talk.session.on_local_change(talk.now, ChangeSequence(8), Digest());
  talk.session.on_outbox(talk.now, ChangeSequence(5), {part(6), part(7), part(8)});
  talk.take();
  CHECK(talk.status() == Status::syncing);
  talk.hear(Ack{ChangeSequence(7)});
  CHECK(talk.find<effect::Acknowledge>()->through == ChangeSequence(7));
  talk.hear(Ack{ChangeSequence(6)});
  CHECK(talk.find<effect::Acknowledge>() == nullptr);
  talk.session.on_disconnected(talk.now);
  talk.session.sync_now(talk.now);
  talk.take();
  talk.connect();
  CHECK(talk.sent<Hello>()->acknowledged == ChangeSequence(7));
  CHECK(talk.sent<Hello>()->acknowledged_time == 77);
}

TEST_CASE("what was learned from peers is pending until the server has answered it") {
  Talk talk;
  talk.connect();
  talk.relays = {foreign_change(1), foreign_change(2)};
  talk.hear(talk.welcome());
  CHECK(talk.sent<RelayPart>().has_value());
  CHECK(talk.session.status(talk.now).pending == 2);
  talk.hear(Heartbeat{ServerVersion(10), 0, Digest()});
  CHECK(talk.status() == Status::syncing);
  ReplicaId author;
  author.bytes[0] = 200;
  for (std::uint64_t sequence = 1; sequence <= 2; ++sequence) {
    talk.hear(RelayAck{author, ChangeSequence(sequence), false});
    REQUIRE(talk.find<effect::FinishRelay>() != nullptr);
    CHECK(talk.find<effect::FinishRelay>()->through == ChangeSequence(sequence));
  }
  talk.hear(Heartbeat{ServerVersion(10), 0, Digest()});
  CHECK(talk.status() == Status::synced);
  talk.hear(RelayAck{author, ChangeSequence(3), false});
  CHECK(talk.trouble() == Trouble::malformed);
}

TEST_CASE("an outbox that comes after its connection has gone is not sent") {
  Talk talk;
  talk.go_live();
  talk.session.on_local_change(talk.now, ChangeSequence(6), Digest());
  talk.take();
  REQUIRE(talk.find<effect::LoadOutbox>() != nullptr);
  talk.session.on_disconnected(talk.now);
  talk.session.on_outbox(talk.now, ChangeSequence(5), {part(6)});
  talk.take();
  CHECK_FALSE(talk.sent<PushPart>().has_value());
  CHECK(talk.session.bytes_held() == 0);
}

TEST_CASE("one transaction at a time is asked for, and its cursor is told once it is in") {
  Talk talk;
  talk.go_live();
  talk.hear(PullPart{ServerVersion(11), foreign_change(1)});
  CHECK(talk.count<effect::ApplyChanges>() == 1);
  talk.hear(PullPart{ServerVersion(12), foreign_change(2)});
  CHECK(talk.count<effect::ApplyChanges>() == 0);  // the first is still under way
  talk.session.on_applied(talk.now, ServerVersion(11), Digest());
  talk.take();
  CHECK(talk.sent<Applied>()->version == ServerVersion(11));
  REQUIRE(talk.find<effect::ApplyChanges>() != nullptr);
  CHECK(talk.find<effect::ApplyChanges>()->cursor == ServerVersion(12));
}

TEST_CASE("a snapshot's pages are applied one at a time and asked for as they are") {
  ReplicaFacts facts = some_facts();
  facts.cursor = ServerVersion(0);
  facts.snapshot_token = {9};
  Talk talk({}, facts);
  talk.connect();
  CHECK(talk.sent<Hello>()->catch_up == CatchUp::bootstrap);
  talk.hear(talk.welcome());
  CHECK(talk.sent<SnapshotRequest>()->token == ByteVector{9});
  talk.hear(SnapshotBegin{ServerVersion(10), 3, 30, 1, 10});
  talk.hear(SnapshotPage{{1}, 1, 10, {}});
  CHECK(talk.count<effect::ApplyPage>() == 1);
  talk.hear(SnapshotPage{{2}, 1, 10, {}});
  CHECK(talk.count<effect::ApplyPage>() == 0);
  CHECK(talk.session.status(talk.now).activity == Activity::bootstrap);
  talk.session.on_page_applied(talk.now, {1}, Digest());
  talk.take();
  CHECK(talk.sent<SnapshotRequest>()->token == ByteVector{1});
  CHECK(talk.count<effect::ApplyPage>() == 1);
  talk.hear(SnapshotEnd{ServerVersion(10), 3, 30});
  CHECK(talk.find<effect::FinishSnapshot>() == nullptr);
  talk.session.on_page_applied(talk.now, {2}, Digest());
  talk.take();
  CHECK(talk.find<effect::FinishSnapshot>() != nullptr);
}

TEST_CASE("a snapshot with other totals than it promised begins anew") {
  ReplicaFacts facts = some_facts();
  facts.cursor = ServerVersion(0);
  Talk talk({}, facts);
  talk.connect();
  talk.hear(talk.welcome());
  talk.hear(SnapshotBegin{ServerVersion(10), 3, 30, 0, 0});
  talk.hear(SnapshotEnd{ServerVersion(10), 3, 30});
  CHECK(talk.find<effect::HangUp>() != nullptr);
  talk.session.sync_now(talk.now);
  talk.take();
  talk.connect();
  talk.hear(talk.welcome());
  CHECK(talk.sent<SnapshotRequest>()->token.empty());
}

TEST_CASE("a rescan compares, fetches what differs, and only then resumes and pushes") {
  ReplicaFacts facts = some_facts();
  facts.last_sequence = ChangeSequence(6);
  facts.wants_rescan = true;
  Talk talk({}, facts);
  talk.connect();
  talk.hear(talk.welcome());
  CHECK(talk.find<effect::BeginRescan>() != nullptr);
  CHECK(talk.find<effect::LoadOutbox>() == nullptr);
  CHECK(talk.sent<RescanRequest>()->table.empty());
  const ByteVector notes = to_vector(as_bytes("notes"));
  talk.hear(RangeDigests{"", {}, {{notes, 3, Digest{1, 1}}}});
  CHECK(talk.find<effect::CompareRanges>() != nullptr);
  talk.session.on_compared(talk.now, {notes});
  talk.take();
  CHECK(talk.sent<RescanRequest>()->table == "notes");
  talk.hear(RangeDigests{"notes", {}, {{{}, 3, Digest{1, 1}}}});
  talk.session.on_compared(talk.now, {ByteVector()});
  talk.take();
  CHECK(talk.sent<RangeRequest>()->table == "notes");
  talk.hear(RangeRows{"notes", {}, {}, {}});
  CHECK(talk.find<effect::AdoptRange>() != nullptr);
  talk.session.on_adopted(talk.now, Digest());
  talk.take();
  REQUIRE(talk.find<effect::FinishRescan>() != nullptr);
  talk.session.on_applied(talk.now, ServerVersion(10), Digest());
  talk.take();
  CHECK(talk.sent<Applied>().has_value());
  CHECK(talk.find<effect::LoadOutbox>() != nullptr);
}

TEST_CASE("rows that came one by one are whole when the server's head after them is reached") {
  ReplicaFacts facts = some_facts();
  facts.wants_rescan = true;
  Talk talk({}, facts);
  talk.connect();
  talk.hear(talk.welcome());
  talk.hear(Heartbeat{ServerVersion(10), 0, Digest()});  // of before the last of them
  talk.hear(RangeDigests{"", {}, {}});
  talk.session.on_compared(talk.now, {});
  talk.take();
  REQUIRE(talk.find<effect::FinishRescan>() != nullptr);
  talk.session.on_applied(talk.now, ServerVersion(10), Digest());
  talk.take();
  CHECK(talk.find<effect::NoteWhole>() == nullptr);
  talk.hear(Heartbeat{ServerVersion(12), 0, Digest()});
  talk.hear(Heartbeat{ServerVersion(13), 0, Digest()});
  CHECK(talk.find<effect::NoteWhole>() == nullptr);
  talk.hear(PullThrough{ServerVersion(11), {}});
  talk.session.on_applied(talk.now, ServerVersion(11), Digest());
  talk.take();
  CHECK(talk.find<effect::NoteWhole>() == nullptr);
  talk.hear(PullThrough{ServerVersion(12), {}});
  talk.session.on_applied(talk.now, ServerVersion(12), Digest());
  talk.take();
  CHECK(talk.find<effect::NoteWhole>() != nullptr);
  talk.hear(Heartbeat{ServerVersion(12), 0, Digest()});
  CHECK(talk.find<effect::NoteWhole>() == nullptr);  // once
}

TEST_CASE("what a connection that broke left in pieces is noted as whole by the next one") {
  ReplicaFacts facts = some_facts();
  facts.in_pieces = true;
  Talk talk({}, facts);
  talk.go_live();
  CHECK(talk.find<effect::NoteWhole>() == nullptr);
  talk.hear(Heartbeat{ServerVersion(10), 0, Digest()});
  CHECK(talk.find<effect::NoteWhole>() != nullptr);
}

TEST_CASE("what a file brought in pieces is whole when the server's head of then is reached") {
  Talk talk;
  talk.go_live();
  talk.hear(Heartbeat{ServerVersion(10), 0, Digest()});
  talk.session.on_pieces(false);
  CHECK(talk.session.status(talk.now).status == Status::synced);
  talk.session.on_pieces(true);
  CHECK(talk.session.status(talk.now).status == Status::syncing);
  talk.session.on_pieces(true);
  CHECK(talk.find<effect::NoteWhole>() == nullptr);
  talk.hear(Heartbeat{ServerVersion(10), 0, Digest()});
  CHECK(talk.find<effect::NoteWhole>() != nullptr);
  CHECK(talk.session.status(talk.now).status == Status::synced);
}

TEST_CASE("digests that stay different lead to a rescan, and then to the truth about it") {
  Talk talk;
  talk.go_live();
  const Heartbeat other{ServerVersion(10), 0, Digest{7, 7}};
  talk.hear(other);
  CHECK(talk.status() != Status::synced);
  CHECK(talk.find<effect::BeginRescan>() == nullptr);
  talk.hear(other);
  CHECK(talk.find<effect::BeginRescan>() != nullptr);
  CHECK(talk.session.mismatches() == 2);
}

TEST_CASE("digests are compared when a refusal is in the rows, however late that is") {
  Talk talk;
  talk.go_live();
  talk.session.on_local_change(talk.now, ChangeSequence(6), Digest{3, 3});
  talk.take();
  talk.session.on_outbox(talk.now, ChangeSequence(5), {part(6)});
  talk.take();
  talk.hear(Rejected{ChangeSequence(6), "not_allowed", "", {}});
  // The host is asked for it, and finds the file locked.
  REQUIRE(talk.find<effect::RejectChange>() != nullptr);
  talk.hear(Ack{ChangeSequence(6), {}});
  talk.hear(Heartbeat{ServerVersion(10), 0, Digest{7, 7}});
  talk.hear(Heartbeat{ServerVersion(10), 0, Digest{7, 7}});
  CHECK(talk.session.mismatches() == 0);
  CHECK(talk.status() != Status::synced);
  talk.session.on_local_change(talk.now, ChangeSequence(6), Digest{7, 7});
  talk.session.on_rejected(talk.now, 1);
  talk.take();
  CHECK(talk.session.mismatches() == 0);
  talk.hear(Heartbeat{ServerVersion(10), 0, Digest{7, 7}});
  CHECK(talk.status() == Status::synced);
}

TEST_CASE("a host that fails ends the connection and everything is asked for again") {
  Talk talk;
  talk.go_live();
  talk.hear(PullPart{ServerVersion(11), foreign_change(1)});
  talk.session.on_host_failure(talk.now, Error(ErrorCode::full, "the disk is full"));
  talk.take();
  CHECK(talk.find<effect::HangUp>() != nullptr);
  CHECK(talk.trouble() == Trouble::storage);
  CHECK(talk.session.status(talk.now).advice == "free some space on the disk");
  talk.session.sync_now(talk.now);
  talk.take();
  talk.connect();
  REQUIRE(talk.find<effect::LoadFacts>() != nullptr);
  talk.session.on_facts(talk.now, some_facts());
  talk.take();
  REQUIRE(talk.sent<Hello>());
  CHECK(talk.sent<Hello>()->cursor == ServerVersion(10));
}

TEST_CASE("a token that was refused is replaced at once") {
  Talk talk;
  talk.connect();
  talk.hear(refused(Refusal::not_allowed));
  talk.session.refresh_token(talk.now, "better");
  talk.take();
  CHECK(talk.find<effect::Dial>() != nullptr);
  talk.connect();
  CHECK(talk.sent<Hello>()->token == "better");
  talk.hear(talk.welcome());
  talk.session.refresh_token(talk.now, "next");
  talk.take();
  CHECK(talk.sent<TokenRefresh>()->token == "next");
}

TEST_CASE("a heartbeat that is too old ends synced") {
  Talk talk;
  talk.go_live();
  talk.hear(Heartbeat{ServerVersion(10), 0, Digest()});
  CHECK(talk.status() == Status::synced);
  talk.now.ms += 5000;
  CHECK(talk.status() == Status::synced);
  talk.now.ms += 1;
  CHECK(talk.status() != Status::synced);
}

TEST_CASE("stopping says goodbye and stays away") {
  Talk talk;
  talk.go_live();
  talk.session.stop(talk.now);
  talk.take();
  CHECK(talk.sent<Bye>()->reason == Farewell::done);
  CHECK(talk.find<effect::HangUp>() != nullptr);
  talk.session.on_disconnected(talk.now);
  talk.wait(1'000'000);
  CHECK(talk.effects.empty());
  CHECK(talk.status() == Status::disconnected);
}

TEST_CASE("what could not be stored is not said in the next hello") {
  Talk talk;
  talk.go_live();
  ReplicaFacts file = some_facts();
  file.last_sequence = ChangeSequence(6);
  talk.session.on_local_change(talk.now, ChangeSequence(6), Digest());
  talk.take();
  SUBCASE("an acknowledgement") {
    const auto* load = talk.find<effect::LoadOutbox>();
    REQUIRE(load != nullptr);
    talk.session.on_outbox(talk.now, load->after, {{ChangeSequence(6), 66, true, {1, 2, 3}}});
    talk.take();
    talk.hear(Ack{ChangeSequence(6)});
    REQUIRE(talk.find<effect::Acknowledge>() != nullptr);
  }
  SUBCASE("a cursor") {
    talk.hear(PullThrough{ServerVersion(12)});
    REQUIRE(talk.find<effect::ApplyChanges>() != nullptr);
  }
  talk.session.on_host_failure(talk.now, Error(ErrorCode::full, "the disk is full"));
  talk.take();
  talk.wait(600'000);
  REQUIRE(talk.find<effect::Dial>() != nullptr);
  talk.connect();
  CHECK_FALSE(talk.sent<Hello>());
  REQUIRE(talk.find<effect::LoadFacts>() != nullptr);
  talk.session.on_facts(talk.now, file);
  talk.take();
  const auto hello = talk.sent<Hello>();
  REQUIRE(hello);
  CHECK(hello->acknowledged == ChangeSequence(5));
  CHECK(hello->acknowledged_time == 55);
  CHECK(hello->last_sequence == ChangeSequence(6));
  CHECK(hello->cursor == ServerVersion(10));
}

TEST_CASE("a welcome that could not be stored leaves no trace in the next hello") {
  Talk talk;
  talk.connect();
  Welcome welcome = talk.welcome(3);
  welcome.lineage.bytes[0] = 9;
  welcome.resume_after = ServerVersion(4);
  talk.hear(welcome);
  REQUIRE(talk.find<effect::SaveWelcome>() != nullptr);
  talk.session.on_host_failure(talk.now, Error(ErrorCode::full, "the disk is full"));
  talk.take();
  talk.wait(600'000);
  talk.connect();
  talk.session.on_facts(talk.now, some_facts());
  talk.take();
  const auto hello = talk.sent<Hello>();
  REQUIRE(hello);
  CHECK(hello->lineage == some_facts().lineage);
  CHECK(hello->acknowledged == ChangeSequence(5));
  CHECK(hello->cursor == ServerVersion(10));
}

TEST_CASE("an epoch of before is offered again, whatever server answers: it may be put back") {
  ReplicaFacts facts = some_facts();
  EpochId earlier;
  earlier.bytes[0] = 7;
  facts.epochs_before = {earlier};
  Talk talk({}, facts);
  talk.connect();
  Welcome welcome = talk.welcome();
  SUBCASE("of the same lineage") {}
  SUBCASE("of another one") { welcome.lineage.bytes[0] = 9; }
  talk.hear(welcome);
  talk.session.on_disconnected(talk.now);
  talk.take();
  talk.wait(600'000);
  talk.connect();
  const auto hello = talk.sent<Hello>();
  REQUIRE(hello);
  const bool offered = std::find(hello->epochs_before.begin(), hello->epochs_before.end(),
                                 earlier) != hello->epochs_before.end();
  CHECK(offered);
}
