#pragma once

#include <string>
#include <vector>

#include "model/change.h"
#include "model/row_state.h"

namespace syncline {

// The heart: pure functions that decide what a row is after an edit. Laws, tested by generated
// cases (P3): any order, any grouping and any repetition of the same edits give the same row.

// Two edits of which neither had seen the other.
struct Concurrency {
  enum class Kind {
    cell,         // two edits of one cell
    life,         // two puts of one key
    edit_erased,  // an edit of a row that somebody else deleted
  };
  Kind kind = Kind::cell;
  std::string column;  // for Kind::cell
  // The two sides in stamp order: the winner is the greater one.
  Stamp loser;
  Stamp winner;
  // The value that lost, for Kind::cell with plain values; the winner's is in the row.
  Value loser_value;
};

struct MergeEffect {
  // The row is different from before, in its life or a cell.
  bool changed = false;
  std::vector<Concurrency> concurrent;
};

// True when an edit stamped `edit` that replaced `edit_replaced` and the present content stamped
// `present` that replaced `present_replaced` were made without knowledge of each other.
inline bool is_concurrent(const Stamp& edit, const Stamp& edit_replaced, const Stamp& present,
                          const Stamp& present_replaced) {
  return edit != present && edit_replaced < present && present_replaced < edit;
}

// Merges one edit into a row.
MergeEffect merge_edit(RowState& row, const RowEdit& edit, const Stamp& stamp);

// Merges what somebody else knows about the row into what we know: the least state above both.
MergeEffect merge_state(RowState& row, const RowState& other);

// What a row is when it has seen this edit and nothing else.
RowState state_of(const RowEdit& edit, const Stamp& stamp);

}  // namespace syncline
