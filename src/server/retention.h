#pragma once

#include <cstdint>

#include "base/result.h"
#include "server/workspace.h"

namespace syncline {

struct RetentionOptions {
  // How long the log and tombstones are kept, and how long a silent replica's cursor counts.
  std::int64_t keep_ms = std::int64_t{30} * 24 * 3600 * 1000;
};

// Moves the workspace's fence: to the least cursor of those seen lately, but never past changes
// younger than `keep_ms`. Writes, inside the store's transaction.
Result<void> retire(LogStore& store, Workspace& workspace, const RetentionOptions& options,
                    std::int64_t now_ms);

}  // namespace syncline
