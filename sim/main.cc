#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "sim/shrink.h"
#include "sim/world.h"

using namespace syncline::sim;

// syncline_sim [--seeds N] [--first N] [--steps N] [--seed N] [--shrink 0]: runs seeds; prints
// those that fail, and the shortest run of them that still does.
int main(int argc, char** argv) {
  std::uint64_t first = 1;
  std::uint64_t seeds = 200;
  std::uint64_t steps = 6000;
  bool shrinks = true;
  bool tells = false;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::uint64_t value = std::strtoull(argv[i + 1], nullptr, 10);
    if (std::strcmp(argv[i], "--seeds") == 0) {
      seeds = value;
    } else if (std::strcmp(argv[i], "--first") == 0) {
      first = value;
    } else if (std::strcmp(argv[i], "--steps") == 0) {
      steps = value;
    } else if (std::strcmp(argv[i], "--shrink") == 0) {
      shrinks = value != 0;
    } else if (std::strcmp(argv[i], "--tell") == 0) {
      tells = value != 0;
    } else if (std::strcmp(argv[i], "--seed") == 0) {
      first = value;
      seeds = 1;
    }
  }
  std::map<std::string, std::uint64_t> counts;
  std::uint64_t total = 0;
  std::uint64_t trace = 0;
  int failed = 0;
  // tidy-allow(banned-call): measures the run, decides nothing in it
  const auto start = std::chrono::steady_clock::now();  // tidy-allow(banned-call): as above
  for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
    Storm storm = Storm::draw(seed, steps);
    storm.tells = tells;
    const Outcome outcome = World(seed, storm).run();
    total += outcome.steps;
    trace = trace * 31 + outcome.trace;
    for (const auto& [name, count] : outcome.counts) {
      counts[name] += count;
    }
    if (!outcome.ok) {
      ++failed;
      std::printf("seed %llu fails: %s\n", static_cast<unsigned long long>(seed),
                  outcome.violation.c_str());
      std::fflush(stdout);
      if (shrinks) {
        std::printf("  %s\n", shrink(seed, Storm::draw(seed, steps)).c_str());
      }
      if (failed >= 10) {
        break;
      }
    }
  }
  // tidy-allow(banned-call): as above
  const auto end = std::chrono::steady_clock::now();  // tidy-allow(banned-call): as above
  const double seconds = std::chrono::duration<double>(end - start).count();
  for (const auto& [name, count] : counts) {
    std::printf("%-22s %llu\n", name.c_str(), static_cast<unsigned long long>(count));
  }
  std::printf("seeds %llu steps %llu failed %d trace %016llx steps/s %.0f\n",
              static_cast<unsigned long long>(seeds), static_cast<unsigned long long>(total),
              failed, static_cast<unsigned long long>(trace), static_cast<double>(total) / seconds);
  return failed == 0 ? 0 : 1;
}
