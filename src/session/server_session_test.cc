#include "session/server_session.h"

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <vector>

#include "wire/codec.h"

using namespace syncline;

namespace {

struct StandingClock final : WallClock {
  std::int64_t ms = 1'700'000'000'000;
  std::int64_t now_ms() override { return ms; }
};

Hello some_hello() {
  Hello hello;
  hello.protocol = protocol_spoken;
  hello.workspace = "team";
  hello.replica.bytes[0] = 1;
  hello.epoch.bytes[0] = 2;
  hello.token = "token";
  return hello;
}

// A session with its effects at hand, and what a replica would say to it.
struct Service {
  StandingClock clock;
  ServerSession session;
  Instant now{1'000'000};
  std::vector<ServerEffect> effects;

  explicit Service(const ServerOptions& options = {}) : session(clock, options) {
    session.on_open(now);
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
    for (const ServerEffect& effect : effects) {
      if (const auto* found = std::get_if<E>(&effect)) {
        return found;
      }
    }
    return nullptr;
  }
  template <typename M>
  std::vector<M> sent() const {
    std::vector<M> out;
    for (const ServerEffect& effect : effects) {
      const auto* shared = std::get_if<effect::SendShared>(&effect);
      const auto* send = std::get_if<effect::Send>(&effect);
      if (shared != nullptr || send != nullptr) {
        auto message =
            decode_message(shared != nullptr ? shared->frame.view() : Bytes(send->frame));
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
  void serve(bool may_write = true, std::int64_t expires_ms = 0) {
    hear(some_hello());
    REQUIRE(find<effect::Authorise>() != nullptr);
    session.on_authorised(now, Rights{true, may_write, "user", expires_ms, ""});
    take();
    REQUIRE(find<effect::Greet>() != nullptr);
    Welcome welcome;
    welcome.head = ServerVersion(100);
    session.on_greeting(now, welcome);
    take();
    REQUIRE(sent<Welcome>().size() == 1);
  }
  void wait(std::int64_t ms) {
    now.ms += ms;
    session.on_wakeup(now);
    take();
  }
  void check_refused(Refusal reason) const {
    const auto refusals = sent<Refused>();
    REQUIRE(refusals.size() == 1);
    CHECK(refusal_name(refusals[0].reason) == refusal_name(reason));
    CHECK_FALSE(refusals[0].message.empty());
    CHECK_FALSE(refusals[0].advice.empty());
    CHECK(refusals[0].server_time_ms == clock.ms);
    CHECK(find<effect::HangUp>() != nullptr);
    CHECK(session.is_closed());
  }
};

ByteVector part_of(std::uint64_t sequence, std::uint64_t index, bool last,
                   std::size_t padding = 0) {
  PartHeader header;
  header.sequence = ChangeSequence(sequence);
  header.stamp.time = 77;
  header.stamp.replica = some_hello().replica;
  header.index = index;
  header.last = last;
  Writer out;
  write_part_header(out, header);
  ByteVector bytes = out.take();
  bytes.resize(bytes.size() + padding);
  return bytes;
}

}  // namespace

TEST_CASE("a welcome comes after token and hello were accepted, with the server's limits") {
  Service service;
  service.hear(some_hello());
  CHECK(service.sent<Welcome>().empty());
  const auto* ask = service.find<effect::Authorise>();
  REQUIRE(ask != nullptr);
  CHECK(ask->workspace == "team");
  CHECK(ask->token == "token");
  service.session.on_authorised(service.now, Rights{true, true, "user", 0, ""});
  service.take();
  REQUIRE(service.find<effect::Greet>() != nullptr);
  CHECK(service.find<effect::Greet>()->hello.token.empty());
  service.session.on_greeting(service.now, Welcome());
  service.take();
  const auto welcomes = service.sent<Welcome>();
  REQUIRE(welcomes.size() == 1);
  CHECK(welcomes[0].frame_bytes_max == limits::frame_bytes_max);
  CHECK(welcomes[0].heartbeat_ms == 1000);
  CHECK(welcomes[0].may_write);
  CHECK(service.session.is_welcomed());
}

TEST_CASE("protocol ranges that do not meet are refused by name") {
  for (const bool old : {true, false}) {
    Service service;
    Hello hello = some_hello();
    hello.protocol = old ? ProtocolRange{0, 0} : ProtocolRange{900, 901};
    service.hear(hello);
    service.check_refused(old ? Refusal::protocol_too_old : Refusal::protocol_too_new);
    CHECK(service.sent<Refused>()[0].protocol == protocol_spoken);
  }
}

TEST_CASE("a token that allows nothing is refused with its reason") {
  Service service;
  service.hear(some_hello());
  service.session.on_authorised(service.now, Rights{false, false, "", 0, "expired yesterday"});
  service.take();
  service.check_refused(Refusal::not_allowed);
  CHECK(service.sent<Refused>()[0].message == "expired yesterday");
}

TEST_CASE("what the host refuses is passed on") {
  Service service;
  service.hear(some_hello());
  service.session.on_authorised(service.now, Rights{true, true, "user", 0, ""});
  Refused forked;
  forked.reason = Refusal::replica_forked;
  forked.message = "a copy";
  forked.known = {{1, 0}, {2, 0}};
  service.session.on_greeting(service.now, forked);
  service.take();
  service.check_refused(Refusal::replica_forked);
  CHECK(service.sent<Refused>()[0].known == std::vector<KnownChange>{{1, 0}, {2, 0}});
}

TEST_CASE("messages at the wrong time, and bytes that do not decode, end the connection") {
  SUBCASE("before the hello") {
    Service service;
    service.hear(Applied{ServerVersion(1)});
    service.check_refused(Refusal::malformed);
  }
  SUBCASE("between hello and welcome") {
    Service service;
    service.hear(some_hello());
    service.hear(Applied{ServerVersion(1)});
    service.check_refused(Refusal::malformed);
  }
  SUBCASE("a second hello") {
    Service service;
    service.serve();
    service.hear(some_hello());
    service.check_refused(Refusal::malformed);
  }
  SUBCASE("what only a server says") {
    Service service;
    service.serve();
    service.hear(Ack{ChangeSequence(1)});
    service.check_refused(Refusal::malformed);
  }
  SUBCASE("a cursor beyond the log") {
    Service service;
    service.serve();
    service.hear(Applied{ServerVersion(101)});
    service.check_refused(Refusal::malformed);
  }
  SUBCASE("presence in another's name") {
    Service service;
    service.serve();
    service.hear(Presence{ReplicaId(), "key", {1}});
    service.check_refused(Refusal::malformed);
  }
  SUBCASE("noise") {
    Service service;
    service.serve();
    service.session.on_frame(service.now, ByteVector{0xFF, 0xFF});
    service.take();
    service.check_refused(Refusal::malformed);
  }
}

TEST_CASE("a change is handed on when all its parts have come, and acknowledged when durable") {
  Service service;
  service.serve();
  service.hear(PushPart{part_of(1, 0, false)});
  CHECK(service.find<effect::Append>() == nullptr);
  CHECK(service.session.bytes_held() > 0);
  service.hear(PushPart{part_of(1, 1, true)});
  REQUIRE(service.find<effect::Append>() != nullptr);
  CHECK(service.find<effect::Append>()->parts.size() == 2);
  CHECK(service.session.bytes_held() == 0);
  CHECK(service.sent<Ack>().empty());
  Admitted admitted;
  admitted.sequence = ChangeSequence(1);
  service.session.on_admitted(service.now, admitted);
  service.take();
  CHECK(service.sent<Ack>().at(0).through == ChangeSequence(1));
}

TEST_CASE("a relayed change is handed on as such and answered with what is known of its author") {
  Service service;
  service.serve();
  service.hear(RelayPart{part_of(3, 0, true)});
  REQUIRE(service.find<effect::Append>() != nullptr);
  CHECK(service.find<effect::Append>()->relayed);
  Admitted admitted;
  admitted.relayed = true;
  admitted.author.bytes[0] = 7;
  admitted.sequence = ChangeSequence(3);
  admitted.known_sequence = ChangeSequence(4);
  for (const Admission admission : {Admission::repeated, Admission::rejected}) {
    admitted.admission = admission;
    service.session.on_admitted(service.now, admitted);
    service.take();
    REQUIRE(service.sent<RelayAck>().size() == 1);
    CHECK(service.sent<RelayAck>()[0].replica == admitted.author);
    CHECK(service.sent<RelayAck>()[0].through == ChangeSequence(4));
    CHECK(service.sent<RelayAck>()[0].refused == (admission == Admission::rejected));
    CHECK(service.sent<Rejected>().empty());
  }
  // One change's parts are all pushed or all relayed.
  service.hear(PushPart{part_of(4, 0, false)});
  service.hear(RelayPart{part_of(4, 1, true)});
  service.check_refused(Refusal::malformed);
}

TEST_CASE("parts out of order, or that belong to nobody's change, end the connection") {
  SUBCASE("the second part first") {
    Service service;
    service.serve();
    service.hear(PushPart{part_of(1, 1, true)});
    service.check_refused(Refusal::malformed);
  }
  SUBCASE("another change in between") {
    Service service;
    service.serve();
    service.hear(PushPart{part_of(1, 0, false)});
    service.hear(PushPart{part_of(2, 1, true)});
    service.check_refused(Refusal::malformed);
  }
  SUBCASE("a part of states") {
    Service service;
    service.serve();
    service.hear(PushPart{part_of(0, 0, true)});
    service.check_refused(Refusal::malformed);
  }
  SUBCASE("no header") {
    Service service;
    service.serve();
    service.hear(PushPart{{1, 2, 3}});
    service.check_refused(Refusal::malformed);
  }
}

TEST_CASE("a change larger than any may be is refused before it is all in memory") {
  Service service;
  service.serve();
  const std::size_t each = std::size_t{32} << 20U;
  for (std::uint64_t i = 0; i * each < limits::change_bytes_max && !service.session.is_closed();
       ++i) {
    service.hear(PushPart{part_of(1, i, false, each)});
  }
  service.check_refused(Refusal::malformed);
  CHECK(service.session.bytes_held() == 0);
}

TEST_CASE("who may only read is refused when pushing") {
  Service service;
  service.serve(false);
  service.hear(PushPart{part_of(1, 0, true)});
  service.check_refused(Refusal::not_allowed);
}

TEST_CASE("each admission has its answer") {
  struct Expected {
    Admission admission;
    std::optional<Refusal> refusal;
  };
  const Expected all[] = {
      {Admission::admitted, std::nullopt},
      {Admission::repeated, std::nullopt},
      {Admission::rejected, std::nullopt},
      {Admission::skewed, Refusal::clock_skew},
      {Admission::diverged, Refusal::replica_forked},
      {Admission::out_of_order, Refusal::malformed},
  };
  for (const Expected& expected : all) {
    Service service;
    service.serve();
    Admitted admitted;
    admitted.admission = expected.admission;
    admitted.sequence = ChangeSequence(4);
    admitted.rejected = {ChangeSequence(4), "not_allowed", "no", {}};
    admitted.known_sequence = ChangeSequence(3);
    service.session.on_admitted(service.now, admitted);
    service.take();
    if (expected.refusal) {
      service.check_refused(*expected.refusal);
      continue;
    }
    CHECK(service.sent<Ack>().at(0).through == ChangeSequence(4));
    CHECK(service.sent<Rejected>().size() == (expected.admission == Admission::rejected ? 1U : 0U));
  }
}

TEST_CASE("no more is sent than the window holds before the replica applied it") {
  Service service;
  service.serve();
  service.hear(Applied{ServerVersion(0)});
  std::uint64_t version = 0;
  while (const auto* ask = service.find<effect::ReadLog>()) {
    CHECK(ask->after == ServerVersion(version));
    CHECK(ask->bytes_max <= limits::pull_read_bytes);
    ++version;
    REQUIRE(version < 100);
    service.session.on_log(service.now,
                           {{ServerVersion(version), ByteVector(std::size_t{512} << 10U)}},
                           Receipt{ServerVersion(version), {}});
    service.take();
  }
  CHECK(version == 8);
  CHECK(service.session.bytes_held() == limits::pull_window_bytes);
  service.hear(Applied{ServerVersion(2)});
  CHECK(service.find<effect::ReadLog>() != nullptr);
  CHECK(service.find<effect::SaveCursor>()->version == ServerVersion(2));
}

TEST_CASE("where there is nothing for a replica the cursor is moved past it") {
  Service service;
  service.serve();
  service.hear(Applied{ServerVersion(90)});
  REQUIRE(service.find<effect::ReadLog>() != nullptr);
  service.session.on_log(service.now, {}, Receipt{ServerVersion(100), {}});
  service.take();
  CHECK(service.sent<PullThrough>().at(0).version == ServerVersion(100));
}

TEST_CASE("a log that no longer reaches back is told as an expired cursor") {
  Service service;
  service.serve();
  service.hear(Applied{ServerVersion(1)});
  service.session.on_log_gone(service.now);
  service.take();
  service.check_refused(Refusal::cursor_expired);
}

TEST_CASE("four pages are under way, and each request allows one more") {
  Service service;
  service.serve();
  service.hear(SnapshotRequest{});
  REQUIRE(service.find<effect::ReadSnapshot>() != nullptr);
  CHECK(service.find<effect::ReadSnapshot>()->first);
  service.session.on_snapshot_begin(service.now, SnapshotBegin());
  std::uint8_t pages = 0;
  do {
    ++pages;
    service.session.on_snapshot_page(service.now, SnapshotPage{{pages}, 1, 1, {}});
    service.take();
  } while (service.find<effect::ReadSnapshot>() != nullptr);
  CHECK(pages == limits::snapshot_pages_ahead);
  service.hear(SnapshotRequest{{1}});
  REQUIRE(service.find<effect::ReadSnapshot>() != nullptr);
  CHECK(service.find<effect::ReadSnapshot>()->token == ByteVector{pages});
}

TEST_CASE("a page that was never sent cannot be acknowledged") {
  Service service;
  service.serve();
  service.hear(SnapshotRequest{});
  service.hear(SnapshotRequest{{1}});
  service.check_refused(Refusal::malformed);
}

TEST_CASE("a replica that says nothing is sent away") {
  Service service;
  service.serve();
  service.wait(30'000);
  CHECK_FALSE(service.session.is_closed());
  service.wait(1);
  CHECK(service.sent<Bye>().at(0).reason == Farewell::too_slow);
  CHECK(service.session.is_closed());
}

TEST_CASE("a heartbeat comes each second, and sooner when the head moved") {
  Service service;
  service.serve();
  service.wait(0);
  CHECK(service.find<effect::ReadHead>() != nullptr);
  service.session.on_head(service.now, ServerVersion(100), Digest{1, 2});
  service.take();
  CHECK(service.sent<Heartbeat>().at(0).digest == Digest{1, 2});
  service.wait(999);
  CHECK(service.find<effect::ReadHead>() == nullptr);
  service.wait(1);
  CHECK(service.find<effect::ReadHead>() != nullptr);
  service.session.on_head(service.now, ServerVersion(100), Digest());
  service.hear(Applied{ServerVersion(100)});
  service.session.on_head_moved(service.now, ServerVersion(101));
  service.take();
  REQUIRE(service.find<effect::ReadLog>() != nullptr);
  service.session.on_log(service.now, {}, Receipt{ServerVersion(101), {}});
  service.wait(50);
  CHECK(service.find<effect::ReadHead>() != nullptr);
}

TEST_CASE("a token that ended ends the session after a grace, unless another one comes") {
  Service service;
  service.serve(true, 1'700'000'005'000);
  service.clock.ms += 15'000;
  service.wait(15'000);
  CHECK_FALSE(service.session.is_closed());
  service.hear(TokenRefresh{"next"});
  REQUIRE(service.find<effect::Authorise>() != nullptr);
  CHECK(service.find<effect::Authorise>()->token == "next");
  service.session.on_authorised(service.now, Rights{true, true, "user", 1'700'000'030'000, ""});
  service.take();
  CHECK(service.find<effect::Greet>() == nullptr);
  service.clock.ms += 25'001;
  service.hear(Heartbeat{});
  service.wait(1000);
  CHECK(service.sent<Bye>().at(0).reason == Farewell::expired);
}

TEST_CASE("a refreshed token of somebody else ends the session") {
  Service service;
  service.serve();
  service.hear(TokenRefresh{"other"});
  service.session.on_authorised(service.now, Rights{true, true, "somebody else", 0, ""});
  service.take();
  service.check_refused(Refusal::not_allowed);
}

TEST_CASE("answers that come after the end change nothing") {
  Service service;
  service.serve();
  service.hear(Bye{});
  CHECK(service.session.is_closed());
  service.session.on_authorised(service.now, Rights{true, true, "user", 0, ""});
  service.session.on_greeting(service.now, Welcome());
  service.session.on_admitted(service.now, Admitted());
  service.session.on_log(service.now, {*make_log_part({ServerVersion(101), {}}, {1})},
                         Receipt{ServerVersion(101), {}});
  service.session.on_snapshot_begin(service.now, SnapshotBegin());
  service.session.on_snapshot_page(service.now, SnapshotPage());
  service.session.on_snapshot_end(service.now, SnapshotEnd());
  service.session.on_message_ready(service.now, Heartbeat());
  service.session.on_head(service.now, ServerVersion(101), Digest());
  service.session.on_presence(service.now, {}, ByteVector{1});
  service.session.on_host_failure(service.now, Error(ErrorCode::full, "full"));
  service.hear(some_hello());
  CHECK(service.effects.empty());
}

TEST_CASE("storage that fails is weather to the replica") {
  Service service;
  service.serve();
  service.session.on_host_failure(service.now, Error(ErrorCode::full, "the disk is full"));
  service.take();
  service.check_refused(Refusal::cannot_store);
}

TEST_CASE("a replica of the first protocol version is told nothing that it does not know") {
  for (const std::uint32_t version : {1U, 2U}) {
    Service service;
    Hello hello = some_hello();
    hello.protocol = {1, version};
    service.hear(hello);
    service.session.on_authorised(service.now, Rights{true, true, "user", 0, ""});
    const Receipt receipt{ServerVersion(100), Seal::from_bytes(ByteVector(16, 5)).value()};
    Welcome welcome;
    welcome.head = ServerVersion(100);
    welcome.receipt = receipt;
    service.session.on_greeting(service.now, welcome);
    service.take();
    const Receipt expected = version == 1 ? Receipt() : receipt;
    CHECK(service.sent<Welcome>().at(0).receipt == expected);
    service.hear(Applied{ServerVersion(99)});
    Admitted admitted;
    admitted.receipt = receipt;
    service.session.on_admitted(service.now, admitted);
    service.session.on_log(service.now, {*make_log_part(receipt, {1})}, receipt);
    service.take();
    CHECK(service.sent<Ack>().at(0).receipt == expected);
    CHECK(service.sent<PullPart>().at(0).receipt == expected);
    service.session.on_host_failure(service.now, Error(ErrorCode::full, "the disk is full"));
    service.take();
    service.check_refused(version == 1 ? Refusal::busy : Refusal::cannot_store);
  }
}
