#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

namespace syncline::sim {

// Who holds a lock: an open file.
using LockHolder = const void*;

// The locks on one file as SQLite means them (its lockingv3 page): many share, one reserves, one
// that is pending lets nobody new in, one is exclusive.
class FileLock {
 public:
  enum class Level { none, shared, reserved, pending, exclusive };

  // False when others are in the way. On the way to `exclusive` it may stay pending.
  bool raise(LockHolder holder, Level level);
  void lower(LockHolder holder, Level level);
  Level level(LockHolder holder) const;
  bool is_reserved() const;

 private:
  std::map<LockHolder, Level> held_;
};

// The memory that connections to one WAL database share, and the eight locks on it.
class SharedMemory {
 public:
  static constexpr std::size_t locks = 8;

  // Null when the region does not exist and is not to be made.
  void* map(LockHolder holder, std::size_t region, std::size_t bytes, bool extend);
  // With the last one that mapped it the memory goes.
  void unmap(LockHolder holder);
  bool lock(LockHolder holder, std::size_t first, std::size_t count, bool exclusive);
  void unlock(LockHolder holder, std::size_t first, std::size_t count);

 private:
  struct Lock {
    LockHolder exclusive = nullptr;
    std::map<LockHolder, bool> shared;
  };
  std::array<Lock, locks> locks_;
  std::map<LockHolder, bool> mapped_;
  std::vector<std::vector<std::uint8_t>> regions_;
};

}  // namespace syncline::sim
