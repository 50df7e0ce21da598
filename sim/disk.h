#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"
#include "sim/disk_locks.h"

namespace syncline::sim {

// A disk in memory behind SQLite VFSs. What was written and not synced may be lost at a crash, any
// 512-byte sector of it by itself; it can fail and fill. Several processes may have its files open,
// each through a VFS of its own: they lock as SQLite demands, and die one by one. One name, one
// disk; the default VFS is not touched.
class Disk {
 public:
  // `random` outlives the disk. `vfs_name` is also the first process's.
  Disk(std::string vfs_name, Random& random);
  ~Disk();
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;

  const std::string& vfs_name() const { return name_; }
  // One more process on the machine, named `name`, which is its VFS. Once for each name.
  void add_process(const std::string& name);

  // The machine dies: everything not synced is lost or torn. Open files stay unusable.
  void crash();
  // As crash(), at the write that comes then.
  void crash_at_write(std::uint64_t writes_from_now) { crash_in_ = writes_from_now; }
  bool is_dead() const { return dead_; }
  // The processes that had files open are gone, and new ones may open them.
  void restart();

  // One process dies, and its locks with it; what it wrote is still in the machine's memory. Its
  // files stay unusable until it is started anew, after they were closed.
  void kill(const std::string& process);
  // As kill(), at its write, sync or change of a lock that comes then: between any two durable
  // steps. Zero takes it back.
  void kill_at_step(const std::string& process, std::uint64_t steps_from_now);
  bool is_killed(const std::string& process) const;
  void start_anew(const std::string& process);

  // The next writes fail; zero heals.
  void fail_writes(std::uint64_t count) { failing_ = count; }
  void set_full(bool full) { full_ = full; }
  // So many attempts to lock anything fail, as if somebody else were there.
  void be_busy(std::uint64_t attempts) { busy_ = attempts; }
  // Called before a file is locked, with the process that wants to: others may act there. Not
  // called while it runs.
  using LockHook = std::function<void(const std::string& process)>;
  void set_lock_hook(LockHook hook) { hook_ = std::move(hook); }
  // While it is set, nothing strikes: whoever checks must not change what happens.
  void set_calm(bool calm) { calm_ = calm; }
  bool is_calm() const { return calm_; }

  void copy(const std::string& from, const std::string& to);
  void remove(const std::string& name);
  bool exists(const std::string& name) const { return files_.count(name) != 0; }
  std::uint64_t torn_sectors() const { return torn_; }
  std::uint64_t lost_writes() const { return lost_; }
  std::uint64_t busy_answers() const { return busy_answers_; }

  struct PendingWrite {
    std::uint64_t offset = 0;
    std::vector<std::uint8_t> bytes;
    bool truncate = false;
  };
  struct File {
    std::vector<std::uint8_t> now;
    std::vector<std::uint8_t> synced;
    std::vector<PendingWrite> pending;
    bool name_synced = false;
    FileLock lock;
    SharedMemory shared;
  };
  // A copy of a file that is open nowhere; and back.
  std::vector<std::uint8_t> content(const std::string& name) const;
  void put(const std::string& name, std::vector<std::uint8_t> bytes);

  struct Process;

 private:
  friend struct DiskFile;
  friend struct DiskCalls;
  // SQLite's result for the next write: ok, full or broken.
  int admit_write(Process& process);
  // The same for an attempt to lock.
  int admit_lock(Process& process);
  bool passes(Process& process);
  Process& process(const std::string& name) const { return *processes_.at(name); }

  std::string name_;
  Random* random_;
  // Somebody may still have a file open whose name is gone.
  std::map<std::string, std::shared_ptr<File>> files_;
  std::map<std::string, std::unique_ptr<Process>> processes_;
  bool dead_ = false;
  bool full_ = false;
  bool calm_ = false;
  bool hooked_ = false;
  LockHook hook_;
  std::uint64_t failing_ = 0;
  std::uint64_t busy_ = 0;
  std::uint64_t busy_answers_ = 0;
  std::uint64_t crash_in_ = 0;
  std::uint64_t torn_ = 0;
  std::uint64_t lost_ = 0;
};

}  // namespace syncline::sim
