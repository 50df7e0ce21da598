#pragma once

#include <vector>

#include "wire/message.h"

namespace syncline {

// One of each message, with every field set to something of its own; for tests.
inline std::vector<Message> message_samples() {
  const auto bytes = [](std::initializer_list<std::uint8_t> list) { return ByteVector(list); };
  const auto id = [](auto zero, int first) {
    for (std::size_t i = 0; i < 16; ++i) {
      zero.bytes[i] = static_cast<std::uint8_t>(first + static_cast<int>(i));
    }
    return zero;
  };
  const ReplicaId replica = id(ReplicaId(), 16);
  const LineageId lineage = id(LineageId(), 32);
  const Receipt receipt{ServerVersion(506), id(Seal(), 112)};
  const Digest digest{0x0102030405060708U, 0x1112131415161718U};
  std::vector<Message> out;
  out.emplace_back(Hello{{1, 3},
                         "team/notes",
                         replica,
                         id(EpochId(), 48),
                         {id(EpochId(), 64), id(EpochId(), 80)},
                         ChangeSequence(300),
                         ChangeSequence(299),
                         0x123456789AU,
                         7,
                         id(SchemaFingerprint(), 96),
                         bytes({1, 2, 3}),
                         lineage,
                         ServerVersion(12345),
                         CatchUp::bootstrap,
                         {"notes", "tags"},
                         "secret",
                         receipt});
  out.emplace_back(Welcome{1, lineage, ServerVersion(500), ServerVersion(400), ChangeSequence(299),
                           0x99887766U, 1'700'000'000'000, 1U << 20U, 1U << 19U, 1U << 24U, 1000, 7,
                           true, receipt});
  out.emplace_back(Refused{Refusal::clock_skew,
                           "your clock is ahead",
                           "set the clock",
                           1'700'000'000'001,
                           {1, 1},
                           ChangeSequence(298),
                           {{0x1122334455667788U, 0x99AABBCCDDEEFF00U}, {2, 0}}});
  out.emplace_back(PushPart{bytes({1, 0, 255})});
  out.emplace_back(Ack{ChangeSequence(300), receipt});
  out.emplace_back(Rejected{ChangeSequence(299), "not_allowed", "read only", bytes({9})});
  out.emplace_back(PullPart{ServerVersion(501), bytes({4, 5}), receipt});
  out.emplace_back(PullThrough{ServerVersion(502), receipt});
  out.emplace_back(Applied{ServerVersion(503)});
  out.emplace_back(SnapshotRequest{bytes({6})});
  out.emplace_back(SnapshotBegin{ServerVersion(504), 1000, 100000, 10, 999});
  out.emplace_back(SnapshotPage{bytes({7, 7}), 20, 2000, bytes({8})});
  out.emplace_back(SnapshotEnd{ServerVersion(505), 1000, 100001, receipt});
  out.emplace_back(RescanRequest{"notes", bytes({1}), bytes({2})});
  out.emplace_back(RangeDigests{"notes", bytes({1}), {{bytes({3}), 5, digest}}});
  out.emplace_back(RangeRequest{"tags", bytes({4}), bytes({})});
  out.emplace_back(RangeRows{"tags", bytes({5}), bytes({6}), bytes({7})});
  out.emplace_back(Heartbeat{ServerVersion(506), -1, digest});
  out.emplace_back(Presence{replica, "cursor", bytes({10, 11})});
  out.emplace_back(Subscribe{{"notes"}});
  out.emplace_back(TokenRefresh{"another"});
  out.emplace_back(Bye{Farewell::draining, "back soon"});
  out.emplace_back(PeerHello{
      {1, 1}, "team/notes", replica, 7, bytes({1}), 1'700'000'000'002, "secret", bytes({0})});
  out.emplace_back(PeerPart{bytes({1, 2})});
  out.emplace_back(PeerSeen{bytes({0}), digest});
  out.emplace_back(RelayPart{bytes({3, 4})});
  out.emplace_back(RelayAck{replica, ChangeSequence(508), true});
  return out;
}

}  // namespace syncline
