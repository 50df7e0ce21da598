#include "sim/storm.h"

#include "base/random.h"

namespace syncline::sim {
namespace {

// In the order in which they are drawn.
constexpr Fault faults[] = {
    {"cut", &Storm::cut},
    {"half_open", &Storm::half_open},
    {"partition", &Storm::partition},
    {"server_crash", &Storm::server_crash},
    {"server_disk_fails", &Storm::server_disk_fails},
    {"server_disk_full", &Storm::server_disk_full},
    {"server_backup", &Storm::server_backup},
    {"server_restore", &Storm::server_restore},
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
    {"late", &Storm::late},
    {"ledger", &Storm::ledger},
    {"beside", &Storm::beside},
    {"beside_holds", &Storm::beside_holds},
    {"meddle", &Storm::meddle},
    {"busy", &Storm::busy},
    {"process_dies", &Storm::process_dies},
    {"rival", &Storm::rival},
    {"carry", &Storm::carry},
    {"server_put_back", &Storm::server_put_back},
    {"server_change", &Storm::server_change},
    {"rot", &Storm::rot},
};
// These are drawn from a stream of their own, so that the older seeds stay what they were.
constexpr std::size_t newer = 22;

// Each kind is absent from some runs and heavy in others.
void draw_chance(Random& random, std::uint64_t& chance, std::uint64_t heavy) {
  const std::uint64_t fate = random.below(4);
  chance = fate == 0 ? 0 : fate == 3 ? chance * heavy : chance;
}

}  // namespace

std::span<const Fault> all_faults() { return faults; }

Storm Storm::calm(std::uint64_t steps) {
  Storm storm;
  storm.steps = steps;
  for (const Fault& fault : faults) {
    storm.*fault.chance = 0;
  }
  return storm;
}

Storm Storm::draw(std::uint64_t seed, std::uint64_t steps) {
  SeededRandom random(seed ^ 0x5704EU);
  Storm storm;
  storm.steps = steps;
  storm.replicas = 2 + random.below(3);
  storm.rows = 2 + random.below(40);
  storm.real = 0;
  const std::size_t fan_outs[] = {128, 512, 4096};
  storm.fan_out_bytes = fan_outs[random.below(3)];
  for (std::size_t i = 0; i < newer; ++i) {
    draw_chance(random, storm.*faults[i].chance, 3);
  }
  if (storm.server_restore > 0 && storm.server_backup == 0) {
    storm.server_backup = 6;
  }
  SeededRandom more(seed ^ 0xBE51DEU);
  for (std::size_t i = newer; i < std::size(faults); ++i) {
    draw_chance(more, storm.*faults[i].chance, 2);
  }
  // No replica can help that its digest differs then, and that is what every run demands.
  storm.rot = 0;
  return storm;
}

}  // namespace syncline::sim
