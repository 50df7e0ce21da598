#pragma once

#include <string>

#include "sim/world.h"

namespace syncline::sim {

// The fewest faults and steps that still fail with this seed, in words.
std::string shrink(std::uint64_t seed, Storm storm);

}  // namespace syncline::sim
