#include "routes/admin.h"

#include "base/text.h"

namespace syncline {
namespace {

Result<Json> changes(const Request& request, const std::string& workspace,
                     const LogReader& reader) {
  LogReader::AuditFilter filter;
  filter.workspace = workspace;
  filter.since = parse_int64(request.parameter("since")).value_or(0);
  filter.device = request.parameter("device");
  filter.user = request.parameter("user");
  const std::string entity = request.parameter("entity");
  const std::size_t slash = entity.find('/');
  filter.entity_type = entity.substr(0, slash);
  filter.entity_id = slash == std::string::npos ? "" : entity.substr(slash + 1);
  filter.count_max = 200;
  filter.newest_first = request.parameter("since").empty();
  Json::Array out;
  SL_TRY(reader.audit(filter, [&](std::string_view line) -> Result<void> {
    SL_TRY(Json json, read_json(line));
    out.push_back(std::move(json));
    return {};
  }));
  return Json(std::move(out));
}

}  // namespace

Result<Json> read_admin(const Request& request, const LogReader& reader) {
  if (request.path == "/admin/workspaces") {
    return reader.workspaces();
  }
  const std::string workspace = request.parameter("workspace");
  if (request.path == "/admin/devices") {
    return reader.devices(workspace);
  }
  if (request.path == "/admin/changes") {
    return changes(request, workspace, reader);
  }
  if (request.path == "/admin/conflicts") {
    return reader.conflicts(workspace);
  }
  if (request.path == "/admin/conflicts/told") {
    return reader.told_conflicts(workspace);
  }
  if (request.path == "/admin/volume") {
    return reader.volume(workspace);
  }
  return Error(ErrorCode::not_found, "there is nothing here for you");
}

}  // namespace syncline
