#pragma once

#include <span>

#include "ydoc/ids.h"
#include "ydoc/limits.h"

namespace syncline::ydoc {

// Updates as values: what a server does that stores documents without opening them. None of these
// builds a document; each reads its input once and costs O(n log n) in its size.

// One update with everything the inputs hold, in any order, however they overlap; gaps stay visible
// in it. Byte-equal to Yjs. Structs are cut where they overlap, never joined.
Result<ByteVector> merge_updates(std::span<const Bytes> updates);

// The part of `update` that somebody who has `state` lacks, and its whole delete set.
Result<ByteVector> diff_update(Bytes update, const StateVector& state);

// How far each client's writing reaches in `update` without a gap. Clients whose writing does not
// start at zero are left out. In the order of the update, encoded.
Result<ByteVector> state_vector_from_update(Bytes update);

// Whether somebody who has `state`, and nothing that waits, has all of `update`.
Result<bool> is_covered(Bytes update, const StateVector& state);

}  // namespace syncline::ydoc
