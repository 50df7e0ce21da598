#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/result.h"
#include "model/row_state.h"
#include "model/schema.h"
#include "routes/delta_request.h"

namespace syncline {

// What one JSON change means for one row: the edit, and what its author is to be told.

struct DeltaRow {
  const TableSchema* table = nullptr;
  // The row as it is; null when nobody ever spoke of it.
  const RowState* state = nullptr;
  // Whether the change's author had seen what carries this stamp.
  std::function<Result<bool>(const Stamp& stamp)> was_seen;
  Stamp stamp;  // the edit's own
};

struct DeltaEdit {
  RowEdit edit;
  // There is nothing to do: the row is as the author wants it.
  bool is_void = false;
  // Of an object without its braces: entity, reason, fields; empty when there is no conflict.
  std::string conflict;
};

// Why a change cannot be: a stable code and words.
struct DeltaReason {
  std::string code;
  std::string words;
};

// Fails when the storage does; the reason is set when the change is at fault.
Result<DeltaEdit> make_delta_edit(const DeltaChange& change, const DeltaRow& row, RowKey key,
                                  std::optional<DeltaReason>& reason);

}  // namespace syncline
