#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "base/clock.h"
#include "routes/auth.h"
#include "routes/delta_read.h"
#include "routes/delta_request.h"
#include "routes/delta_write.h"
#include "routes/http.h"
#include "routes/metrics.h"
#include "routes/rate_limit.h"
#include "server/hub.h"

namespace syncline {

inline constexpr const char* delta_path = "/api/sync/v2";

struct DeltaOptions {
  // The push and pull of whole states that came before, at /api/sync/push and /api/sync/pull.
  bool legacy = false;
  Duration wait_max{60'000};
  Duration heartbeat{15'000};
  // Between two pages of one stream.
  Duration page_pause{50};
  std::size_t waiting_max = 10'000;
  std::size_t streams_each_max = 32;
  std::size_t stream_page_bytes = std::size_t{256} << 10U;
};

// The JSON delta door: one POST pushes and pulls, the same log as everybody's behind it. Without
// I/O; the service hands it requests and what the hub says, and passes on what it answers.
//
// Invariants:
// 1. Nothing is answered before the commit that holds what it tells.
// 2. Whoever may not see a workspace gets the answer of one that does not exist.
class DeltaDoor {
 public:
  struct Parts {
    // All outlive the door.
    Hub* hub = nullptr;
    Auth* auth = nullptr;
    WallClock* clock = nullptr;
    RateLimit* per_identity = nullptr;
    Metrics* metrics = nullptr;
    std::function<void(RequestId, Reply)> answer;
    // Goes on with a reply that streams; `last` ends it.
    std::function<void(RequestId, std::string text, bool last)> chunk;
  };
  DeltaDoor(Parts parts, const DeltaOptions& options)
      : parts_(std::move(parts)), options_(options) {}

  // Whether the path is this door's.
  bool takes(const std::string& path) const;
  void on_request(Instant now, RequestId id, const Request& request);
  // Whoever asked is gone.
  void on_request_gone(RequestId id);
  void on_door_done(Instant now, DoorTicket ticket, bool is_durable);
  void on_head_moved(Instant now, const std::string& workspace);
  void on_time(Instant now);
  // Ends what waits: of one user, who is told no more, or all when `user` is empty.
  void hang_up(Instant now, const std::string& user);
  // Ends what waits of everybody whom `check` refuses.
  void recheck(const Hub::RightsCheck& check);
  std::optional<Instant> next_wake() const;
  std::size_t waiting() const { return waiters_.size(); }

 private:
  struct Visitor {
    std::string workspace;
    Rights rights;
  };
  enum class Shape { delta, migrated, pushed };
  // A request whose changes wait for the commit.
  struct Visit {
    RequestId request;
    Visitor visitor;
    Shape shape = Shape::delta;
    DeltaRequest asked;
    DeltaState state;  // uploaded, instead of changes
    DeltaWritten written;
  };
  // A long poll, or a stream.
  struct Waiter {
    Visitor visitor;
    DeltaAsk ask;
    bool is_stream = false;
    Instant ends_at;
    Instant wake_at;
  };

  std::optional<Reply> let_in(Instant now, const Request& request, Visitor& out);
  std::optional<Reply> charge(Instant now, const Visitor& visitor, std::size_t changes);
  Result<std::string> body_of(const Request& request) const;
  void sync(Instant now, RequestId id, const Request& request);
  void take_state(Instant now, RequestId id, const Request& request, Shape shape);
  void pull_state(Instant now, RequestId id, const Request& request);
  void events(Instant now, RequestId id, const Request& request);
  void visit(Instant now, Visit visit, const Hub::DoorWork& work);
  DeltaAsk ask_of(const Visit& visit, const DeltaNames& names) const;
  void answer_visit(Instant now, Visit& visit);
  void wait(Instant now, RequestId id, Waiter waiter);
  void forget(RequestId id);
  // Looks for news for somebody who waits; tells them when there are, or when time is up.
  void serve(Instant now, RequestId id);
  void preflight(RequestId id);
  void reply(RequestId id, Reply reply);
  Reply failed(const Error& error);
  void count(const DeltaWritten& written);

  Parts parts_;
  DeltaOptions options_;
  std::uint64_t next_ticket_ = 1;
  std::map<DoorTicket, Visit> visits_;
  std::map<RequestId, Waiter> waiters_;
  std::map<std::string, std::set<RequestId>> by_workspace_;
  std::set<std::pair<Instant, RequestId>> wakes_;
  std::map<std::string, std::size_t> streams_;
  // The pages that asked, where a browser said so; the service let them in.
  std::map<RequestId, std::string> origins_;
};

}  // namespace syncline
