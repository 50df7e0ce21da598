#pragma once

#include <string>
#include <vector>

#include "client/engine.h"

namespace syncline {

// Looks for damage: SQLite's integrity_check, and what the engine promises about its own tables.
//
//   1. Every tracked table is there with its triggers.
//   2. Log rows decode, name known replicas, carry no time beyond the clock's, and the replica's
//      own are numbered without a gap.
//   3. Every row of a tracked table has a clock, so that no write was missed (a rescan mends it).
//   4. Rows that are held and keys that are dead decode.
//
// Returns what is wrong, in words, a sentence each; empty when all is well. Fails only when the
// database cannot be read at all. At most `verify_problems_max` are listed.
inline constexpr std::size_t verify_problems_max = 100;
Result<std::vector<std::string>> verify(Engine& engine);

}  // namespace syncline
