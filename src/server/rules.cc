#include "server/rules.h"

#include "model/cell_content.h"

namespace syncline {

Result<void> check_rules(const Rules& rules, const Rights& rights, const Change& change) {
  if (!rights.may_write) {
    return Error(ErrorCode::not_allowed, "this token may read, not write");
  }
  if (change.edits.size() > rules.edits_max) {
    return Error(ErrorCode::too_large, "a change of " + std::to_string(change.edits.size()) +
                                           " rows; " + std::to_string(rules.edits_max) +
                                           " is the most");
  }
  for (const RowEdit& edit : change.edits) {
    if (rules.read_only_tables.count(edit.table) != 0) {
      return Error(ErrorCode::not_allowed, "table " + edit.table + " is read only");
    }
    // Replicas refuse the whole change for such a cell, and could never pass it in the log.
    for (const CellEdit& cell : edit.cells) {
      SL_TRY(check_cell(cell, change.stamp));
    }
  }
  return {};
}

}  // namespace syncline
