#include <cstdio>
#include <cstdlib>

#include "base/mutant.h"
#include "sim/world.h"

using namespace syncline;
using namespace syncline::sim;

// sim_mutants [FIRST]: switches on one deliberate bug after the other and runs seeds until the
// simulator notices. Fails when one stays unnoticed, and when the code without bugs does not pass
// the same seeds.
int main(int argc, char** argv) {
  const int first = argc > 1 ? std::atoi(argv[1]) : 0;
  constexpr int mutants = 26;
  constexpr std::uint64_t seeds = 40;
  constexpr std::uint64_t steps = 4000;
  int missed = 0;
  for (int mutant = first; mutant <= mutants; ++mutant) {
    active_mutant = mutant;
    std::uint64_t caught = 0;
    std::string how;
    for (std::uint64_t seed = 1; seed <= seeds && caught == 0; ++seed) {
      const Outcome outcome = World(seed, Storm::draw(seed, steps)).run();
      if (!outcome.ok) {
        caught = seed;
        how = outcome.violation;
      }
    }
    const bool right = (mutant == 0) == (caught == 0);
    missed += right ? 0 : 1;
    std::printf(
        "%s mutant %d: %s\n", right ? "ok  " : "MISS", mutant,
        caught == 0 ? "no violation" : ("seed " + std::to_string(caught) + ": " + how).c_str());
    std::fflush(stdout);
  }
  std::printf("%d mutants, %d missed\n", mutants, missed);
  return missed == 0 ? 0 : 1;
}
