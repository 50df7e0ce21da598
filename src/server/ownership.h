#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "server/log_store.h"

namespace syncline {

// Replicas that change hands, as when two accounts become one.
struct Gift {
  std::string workspace;
  std::optional<ReplicaId> replica;
  // When no replica is named: everything of this user, and the names of its JSON changes.
  std::string from;
  // Nobody, when empty: then they belong to whoever says hello with them next.
  std::string to;
};

// Runs inside the store's transaction; answers which replicas changed hands. Fails with
// `not_found`, and with `invalid_argument` for the device of a JSON door, which is its user's by
// name.
Result<std::vector<ReplicaId>> give_replicas(LogStore& store, const Gift& gift);

}  // namespace syncline
