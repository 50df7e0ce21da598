#include "routes/delta_v2.h"

#include <algorithm>

#include "base/text.h"
#include "routes/delta_answer.h"
#include "routes/delta_openapi.h"
#include "routes/inflate.h"
#include "routes/sync.h"

namespace syncline {
namespace {

constexpr const char* legacy_push_path = "/api/sync/push";
constexpr const char* legacy_pull_path = "/api/sync/pull";
constexpr const char* migrate_path = "/api/sync/v2/migrate";
constexpr const char* events_path = "/api/sync/v2/events";
constexpr const char* openapi_path = "/api/sync/v2/openapi.json";
constexpr std::size_t state_bytes_max = std::size_t{64} << 20U;

Reply json_reply(std::string body) {
  Reply reply;
  reply.body = std::move(body);
  return reply;
}

Reply busy_reply(int status, const char* message) {
  Reply reply = error_reply(status, "busy", message);
  reply.headers.push_back({"Retry-After", "1"});
  return reply;
}

}  // namespace

bool DeltaDoor::takes(const std::string& path) const {
  return path == delta_path || path == migrate_path || path == events_path ||
         path == openapi_path ||
         (options_.legacy && (path == legacy_push_path || path == legacy_pull_path));
}

void DeltaDoor::reply(RequestId id, Reply reply) {
  if (const auto at = origins_.find(id); at != origins_.end()) {
    reply.headers.push_back({"Access-Control-Allow-Origin", at->second});
    reply.headers.push_back({"Access-Control-Expose-Headers", "Retry-After, Deprecation, Link"});
    reply.headers.push_back({"Vary", "Origin"});
    origins_.erase(at);
  }
  parts_.answer(id, std::move(reply));
}

// A browser asks whether a page of another origin may send what it is about to send.
void DeltaDoor::preflight(RequestId id) {
  Reply out;
  out.status = 204;
  out.headers = {{"Access-Control-Allow-Methods", "GET, POST"},
                 {"Access-Control-Allow-Headers",
                  "Authorization, Content-Type, Content-Encoding, Syncline-Workspace, "
                  "Last-Event-ID"},
                 {"Access-Control-Max-Age", "600"}};
  reply(id, std::move(out));
}

Reply DeltaDoor::failed(const Error& error) {
  switch (error.code()) {
    case ErrorCode::too_large:
      return error_reply(413, "too_large", error.message());
    case ErrorCode::unsupported:
      return error_reply(415, "unsupported", error.message());
    case ErrorCode::malformed:
    case ErrorCode::invalid_argument:
      return error_reply(400, error_code_name(error.code()), error.message());
    default:
      return busy_reply(503, ("the server cannot store anything now (" + error.message() +
                              "); the same request may be sent again")
                                 .c_str());
  }
}

void DeltaDoor::on_request(Instant now, RequestId id, const Request& request) {
  const bool is_read = request.method == "GET" || request.method == "HEAD";
  if (const std::string_view origin = request.header("Origin"); !origin.empty()) {
    origins_[id] = std::string(origin);
  }
  if (request.method == "OPTIONS") {
    preflight(id);
  } else if (request.path == openapi_path && is_read) {
    reply(id, json_reply(delta_openapi()));
  } else if (request.path == events_path && request.method == "GET") {
    events(now, id, request);
  } else if (request.method != "POST" || request.path == openapi_path ||
             request.path == events_path) {
    reply(id, error_reply(405, "invalid_argument",
                          request.path == events_path ? "events come by GET" : "send it by POST"));
  } else if (request.path == delta_path) {
    sync(now, id, request);
  } else if (request.path == legacy_pull_path) {
    pull_state(now, id, request);
  } else {
    take_state(now, id, request, request.path == migrate_path ? Shape::migrated : Shape::pushed);
  }
}

std::optional<Reply> DeltaDoor::let_in(Instant now, const Request& request, Visitor& out) {
  if (has_token_in_url(request)) {
    return error_reply(400, "invalid_argument", "a token belongs into a header, never into a URL");
  }
  const std::int64_t wall_ms = parts_.clock->now_ms();
  const auto identity = parts_.auth->identify(request.bearer(), wall_ms);
  if (!identity) {
    Reply refused = error_reply(401, "not_allowed", identity.error().message());
    refused.headers.push_back({"WWW-Authenticate", "Bearer"});
    return refused;
  }
  out.workspace = std::string(request.header("Syncline-Workspace"));
  if (out.workspace.empty()) {
    out.workspace = request.parameter("workspace");
  }
  if (out.workspace.empty()) {
    const auto only = parts_.auth->only_workspace(request.bearer(), wall_ms);
    out.workspace = only ? *only : "";
  }
  if (out.workspace.empty()) {
    return error_reply(400, "workspace_missing",
                       "say which workspace: ?workspace=NAME, or the header Syncline-Workspace");
  }
  out.rights = parts_.auth->authorise(request.bearer(), out.workspace, wall_ms);
  if (!out.rights.may_read) {
    return not_found_reply();  // invariant 2
  }
  const bool was_writing = parts_.hub->is_writing();
  const auto opened = parts_.hub->open_workspace(out.workspace, out.rights);
  if (!was_writing && parts_.hub->is_writing()) {
    parts_.hub->commit(now);  // a new one, for which whoever only reads does not wait
  }
  if (!opened) {
    return opened.error().code() == ErrorCode::not_allowed
               ? error_reply(403, "not_allowed", opened.error().message())
               : failed(opened.error());
  }
  return std::nullopt;
}

std::optional<Reply> DeltaDoor::charge(Instant now, const Visitor& visitor, std::size_t changes) {
  if (parts_.per_identity->take(now, visitor.rights.user, static_cast<std::int64_t>(changes) + 1)) {
    return std::nullopt;
  }
  parts_.metrics->add("refusals_total", "reason=\"rate\"");
  return busy_reply(429, "too many changes at once; wait a little, nothing is lost");
}

Result<std::string> DeltaDoor::body_of(const Request& request) const {
  return inflate_body(request.header("Content-Encoding"), request.body, delta_body_bytes_max);
}

void DeltaDoor::sync(Instant now, RequestId id, const Request& request) {
  Visit made;
  made.request = id;
  if (auto refused = let_in(now, request, made.visitor)) {
    return reply(id, std::move(*refused));
  }
  const auto body = body_of(request);
  auto asked = body ? read_delta_request(*body) : Result<DeltaRequest>(body.error());
  if (!asked) {
    return reply(id, failed(asked.error()));
  }
  if (auto refused = charge(now, made.visitor, asked->changes.size())) {
    return reply(id, std::move(*refused));
  }
  made.asked = std::move(*asked);
  const DoorTicket ticket(next_ticket_);
  visit(now, std::move(made), [this, ticket](Workspace& workspace) {
    Visit& visit = visits_.at(ticket);
    const auto run = [&]() -> Result<std::vector<Workspace::Written>> {
      DeltaWriter::Options options;
      options.rights = visit.visitor.rights;
      options.known = visit.asked.known.value_or(ServerVersion(0));
      options.looks_for_conflicts = visit.asked.known.has_value();
      options.now_ms = parts_.clock->now_ms();
      SL_TRY(DeltaWriter writer, DeltaWriter::begin(workspace, std::move(options)));
      for (auto& [index, change] : visit.asked.changes) {
        SL_TRY(writer.take(index, change));
      }
      SL_TRY(visit.written, writer.finish());
      return std::move(visit.written.log);
    };
    return run();
  });
}

void DeltaDoor::take_state(Instant now, RequestId id, const Request& request, Shape shape) {
  Visit made;
  made.request = id;
  made.shape = shape;
  if (auto refused = let_in(now, request, made.visitor)) {
    return reply(id, std::move(*refused));
  }
  const auto body = body_of(request);
  auto state = body ? read_delta_state(*body) : Result<DeltaState>(body.error());
  if (!state) {
    return reply(id, failed(state.error()));
  }
  if (auto refused = charge(now, made.visitor, state->rows.size())) {
    return reply(id, std::move(*refused));
  }
  made.asked.refused = std::move(state->refused);
  const DoorTicket ticket(next_ticket_);
  const auto mode = shape == Shape::migrated ? DeltaStateMode::fill : DeltaStateMode::overwrite;
  made.state = std::move(*state);
  visit(now, std::move(made), [this, ticket, mode](Workspace& workspace) {
    Visit& visit = visits_.at(ticket);
    const auto run = [&]() -> Result<std::vector<Workspace::Written>> {
      DeltaWriter::Options options;
      options.rights = visit.visitor.rights;
      options.looks_for_conflicts = false;
      options.now_ms = parts_.clock->now_ms();
      SL_TRY(DeltaWriter writer, DeltaWriter::begin(workspace, std::move(options)));
      for (const DeltaStateRow& row : visit.state.rows) {
        SL_TRY(writer.take_row(row, visit.state.device, mode));
      }
      SL_TRY(visit.written, writer.finish());
      return std::move(visit.written.log);
    };
    return run();
  });
}

void DeltaDoor::visit(Instant now, Visit visit, const Hub::DoorWork& work) {
  const DoorTicket ticket(next_ticket_++);
  const RequestId id = visit.request;
  const std::string workspace = visit.visitor.workspace;
  const bool writes = visit.shape != Shape::delta || !visit.asked.changes.empty();
  Visit& kept = visits_.emplace(ticket, std::move(visit)).first->second;
  if (!writes && !parts_.hub->is_writing()) {
    Visit read = std::move(kept);
    visits_.erase(ticket);
    answer_visit(now, read);
    return;
  }
  // Whoever only reads waits for the writers of this moment, lest they commit early.
  const Hub::DoorWork nothing = [](Workspace&) {
    return Result<std::vector<Workspace::Written>>(std::vector<Workspace::Written>());
  };
  const auto entered = parts_.hub->enter(now, ticket, workspace, writes ? work : nothing);
  if (!entered) {
    visits_.erase(ticket);
    reply(id, failed(entered.error()));
  }
}

void DeltaDoor::count(const DeltaWritten& written) {
  std::uint64_t repeated = 0;
  std::uint64_t conflicts = 0;
  for (const DeltaLanded& one : written.landed) {
    repeated += one.is_repeated ? 1 : 0;
    conflicts += one.conflict.empty() ? 0 : 1;
  }
  parts_.metrics->add("delta_changes_total", "result=\"accepted\"",
                      written.landed.size() - repeated);
  parts_.metrics->add("delta_changes_total", "result=\"repeated\"", repeated);
  parts_.metrics->add("delta_changes_total", "result=\"rejected\"", written.refused.size());
  parts_.metrics->add("delta_conflicts_total", "", conflicts);
}

void DeltaDoor::on_door_done(Instant now, DoorTicket ticket, bool is_durable) {
  const auto at = visits_.find(ticket);
  if (at == visits_.end()) {
    return;
  }
  Visit visit = std::move(at->second);
  visits_.erase(at);
  if (!is_durable) {
    reply(visit.request,
          failed(parts_.hub->trouble().value_or(Error(ErrorCode::storage, "the storage failed"))));
    return;
  }
  answer_visit(now, visit);
}

DeltaAsk DeltaDoor::ask_of(const Visit& visit, const DeltaNames& names) const {
  DeltaAsk ask;
  ask.known = visit.asked.known.value_or(ServerVersion(0));
  ask.cursor = visit.asked.cursor;
  ask.rows_max = visit.asked.limit;
  std::set<std::string> devices{visit.asked.device};
  for (const auto& [index, change] : visit.asked.changes) {
    devices.insert(change.device);
  }
  devices.erase("");
  if (visit.asked.wants_own || ask.known == ServerVersion(0)) {
    devices.clear();  // who knows nothing does not know its own, either
  }
  for (const std::string& device : devices) {
    for (const bool has_stamp : {false, true}) {
      ask.own.insert(names.author(visit.visitor.rights.user, device, has_stamp));
    }
  }
  // Without a name only what this request brought is surely its own.
  for (const DeltaLanded& one : visit.written.landed) {
    if (!one.is_repeated) {
      ask.own_versions.insert(one.version);
    }
  }
  return ask;
}

void DeltaDoor::answer_visit(Instant now, Visit& visit) {
  std::vector<DeltaRefusal>& refused = visit.written.refused;
  refused.insert(refused.end(), visit.asked.refused.begin(), visit.asked.refused.end());
  std::stable_sort(refused.begin(), refused.end(),
                   [](const auto& a, const auto& b) { return a.index < b.index; });
  count(visit.written);
  std::string body;
  std::optional<Waiter> waiter;
  const auto looked =
      parts_.hub->look(now, visit.visitor.workspace, [&](Workspace& workspace) -> Result<void> {
        if (visit.shape != Shape::delta) {
          body = visit.shape == Shape::migrated ? migrate_answer(visit.written, workspace.head())
                                                : push_answer(visit.written, workspace.head());
          return {};
        }
        SL_TRY(const DeltaNames names, DeltaNames::of(workspace.store()));
        const LineageId& lineage = names.lineage;
        DeltaAsk ask = ask_of(visit, names);
        DeltaPage page;
        page.is_gone = !visit.asked.lineage.empty() && visit.asked.lineage != lineage.hex();
        page.has_more = page.is_gone;
        if (!page.is_gone) {
          SL_TRY(page, read_delta(workspace, ask));
        }
        const bool is_idle = page.rows == 0 && !page.has_more && visit.asked.changes.empty() &&
                             visit.asked.refused.empty();
        if (is_idle && visit.asked.wait_ms > 0) {
          ask.known = page.through;
          waiter.emplace();
          waiter->ask = std::move(ask);
          return {};
        }
        body = delta_answer(
            {&visit.written, &page, workspace.head(), lineage.hex(), parts_.clock->now_ms()});
        return {};
      });
  if (!looked) {
    reply(visit.request, failed(looked.error()));
  } else if (waiter) {
    waiter->visitor = std::move(visit.visitor);
    const std::int64_t expires = visit.visitor.rights.expires_ms;
    const Duration left{expires == 0 ? options_.wait_max.ms
                                     : std::max<std::int64_t>(expires - parts_.clock->now_ms(), 0)};
    waiter->ends_at = now + std::min({Duration{visit.asked.wait_ms}, options_.wait_max, left});
    waiter->wake_at = waiter->ends_at;
    wait(now, visit.request, std::move(*waiter));
  } else {
    Reply out = json_reply(std::move(body));
    if (visit.shape == Shape::pushed) {
      mark_deprecated(out);
    }
    reply(visit.request, std::move(out));
  }
}

void DeltaDoor::pull_state(Instant now, RequestId id, const Request& request) {
  Visitor visitor;
  if (auto refused = let_in(now, request, visitor)) {
    return reply(id, std::move(*refused));
  }
  if (auto refused = charge(now, visitor, 0)) {
    return reply(id, std::move(*refused));
  }
  std::string body;
  const auto looked =
      parts_.hub->look(now, visitor.workspace, [&](Workspace& workspace) -> Result<void> {
        SL_TRY(body, state_answer(workspace, state_bytes_max));
        return {};
      });
  Reply out = looked ? json_reply(std::move(body)) : failed(looked.error());
  mark_deprecated(out);
  reply(id, std::move(out));
}

}  // namespace syncline
