#include "server/rules.h"

#include "model/cell_content.h"
#include "model/counter.h"

namespace syncline {
namespace {

// What counts from a value is younger than it. Anything else would make a cell that nobody can
// read.
Result<void> check_counts(const Change& change, const RowEdit& edit) {
  for (const CellEdit& cell : edit.cells) {
    if (cell.form != CellForm::counter) {
      continue;
    }
    SL_TRY(const CounterEdit count, decode_counter_edit(cell.value.view()));
    if (!(count.base < change.stamp)) {
      return Error(ErrorCode::malformed, "a count in " + edit.table + "." + cell.column +
                                             " is older than the value it counts from");
    }
  }
  return {};
}

}  // namespace

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
      SL_TRY(check_cell(cell));
    }
    SL_TRY(check_counts(change, edit));
  }
  return {};
}

}  // namespace syncline
