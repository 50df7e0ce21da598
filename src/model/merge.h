#pragma once

#include <string>
#include <vector>

#include "model/change.h"
#include "model/row_state.h"

namespace syncline {

class DocumentCache;

// The heart: pure functions that decide what a row is after an edit. Laws, tested by generated
// cases (P3): any order, any grouping and any repetition of the same edits give the same row.

// Two edits of which neither had seen the other. Only reported: it never decides what a row
// becomes.
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
  // The value that lost, for Kind::cell with plain values; the winner's is in the row, unless the
  // winner is a put that did not name the column.
  Value loser_value;

  friend bool operator==(const Concurrency&, const Concurrency&) = default;
};

struct MergeEffect {
  // The row is different from before, in its life or a cell.
  bool changed = false;
  std::vector<Concurrency> concurrent;
  // The least of the cells that were merged part by part. With `none` that cell stayed as it was:
  // a merge makes nothing that cannot be read. Servers admit what leaves ample room, so that what
  // a replica has written since still fits on top of what everybody has.
  CellRoom room = CellRoom::ample;
  // A cell that is here does not decode. It stayed as it was: what cannot be read is not replaced.
  bool is_unreadable = false;
};

// True when the stamps prove that an edit stamped `edit` that replaced `edit_replaced` and the
// present content stamped `present` that replaced `present_replaced` were made without knowledge of
// each other. Never true for two edits of one replica: it saw its own.
inline bool is_concurrent(const Stamp& edit, const Stamp& edit_replaced, const Stamp& present,
                          const Stamp& present_replaced) {
  return edit.replica != present.replica && edit_replaced < present && present_replaced < edit;
}

// As is_concurrent, for an edit that arrives for the first time and after everything its writer had
// seen. That closes the one gap of the stamps: of an older edit that arrives late they tell only
// what its winner replaced directly, but since it arrives only now, the winner's writer cannot have
// seen it, unless the winner replaced it or something later of the same replica.
inline bool arrives_concurrent(const Stamp& edit, const Stamp& edit_replaced, const Stamp& present,
                               const Stamp& present_replaced) {
  if (edit.replica == present.replica) {
    return false;
  }
  if (present < edit) {
    return edit_replaced < present;
  }
  return present_replaced.replica != edit.replica || present_replaced < edit;
}

// Merges one edit into a row. Repeating an edit leaves the row as it is, but may report its
// concurrency again: whoever reports to people merges each change once, as P2 demands. A cache
// saves time where documents are edited often, and changes nothing else.
MergeEffect merge_edit(RowState& row, const RowEdit& edit, const Stamp& stamp,
                       DocumentCache* documents = nullptr);

// Merges what somebody else knows about the row into what we know: the least state above both.
// Reports what the stamps prove; a state that came without replaced stamps looks as if its writers
// had seen nothing.
MergeEffect merge_state(RowState& row, const RowState& other);

// What a row is when it has seen this edit and nothing else.
RowState state_of(const RowEdit& edit, const Stamp& stamp);

}  // namespace syncline
