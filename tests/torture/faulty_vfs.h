#pragma once

#include <cstdint>

namespace syncline::torture {

// A VFS over the default one that fails a chosen call, and then works again.
struct FaultPlan {
  enum class Kind { none, io_error, disk_full };
  Kind kind = Kind::none;
  bool reads = false;
  bool writes = false;
  bool syncs = false;
  // Calls until the one that fails; it and `burst` - 1 more fail.
  std::uint64_t countdown = 0;
  std::uint64_t burst = 1;
  // Counted since the last arm().
  std::uint64_t calls = 0;
  std::uint64_t failed = 0;
};

// Registers the VFS "faulty" once; the plan is the process's only one.
FaultPlan& faulty_vfs();

// Every allocation of SQLite's goes through here; must be called before SQLite is used.
struct AllocationPlan {
  // Zero: none fails.
  std::uint64_t countdown = 0;
  std::uint64_t calls = 0;
  std::uint64_t failed = 0;
};
AllocationPlan& faulty_allocations();

}  // namespace syncline::torture
