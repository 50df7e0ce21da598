#pragma once

#include <functional>
#include <optional>
#include <string>
#include <variant>

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
// The workspace that a request wants to be forgotten.
std::optional<std::string> workspace_to_reset(const Request& request, const Auth& auth);

// What is read for a user who may: it may take long, and needs nothing but the reader.
struct DatabaseLook {
  std::string user;
  std::function<Reply()> read;
};
// Nothing when the request is for something else. A token that may not read the workspace gets the
// answer of one that does not exist.
std::optional<std::variant<Reply, DatabaseLook>> database_answer(const Request& request,
                                                                 const Auth& auth,
                                                                 const LogReader* reader,
                                                                 std::int64_t now_ms,
                                                                 std::size_t file_bytes_max);

}  // namespace syncline
