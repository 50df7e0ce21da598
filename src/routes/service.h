#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>

#include "base/random.h"
#include "routes/auth.h"
#include "routes/delta_v2.h"
#include "routes/http.h"
#include "routes/metrics.h"
#include "routes/rate_limit.h"
#include "routes/sync.h"
#include "server/hub.h"
#include "server/log_reader.h"
#include "wire/limits.h"

namespace syncline {

// A WebSocket of the host's.
using SocketId = Strong<std::uint64_t, struct SocketIdTag>;

namespace service_effect {
struct SendFrame {
  SocketId socket;
  SharedBytes frame;
};
// After what was sent before, unless that is to be dropped.
struct CloseSocket {
  SocketId socket;
  std::string reason;
  bool at_once = false;
};
// A frame that on_socket_frame() kept was handled.
struct FrameTaken {
  SocketId socket;
  std::size_t bytes = 0;
};
struct Answer {
  RequestId request;
  Reply reply;
};
// Goes on with an answer that streams.
struct Chunk {
  RequestId request;
  std::string text;
  bool last = false;
};
// commit() is to be called once everything that waits has been read.
struct CommitWanted {};
// What the operator must hear of: a line for the server's log.
struct Note {
  enum class Level { warning, error } level = Level::warning;
  std::string event;
  Json fields;
};
// A look at what is stored that may take long. Done elsewhere, one at a time, while the service
// does other things; then on_looked() answers the request.
struct Look {
  RequestId request;
  std::function<void()> look;
};
// The list of revocations changed and must be kept.
struct SaveRevocations {
  std::string text;
};
}  // namespace service_effect

using ServiceEffect =
    std::variant<service_effect::SendFrame, service_effect::CloseSocket, service_effect::Answer,
                 service_effect::CommitWanted, service_effect::SaveRevocations,
                 service_effect::Chunk, service_effect::Note, service_effect::FrameTaken,
                 service_effect::Look>;

struct ServiceOptions {
  SyncOptions sync;
  // New connections and requests of one address.
  RateLimit::Options per_address{200, 1000, 100'000};
  // Frames of one subject.
  RateLimit::Options per_identity{50'000, 200'000, 100'000};
  // How long a POST may wait for something to answer with, at most.
  Duration poll{25'000};
  std::size_t http_sessions_max = 10'000;
  // Of one user; a further one ends the one that was silent for longest.
  std::size_t http_sessions_each_max = 500;
  // Frames kept for a replica that comes by POST and has not fetched them; one change of the
  // largest size fits.
  std::size_t http_bytes_max = limits::change_bytes_max + (std::size_t{24} << 20U);
  std::size_t http_body_bytes_max = std::size_t{8} << 20U;
  DeltaOptions delta;
  // Only whoever administers the server reads /metrics.
  bool private_metrics = false;
  // Looks that may wait, in all and of one user.
  std::size_t looks_max = 64;
  std::size_t looks_each_max = 4;
  // A workspace that is larger is not given as a file.
  std::size_t file_bytes_max = std::size_t{256} << 20U;
};

// Everything the server does behind its sockets: WebSocket frames, the same frames by POST, and
// the operator's pages. Without I/O, like the hub that it drives. One thread.
//
// Invariants:
// 1. A frame that was put into an answer is not kept: a POST whose answer got lost has lost its
//    session, and the replica begins anew.
// 2. Whoever may not see a workspace gets the answer of one that does not exist.
// 3. A conversation by POST is kept only for whoever was let in with its first request.
class Service {
 public:
  struct Parts {
    // All outlive the service. `reader` may be null: then there are no admin pages. It is used in
    // looks, and nowhere else.
    LogStore* store = nullptr;
    Hub* hub = nullptr;
    Auth* auth = nullptr;
    LogReader* reader = nullptr;
    WallClock* clock = nullptr;
    Random* random = nullptr;  // for session ids: must not be guessable
    std::function<std::int64_t()> micros;
    // Asked about paths that nobody here knows; may be empty, and may not know them either.
    std::function<std::optional<Reply>(const Request&)> others;
  };
  Service(Parts parts, ServiceOptions options);

  void on_socket_open(Instant now, SocketId socket, const std::string& address);
  // False when it is kept and handled later: then FrameTaken says when.
  bool on_socket_frame(Instant now, SocketId socket, Bytes frame);
  // So many bytes of its SendFrames have left.
  void on_socket_sent(Instant now, SocketId socket, std::size_t bytes);
  void on_socket_closed(Instant now, SocketId socket);
  void on_request(Instant now, RequestId id, const Request& request);
  // Whoever asked is gone.
  void on_request_gone(RequestId id);
  // A Look was done.
  void on_looked(RequestId id);
  void on_time(Instant now);
  void commit(Instant now);
  // A turn of what sessions wait for; to be called behind every commit, and when next_wake() is
  // due.
  void work(Instant now);
  bool wants_work(Instant now) const { return work_at_ && *work_at_ <= now; }
  // Ends all sessions: the server stops.
  void drain(Instant now);
  // Keys or revocations changed: ends live sessions that they no longer allow, and says why.
  void recheck(Instant now);

  // Who showed this token, before anything of the request is looked at.
  std::optional<std::string> user_of(std::string_view token) const;

  // When on_time() is to be called next, if ever.
  std::optional<Instant> next_wake() const;
  // How many wait for the next commit.
  std::size_t writers() const { return parts_.hub->writers(); }
  std::optional<ServiceEffect> next_effect();
  Metrics& metrics() { return metrics_; }

 private:
  // A conversation by POST.
  struct Session {
    std::string id;
    ConnectionId connection;
    std::deque<SharedBytes> frames;
    std::size_t bytes = 0;
    std::optional<RequestId> waiting;
    Instant answer_at;
    bool closed = false;
    bool welcomed = false;
    Instant heard_at;
  };
  struct Route {
    std::optional<SocketId> socket;
    Session* session = nullptr;
    std::string address;
    std::string identity;
  };

  void pump(Instant now);
  void perform(Instant now, HubEffect&& effect);
  void send(Instant now, ConnectionId connection, SharedBytes frame);
  enum class Parting : std::uint8_t { after_all, at_once };
  void hang_up(Instant now, ConnectionId connection, const std::string& reason,
               Parting parting = Parting::after_all);
  bool take_frame(Instant now, ConnectionId connection, Bytes frame);
  void count_out(Bytes frame);
  void answer(RequestId id, Reply reply);
  // What a look saw stays where it is until the look is done: another thread writes it.
  struct Looking {
    std::string user;
    Reply reply;
    Result<Json> list = Json();
    std::function<Reply(Looking&)> then;
  };
  // Answers with what `then` makes of what was seen. --- routes/service_looks.cc
  void look(RequestId id, const std::string& user, std::function<void(Looking&)> look,
            std::function<Reply(Looking&)> then);
  DeltaDoor::Parts door_parts();

  void sync_request(Instant now, RequestId id, const Request& request);
  Session* session_of(Instant now, RequestId id, const Request& request);
  void answer_session(Instant now, Session& session, bool even_empty);
  void drop_session(Instant now, const std::string& id);
  void begin_anew(Instant now, const HubBehind& behind);
  void take_frames(Instant now, RequestId id, Session& session, const Request& request);
  void bound_sessions(Instant now, const Session& newest);

  void page(Instant now, RequestId id, const Request& request);
  std::optional<Reply> short_page(Instant now, RequestId id, const Request& request);
  Reply other_page(const Request& request);
  Reply ready(Instant now);
  void look_at_storage(Instant now);
  Reply metrics_page();
  // Nothing when the answer follows a look.
  std::optional<Reply> admin(Instant now, RequestId id, const Request& request);
  std::optional<Reply> admin_page(RequestId id, const Request& request, const std::string& user);
  Reply admin_list(const Request& request, Result<Json> list) const;
  bool is_server_admin(const Request& request) const;
  bool may_administer(const Request& request, const std::string& workspace) const;
  Reply revoke(Instant now, const Request& request);
  Reply give(Instant now, const Request& request);
  Reply reset(Instant now, const std::string& workspace);

  Parts parts_;
  ServiceOptions options_;
  RateLimit per_address_;
  RateLimit per_identity_;
  Metrics metrics_;
  DeltaDoor delta_;
  std::map<SocketId, ConnectionId> sockets_;
  std::map<ConnectionId, Route> routes_;
  std::map<std::string, std::unique_ptr<Session>> sessions_;
  std::map<RequestId, Session*> waiting_;
  std::map<RequestId, Looking> looks_;
  // Those that have something to tell, by their ids.
  std::set<std::string> told_;
  // Both directions, so that a wish replaces the one before.
  std::map<ConnectionId, Instant> wakes_;
  std::set<std::pair<Instant, ConnectionId>> wake_order_;
  Instant next_retire_;
  Instant next_sweep_;
  Instant next_settle_;
  std::optional<Instant> work_at_;
  std::int64_t last_commit_ms_ = 0;
  std::optional<Instant> trouble_told_;
  std::deque<ServiceEffect> effects_;
  bool commit_wanted_ = false;
};

}  // namespace syncline
