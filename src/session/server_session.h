#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "session/effect.h"
#include "wire/change_codec.h"
#include "wire/limits.h"
#include "wire/version.h"

namespace syncline {

// What a token was found to allow.
struct Rights {
  bool may_read = false;
  bool may_write = false;
  std::string user;
  // When the token ends, by the wall clock; zero for never.
  std::int64_t expires_ms = 0;
  std::string refusal;  // for a person, when it allows nothing
  // May see the workspace's pages, and give its devices away.
  bool may_administer = false;
  // What it was verified with, and when it was issued, in seconds: keys go, and people are revoked.
  std::string key{};
  std::int64_t issued_s = 0;
};

// The server's answer to a hello: a welcome, or why not.
using Greeting = std::variant<Welcome, Refused>;

// Whether the server's disk or database failed: nothing that is asked for differently goes better.
bool is_storage_trouble(ErrorCode code);

enum class Admission : std::uint8_t {
  admitted,
  repeated,      // known already; changes nothing
  rejected,      // by rules, schema or limits
  skewed,        // stamped too far in the future
  diverged,      // the same sequence with other content: a copy of the replica
  out_of_order,  // a change before it is missing
  foreign,       // the replica belongs to another user
};

struct Admitted {
  Admission admission = Admission::admitted;
  // Who made the change; another one than who brought it when it was relayed.
  ReplicaId author;
  bool relayed = false;
  // Of what is durable once this is.
  Receipt receipt;
  // Of rows that were brought as states: the part that was logged, which has the news alone.
  ByteVector logged;
  ChangeSequence sequence;
  Rejected rejected;  // when rejected
  // When relayed, skewed or diverged: the last known change of the replica, and what follows
  // the acknowledged.
  ChangeSequence known_sequence;
  std::vector<KnownChange> known;
};

// One part of a change as it travels: a whole frame, encoded once for everybody who gets it.
struct LogPart {
  ServerVersion version;
  SharedBytes frame;
};
// Fails with `too_large`.
Result<LogPart> make_log_part(const Receipt& receipt, ByteVector part);

struct ServerOptions {
  Duration heartbeat{1000};
  // A head that moved is told this soon when nothing else is.
  Duration heartbeat_soon{50};
  // Without any frame for this long the replica is gone.
  Duration silence{30'000};
  // How long after the token's end another one may come.
  Duration token_grace{10'000};
};

// The server's end of one connection: greet, authorise, accept, serve, refuse. Sans I/O, as
// ClientSession.
//
// Invariants:
// 1. Nothing of a workspace is told before token and hello were accepted.
// 2. A change is acknowledged after the host reported it durable, never before.
// 3. At most limits::pull_window_bytes are sent and not applied by the replica, one larger change
//    aside, which is read part by part; the host is asked for one slice of the log at a time.
// 4. A change is handed on only when all its parts have come, and never above change_bytes_max.
class ServerSession {
 public:
  // `clock` outlives the session.
  ServerSession(WallClock& clock, const ServerOptions& options);

  void on_open(Instant now);
  void on_frame(Instant now, Bytes frame);
  void on_wakeup(Instant now);
  // The workspace has versions up to `head`.
  void on_head_moved(Instant now, ServerVersion head);
  // An encoded Presence of this replica's.
  void on_presence(Instant now, const ReplicaId& of, SharedBytes frame);
  // Something was heard that is handled later.
  void on_heard(Instant now) { heard_at_ = now; }
  // The server stops, or another connection of the same replica took over, or rights were revoked.
  void hang_up(Instant now, Farewell reason, const std::string& message);

  // Answers to effects.
  void on_authorised(Instant now, Rights rights);
  void on_greeting(Instant now, Greeting greeting);
  void on_admitted(Instant now, Admitted admitted);
  // Everything after the asked place up to `through`'s that this replica is to get, and of the
  // version behind it what the first `begun` parts hold.
  void on_log(Instant now, std::vector<LogPart> parts, const Receipt& through,
              std::uint64_t begun = 0);
  // The cursor lies below what the log still has.
  void on_log_gone(Instant now);
  void on_snapshot_begin(Instant now, const SnapshotBegin& begin);
  void on_snapshot_page(Instant now, SnapshotPage page);
  void on_snapshot_end(Instant now, const SnapshotEnd& end);
  void on_message_ready(Instant now, const Message& message);
  void on_head(Instant now, ServerVersion head, const Digest& digest);
  // Storage failed: the replica is sent away and comes again.
  void on_host_failure(Instant now, const Error& error);

  std::optional<ServerEffect> next_effect();

  bool is_welcomed() const { return phase_ == Phase::serving; }
  bool is_closed() const { return phase_ == Phase::closed; }
  const Hello& hello() const { return hello_; }
  const Rights& rights() const { return rights_; }
  // Bytes kept for this connection; for tests of invariants 3 and 4.
  std::size_t bytes_held() const { return change_bytes_ + window_bytes_; }
  // Of a change whose last part has not come yet.
  std::size_t change_bytes() const { return change_bytes_; }

 private:
  enum class Phase { silent, authorising, greeting, serving, closed };
  struct Sent {
    ServerVersion version;
    std::size_t bytes = 0;
  };

  void handle(Instant now, Hello&& m);
  void handle(Instant now, PushPart&& m);
  void handle(Instant now, RelayPart&& m);
  void handle(Instant now, Applied&& m);
  void handle(Instant now, SnapshotRequest&& m);
  void handle(Instant now, RescanRequest&& m);
  void handle(Instant now, RangeRequest&& m);
  void handle(Instant now, Heartbeat&& m);
  void handle(Instant now, Presence&& m);
  void handle(Instant now, Subscribe&& m);
  void handle(Instant now, TokenRefresh&& m);
  void handle(Instant now, Bye&& m);
  template <typename M>
  void handle(Instant now, M&& /*m*/) {
    refuse(now, Refusal::malformed, "a replica sent what only a server sends");
  }

  void take_part(Instant now, ByteVector&& part, bool relayed);
  void send(Instant now, const Message& message);
  void send_part(SharedBytes frame);
  // Whether the replica knows what a receipt is.
  bool takes_receipts() const { return hello_.protocol.max >= receipts_since; }
  void refuse(Instant now, Refusal reason, const std::string& message);
  void refuse(Instant now, Refused refused);
  void close(const std::string& reason);
  void read_log(Instant now);
  void read_page();
  void wake(Instant now);

  WallClock* clock_;
  ServerOptions options_;
  std::deque<ServerEffect> effects_;
  Phase phase_ = Phase::silent;
  Hello hello_;
  Rights rights_;
  bool refreshing_ = false;
  Instant heard_at_;
  Instant beat_at_;
  bool reading_head_ = false;

  // Push.
  std::vector<ByteVector> change_;
  std::size_t change_bytes_ = 0;
  std::optional<PartHeader> change_header_;
  bool change_relayed_ = false;

  // Pull.
  bool pulling_ = false;  // the replica said where it stands
  bool reading_ = false;
  ServerVersion head_;
  ServerVersion sent_through_;
  std::uint64_t sent_begun_ = 0;  // parts of the version behind it
  ServerVersion beaten_head_;
  std::deque<Sent> window_;
  std::size_t window_bytes_ = 0;

  // Snapshot.
  bool snapshot_ = false;
  bool snapshot_done_ = false;
  bool reading_page_ = false;
  std::uint32_t page_credit_ = 0;
  ByteVector page_token_;
};

}  // namespace syncline
