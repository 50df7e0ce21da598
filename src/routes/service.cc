#include "routes/service.h"

#include <algorithm>

#include "base/text.h"
#include "routes/databases.h"
#include "routes/endpoints.h"
#include "wire/codec.h"
#include "wire/limits.h"

namespace syncline {
namespace {

template <typename... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <typename... F>
Overloaded(F...) -> Overloaded<F...>;

constexpr Duration retire_every{3'600'000};
constexpr Duration sweep_every{1000};
// Cursors of readers wait for a writer's commit at most this long.
constexpr Duration settle_every{5000};
// How often a trouble that lasts is said again.
constexpr Duration trouble_every{60'000};
// A session by POST that nobody asks about for this long is gone.
constexpr Duration session_silence{60'000};
constexpr const char* session_header = "Syncline-Session";
constexpr const char* wait_header = "Syncline-Wait";

// The types of frames that are counted: their places in wire/message.h's variant.
enum FrameType : std::uint8_t {
  welcome_frame = 2,
  refused_frame = 3,
  push_frame = 4,
  ack_frame = 5,
  rejected_frame = 6,
  pull_frame = 7
};

Reply json_reply(int status, const Json& body) {
  Reply reply;
  reply.status = status;
  reply.body = write_json(body) + "\n";
  return reply;
}

Json message_field(const std::string& message) {
  Json out;
  out.set("message", Json(message));
  return out;
}

}  // namespace

Service::Service(Parts parts, ServiceOptions options)
    : parts_(std::move(parts)),
      options_(std::move(options)),
      per_address_(options_.per_address),
      per_identity_(options_.per_identity),
      delta_(door_parts(), options_.delta) {}

DeltaDoor::Parts Service::door_parts() {
  DeltaDoor::Parts out;
  out.hub = parts_.hub;
  out.auth = parts_.auth;
  out.clock = parts_.clock;
  out.per_identity = &per_identity_;
  out.metrics = &metrics_;
  out.answer = [this](RequestId id, Reply reply) { answer(id, std::move(reply)); };
  out.chunk = [this](RequestId id, std::string text, bool last) {
    effects_.emplace_back(service_effect::Chunk{id, std::move(text), last});
  };
  return out;
}

std::optional<ServiceEffect> Service::next_effect() {
  if (effects_.empty()) {
    return std::nullopt;
  }
  ServiceEffect out = std::move(effects_.front());
  effects_.pop_front();
  return out;
}

std::optional<Instant> Service::next_wake() const {
  std::optional<Instant> out;
  if (!wake_order_.empty()) {
    out = wake_order_.begin()->first;
  }
  for (const auto& [id, session] : waiting_) {
    out = out ? std::min(*out, session->answer_at) : session->answer_at;
  }
  if (work_at_) {
    out = out ? std::min(*out, *work_at_) : work_at_;
  }
  if (const auto door = delta_.next_wake()) {
    out = out ? std::min(*out, *door) : door;
  }
  return out;
}

void Service::answer(RequestId id, Reply reply) {
  metrics_.add("http_replies_total", "status=\"" + std::to_string(reply.status) + "\"");
  effects_.emplace_back(service_effect::Answer{id, std::move(reply)});
}

// --- WebSockets
// -----------------------------------------------------------------------------------

void Service::on_socket_open(Instant now, SocketId socket, const std::string& address) {
  std::optional<ConnectionId> connection;
  if (!per_address_.take(now, address)) {
    metrics_.add("refusals_total", "reason=\"rate\"");
  } else if (connection = parts_.hub->open(now); !connection) {
    metrics_.add("refusals_total", "reason=\"too_many_connections\"");
  }
  if (!connection) {
    effects_.emplace_back(service_effect::CloseSocket{socket, "too many; try again later"});
    return;
  }
  sockets_.emplace(socket, *connection);
  Route route;
  route.socket = socket;
  route.address = address;
  routes_.emplace(*connection, std::move(route));
  pump(now);
}

bool Service::on_socket_frame(Instant now, SocketId socket, Bytes frame) {
  const auto at = sockets_.find(socket);
  if (at == sockets_.end()) {
    return true;
  }
  const bool taken = take_frame(now, at->second, frame);
  pump(now);
  return taken;
}

void Service::on_socket_sent(Instant now, SocketId socket, std::size_t bytes) {
  if (const auto at = sockets_.find(socket); at != sockets_.end()) {
    parts_.hub->on_sent(now, at->second, bytes);
    pump(now);
  }
}

void Service::work(Instant now) {
  work_at_.reset();
  parts_.hub->work(now);
  pump(now);
}

void Service::on_socket_closed(Instant now, SocketId socket) {
  const auto at = sockets_.find(socket);
  if (at == sockets_.end()) {
    return;
  }
  const ConnectionId connection = at->second;
  sockets_.erase(at);
  routes_.erase(connection);
  if (const auto wake = wakes_.find(connection); wake != wakes_.end()) {
    wake_order_.erase({wake->second, connection});
    wakes_.erase(wake);
  }
  parts_.hub->on_closed(now, connection);
  pump(now);
}

bool Service::take_frame(Instant now, ConnectionId connection, Bytes frame) {
  const auto at = routes_.find(connection);
  if (at == routes_.end()) {
    return true;
  }
  metrics_.add("bytes_received_total", {}, frame.size());
  if (!frame.empty() && frame[0] == push_frame) {
    metrics_.add("push_parts_total");
  }
  const Route& route = at->second;
  const std::string& name = route.identity.empty() ? route.address : route.identity;
  if (!per_identity_.take(now, name)) {
    metrics_.add("refusals_total", "reason=\"rate\"");
    Refused refused;
    refused.reason = Refusal::busy;
    refused.message = "too many frames at once";
    refused.advice = "wait a little; nothing is lost";
    refused.server_time_ms = parts_.clock->now_ms();
    refused.protocol = protocol_spoken;
    send(now, connection, *encode_message(refused));  // a few words, within every limit
    hang_up(now, connection, "rate");
    return true;
  }
  return parts_.hub->on_frame(now, connection, frame);
}

// --- What the hub wants
// ---------------------------------------------------------------------------

void Service::pump(Instant now) {
  while (auto effect = parts_.hub->next_effect()) {
    perform(now, std::move(*effect));
  }
  const std::set<std::string> told = std::move(told_);
  told_.clear();
  for (const std::string& id : told) {
    if (const auto at = sessions_.find(id); at != sessions_.end()) {
      answer_session(now, *at->second, at->second->closed);
    }
  }
  while (auto effect = parts_.hub->next_effect()) {  // of what was taken
    perform(now, std::move(*effect));
  }
}

void Service::perform(Instant now, HubEffect&& effect) {
  std::visit(
      Overloaded{
          [&](HubSend&& e) { send(now, e.connection, std::move(e.frame)); },
          [&](HubHangUp&& e) {
            hang_up(now, e.connection, e.reason, e.at_once ? Parting::at_once : Parting::after_all);
          },
          [&](HubWorkWanted&& e) { work_at_ = work_at_ ? std::min(*work_at_, e.at) : e.at; },
          [&](HubTaken&& e) {
            const auto at = routes_.find(e.connection);
            if (at != routes_.end() && at->second.socket) {
              effects_.emplace_back(service_effect::FrameTaken{*at->second.socket, e.bytes});
            }
          },
          [&](HubAuthorise&& e) {
            Rights rights = parts_.auth->authorise(e.token, e.workspace, parts_.clock->now_ms());
            if (!rights.may_read) {
              metrics_.add("authorisations_refused_total");
            } else if (const auto at = routes_.find(e.connection); at != routes_.end()) {
              at->second.identity = rights.user;
            }
            parts_.hub->on_authorised(now, e.connection, std::move(rights));
          },
          [&](HubWakeAt&& e) {
            if (routes_.count(e.connection) == 0) {
              return;
            }
            const auto [at, is_new] = wakes_.try_emplace(e.connection, e.at);
            if (!is_new) {
              wake_order_.erase({at->second, e.connection});
              at->second = e.at;
            }
            wake_order_.insert({e.at, e.connection});
          },
          [&](HubCommitWanted&&) {
            if (!commit_wanted_) {
              commit_wanted_ = true;
              effects_.emplace_back(service_effect::CommitWanted{});
            }
          },
          [&](HubDoorDone&& e) { delta_.on_door_done(now, e.ticket, e.is_durable); },
          [&](HubHeadMoved&& e) { delta_.on_head_moved(now, e.workspace); },
          [&](HubBehind&& e) { begin_anew(now, e); },
      },
      std::move(effect));
}

void Service::begin_anew(Instant now, const HubBehind& behind) {
  const LineageId lineage = LineageId::draw(*parts_.random);
  const auto done = parts_.hub->lose_lineage(now, lineage);
  Json fields;
  fields.set("workspace", Json(behind.workspace));
  fields.set("head", Json::integer(static_cast<std::int64_t>(behind.head.get())));
  fields.set("shown", Json::integer(static_cast<std::int64_t>(behind.shown.get())));
  if (done) {
    metrics_.add("put_back_total");
    fields.set("lineage", Json(lineage.hex()));
    fields.set("message", Json("a replica has shown that an older copy of the data was put back; "
                               "a new lineage begins, and replicas bring what is missing"));
  } else {
    fields.set("message", Json("an older copy of the data was put back, and no new lineage can be "
                               "stored: " +
                               done.error().message()));
  }
  effects_.emplace_back(
      service_effect::Note{service_effect::Note::Level::error, "put_back", std::move(fields)});
}

void Service::count_out(Bytes frame) {
  metrics_.add("bytes_sent_total", {}, frame.size());
  if (frame.empty()) {
    return;
  }
  if (frame[0] == ack_frame) {
    metrics_.add("acks_total");
  } else if (frame[0] == pull_frame) {
    metrics_.add("pull_parts_total");
  } else if (frame[0] == rejected_frame) {
    const auto message = decode_message(frame);
    const Rejected* rejected = message ? std::get_if<Rejected>(&*message) : nullptr;
    if (rejected != nullptr) {
      metrics_.add("rejected_changes_total", "code=\"" + rejected->code + "\"");
    }
  } else if (frame[0] == refused_frame && frame.size() > 1) {
    const std::string_view name =
        frame[1] >= 1 && frame[1] <= 11 ? refusal_name(static_cast<Refusal>(frame[1])) : "other";
    metrics_.add("refusals_total", "reason=\"" + std::string(name) + "\"");
  }
}

void Service::send(Instant now, ConnectionId connection, SharedBytes shared) {
  const auto at = routes_.find(connection);
  if (at == routes_.end()) {
    return;
  }
  const Bytes frame = shared.view();
  count_out(frame);
  if (at->second.socket) {
    effects_.emplace_back(service_effect::SendFrame{*at->second.socket, std::move(shared)});
    return;
  }
  Session& session = *at->second.session;
  session.welcomed = session.welcomed || (!frame.empty() && frame[0] == welcome_frame);
  session.bytes += frame.size();
  session.frames.push_back(std::move(shared));
  told_.insert(session.id);
  if (session.bytes > options_.http_bytes_max && session.frames.size() > 1) {
    hang_up(now, connection, "too slow");
  }
}

void Service::hang_up(Instant now, ConnectionId connection, const std::string& reason,
                      Parting parting) {
  const auto at = routes_.find(connection);
  if (at == routes_.end()) {
    return;
  }
  if (at->second.socket) {
    const bool at_once = parting == Parting::at_once;
    if (at_once) {
      metrics_.add("refusals_total", "reason=\"too_slow\"");
    }
    effects_.emplace_back(service_effect::CloseSocket{*at->second.socket, reason, at_once});
    sockets_.erase(*at->second.socket);
  } else {
    Session& session = *at->second.session;
    session.closed = true;
    if (parting == Parting::at_once) {
      session.frames.clear();
      session.bytes = 0;
    }
    told_.insert(session.id);
  }
  routes_.erase(at);
  if (const auto wake = wakes_.find(connection); wake != wakes_.end()) {
    wake_order_.erase({wake->second, connection});
    wakes_.erase(wake);
  }
  parts_.hub->on_closed(now, connection);
}

void Service::commit(Instant now) {
  commit_wanted_ = false;
  const std::uint64_t before = parts_.hub->commits();
  const std::int64_t from = parts_.micros();
  parts_.hub->commit(now);
  if (parts_.hub->commits() != before) {
    metrics_.observe("commit_seconds", parts_.micros() - from);
    if (!parts_.hub->trouble()) {
      last_commit_ms_ = parts_.clock->now_ms();
    }
  }
  pump(now);
  look_at_storage(now);
}

// What went wrong is said when it begins, every minute while it lasts, and when it is over.
void Service::look_at_storage(Instant now) {
  const auto& trouble = parts_.hub->trouble();
  if (trouble && (!trouble_told_ || now - *trouble_told_ >= trouble_every)) {
    trouble_told_ = now;
    Json fields;
    fields.set("code", Json(error_code_name(trouble->code())));
    fields.set("message", Json("nothing can be stored: " + trouble->message()));
    fields.set("failures", Json::integer(static_cast<std::int64_t>(parts_.hub->failures())));
    effects_.emplace_back(service_effect::Note{service_effect::Note::Level::error, "storage_failed",
                                               std::move(fields)});
  } else if (!trouble && trouble_told_) {
    trouble_told_.reset();
    effects_.emplace_back(
        service_effect::Note{service_effect::Note::Level::warning, "storage_recovered", {}});
  }
}

void Service::drain(Instant now) {
  commit(now);
  delta_.hang_up(now, "");
  parts_.hub->hang_up(now, "", Farewell::draining, "the server stops; it will be back");
  pump(now);
  commit(now);
  parts_.hub->settle(now);
}

void Service::recheck(Instant now) {
  const Hub::RightsCheck check = [this](const Rights& rights) {
    return parts_.auth->recheck(rights);
  };
  delta_.recheck(check);
  parts_.hub->recheck(now, check);
  pump(now);
}

void Service::on_time(Instant now) {
  while (!wake_order_.empty() && wake_order_.begin()->first <= now) {
    const ConnectionId connection = wake_order_.begin()->second;
    wake_order_.erase(wake_order_.begin());
    wakes_.erase(connection);
    parts_.hub->on_wakeup(now, connection);
    pump(now);
  }
  std::vector<Session*> due;
  for (const auto& [id, session] : waiting_) {
    if (session->answer_at <= now) {
      due.push_back(session);
    }
  }
  for (Session* session : due) {
    answer_session(now, *session, true);
  }
  delta_.on_time(now);
  if (next_sweep_ <= now) {
    next_sweep_ = now + sweep_every;
    std::vector<std::string> silent;
    for (const auto& [id, session] : sessions_) {
      if (!session->waiting && now - session->heard_at > session_silence) {
        silent.push_back(id);
      }
    }
    for (const std::string& id : silent) {
      drop_session(now, id);
    }
  }
  if (next_settle_ <= now) {
    next_settle_ = now + settle_every;
    parts_.hub->settle(now);
    if (parts_.hub->trouble()) {
      (void)parts_.hub->probe(now);  // to notice when there is room again
    }
    pump(now);
    look_at_storage(now);
  }
  if (next_retire_ <= now) {
    const bool first = next_retire_ == Instant{};
    next_retire_ = now + retire_every;
    if (const auto done = first ? Result<void>() : parts_.hub->retire(now); !done) {
      metrics_.add("storage_errors_total");
      effects_.emplace_back(service_effect::Note{service_effect::Note::Level::error,
                                                 "retention_failed",
                                                 message_field(done.error().message())});
    }
    pump(now);
  }
}

// --- The same frames by POST
// ----------------------------------------------------------------------

void Service::drop_session(Instant now, const std::string& id) {
  const auto at = sessions_.find(id);
  if (at == sessions_.end()) {
    return;
  }
  const std::unique_ptr<Session> session = std::move(at->second);
  sessions_.erase(at);
  if (session->waiting) {
    waiting_.erase(*session->waiting);
  }
  if (routes_.erase(session->connection) != 0) {
    if (const auto wake = wakes_.find(session->connection); wake != wakes_.end()) {
      wake_order_.erase({wake->second, session->connection});
      wakes_.erase(wake);
    }
    parts_.hub->on_closed(now, session->connection);
    pump(now);
  }
}

void Service::answer_session(Instant now, Session& session, bool even_empty) {
  if (!session.waiting || (session.frames.empty() && !even_empty)) {
    return;
  }
  Writer body;
  std::size_t count = 0;
  const std::size_t bytes_before = session.bytes;
  // Invariant 1. At least one frame, and about one POST's worth.
  while (!session.frames.empty() && (count == 0 || body.size() + session.frames.front().size() <
                                                       options_.http_body_bytes_max)) {
    append_frame(body, session.frames.front());
    session.bytes -= session.frames.front().size();
    session.frames.pop_front();
    ++count;
  }
  parts_.hub->on_sent(now, session.connection, bytes_before - session.bytes);
  const bool over = session.closed && session.frames.empty();
  Reply reply;
  reply.content_type = "application/octet-stream";
  reply.headers.push_back({session_header, session.id});
  if (over) {
    reply.headers.push_back({"Syncline-Closed", "1"});
  }
  reply.body = std::string(as_text(body.bytes()));
  reply.welcomed_session = session.welcomed ? session.id : "";
  const RequestId id = *session.waiting;
  session.waiting.reset();
  session.heard_at = now;
  waiting_.erase(id);
  answer(id, std::move(reply));
  if (over) {
    drop_session(now, std::string(session.id));
  }
}

Service::Session* Service::session_of(Instant now, RequestId id, const Request& request) {
  const std::string given(request.header(session_header));
  if (!given.empty()) {
    const auto at = sessions_.find(given);
    if (at == sessions_.end()) {
      answer(id, error_reply(410, "not_found", "this conversation is over; begin a new one"));
      return nullptr;
    }
    return at->second.get();
  }
  if (request.body.empty()) {
    answer(id, error_reply(400, "malformed", "a conversation begins with a hello"));
    return nullptr;
  }
  std::optional<ConnectionId> connection;
  if (sessions_.size() < options_.http_sessions_max) {
    connection = parts_.hub->open(now);
  }
  if (!connection) {
    metrics_.add("refusals_total", "reason=\"too_many_connections\"");
    answer(id, error_reply(503, "busy", "too many connections; try again later"));
    return nullptr;
  }
  auto session = std::make_unique<Session>();
  std::array<std::uint8_t, 16> secret{};
  parts_.random->fill(secret);
  session->id = to_hex(secret);
  session->connection = *connection;
  Route route;
  route.session = session.get();
  route.address = request.address;
  routes_.emplace(*connection, std::move(route));
  const std::string name = session->id;
  return sessions_.emplace(name, std::move(session)).first->second.get();
}

// A user whose devices lose their conversations again and again keeps nobody else out.
void Service::bound_sessions(Instant now, const Session& newest) {
  const auto whose = routes_.find(newest.connection);
  if (whose == routes_.end() || sessions_.size() <= options_.http_sessions_each_max) {
    return;
  }
  std::size_t count = 0;
  const Session* oldest = nullptr;
  for (const auto& [connection, route] : routes_) {
    if (route.session == nullptr || route.identity != whose->second.identity) {
      continue;
    }
    ++count;
    if (route.session != &newest && !route.session->waiting &&
        (oldest == nullptr || route.session->heard_at < oldest->heard_at)) {
      oldest = route.session;
    }
  }
  if (count > options_.http_sessions_each_max && oldest != nullptr) {
    metrics_.add("refusals_total", "reason=\"too_many_sessions\"");
    drop_session(now, std::string(oldest->id));
  }
}

void Service::take_frames(Instant now, RequestId id, Session& session, const Request& request) {
  const std::string name = session.id;
  Reader in(as_bytes(request.body));
  while (!in.at_end()) {
    const auto frame = read_frame(in);
    if (!frame) {
      metrics_.add("refusals_total", "reason=\"malformed\"");
      waiting_.erase(id);
      session.waiting.reset();
      drop_session(now, name);
      answer(id, error_reply(400, "malformed", frame.error().message()));
      return;
    }
    take_frame(now, session.connection, *frame);
    while (auto effect = parts_.hub->next_effect()) {
      perform(now, std::move(*effect));
    }
  }
  if (commit_wanted_) {
    // The answer carries the acknowledgement.
    commit(now);
  }
  pump(now);
}

void Service::sync_request(Instant now, RequestId id, const Request& request) {
  if (request.method != "POST") {
    answer(id, error_reply(405, "invalid_argument", "frames come by POST or over a WebSocket"));
    return;
  }
  if (has_token_in_url(request)) {
    answer(id, error_reply(400, "invalid_argument",
                           "a token belongs into the hello, never into a URL"));
    return;
  }
  Session* session = session_of(now, id, request);
  if (session == nullptr) {
    return;
  }
  const bool is_new = !session->welcomed;
  session->heard_at = now;
  if (session->waiting) {
    // A newer request takes over; the older one gets nothing, so that frames keep their order.
    waiting_.erase(*session->waiting);
    Reply empty;
    empty.content_type = "application/octet-stream";
    empty.headers.push_back({session_header, session->id});
    answer(*session->waiting, std::move(empty));
  }
  const std::int64_t wait = parse_int64(request.header(wait_header)).value_or(0);
  session->answer_at = now + Duration{std::clamp<std::int64_t>(wait, 0, options_.poll.ms)};
  session->waiting = id;
  waiting_[id] = session;
  const std::string name = session->id;
  take_frames(now, id, *session, request);
  const auto at = sessions_.find(name);
  if (at == sessions_.end()) {
    return;
  }
  if (is_new && !at->second->welcomed) {
    // Invariant 3: what was not let in at once is not kept.
    hang_up(now, at->second->connection, "no welcome");
    told_.erase(name);
    at->second->closed = true;
    answer_session(now, *at->second, true);
    if (sessions_.count(name) != 0) {
      drop_session(now, name);
    }
    return;
  }
  if (at->second->waiting == id) {
    answer_session(now, *at->second, wait <= 0 || at->second->closed);
  }
  if (const auto kept = sessions_.find(name); is_new && kept != sessions_.end()) {
    bound_sessions(now, *kept->second);
  }
}

void Service::on_request_gone(RequestId id) {
  delta_.on_request_gone(id);
  const auto at = waiting_.find(id);
  if (at != waiting_.end()) {
    at->second->waiting.reset();
    waiting_.erase(at);
  }
}

// --- Pages
// ----------------------------------------------------------------------------------------

void Service::on_request(Instant now, RequestId id, const Request& request) {
  if (!per_address_.take(now, request.address)) {
    metrics_.add("refusals_total", "reason=\"rate\"");
    Reply reply = error_reply(429, "busy", "too many requests from this address");
    reply.headers.push_back({"Retry-After", "1"});
    answer(id, std::move(reply));
    return;
  }
  if (auto refused = refuse_host(request, options_.sync)) {
    metrics_.add("refusals_total", "reason=\"host\"");
    answer(id, std::move(*refused));
    return;
  }
  if (auto refused = refuse_origin(request, options_.sync)) {
    metrics_.add("refusals_total", "reason=\"origin\"");
    answer(id, std::move(*refused));
    return;
  }
  if (!is_endpoint(request.path)) {
    answer(id, other_page(request));
    return;
  }
  if (request.path == sync_path) {
    sync_request(now, id, request);
    return;
  }
  if (delta_.takes(request.path)) {
    delta_.on_request(now, id, request);
    pump(now);
    return;
  }
  page(now, id, request);
}

void Service::page(Instant now, RequestId id, const Request& request) {
  if (auto reply = short_page(now, id, request)) {
    answer(id, std::move(*reply));
  }
}

std::optional<Reply> Service::short_page(Instant now, RequestId id, const Request& request) {
  const bool is_read = request.method == "GET" || request.method == "HEAD";
  if (is_read && request.path == "/healthz") {
    Json alive;
    alive.set("ok", Json(true));
    return json_reply(200, alive);
  }
  if (is_read && request.path == "/readyz") {
    return ready(now);
  }
  if (is_read && request.path == "/metrics") {
    return options_.private_metrics && !is_server_admin(request) ? not_found_reply()
                                                                 : metrics_page();
  }
  if (request.path.rfind("/admin/", 0) == 0) {
    return admin(now, id, request);
  }
  if (const auto workspace = workspace_to_reset(request, *parts_.auth)) {
    return reset(now, *workspace);
  }
  auto database = database_answer(request, *parts_.auth, parts_.reader, parts_.clock->now_ms(),
                                  options_.file_bytes_max);
  if (!database) {
    return other_page(request);
  }
  if (auto* reply = std::get_if<Reply>(&*database)) {
    return std::move(*reply);
  }
  DatabaseLook& found = std::get<DatabaseLook>(*database);
  look(
      id, found.user, [read = std::move(found.read)](Looking& seen) { seen.reply = read(); },
      [](Looking& seen) { return std::move(seen.reply); });
  return std::nullopt;
}

Reply Service::other_page(const Request& request) {
  if (parts_.others) {
    if (auto reply = parts_.others(request)) {
      return *std::move(reply);
    }
  }
  return not_found_reply();
}

Reply Service::ready(Instant now) {
  const Result<void> writable = parts_.hub->probe(now);
  pump(now);
  look_at_storage(now);
  if (!writable) {
    return error_reply(503, error_code_name(writable.error().code()),
                       "the storage cannot be written: " + writable.error().message());
  }
  Json json;
  json.set("ok", Json(true));
  return json_reply(200, json);
}

Reply Service::metrics_page() {
  metrics_.set("connections", static_cast<std::int64_t>(parts_.hub->connections()));
  metrics_.set("websockets", static_cast<std::int64_t>(sockets_.size()));
  metrics_.set("http_sessions", static_cast<std::int64_t>(sessions_.size()));
  metrics_.set("foreign_changes", static_cast<std::int64_t>(parts_.hub->foreign_changes()));
  metrics_.set("commits", static_cast<std::int64_t>(parts_.hub->commits()));
  metrics_.set("commits_failed", static_cast<std::int64_t>(parts_.hub->failures()));
  metrics_.set("waiting_bytes", static_cast<std::int64_t>(parts_.hub->waiting_bytes()));
  metrics_.set("unfinished_bytes", static_cast<std::int64_t>(parts_.hub->unfinished_bytes()));
  metrics_.set("recent_bytes", static_cast<std::int64_t>(parts_.hub->recent_bytes()));
  metrics_.set("cut_connections", static_cast<std::int64_t>(parts_.hub->cuts()));
  metrics_.set("storage_ok", parts_.hub->trouble() ? 0 : 1);
  metrics_.set("last_commit_timestamp_ms", last_commit_ms_);
  Reply reply;
  reply.content_type = "text/plain; version=0.0.4; charset=utf-8";
  reply.body = metrics_.text();
  return reply;
}

}  // namespace syncline
