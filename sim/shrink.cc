#include "sim/shrink.h"

namespace syncline::sim {
namespace {

bool fails(std::uint64_t seed, const Storm& storm) { return !World(seed, storm).run().ok; }

}  // namespace

std::string shrink(std::uint64_t seed, Storm storm) {
  for (const Fault& fault : all_faults()) {
    Storm without = storm;
    without.*fault.chance = 0;
    if (storm.*fault.chance != 0 && fails(seed, without)) {
      storm = without;
    }
  }
  while (storm.replicas > 1) {
    Storm fewer = storm;
    --fewer.replicas;
    if (!fails(seed, fewer)) {
      break;
    }
    storm = fewer;
  }
  for (std::uint64_t cut = storm.steps / 2; cut > 0; cut /= 2) {
    Storm shorter = storm;
    shorter.steps -= cut;
    if (fails(seed, shorter)) {
      storm = shorter;
    }
  }
  std::string out = "shrunk to " + std::to_string(storm.steps) + " steps, " +
                    std::to_string(storm.replicas) + " replicas, faults:";
  for (const Fault& fault : all_faults()) {
    if (storm.*fault.chance != 0) {
      out += " " + std::string(fault.name) + "=" + std::to_string(storm.*fault.chance);
    }
  }
  return out + ": " + World(seed, storm).run().violation;
}

}  // namespace syncline::sim
