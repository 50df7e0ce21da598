#pragma once

#include <vector>

#include "model/merge.h"

namespace syncline {

// Which pairs of edits met in a merge without having seen each other. Asked before the merge,
// because afterwards the loser is gone.
//
// What is told, when each change arrives once and after all that its writer had seen:
// 1. No false alarm: a reported pair is concurrent.
// 2. A set of a plain cell is reported against the cell's present content exactly when the two are
//    concurrent.
// 3. A put or an erase carries one stamp for the whole row, the newest its writer saw. So it is
//    not reported against an older edit of one cell that its writer missed, if the writer saw a
//    newer edit of another cell. The same holds for a document or a counter that is set whole.
std::vector<Concurrency> concurrency_of_edit(const RowState& row, const RowEdit& edit,
                                             const Stamp& stamp);
std::vector<Concurrency> concurrency_of_states(const RowState& row, const RowState& other);

}  // namespace syncline
