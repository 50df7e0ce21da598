#pragma once

#include <set>
#include <string>

#include "client/local_log.h"
#include "client/log_body.h"

namespace syncline {

// The tables that a log row touched. Those of a change kept in its travelling form are names, which
// may be of tables that this database does not have.
struct LogTables {
  std::set<TableId> ids;
  std::set<std::string> names;
};

// Adds the tables of one part of a log row (LogForm says what the bytes are).
Result<void> add_log_tables(LogForm form, Bytes part, LogTables& out);

}  // namespace syncline
