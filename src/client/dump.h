#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/digest.h"
#include "base/function_ref.h"
#include "client/catalog.h"

namespace syncline {

// Takes one line, without its line feed; an error ends the dump.
using DumpSink = FunctionRef<Result<void>(std::string_view line)>;

// Every synced row as a line of JSON: tables in the order of their names, rows in the order of
// their keys, members sorted:
//
//   {"key":["k1"],"table":"notes","value":{"body":"...","seen":1}}
//
// Values are written as base/value_json does. What is ours, generated columns and tables that are
// not tracked are left out, so that replicas that hold the same rows give the same bytes, however
// they came by them. `table` empty means all; a table that is not tracked fails with `not_found`.
Result<void> dump(Connection connection, Catalog& catalog, const std::string& table, DumpSink sink);

// SHA-256 of the dump of all tables, each line with its line feed.
Result<Sha256Digest> dump_digest(Connection connection, Catalog& catalog);

}  // namespace syncline
