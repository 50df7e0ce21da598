#pragma once

#include "base/json.h"
#include "base/result.h"
#include "routes/http.h"
#include "server/log_reader.h"

namespace syncline {

// What operators read, as JSON; who may is asked before. Fails with `not_found`.
//
//   /admin/workspaces
//   /admin/devices?workspace=W      cursor, lag, last seen
//   /admin/changes?workspace=W      the newest 200 lines of the audit; also since, device, entity
//   /admin/conflicts?workspace=W
//   /admin/volume?workspace=W       changes and bytes per day
Result<Json> read_admin(const Request& request, const LogReader& reader);

}  // namespace syncline
