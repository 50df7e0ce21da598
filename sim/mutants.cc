#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/mutant.h"
#include "sim/world.h"

using namespace syncline;
using namespace syncline::sim;

namespace {

// A deliberate bug, and the weather in which it is looked for.
enum class Weather { any, sleepers, copies, restores, slowness, rot, crowd, lost_acks, heirs };
// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): the list reads best in this order
struct Mutant {
  int number;
  const char* what;
  Weather weather = Weather::any;
  // Where the hunt begins: near the first seed that is known to show it.
  std::uint64_t first = 1;
};

constexpr Mutant mutants[] = {
    {1, "acknowledges before the commit"},
    {2, "tells changes before the commit"},
    {3, "acknowledges the next change, too"},
    {4, "admits a change twice"},
    {5, "does not look for copies", Weather::copies},
    // Not noticed, and open (docs/proof.md): 6, drops the fence (sleepers).
    {7, "leaves new rows out of the digest"},
    {8, "forgets totals at a restart"},
    {9, "forgets deletions"},
    {10, "keeps a rejected change at the head of the queue"},
    {11, "forgets the time of a replica's last change"},
    {12, "a page's token stands still"},
    {13, "loses rows of a snapshot"},
    {14, "skips a change in fan-out"},
    {15, "does not move the cursor past a replica's own changes"},
    {16, "keeps half a transaction on the server"},
    {17, "synced with unsent changes"},
    {18, "synced without comparing digests", Weather::rot},
    {19, "applies half a transaction"},
    {20, "a rescan that believes that nothing differs"},
    {21, "comes back as it was after a refusal"},
    {22, "waits for an outbox of the connection before", Weather::slowness},
    {23, "goes on sending where the connection before stopped"},
    {24, "forgets the cursor that it applied"},
    // 25, a session that forgets the time of what was acknowledged, cannot be noticed any more:
    // each hello says what the file says.
    {26, "does not tell the epochs before"},
    {27, "admits what comes behind a refused change", Weather::restores},
    {28, "takes changes for a replica's without comparing them", Weather::copies},
    {29, "lets an old put bring a deleted row back", Weather::sleepers},
    {30, "takes an old insert for a new one", Weather::sleepers},
    {32, "a copy does not compare its rows", Weather::copies, 50},
    {33, "an old deletion leaves an old tombstone", Weather::sleepers},
    // Of the engine and its host, with several processes on a file.
    {40, "two lead on one file", Weather::crowd},
    {41, "begins a write as a reader, and takes a locked file for a failure", Weather::crowd},
    // Of the engine, where conversations are cut and files are copied.
    {42, "a copy tells nothing before it takes a new name", Weather::heirs, 12},
    {43, "what a put replaced is found out at each telling", Weather::lost_acks, 5},
    {44, "tells an acknowledgement that could not be stored", Weather::lost_acks, 13},
    {45, "goes on under the name that the file had", Weather::heirs, 2},
    // Not noticed where the code is clean without it, and open (docs/proof.md): 46, a new name
    // begins behind what was acknowledged here (heirs).
};

// Several processes on every file, and nothing else that is wrong with the world.
Storm crowd(std::uint64_t steps) {
  Storm storm = Storm::calm(steps);
  storm.real = 2;
  storm.ledger = 400;
  storm.beside = 100;
  storm.beside_holds = 200;
  storm.meddle = 5;
  storm.busy = 20;
  storm.rival = 600;
  storm.process_dies = 10;
  return storm;
}

// Engines whose conversations are cut while they are told things, and whose files cannot always
// take what they are told.
Storm lost_acks(std::uint64_t seed, std::uint64_t steps) {
  Storm storm = crowd(steps);
  storm.rows = 3 + seed % 4;
  storm.cut = 120;
  storm.replica_disk = 60;
  storm.replica_crash = 30;
  storm.busy = 40;
  return storm;
}

// Engines whose files are copied and put back, under servers that may know less than they said.
Storm heirs(std::uint64_t seed, std::uint64_t steps) {
  Storm storm = crowd(steps);
  storm.cut = 40;
  storm.replica_clone = 10;
  storm.replica_old_copy = 20;
  storm.server_backup = seed % 2 == 0 ? 0 : 30;
  storm.server_restore = seed % 2 == 0 ? 0 : 6;
  return storm;
}

// The first seed in which something is noticed; zero for none.
std::uint64_t hunt(const Mutant& mutant, std::uint64_t seeds, std::uint64_t steps,
                   std::string& how) {
  const Weather weather = mutant.weather;
  for (std::uint64_t seed = mutant.first; seed < mutant.first + seeds; ++seed) {
    Storm storm = Storm::draw(seed, steps);
    if (weather == Weather::sleepers) {
      storm.rows = 3 + storm.rows % 6;
      // Some sleep long, the others go on, and the log behind them goes.
      storm.long_sleep = 6;
      storm.server_retire = 100;
      storm.server_restore = 0;
      storm.server_put_back = 0;
      storm.steps = 12'000;
    } else if (weather == Weather::copies) {
      storm.replica_old_copy = 40;
      storm.replica_clone = 10;
      storm.reject = 40;
      storm.server_restore = 0;
    } else if (weather == Weather::restores) {
      storm.server_backup = 30;
      storm.server_restore = 10;
      storm.clock_jump = 40;
      storm.partition = 20;
    } else if (weather == Weather::crowd) {
      storm = crowd(steps / 2);
    } else if (weather == Weather::lost_acks) {
      storm = lost_acks(seed, steps / 2);
    } else if (weather == Weather::heirs) {
      storm = heirs(seed, steps / 2);
    } else if (weather == Weather::rot) {
      storm.rot = 20;
      storm.server_restore = 0;
      storm.server_put_back = 0;
    } else if (weather == Weather::slowness) {
      storm.slow_answer = 100;
      storm.cut = 60;
    }
    const Outcome outcome = World(seed, storm).run();
    if (!outcome.ok) {
      how = outcome.violation;
      return seed;
    }
  }
  return 0;
}

}  // namespace

// sim_mutants [NUMBER [SEEDS [FIRST]]]: switches on one deliberate bug after the other and runs
// seeds until the simulator notices. Fails when one stays unnoticed, and when the code without bugs
// does not pass the first seeds, or one in which a bug is noticed.
int main(int argc, char** argv) {
  const int only = argc > 1 ? std::atoi(argv[1]) : -1;
  const std::uint64_t seeds = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1500;
  constexpr std::uint64_t steps = 4000;
  int missed = 0;
  std::string how;
  active_mutant = 0;
  for (const Mutant& none : {Mutant{0, ""}, Mutant{0, "", Weather::crowd}}) {
    if (only <= 0 && hunt(none, 30, steps, how) != 0) {
      std::printf("without any bug: %s\n", how.c_str());
      return 1;
    }
  }
  for (const Mutant& mutant : mutants) {
    if (only > 0 && mutant.number != only) {
      continue;
    }
    active_mutant = mutant.number;
    Mutant hunted = mutant;
    hunted.first = argc > 3 ? std::strtoull(argv[3], nullptr, 10) : mutant.first;
    const std::uint64_t seed = hunt(hunted, seeds, steps, how);
    missed += seed == 0 ? 1 : 0;
    // What was noticed is the bug, and not the weather.
    active_mutant = 0;
    Mutant none = mutant;
    none.first = seed;
    std::string why;
    if (seed != 0 && hunt(none, 1, steps, why) != 0) {
      std::printf("without %d, too: %s\n", mutant.number, why.c_str());
      return 1;
    }
    std::printf("%s %2d %s: %s\n", seed == 0 ? "MISSED" : "caught", mutant.number, mutant.what,
                seed == 0 ? "" : ("seed " + std::to_string(seed) + ", " + how).c_str());
    std::fflush(stdout);
  }
  std::printf("%d deliberate bugs missed\n", missed);
  return missed == 0 ? 0 : 1;
}
