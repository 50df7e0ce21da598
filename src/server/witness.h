#pragma once

#include <optional>

#include "server/log_store.h"

namespace syncline {

// A server keeps where its store stands in a place outside of it, too (the program: a small file).
// At its next start it compares the two: a store that is behind its own witness is an older copy
// that somebody put back, by whatever means.
//
// Invariants:
// 1. The witness never runs ahead of the store: it is written after what it tells of is durable. So
//    a witness that is old, or lost, costs protection, and never a lineage without need.
// 2. Every start of a server is an opening, stored before it is witnessed. A copy lacks the
// openings
//    since it was made, whatever was written to it afterwards.
enum class WitnessVerdict {
  none,      // there was no witness
  same,      // the store has everything that the witness tells of
  behind,    // the store has not: it was put back
  stranger,  // the witness speaks of another store
};
Result<WitnessVerdict> judge_witness(LogStore& store, const std::optional<StorePlace>& witness);

// The witness as text, and back. Fails with `malformed`.
std::string write_witness(const StorePlace& place);
Result<StorePlace> read_witness(std::string_view text);

}  // namespace syncline
