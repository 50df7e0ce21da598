#include "routes/endpoints.h"

#include <algorithm>

namespace syncline {
namespace {

constexpr std::string_view any_workspace = "/{db}/";

bool fits(std::string_view pattern, std::string_view path) {
  if (pattern.substr(0, any_workspace.size()) != any_workspace) {
    return pattern == path;
  }
  const std::size_t slash = path.find('/', 1);
  return slash != std::string_view::npos &&
         pattern.substr(any_workspace.size()) == path.substr(slash + 1);
}

}  // namespace

const std::vector<Endpoint>& endpoints() {
  static const std::vector<Endpoint> all = {
      {"GET", "/healthz", Guard::none},
      {"GET", "/readyz", Guard::none},
      {"GET", "/metrics", Guard::none},
      {"POST", "/v1/sync", Guard::frames},
      {"GET", "/api/sync/v2/openapi.json", Guard::none},
      {"POST", "/api/sync/v2", Guard::reader},
      {"GET", "/api/sync/v2/events", Guard::reader},
      {"POST", "/api/sync/v2/migrate", Guard::writer},
      {"POST", "/api/sync/push", Guard::writer},
      {"POST", "/api/sync/pull", Guard::reader},
      {"GET", "/{db}/meta", Guard::reader},
      {"GET", "/{db}/file", Guard::reader},
      {"POST", "/{db}/exec", Guard::open_server},
      {"POST", "/{db}/reset", Guard::open_server},
      {"GET", "/admin/workspaces", Guard::workspace_admin},
      {"GET", "/admin/devices", Guard::workspace_admin},
      {"GET", "/admin/changes", Guard::workspace_admin},
      {"GET", "/admin/conflicts", Guard::workspace_admin},
      {"GET", "/admin/conflicts/told", Guard::workspace_admin},
      {"GET", "/admin/volume", Guard::workspace_admin},
      {"POST", "/admin/give", Guard::workspace_admin},
      {"GET", "/admin/connections", Guard::server_admin},
      {"POST", "/admin/revoke", Guard::server_admin},
  };
  return all;
}

bool is_endpoint(std::string_view path) {
  return std::any_of(endpoints().begin(), endpoints().end(),
                     [&](const Endpoint& one) { return fits(one.path, path); });
}

}  // namespace syncline
