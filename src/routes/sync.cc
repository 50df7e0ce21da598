#include "routes/sync.h"

namespace syncline {
namespace {

bool is_own_page(const Request& request, std::string_view origin) {
  const std::string_view host = request.header("Host");
  return is_loopback_host(host) &&
         (origin == "http://" + std::string(host) || origin == "https://" + std::string(host));
}

}  // namespace

bool has_token_in_url(const Request& request) {
  for (const char* name : {"token", "access_token", "jwt"}) {
    if (!request.parameter(name).empty()) {
      return true;
    }
  }
  return false;
}

std::optional<Reply> refuse_host(const Request& request, const SyncOptions& options) {
  const std::string host(request.header("Host"));
  if (!options.loopback_only || is_loopback_host(host) || options.hosts.count(host) != 0 ||
      options.hosts.count(host.substr(0, host.rfind(':'))) != 0) {
    return std::nullopt;
  }
  return error_reply(421, "not_allowed",
                     "this server asks for no tokens, so it answers to loopback names only; others "
                     "are set with --allow-host");
}

std::optional<Reply> refuse_origin(const Request& request, const SyncOptions& options) {
  int count = 0;
  std::string_view origin;
  for (const Header& header : request.headers) {
    if (equal_ignoring_case(header.name, "Origin")) {
      origin = header.value;
      ++count;
    }
  }
  if (count == 0 || (count == 1 && (options.origins.count("*") != 0 ||
                                    options.origins.count(std::string(origin)) != 0 ||
                                    (options.own_pages && is_own_page(request, origin))))) {
    return std::nullopt;
  }
  return error_reply(403, "not_allowed",
                     "pages of this origin may not connect; the server's allowed origins are set "
                     "with --allow-origin");
}

std::optional<Reply> refuse_upgrade(const Request& request, const SyncOptions& options) {
  if (auto refused = refuse_host(request, options)) {
    return refused;
  }
  if (request.path != sync_path) {
    return not_found_reply();
  }
  if (request.method != "GET") {
    return error_reply(405, "invalid_argument", "a WebSocket begins with GET");
  }
  if (has_token_in_url(request)) {
    return error_reply(400, "invalid_argument", "a token belongs into the hello, never into a URL");
  }
  return refuse_origin(request, options);
}

}  // namespace syncline
