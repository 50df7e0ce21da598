#pragma once

#include <set>
#include <string>

#include "base/result.h"
#include "model/change.h"
#include "session/server_session.h"

namespace syncline {

// What replicas of a workspace may write. Rules by rows come here, too; so far there are tables.
struct Rules {
  std::set<std::string> read_only_tables;
  std::size_t edits_max = 1'000'000;  // of one change
  // Quotas of a workspace, dead rows included as long as they are kept; zero is any number. When
  // one is reached, only deletions come in.
  std::uint64_t rows_max = 0;
  std::uint64_t bytes_max = 0;
  // JSON devices of one user.
  std::uint64_t devices_each_max = 0;
};

// Fails with `not_allowed` or `too_large`, and with `malformed` when a counter's or document's edit
// does not decode.
Result<void> check_rules(const Rules& rules, const Rights& rights, const Change& change);

}  // namespace syncline
