#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "routes/delta_edit.h"
#include "routes/delta_request.h"
#include "server/workspace.h"

namespace syncline {

// Whole states, as applications sent them before they had a queue of changes: each row that is
// uploaded becomes a change, once.

struct DeltaStateRow {
  std::string table;
  // The id, and every column.
  Json row;
  std::size_t index = 0;
};
struct DeltaState {
  std::string device;
  std::vector<DeltaStateRow> rows;
  std::vector<DeltaRefusal> refused;
};

// {"data":{"notes":[{"id":"a","body":"x"}]}}, or a list of {"entityType","entityId","data"}. Fails
// with `malformed`, `invalid_argument` or `too_large`.
Result<DeltaState> read_delta_state(std::string_view body);

// The change that would make the row what was uploaded. Its id is made of the content, so that the
// same upload is the same change for ever.
Result<DeltaChange> change_of_row(const DeltaStateRow& row, const TableSchema* table,
                                  const std::string& device);

// Leaves of an edit of a living row what is new: with `fill` only what the row has no value for,
// and the rest is told as a conflict that the row won; otherwise all that differs. True when
// nothing is left.
enum class DeltaStateMode { fill, overwrite };
Result<bool> leave_what_is_new(DeltaEdit& edit, const DeltaChange& change, const DeltaRow& row,
                               DeltaStateMode mode);

// The rows of a workspace as {"data":{...},"serverVersion":n}. Fails with `too_large`.
Result<std::string> state_answer(Workspace& workspace, std::size_t bytes_max);

}  // namespace syncline
