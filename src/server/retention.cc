#include "server/retention.h"

#include <algorithm>

#include "model/stamp.h"

namespace syncline {

Result<void> retire(LogStore& store, Workspace& workspace, const RetentionOptions& options,
                    std::int64_t now_ms) {
  const std::int64_t since = now_ms - options.keep_ms;
  SL_TRY(ServerVersion through, store.version_before(workspace.id(), since));
  SL_TRY(const auto cursor, store.least_cursor(workspace.id(), since));
  if (cursor) {
    through = std::min(through, *cursor);
  }
  if (through <= workspace.fence()) {
    return {};
  }
  // Stamps run ahead of the server's clock by the allowed skew at most.
  return workspace.trim(through, static_cast<std::uint64_t>(std::max<std::int64_t>(now_ms, 0))
                                     << Stamp::counter_bits);
}

}  // namespace syncline
