#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "session/backoff.h"
#include "session/digest_watch.h"
#include "session/effect.h"
#include "session/push_window.h"
#include "session/receive_queue.h"
#include "session/relay_queue.h"
#include "session/rescan_walk.h"
#include "session/snapshot_intake.h"
#include "session/status.h"
#include "wire/codec.h"
#include "wire/limits.h"

namespace syncline {

// What the replica's database knows of itself; read when the session starts and whenever an effect
// changed it as a whole.
struct ReplicaFacts {
  std::string workspace;
  ReplicaId replica;
  EpochId epoch;
  std::vector<EpochId> epochs_before;
  ChangeSequence last_sequence;
  ChangeSequence acknowledged;
  std::uint64_t acknowledged_time = 0;
  std::uint32_t schema_version = 0;
  SchemaFingerprint fingerprint;
  ByteVector schema;
  LineageId lineage;
  ServerVersion cursor;
  Digest digest;
  // Of a snapshot that was cut off: the last page's token.
  ByteVector snapshot_token;
  // A rescan began and has not finished, or a person pressed "resync".
  bool wants_rescan = false;
  // Rows came one by one, and the replica has not reached what the server had after the last.
  bool in_pieces = false;
  Receipt receipt;
};

struct ClientOptions {
  BackoffOptions backoff;
  // How old a heartbeat may be for `synced` (P4).
  Duration fresh{5000};
  // Without any frame for this long the connection is taken for dead.
  Duration silence{15'000};
  // Heartbeats come, but not what was asked for: frames were lost on the way.
  Duration patience{30'000};
  Duration dial_timeout{30'000};
  // How long after a local write the push may wait for more of them.
  Duration debounce{0};
  // A replica whose schema or protocol was refused asks again this seldom.
  Duration refused_retry{300'000};
  std::vector<std::string> tables;  // subscribed; empty means all
};

// The replica's end of the conversation: hello, catch up, push, pull, idle, back off. Sans I/O:
// events go in, effects come out, the host performs them. Not thread-safe.
//
// Invariants:
// 1. At most limits::push_window_bytes of own changes are sent and not acknowledged, one larger
//    change aside; at most as much is received and not applied.
// 2. One transaction at a time is asked of the host; cursor and rows move in the same one.
// 3. Nothing is sent to the server before its welcome, and nothing pushed before a rescan ended:
//    rows that the server has forgotten must not come back.
// 4. `synced` is derived from proofs only (session/status).
// 5. Unsent changes are exported before a lineage, a replica id or a stamp changes (P5).
// 6. A copy gives up its name only when the server has, under that name, what it wrote until then:
//    the original may hold the same and tell it, too.
// 7. A hello says what is in the database. After an effect that could not be performed nothing is
//    known of that, and it is read anew first.
// 8. A server acknowledges what it was sent, and nothing else.
class ClientSession {
 public:
  struct Parts {
    // Both outlive the session.
    WallClock* clock = nullptr;
    Random* random = nullptr;
  };
  ClientSession(const Parts& parts, const ClientOptions& options);

  void start(Instant now, ReplicaFacts facts, std::string token);
  // Says goodbye and stays away.
  void stop(Instant now);

  void on_connected(Instant now);
  // `reason`, where it is known, is for a person.
  void on_disconnected(Instant now, const std::string& reason = "");
  void on_frame(Instant now, Bytes frame);
  void on_wakeup(Instant now);

  // The application committed own changes, or anything else that moved the digest.
  void on_local_change(Instant now, ChangeSequence last_sequence, const Digest& digest);
  // Whether halves of transactions may be apart in the rows, as ReplicaFacts::in_pieces.
  void on_pieces(bool in_pieces);
  // So many changes were refused (effect::RejectChange), and the digest is of after that.
  void on_rejected(Instant now, std::uint64_t count);
  // Focus, network up, or a person: tries at once, whatever the back-off says.
  void sync_now(Instant now);
  // "Resync": rows are compared with the server's, range by range.
  void rescan_now(Instant now);
  void refresh_token(Instant now, std::string token);
  void subscribe(Instant now, std::vector<std::string> tables);
  void set_presence(Instant now, std::string key, ByteVector value);

  // Answers to effects.
  // `after` as it was asked for; an answer that comes too late for its connection is ignored.
  void on_outbox(Instant now, ChangeSequence after, std::vector<OutboxPart> parts);
  // Own changes through this one wait for nobody any more; `any` says that some did, and the rows
  // have to be compared with the server's.
  void on_set_aside(Instant now, ChangeSequence through, bool any);
  // Rows here may be other than the server's: compares them as soon as may be.
  void compare_again(Instant now);
  void on_relays(Instant now, std::vector<ByteVector> parts);
  void on_applied(Instant now, ServerVersion cursor, const Digest& digest);
  // `token` is the applied page's.
  void on_page_applied(Instant now, ByteVector token, const Digest& digest);
  void on_compared(Instant now, const std::vector<ByteVector>& differing);
  void on_adopted(Instant now, const Digest& digest);
  void on_facts(Instant now, ReplicaFacts facts);
  // Everything that was known of the replica is void, the cursor too: greets the server anew.
  void start_over(Instant now, ReplicaFacts facts);
  // The host could not perform an effect: the connection is given up, and everything that is not
  // in the database is asked for again later.
  enum class Blame { file, server };
  void on_host_failure(Instant now, const Error& error, Blame blame = Blame::file);

  std::optional<ClientEffect> next_effect() {
    if (effects_.empty()) {
      return std::nullopt;
    }
    ClientEffect out = std::move(effects_.front());
    effects_.pop_front();
    return out;
  }
  StatusReport status(Instant now) const;
  ServerVersion cursor() const { return facts_.cursor; }
  // How long ago the server's last heartbeat came; very long when there was none.
  Duration heartbeat_age(Instant now) const { return watch_.age(now); }
  ChangeSequence acknowledged() const { return facts_.acknowledged; }
  const LineageId& lineage() const { return facts_.lineage; }
  // How often digests differed when they had to be equal; more than zero shows a bug somewhere, or
  // a server that was restored.
  std::uint64_t mismatches() const { return watch_.ever(); }
  // Received and not applied, plus sent and not acknowledged; for tests of invariant 1.
  std::size_t bytes_held() const { return received_.bytes() + push_.bytes() + relays_.bytes(); }

 private:
  enum class Phase {
    stopped,
    waiting,
    dialing,
    greeting,
    bequest,
    bootstrap,
    rescan,
    live,
    mending
  };
  void dial(Instant now);
  void retry_later(Instant now);
  void come_back(Instant now);
  void give_up(Instant now, Trouble trouble, std::string message, std::string advice);
  void close(Instant now, const std::string& reason);
  void reset_connection();
  template <typename M>
  void send(Instant now, const M& message) {
    auto frame = encode_as(message);
    if (frame) {
      effects_.emplace_back(effect::Send{std::move(*frame)});
    } else {
      give_up(now, Trouble::too_large, frame.error().message(),
              "what this device says is larger than a server may hear; see the limits in the "
              "documentation");
    }
  }
  void say_hello(Instant now);
  void take_facts(ReplicaFacts facts);
  void wake(Instant now);
  bool is_waiting_in_vain(Instant now) const;
  bool is_up() const {
    return phase_ == Phase::bequest || phase_ == Phase::bootstrap || phase_ == Phase::rescan ||
           phase_ == Phase::live;
  }
  // Own changes may be told.
  bool may_push() const {
    return (phase_ == Phase::live || phase_ == Phase::bootstrap || phase_ == Phase::bequest) &&
           may_write_;
  }

  void handle(Instant now, Welcome&& m);
  void handle(Instant now, Refused&& m);
  void handle(Instant now, Ack&& m);
  void handle(Instant now, Rejected&& m);
  void handle(Instant now, RelayAck&& m);
  void handle(Instant now, PullPart&& m);
  void handle(Instant now, PullThrough&& m);
  void handle(Instant now, SnapshotBegin&& m);
  void handle(Instant now, SnapshotPage&& m);
  void handle(Instant now, SnapshotEnd&& m);
  void handle(Instant now, RangeDigests&& m);
  void handle(Instant now, RangeRows&& m);
  void handle(Instant now, Heartbeat&& m);
  void handle(Instant now, Presence&& m);
  void handle(Instant now, Bye&& m);
  // decode_from_server() lets nothing else through.
  template <typename M>
  void handle(Instant /*now*/, M&& /*m*/) {
    SL_CHECK(false);
  }

  void refused_for_good(Instant now, Refused&& m);
  void refused_and_mendable(Instant now, Refused&& m);
  // --- session/client_session_bequest.cc ---
  void forked(Instant now, Refused&& m);
  void begin_bequest(Instant now, const Welcome& m);
  void end_bequest(Instant now);
  void reidentify(Refused&& m);

  void go_live(Instant now);
  void push(Instant now);
  void pull();
  void set_aside();
  std::uint64_t waiting_changes() const;
  void apply_pages(Instant now);
  void rescan_step(Instant now);
  void rows_came(Instant now);
  void look_whether_whole(std::optional<ServerVersion> head);
  void check_digest(Instant now);
  StatusFacts status_facts(Instant now) const;
  Progress progress(Instant now) const;
  void protocol_error(Instant now, const std::string& what) {
    give_up(now, Trouble::malformed, what, "update this application or its server");
  }
  void correct_clock(std::int64_t server_time_ms);
  // Notes the newest of what the server says it has.
  void note(const Receipt& receipt);
  // The next that is stored stores it, too.
  void keep_receipt();

  WallClock* clock_;
  Random* random_;
  ClientOptions options_;
  Backoff backoff_;
  // Refusals that were mended: how many of late, when the last one, and which.
  std::uint32_t mends_ = 0;
  Instant mended_at_;
  std::string mended_;
  Backoff mend_backoff_;
  ReplicaFacts facts_;
  bool facts_are_void_ = false;  // invariant 7
  // What the file may say still, though it is known to be of no use.
  LineageId refused_lineage_;
  ByteVector refused_token_;
  std::string token_;
  std::deque<ClientEffect> effects_;

  Phase phase_ = Phase::stopped;
  bool connected_ = false;
  Instant next_try_;
  Instant dialed_at_;
  Instant heard_at_;
  Instant spoke_at_;
  // The last time the server did something that was asked of it; heartbeats do not count.
  Instant progress_at_;
  Duration heartbeat_{1000};
  Trouble trouble_ = Trouble::none;
  std::string trouble_message_;
  std::string trouble_advice_;
  bool may_write_ = false;
  bool setting_aside_ = false;
  ChangeSequence set_aside_through_;
  bool compares_again_ = false;
  // The server took us for a copy. It is told first what may be the original's, too; `done` is also
  // what cannot be done.
  enum class Bequest { none, leaving, done };
  Bequest bequest_ = Bequest::none;
  ChangeSequence bequest_through_;
  // What the server has up to here may be another copy's: it did not say what it is.
  ChangeSequence bequest_after_;
  // Where pulling starts once a rescan has ended.
  ServerVersion resume_after_;

  PushWindow push_;
  RelayQueue relays_;

  // Pull.
  bool busy_ = false;  // invariant 2
  ReceiveQueue received_;
  // Refusals that are not in the rows yet: until they are, the digest is not what the server means.
  std::uint64_t rejecting_ = 0;

  // Bootstrap and rescan.
  SnapshotIntake snapshot_;
  Instant catch_up_started_;
  RescanWalk walk_;
  std::optional<RangeDigests> comparing_;
  std::optional<ChangeSequence> ack_held_;
  // No row that came one by one is of a later time. Known from the first heartbeat after them.
  std::optional<ServerVersion> whole_at_;

  bool is_receipt_news_ = false;

  DigestWatch watch_;  // P4
};

}  // namespace syncline
