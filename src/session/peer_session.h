#pragma once

#include <deque>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/clock.h"
#include "model/version_vector.h"
#include "session/effect.h"
#include "wire/change_codec.h"
#include "wire/message.h"

namespace syncline {

namespace effect {

// Is this peer welcome (token, schema)? Answer: on_met().
struct MeetPeer {
  PeerHello hello;
};
// Whole changes of anybody's that `after` does not cover, each replica's in their order; about
// `bytes_max`, at least one if there is any. Answer: on_changes().
struct LoadForPeer {
  VersionVector after;
  std::size_t bytes_max = 0;
};
// In one transaction: merges a whole change and keeps it, to be told to others. Answer:
// on_learned().
struct LearnChange {
  std::vector<ByteVector> parts;
};

}  // namespace effect

using PeerEffect = std::variant<effect::Send, effect::HangUp, effect::WakeAt, effect::MeetPeer,
                                effect::LoadForPeer, effect::LearnChange>;

// What a replica's database knows of itself when it meets a peer.
struct PeerFacts {
  std::string workspace;
  ReplicaId replica;
  std::uint32_t schema_version = 0;
  ByteVector schema;
  VersionVector seen;
  Digest digest;
};

struct PeerOptions {
  Duration heartbeat{1000};
  Duration silence{15'000};
};

// One end of a connection between two replicas without a server. Both ends are alike: each says
// what it has seen of every replica's changes and is told the rest. Sans I/O, as ClientSession.
//
// Invariants:
// 1. Each replica's changes are told and learned in their order, without gaps: what was seen is a
//    version vector.
// 2. At most limits::push_window_bytes are sent and not seen by the peer, one larger change aside;
//    about as much is received and not learned.
// 3. Nothing is told before the peer was found welcome, and nothing of a change is learned before
//    its last part has come (P6).
// 4. A change that was seen already is never learned again (P2).
class PeerSession {
 public:
  // `clock` outlives the session.
  PeerSession(WallClock& clock, const PeerOptions& options) : clock_(&clock), options_(options) {}

  // The connection is up.
  void start(Instant now, PeerFacts facts, const std::string& token);
  void stop(Instant now);
  void on_disconnected(Instant now);
  void on_frame(Instant now, Bytes frame);
  void on_wakeup(Instant now);
  // Something was committed here: own changes, or what somebody else told.
  void on_local_change(Instant now, VersionVector seen, const Digest& digest);

  // Answers to effects.
  void on_met(Instant now, const Result<void>& welcome);
  void on_changes(Instant now, std::vector<ByteVector> parts);
  void on_learned(Instant now, VersionVector seen, const Digest& digest);
  void on_host_failure(Instant now, const Error& error);

  std::optional<PeerEffect> next_effect();

  bool is_met() const { return phase_ == Phase::met; }
  bool is_closed() const { return phase_ == Phase::closed; }
  // Both have seen the same and hold the same rows, as far as the last message tells.
  bool is_equal() const;
  const VersionVector& seen() const { return facts_.seen; }
  // Why the connection ended; empty while it has not, or ended in order.
  const std::string& trouble() const { return trouble_; }
  std::size_t bytes_held() const { return sent_bytes_ + received_bytes_; }

 private:
  enum class Phase { closed, greeting, meeting, met };
  struct Sent {
    Dot dot;
    std::size_t bytes = 0;
  };
  struct Received {
    Dot dot;
    std::vector<ByteVector> parts;
    std::size_t bytes = 0;
  };

  void send(const Message& message);
  void tell_seen(Instant now);
  void wake(Instant now);
  void close(const std::string& reason);
  void refuse(Refusal reason, const std::string& message);
  void handle(Instant now, PeerHello&& m);
  void handle(Instant now, PeerPart&& m);
  void handle(Instant now, PeerSeen&& m);
  void handle(Instant now, Refused&& m);
  void handle(Instant now, Bye&& m);
  template <typename M>
  void handle(Instant /*now*/, M&& /*m*/) {
    refuse(Refusal::malformed, "a peer sent what only a server or its client sends");
  }
  Result<void> take_part(PeerPart&& m);
  void push();
  void learn();

  WallClock* clock_;
  PeerOptions options_;
  std::deque<PeerEffect> effects_;
  Phase phase_ = Phase::closed;
  PeerFacts facts_;
  std::string trouble_;
  Instant heard_at_;
  Instant spoke_at_;

  // Out.
  VersionVector theirs_;  // as they last said
  VersionVector told_;    // with what is on its way
  std::optional<Digest> their_digest_;
  std::deque<Sent> sent_;
  std::size_t sent_bytes_ = 0;
  bool loading_ = false;
  bool drained_ = false;

  // In.
  std::deque<Received> received_;  // the last one may lack parts
  bool partial_ = false;
  std::size_t received_bytes_ = 0;
  VersionVector coming_;  // seen, with what is received and not learned
  bool learning_ = false;
};

}  // namespace syncline
