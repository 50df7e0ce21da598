#pragma once

#include <set>

#include "base/result.h"
#include "client/log_body.h"
#include "sqlite/connection.h"

namespace syncline {

// The tracked tables of whose rows capture may hear in another order than they are written. Two
// things come between a write and the trigger that tells of it: other triggers on the table that
// are newer (SQLite fires the newest first, and those of this connection alone before all), and the
// actions of foreign keys, which SQLite takes before it fires any. Either may write the same row
// again, at once or by way of other tables.
Result<std::set<TableId>> tables_out_of_order(const Connection& connection);

}  // namespace syncline
