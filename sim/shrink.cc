#include "sim/shrink.h"

namespace syncline::sim {
namespace {

struct Fault {
  const char* name;
  std::uint64_t Storm::*chance;
};
constexpr Fault faults[] = {{"cut", &Storm::cut},
                            {"half_open", &Storm::half_open},
                            {"partition", &Storm::partition},
                            {"server_crash", &Storm::server_crash},
                            {"server_disk_fails", &Storm::server_disk_fails},
                            {"server_disk_full", &Storm::server_disk_full},
                            {"server_restore", &Storm::server_restore},
                            {"server_backup", &Storm::server_backup},
                            {"server_retire", &Storm::server_retire},
                            {"replica_crash", &Storm::replica_crash},
                            {"replica_old_copy", &Storm::replica_old_copy},
                            {"replica_clone", &Storm::replica_clone},
                            {"clock_jump", &Storm::clock_jump},
                            {"long_sleep", &Storm::long_sleep},
                            {"resync", &Storm::resync},
                            {"reject", &Storm::reject},
                            {"replica_disk", &Storm::replica_disk},
                            {"upgrade", &Storm::upgrade},
                            {"slow_answer", &Storm::slow_answer},
                            {"mangle", &Storm::mangle},
                            {"repeat", &Storm::repeat},
                            {"late", &Storm::late}};

bool fails(std::uint64_t seed, const Storm& storm) { return !World(seed, storm).run().ok; }

}  // namespace

std::string shrink(std::uint64_t seed, Storm storm) {
  for (const Fault& fault : faults) {
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
  for (const Fault& fault : faults) {
    if (storm.*fault.chance != 0) {
      out += " " + std::string(fault.name) + "=" + std::to_string(storm.*fault.chance);
    }
  }
  return out + ": " + World(seed, storm).run().violation;
}

}  // namespace syncline::sim
