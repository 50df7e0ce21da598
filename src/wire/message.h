#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "model/digest.h"
#include "model/ids.h"
#include "model/schema.h"

namespace syncline {

// Every message of the conversation, as plain structs in one variant; docs/protocol.md is the
// normative description. A frame carries one message.

// The versions of the protocol that a peer speaks, both included.
struct ProtocolRange {
  std::uint32_t min = 0;
  std::uint32_t max = 0;
  friend bool operator==(const ProtocolRange&, const ProtocolRange&) = default;
};

// How a replica wants to come to the server's state.
enum class CatchUp : std::uint8_t {
  resume = 1,     // changes after its cursor
  bootstrap = 2,  // a snapshot, then the changes after it
  rescan = 3,     // comparing ranges of rows, then the changes after that
  // Not at all: a copy tells what it holds under the name that it is about to give up.
  bequest = 4,
};

// That the server once had everything up to a version, said in a way that only it can say. Comes
// with whatever moves a replica's cursor or acknowledged sequence, is kept with them, and is shown
// in the hello: a server that does not have that history any more was put back (server/receipts).
struct Receipt {
  ServerVersion version;  // zero for none
  Seal seal;
  friend bool operator==(const Receipt&, const Receipt&) = default;
};

// First on a connection, from the replica.
struct Hello {
  ProtocolRange protocol;  // stays first in every version, so that any server can read it
  std::string workspace;
  ReplicaId replica;
  // This opening of the replica, and before it those offered since one was last confirmed, the
  // confirmed one first. A copy of the file lacks what the original has offered since.
  EpochId epoch;
  std::vector<EpochId> epochs_before;
  // The last own change that was made, the last one acknowledged, and that one's time.
  ChangeSequence last_sequence;
  ChangeSequence acknowledged;
  std::uint64_t acknowledged_time = 0;
  std::uint32_t schema_version = 0;
  SchemaFingerprint fingerprint;
  ByteVector schema;  // model/schema's bytes
  LineageId lineage;  // zero when no server was met yet
  ServerVersion cursor;
  CatchUp catch_up = CatchUp::resume;
  std::vector<std::string> tables;  // subscribed; empty means all
  std::string token;
  Receipt receipt = {};  // the newest
  friend bool operator==(const Hello&, const Hello&) = default;
};

struct Welcome {
  std::uint32_t protocol = 0;
  LineageId lineage;
  ServerVersion head;
  // Changes after this one follow; below the hello's cursor when the server was restored from a
  // backup that had not reached it.
  ServerVersion resume_after;
  // The last own change of this replica that the server knows.
  ChangeSequence known_sequence;
  std::uint64_t known_time = 0;  // that change's time
  std::int64_t server_time_ms = 0;
  std::uint64_t frame_bytes_max = 0;
  std::uint64_t row_bytes_max = 0;
  std::uint64_t change_bytes_max = 0;
  std::uint32_t heartbeat_ms = 0;
  std::uint64_t features = 0;
  bool may_write = false;
  Receipt receipt = {};  // of the head
  friend bool operator==(const Welcome&, const Welcome&) = default;
};

enum class Refusal : std::uint8_t {
  schema_incompatible = 1,
  unknown_lineage = 2,
  cursor_expired = 3,
  replica_forked = 4,
  not_allowed = 5,
  clock_skew = 6,
  protocol_too_old = 7,
  protocol_too_new = 8,
  malformed = 9,
  busy = 10,
  cannot_store = 11,  // since version 2; the first says busy
};
std::string_view refusal_name(Refusal reason);

// Instead of a welcome, or later: the conversation is over.
// A replica's change, by what the server has kept of it. A time of zero stands for one that it
// refused, and differs from any. Two copies may write at the same time, so their bytes are compared
// too, unless the hash is zero: a change that others relayed was spelled by them.
struct KnownChange {
  std::uint64_t time = 0;
  std::uint64_t hash = 0;
  bool is(std::uint64_t other_time, std::uint64_t other_hash) const {
    return time == other_time && (hash == 0 || hash == other_hash);
  }
  friend bool operator==(const KnownChange&, const KnownChange&) = default;
};

struct Refused {
  Refusal reason = Refusal::malformed;
  std::string message;  // what is wrong
  std::string advice;   // what a person can do about it
  std::int64_t server_time_ms = 0;
  ProtocolRange protocol;
  // For replica_forked and clock_skew: the last own change that the server knows, and those after
  // the hello's acknowledged one up to it, so that the replica finds where the copies part.
  ChangeSequence known_sequence;
  std::vector<KnownChange> known;
  friend bool operator==(const Refused&, const Refused&) = default;
};

// One part of an own change (wire/change_codec), from the replica. Parts come in order.
struct PushPart {
  ByteVector part;
  friend bool operator==(const PushPart&, const PushPart&) = default;
};

// The server has made durable, or rejected, every change up to and including `through`.
struct Ack {
  ChangeSequence through;
  Receipt receipt = {};
  friend bool operator==(const Ack&, const Ack&) = default;
};

// A change that the server refuses; the conversation goes on.
struct Rejected {
  ChangeSequence sequence;
  std::string code;  // an error code's name
  std::string message;
  ByteVector states;  // a part of states: the change's rows as the server has them
  friend bool operator==(const Rejected&, const Rejected&) = default;
};

// One part of somebody else's change, to the replica.
struct PullPart {
  ServerVersion version;
  ByteVector part;
  Receipt receipt = {};
  friend bool operator==(const PullPart&, const PullPart&) = default;
};

// Everything for this replica up to and including the version has been sent.
struct PullThrough {
  ServerVersion version;
  Receipt receipt = {};
  friend bool operator==(const PullThrough&, const PullThrough&) = default;
};

// The replica's cursor, as it stands in its database. Opens the server's window again.
struct Applied {
  ServerVersion version;
  friend bool operator==(const Applied&, const Applied&) = default;
};

// Asks for a snapshot; the token of the last page applied continues one after a cut.
struct SnapshotRequest {
  ByteVector token;
  friend bool operator==(const SnapshotRequest&, const SnapshotRequest&) = default;
};

// Totals are exact for the version; `rows_before` and `bytes_before` were sent before the cut.
struct SnapshotBegin {
  ServerVersion version;
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;
  std::uint64_t rows_before = 0;
  std::uint64_t bytes_before = 0;
  friend bool operator==(const SnapshotBegin&, const SnapshotBegin&) = default;
};

struct SnapshotPage {
  ByteVector token;  // continues after this page
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;
  ByteVector states;  // a part of states
  friend bool operator==(const SnapshotPage&, const SnapshotPage&) = default;
};

// The snapshot is complete with this many rows; changes after `version` follow.
struct SnapshotEnd {
  ServerVersion version;
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;
  Receipt receipt = {};
  friend bool operator==(const SnapshotEnd&, const SnapshotEnd&) = default;
};

// Asks for the digests of a table's rows with keys in (after, through]; an empty `through` has no
// end. An empty table asks for a digest of each table.
struct RescanRequest {
  std::string table;
  ByteVector after;
  ByteVector through;
  friend bool operator==(const RescanRequest&, const RescanRequest&) = default;
};

struct RangeDigest {
  ByteVector through;  // the range's last key, or a table's name
  std::uint64_t rows = 0;
  Digest digest;
  friend bool operator==(const RangeDigest&, const RangeDigest&) = default;
};

// Answers a rescan request: the range cut into pieces, the last of which ends where it ends.
struct RangeDigests {
  std::string table;
  ByteVector after;
  std::vector<RangeDigest> ranges;
  friend bool operator==(const RangeDigests&, const RangeDigests&) = default;
};

struct RangeRequest {
  std::string table;
  ByteVector after;
  ByteVector through;
  friend bool operator==(const RangeRequest&, const RangeRequest&) = default;
};

// Every row that the server has in (after, through]; `through` may end before the one asked for.
struct RangeRows {
  std::string table;
  ByteVector after;
  ByteVector through;
  ByteVector states;  // a part of states, or empty
  friend bool operator==(const RangeRows&, const RangeRows&) = default;
};

// From the server: where it stands. From the replica: that it is there.
struct Heartbeat {
  ServerVersion head;
  std::int64_t time_ms = 0;
  Digest digest;  // of the subscribed rows at `head`
  friend bool operator==(const Heartbeat&, const Heartbeat&) = default;
};

// Never stored; an empty value takes the key away. From the server it names whose it is.
struct Presence {
  ReplicaId replica;
  std::string key;
  ByteVector value;
  friend bool operator==(const Presence&, const Presence&) = default;
};

struct Subscribe {
  std::vector<std::string> tables;  // empty means all
  friend bool operator==(const Subscribe&, const Subscribe&) = default;
};

struct TokenRefresh {
  std::string token;
  friend bool operator==(const TokenRefresh&, const TokenRefresh&) = default;
};

enum class Farewell : std::uint8_t {
  done = 1,      // the sender has nothing more to do
  draining = 2,  // the server is about to stop; another try will find it or another
  replaced = 3,  // another connection of the same replica took over
  expired = 4,   // the token ended and no other came
  too_slow = 5,  // the peer did not keep up
};
std::string_view farewell_name(Farewell reason);

// The last message of whoever hangs up in order.
struct Bye {
  Farewell reason = Farewell::done;
  std::string message;
  friend bool operator==(const Bye&, const Bye&) = default;
};

// First on a connection between two replicas without a server, from both.
struct PeerHello {
  ProtocolRange protocol;
  std::string workspace;
  ReplicaId replica;
  std::uint32_t schema_version = 0;
  ByteVector schema;
  std::int64_t time_ms = 0;
  std::string token;
  ByteVector seen;  // a version vector
  friend bool operator==(const PeerHello&, const PeerHello&) = default;
};

// One part of any replica's change, from a peer that has it.
struct PeerPart {
  ByteVector part;
  friend bool operator==(const PeerPart&, const PeerPart&) = default;
};

// What a peer has seen by now; sent when it applied something.
struct PeerSeen {
  ByteVector seen;  // a version vector
  Digest digest;
  friend bool operator==(const PeerSeen&, const PeerSeen&) = default;
};

// One part of another replica's change that this replica learned from a peer, to the server.
struct RelayPart {
  ByteVector part;
  friend bool operator==(const RelayPart&, const RelayPart&) = default;
};

// Answers each relayed change, in their order: the last change of its author that the server knows
// by now, whoever brought it.
struct RelayAck {
  ReplicaId replica;
  ChangeSequence through;
  // The server will not take the change from anybody but its author.
  bool refused = false;
  friend bool operator==(const RelayAck&, const RelayAck&) = default;
};

// A message's type on the wire is its place here, counted from 1. New ones go to the end.
using Message =
    std::variant<Hello, Welcome, Refused, PushPart, Ack, Rejected, PullPart, PullThrough, Applied,
                 SnapshotRequest, SnapshotBegin, SnapshotPage, SnapshotEnd, RescanRequest,
                 RangeDigests, RangeRequest, RangeRows, Heartbeat, Presence, Subscribe,
                 TokenRefresh, Bye, PeerHello, PeerPart, PeerSeen, RelayPart, RelayAck>;

}  // namespace syncline
