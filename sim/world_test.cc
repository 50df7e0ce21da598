#include "sim/world.h"

#include <doctest/doctest.h>

using namespace syncline;
using namespace syncline::sim;

namespace {

// A scenario switches on what it is about.
Storm calm() { return Storm::calm(3000); }

// Runs a few seeds; the fault must really have happened in them.
void survives(const Storm& storm, const char* counter) {
  std::uint64_t happened = 0;
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    const Outcome outcome = World(seed, storm).run();
    INFO(seed, ": ", outcome.violation);
    CHECK(outcome.ok);
    const auto at = outcome.counts.find(counter);
    happened += at == outcome.counts.end() ? 0 : at->second;
  }
  CHECK(happened > 0);
}

Storm with(std::uint64_t Storm::*fault, std::uint64_t chance) {
  Storm storm = calm();
  storm.*fault = chance;
  return storm;
}

}  // namespace

TEST_CASE("the same seed gives the same run") {
  const Storm storm = Storm::draw(7, 2000);
  const Outcome once = World(7, storm).run();
  const Outcome twice = World(7, storm).run();
  CHECK(once.trace == twice.trace);
  CHECK(once.steps == twice.steps);
  CHECK(World(8, storm).run().trace != once.trace);
}

TEST_CASE("people who meet in the same rows agree") { survives(calm(), "writes"); }
TEST_CASE("cut connections") { survives(with(&Storm::cut, 150), "cut"); }
TEST_CASE("connections that only look open") { survives(with(&Storm::half_open, 60), "half_open"); }
TEST_CASE("connections that break in the middle of a frame") {
  survives(with(&Storm::mangle, 30), "cut_mid_frame");
}
TEST_CASE("frames that are heard twice") { survives(with(&Storm::repeat, 60), "frames_repeated"); }
TEST_CASE("frames that are heard behind what their sender said later on another connection") {
  Storm storm = with(&Storm::late, 900);
  storm.cut = 150;
  survives(storm, "frames_late");
}
TEST_CASE("partitions") { survives(with(&Storm::partition, 60), "partition"); }
TEST_CASE("a server that dies at any write, and loses and tears what was not synced") {
  survives(with(&Storm::server_crash, 60), "server_dies_at_write");
}
TEST_CASE("a server whose disk fails") {
  survives(with(&Storm::server_disk_fails, 60), "server_disk_fails");
}
TEST_CASE("a server whose disk is full") {
  survives(with(&Storm::server_disk_full, 40), "server_disk_full");
}
TEST_CASE("a server restored from a backup is healed by its replicas") {
  Storm storm = with(&Storm::server_restore, 25);
  storm.server_backup = 40;
  survives(storm, "server_restore");
}
TEST_CASE("a server whose folder is put back knows replicas that were opened since") {
  Storm storm = with(&Storm::server_put_back, 30);
  storm.real = 1;
  storm.replica_crash = 60;
  survives(storm, "server_behind");
}
TEST_CASE("replicas that die and come back") {
  survives(with(&Storm::replica_crash, 100), "replica_crash");
}
TEST_CASE("an old copy of a replica put back in its place") {
  Storm storm = with(&Storm::replica_old_copy, 100);
  storm.steps = 8000;
  survives(storm, "forked");
}
TEST_CASE("a copied replica beside its original") {
  survives(with(&Storm::replica_clone, 20), "forked");
}
TEST_CASE("clocks that jump by days") { survives(with(&Storm::clock_jump, 40), "restamped"); }
TEST_CASE("a replica that slept past the fence compares its rows") {
  Storm storm = with(&Storm::long_sleep, 40);
  storm.steps = 12'000;
  storm.server_retire = 60;
  survives(storm, "rescan");
}
TEST_CASE("people who press resync") { survives(with(&Storm::resync, 40), "rescan"); }
TEST_CASE("changes that the rules refuse block nothing") {
  survives(with(&Storm::reject, 100), "rejected");
}
TEST_CASE("an outbox that is read for longer than its connection lives") {
  Storm storm = with(&Storm::slow_answer, 150);
  storm.cut = 100;
  survives(storm, "slow_answer");
}
// The same over the engine and SQLite files.
TEST_CASE("engines over files meet in the same rows") {
  Storm storm = calm();
  storm.real = storm.replicas = 3;
  survives(storm, "real_synced");
}
TEST_CASE("an engine whose machine dies, whose disk fails and is full") {
  Storm storm = with(&Storm::replica_disk, 60);
  storm.real = 2;
  storm.replica_crash = 40;
  survives(storm, "real_died");
}
TEST_CASE("an engine whose file is copied, and put back old") {
  Storm storm = with(&Storm::replica_old_copy, 200);
  storm.real = 2;
  storm.replica_clone = 8;
  storm.steps = 6000;
  survives(storm, "real_old_copy");
}
TEST_CASE("an engine whose application adds columns while others do not know them") {
  Storm storm = with(&Storm::upgrade, 60);
  storm.real = 2;
  survives(storm, "real_upgrade");
}
TEST_CASE("an engine whose clock jumps by years, and that sleeps past the fence") {
  Storm storm = with(&Storm::clock_jump, 40);
  storm.real = 2;
  storm.long_sleep = 30;
  storm.server_retire = 60;
  storm.steps = 6000;
  survives(storm, "real_clock_jump");
}
TEST_CASE("an engine whose user begins anew, on disks that fail in the middle of it") {
  Storm storm = with(&Storm::resync, 120);
  storm.real = 2;
  storm.replica_disk = 30;
  storm.replica_crash = 30;
  storm.clock_jump = 8;
  storm.replica_old_copy = 30;
  storm.steps = 6000;
  survives(storm, "real_resync");
}
TEST_CASE("everything at once") {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const Outcome outcome = World(seed, Storm::draw(seed, 3000)).run();
    INFO(seed, ": ", outcome.violation);
    CHECK(outcome.ok);
  }
}
