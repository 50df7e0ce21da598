#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "client/replica_host.h"
#include "net/transport.h"

namespace syncline {

// A replica's database, kept in step with a server by this thread: joins a ReplicaHost to a
// Transport, and notices what other processes commit to the same file. When one of them syncs it
// already, the loop follows that one, and takes over when it ends.
class SyncLoop final : private ReplicaLink {
 public:
  struct Parts {
    // All outlive the loop.
    Engine* engine = nullptr;
    WallClock* clock = nullptr;
    Random* random = nullptr;
    std::string url;
    TransportOptions transport;
    ClientOptions session;
  };
  // Fails with `invalid_argument` for a URL that is none.
  static Result<std::unique_ptr<SyncLoop>> make(const Parts& parts);
  ~SyncLoop() override;

  Result<void> start(const std::string& workspace, const std::string& token);
  // Works until `more` says no; it is asked after each turn, at the latest every 20 ms.
  void run(const std::function<bool(Instant now)>& more);
  // Says goodbye, and waits a moment for it to leave.
  void stop();

  ReplicaHost& host() { return *host_; }
  // Why the last connection ended, in words.
  const std::string& last_close() const { return last_close_; }
  std::uint64_t dials() const { return dials_; }

 private:
  struct Arrival {
    enum class Kind { open, frame, closed } kind = Kind::frame;
    ByteVector frame;
  };
  class Sockets;

  SyncLoop();
  void dial() override;
  void send(ByteVector frame) override;
  void hang_up(const std::string& reason) override;
  void wake_at(Instant at) override { wake_ = at; }
  void work_waits() override { wake_ = Instant{}; }

  void arrived(ByteVector frame);
  void handle(Instant now, const Arrival& arrival);
  void turn();

  std::unique_ptr<Sockets> sockets_;
  std::unique_ptr<Leadership> leadership_;
  std::unique_ptr<ReplicaHost> host_;
  // What the network brought while the host was busy: it must not be called from its own calls.
  std::deque<Arrival> arrivals_;
  std::size_t arrival_bytes_ = 0;
  bool is_paused_ = false;
  std::optional<Instant> wake_;
  Instant looked_;
  std::string last_close_;
  std::uint64_t dials_ = 0;
};

}  // namespace syncline
