#pragma once

#include <optional>

#include "routes/auth.h"
#include "routes/http.h"
#include "server/log_reader.h"

namespace syncline {

// What applications with a SQLite sync server of their own are used to, a workspace being a
// database:
//
//   GET  /{db}/meta   {"site_id","schema_name","schema_version",...}
//   GET  /{db}/file   its rows as a SQLite file
//   POST /{db}/exec   {"sql","args"}: a query over these rows; in development only
//
//   POST /{db}/reset  forgets it; in development only, and done by the service
//
// Nothing when the request is for something else. A token that may not read the workspace gets the
// answer of one that does not exist.
// The workspace that a request wants to be forgotten.
std::optional<std::string> workspace_to_reset(const Request& request, const Auth& auth);

std::optional<Reply> database_reply(const Request& request, const Auth& auth,
                                    const LogReader* reader, std::int64_t now_ms);

}  // namespace syncline
