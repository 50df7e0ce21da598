// The part of the service that operators use.
#include "routes/admin.h"
#include "routes/service.h"
#include "routes/sync.h"

namespace syncline {
namespace {

constexpr JsonLimits order_limits{.bytes_max = 8192, .depth_max = 4, .values_max = 16};

Reply done_reply(Json json) {
  json.set("ok", Json(true));
  Reply reply;
  reply.body = write_json(json) + "\n";
  return reply;
}

Reply failed(const Error& error) {
  switch (error.code()) {
    case ErrorCode::not_found:
      return not_found_reply();
    case ErrorCode::invalid_argument:
    case ErrorCode::malformed:
      return error_reply(400, "invalid_argument", error.message());
    default:
      return error_reply(503, error_code_name(error.code()), error.message());
  }
}

std::string text_of(const Json& json, std::string_view name) {
  const Json* member = json.find(name);
  return member == nullptr || member->string() == nullptr ? "" : *member->string();
}

}  // namespace

std::optional<std::string> Service::user_of(std::string_view token) const {
  const auto identity = parts_.auth->identify(token, parts_.clock->now_ms());
  return identity ? std::optional<std::string>(identity->subject) : std::nullopt;
}

bool Service::is_server_admin(const Request& request) const {
  const auto identity = parts_.auth->identify(request.bearer(), parts_.clock->now_ms());
  return identity && identity->is_admin;
}

// The server's administrators everything; others what concerns a workspace that they administer.
bool Service::may_administer(const Request& request, const std::string& workspace) const {
  return is_server_admin(request) ||
         parts_.auth->authorise(request.bearer(), workspace, parts_.clock->now_ms()).may_administer;
}

std::optional<Reply> Service::admin(Instant now, RequestId id, const Request& request) {
  if (has_token_in_url(request)) {
    return error_reply(400, "invalid_argument", "a token belongs into a header, never into a URL");
  }
  const auto identity = parts_.auth->identify(request.bearer(), parts_.clock->now_ms());
  if (!identity) {
    Reply reply = error_reply(401, "not_allowed", identity.error().message());
    reply.headers.push_back({"WWW-Authenticate", "Bearer"});
    return reply;
  }
  if (request.method == "POST" && request.path == "/admin/give") {
    return give(now, request);
  }
  if (request.method == "POST" && request.path == "/admin/revoke" && identity->is_admin) {
    return revoke(now, request);
  }
  if (request.method != "GET" || parts_.reader == nullptr) {
    return not_found_reply();
  }
  return admin_page(id, request, identity->subject);
}

std::optional<Reply> Service::admin_page(RequestId id, const Request& request,
                                         const std::string& user) {
  if (request.path == "/admin/connections") {
    if (!is_server_admin(request)) {
      return not_found_reply();
    }
    Json::Array list;
    for (const auto& [connection, route] : routes_) {
      Json one;
      one.set("user", Json(route.identity));
      one.set("address", Json(route.address));
      one.set("transport", Json(route.socket ? "websocket" : "http"));
      list.push_back(std::move(one));
    }
    Reply reply;
    reply.body = write_json(Json(std::move(list))) + "\n";
    return reply;
  }
  const bool is_list = request.path == "/admin/workspaces";
  if (!is_list && !may_administer(request, request.parameter("workspace"))) {
    return not_found_reply();
  }
  look(
      id, user,
      [request, reader = parts_.reader](Looking& seen) {
        seen.list = read_admin(request, *reader);
      },
      [this, request](Looking& seen) { return admin_list(request, std::move(seen.list)); });
  return std::nullopt;
}

Reply Service::admin_list(const Request& request, Result<Json> json) const {
  if (!json) {
    return failed(json.error());
  }
  if (request.path == "/admin/workspaces" && !is_server_admin(request)) {
    Json::Array theirs;
    for (Json& one : *json->array()) {
      if (may_administer(request, text_of(one, "workspace"))) {
        theirs.push_back(std::move(one));
      }
    }
    if (theirs.empty()) {
      return not_found_reply();
    }
    json = Json(std::move(theirs));
  }
  Reply reply;
  reply.body = write_json(*json) + "\n";
  return reply;
}

Reply Service::give(Instant now, const Request& request) {
  const auto json = read_json(request.body, order_limits);
  Gift gift;
  if (json) {
    gift.workspace = text_of(*json, "workspace");
    gift.from = text_of(*json, "from");
    gift.to = text_of(*json, "to");
  }
  if (!may_administer(request, gift.workspace)) {
    return not_found_reply();
  }
  const std::string device = json ? text_of(*json, "device") : "";
  if (!device.empty()) {
    auto id = ReplicaId::from_hex(device);
    if (!id) {
      return error_reply(400, "invalid_argument", "a device is 32 hexadecimal digits");
    }
    gift.replica = *id;
  }
  if (gift.workspace.empty() || device.empty() == gift.from.empty()) {
    return error_reply(400, "invalid_argument",
                       R"(send {"workspace":"...","device":"..." or "from":"...","to":"..."})");
  }
  const auto given = parts_.hub->give(now, gift);
  pump(now);
  if (!given) {
    return failed(given.error());
  }
  Json done;
  done.set("devices", Json::integer(static_cast<std::int64_t>(*given)));
  return done_reply(std::move(done));
}

Reply Service::reset(Instant now, const std::string& workspace) {
  const auto done = parts_.hub->reset(now, workspace, LineageId::draw(*parts_.random));
  pump(now);
  if (!done) {
    return failed(done.error());
  }
  return done_reply(Json());
}

Reply Service::revoke(Instant now, const Request& request) {
  const auto json = read_json(request.body, order_limits);
  const std::string subject = json ? text_of(*json, "subject") : "";
  if (subject.empty()) {
    return error_reply(400, "invalid_argument", "send {\"subject\":\"...\"}");
  }
  parts_.auth->revoke(subject, parts_.clock->now_ms());
  effects_.emplace_back(service_effect::SaveRevocations{parts_.auth->revocations()});
  recheck(now);
  return done_reply(Json());
}

}  // namespace syncline
