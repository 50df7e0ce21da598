#pragma once

#include <set>

#include "base/result.h"
#include "client/catalog.h"
#include "client/log_body.h"
#include "sqlite/connection.h"

namespace syncline {

// The tracked tables of whose rows capture may hear in another order than they are written. Two
// things come between a write and the trigger that tells of it: other triggers on the table that
// are newer (SQLite fires the newest first, and those of this connection alone before all), and the
// actions of foreign keys, which SQLite takes before it fires any. Either may write the same row
// again, at once or by way of other tables.
Result<std::set<TableId>> tables_out_of_order(const Connection& connection);

// Those of them that need not be: triggers of the application that are newer than capture's own.
Result<std::set<TableId>> tables_overtaken(const Connection& connection);

// The tracked tables whose triggers do not look for all rows that a REPLACE may remove: somebody
// made or dropped a unique index since.
Result<std::set<TableId>> tables_of_other_indexes(const Connection& connection, Catalog& catalog);

// Whether a trigger, or a constraint under one, may end a statement in the middle and leave written
// what was written: RAISE(IGNORE), RAISE(FAIL), OR FAIL.
Result<bool> triggers_may_stop(const Connection& connection);

}  // namespace syncline
