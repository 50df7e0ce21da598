#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace syncline::sim {

// Which faults exist in a run, and how hard; drawn from the seed, or set by a scenario.
struct Storm {
  std::uint64_t steps = 4000;
  std::size_t replicas = 3;
  // So many of them are the engine over a SQLite file; the others are models in memory.
  std::size_t real = 0;
  std::uint64_t rows = 12;  // few, so that people meet
  // Small, so that readers also come to the log.
  std::size_t fan_out_bytes = 4096;
  // Chances per 1000 events of a person's turn.
  std::uint64_t cut = 20;
  std::uint64_t half_open = 5;
  std::uint64_t partition = 5;
  std::uint64_t server_crash = 8;
  std::uint64_t server_disk_fails = 4;
  std::uint64_t server_disk_full = 2;
  std::uint64_t server_backup = 6;
  std::uint64_t server_restore = 2;
  std::uint64_t server_retire = 6;
  std::uint64_t replica_crash = 10;
  std::uint64_t replica_old_copy = 3;
  std::uint64_t replica_clone = 2;
  std::uint64_t clock_jump = 4;
  std::uint64_t long_sleep = 4;
  std::uint64_t resync = 4;
  std::uint64_t reject = 4;
  std::uint64_t replica_disk = 6;
  std::uint64_t upgrade = 2;
  std::uint64_t slow_answer = 4;  // of 1000 outboxes that are asked for
  // Of 1000 frames: cut in the middle, and heard twice; and of those whose connection their sender
  // has left already, heard late all the same.
  std::uint64_t mangle = 2;
  std::uint64_t repeat = 4;
  std::uint64_t late = 300;
  // Of engines only. `ledger`: how many of 1000 writes go to the tables that account for
  // themselves; none, and the tables are not there.
  std::uint64_t ledger = 400;
  // Others write to the file, leave a transaction open (of 1000 of those), meddle while it is being
  // locked (of 1000 locks).
  std::uint64_t beside = 60;
  std::uint64_t beside_holds = 200;
  std::uint64_t meddle = 3;
  // Of 1000 replicas so many have two processes that sync.
  std::uint64_t rival = 400;
  std::uint64_t busy = 6;
  std::uint64_t process_dies = 10;
  std::uint64_t carry = 4;
  // The server's folder is copied, and the copy put back under the same lineage; another server
  // takes its place.
  std::uint64_t server_put_back = 2;
  std::uint64_t server_change = 2;
  // A row is gone from a replica, and nothing that happened says why.
  std::uint64_t rot = 0;
  bool tells = false;  // prints what happens
  static Storm draw(std::uint64_t seed, std::uint64_t steps);
  // No weather at all.
  static Storm calm(std::uint64_t steps);
};

// A kind of weather by its name.
struct Fault {
  std::string_view name;
  std::uint64_t Storm::*chance = nullptr;
};
std::span<const Fault> all_faults();

}  // namespace syncline::sim
