#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "sim/shrink.h"
#include "sim/world.h"

using namespace syncline::sim;

namespace {

// Every kind of fault and of recovery: over a run of many seeds each must have happened.
constexpr const char* kinds[] = {"bootstrap",
                                 "clock_jump",
                                 "clone",
                                 "cut",
                                 "cut_mid_frame",
                                 "forked",
                                 "frames_late",
                                 "frames_lost",
                                 "frames_repeated",
                                 "half_open",
                                 "long_sleep",
                                 "lost_writes",
                                 "partition",
                                 "rejected",
                                 "replica_crash",
                                 "replica_old_copy",
                                 "rescan",
                                 "restamped",
                                 "resync",
                                 "salvaged",
                                 "server_backup",
                                 "server_crash",
                                 "server_dies_at_write",
                                 "server_disk_fails",
                                 "server_disk_full",
                                 "server_restore",
                                 "server_retire",
                                 "slow_answer",
                                 "synced",
                                 "torn_sectors",
                                 "undo"};
constexpr const char* real_kinds[] = {"real_clock_jump",
                                      "real_clone",
                                      "real_copied",
                                      "real_crash",
                                      "real_died",
                                      "real_disk_fails",
                                      "real_disk_full",
                                      "real_lost_writes",
                                      "real_old_copy",
                                      "real_resolved",
                                      "real_resync",
                                      "real_salvaged",
                                      "real_synced",
                                      "real_torn_sectors",
                                      "real_upgrade",
                                      "real_whole",
                                      "real_write_failed",
                                      "beside_dies",
                                      "beside_finished",
                                      "beside_holds",
                                      "beside_wrote",
                                      "busy_answers",
                                      "ledger",
                                      "meddled",
                                      "process_dies",
                                      "rivals"};

struct Options {
  std::uint64_t first = 1;
  std::uint64_t seeds = 200;
  std::uint64_t steps = 6000;
  std::uint64_t real = 0;
  std::uint64_t shrinks = 1;
  std::uint64_t tells = 0;
  std::uint64_t demands = 0;
  std::uint64_t json = 0;
  std::uint64_t failures = 10;
  std::uint64_t calm = 0;
  // Weather that is not drawn but given.
  std::map<std::string_view, std::uint64_t> given;
};

// --cut 30: the chance of a kind of weather, for every run.
bool read_chance(const std::string& name, std::uint64_t value, Options& out) {
  for (const Fault& fault : all_faults()) {
    if (name == "--" + std::string(fault.name)) {
      out.given[fault.name] = value;
      return true;
    }
  }
  return false;
}

bool read_options(int argc, char** argv, Options& out) {
  for (int i = 1; i < argc; i += 2) {
    const std::string name = argv[i];
    if (i + 1 >= argc) {
      return false;
    }
    const std::uint64_t value = std::strtoull(argv[i + 1], nullptr, 10);
    if (name == "--seed") {
      out.first = value;
      out.seeds = 1;
    } else if (name == "--seeds") {
      out.seeds = value;
    } else if (name == "--first") {
      out.first = value;
    } else if (name == "--steps") {
      out.steps = value;
    } else if (name == "--real") {
      out.real = value;
    } else if (name == "--shrink") {
      out.shrinks = value;
    } else if (name == "--tell") {
      out.tells = value;
    } else if (name == "--json") {
      out.json = value;
    } else if (name == "--calm") {
      out.calm = value;
    } else if (name == "--failures") {
      out.failures = value;
    } else if (name == "--demand") {
      out.demands = value;
    } else if (!read_chance(name, value, out)) {
      return false;
    }
  }
  return true;
}

Storm storm_of(const Options& options, std::uint64_t seed) {
  Storm storm = options.calm != 0 ? Storm::calm(options.steps) : Storm::draw(seed, options.steps);
  storm.real = options.real;
  storm.tells = options.tells != 0;
  for (const Fault& fault : all_faults()) {
    const auto at = options.given.find(fault.name);
    storm.*fault.chance = at == options.given.end() ? storm.*fault.chance : at->second;
  }
  return storm;
}

int missing(const Options& options, const std::map<std::string, std::uint64_t>& counts) {
  int out = 0;
  const auto demand = [&](const char* kind) {
    const auto at = counts.find(kind);
    if (at == counts.end() || at->second == 0) {
      std::printf("%s never happened\n", kind);
      ++out;
    }
  };
  for (const char* kind : kinds) {
    demand(kind);
  }
  for (const char* kind : real_kinds) {
    if (options.real > 0) {
      demand(kind);
    }
  }
  return out;
}

// One run for programs (`syncline sim`): a line of JSON. Exit code 8 when an invariant broke.
int run_for_programs(const Options& options) {
  const Outcome outcome = World(options.first, storm_of(options, options.first)).run();
  std::string words;
  for (const char letter : outcome.violation) {
    words.push_back(letter == '"' || letter == '\\' || letter < ' ' ? '\'' : letter);
  }
  std::printf("{\"ok\":%s,\"seed\":%llu,\"steps\":%llu,\"trace\":\"%016llx\"%s}\n",
              outcome.ok ? "true" : "false", static_cast<unsigned long long>(options.first),
              static_cast<unsigned long long>(outcome.steps),
              static_cast<unsigned long long>(outcome.trace),
              outcome.ok ? "" : (",\"violation\":\"" + words + "\"").c_str());
  return outcome.ok ? 0 : 8;
}

}  // namespace

// Runs seeds; prints those that fail, and the shortest run of them that still does. See
// docs/simulation.md for the options.
int main(int argc, char** argv) {
  Options options;
  if (!read_options(argc, argv, options)) {
    std::printf(
        "options: --seed --seeds --first --steps --real --shrink --tell --demand "
        "--failures, or the name of a fault and its chance\n");
    return 2;
  }
  if (options.json != 0) {
    return run_for_programs(options);
  }
  std::map<std::string, std::uint64_t> counts;
  std::uint64_t total = 0;
  std::uint64_t trace = 0;
  int failed = 0;
  // tidy-allow(banned-call): measures the run, decides nothing in it
  const auto start = std::chrono::steady_clock::now();  // tidy-allow(banned-call): as above
  for (std::uint64_t seed = options.first; seed < options.first + options.seeds; ++seed) {
    const Storm storm = storm_of(options, seed);
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
      if (options.shrinks != 0) {
        Storm quiet = storm;
        quiet.tells = false;
        std::printf("  %s\n", shrink(seed, quiet).c_str());
      }
      if (static_cast<std::uint64_t>(failed) >= options.failures) {
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
              static_cast<unsigned long long>(options.seeds),
              static_cast<unsigned long long>(total), failed,
              static_cast<unsigned long long>(trace), static_cast<double>(total) / seconds);
  const int lacking = options.demands != 0 && failed == 0 ? missing(options, counts) : 0;
  return failed == 0 && lacking == 0 ? 0 : 1;
}
