#pragma once

#include <optional>
#include <string>

#include "client/engine.h"
#include "session/peer_session.h"

namespace syncline {

// What a peer's host leaves to whoever owns the connection. None of these may call the host.
class PeerLink {
 public:
  virtual ~PeerLink() = default;
  virtual void send(ByteVector frame) = 0;
  virtual void hang_up(const std::string& reason) = 0;
  // Replaces the wish before it.
  virtual void wake_at(Instant at) = 0;
  // Whether somebody with this token may take part.
  virtual Result<void> admit(const PeerHello& hello) {
    (void)hello;
    return {};
  }
};

// A replica's end of a connection to another replica, with its database behind it; see ReplicaHost.
// A replica may have several peers and a server at the same time: each host notices in the log what
// the others brought.
class PeerHost {
 public:
  struct Parts {
    // All outlive the host.
    Engine* engine = nullptr;
    WallClock* clock = nullptr;
    PeerLink* link = nullptr;
  };
  PeerHost(const Parts& parts, const PeerOptions& options)
      : parts_(parts), session_(*parts.clock, options) {}

  // The connection is up. Fails when the database cannot be read or is no replica yet.
  Result<void> start(Instant now, const std::string& token);
  void stop(Instant now);
  void on_disconnected(Instant now);
  void on_frame(Instant now, Bytes frame);
  void on_wakeup(Instant now);

  const PeerSession& session() const { return session_; }
  // The peer lacks changes that this replica holds only as rows: a server has to bring them.
  bool has_gap() const { return has_gap_; }
  const std::string& last_error() const { return last_error_; }

 private:
  void pump(Instant now);
  Result<void> notice(Instant now);
  Result<void> perform(Instant now, PeerEffect& effect);
  Result<void> meet(const PeerHello& hello);
  Result<void> tell_if_ours(const std::vector<ByteVector>& parts, const ApplyReport& report);
  void fail(Instant now, const Error& error);

  Parts parts_;
  PeerSession session_;
  LogHead seen_;
  // Everything in the log up to here was told, or is covered by what the peer has seen.
  LocalVersion told_;
  bool has_gap_ = false;
  std::optional<PeerEffect> delayed_;
  std::string last_error_;
};

}  // namespace syncline
