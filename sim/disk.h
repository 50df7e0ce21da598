#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/random.h"

namespace syncline::sim {

// A disk in memory behind a SQLite VFS. What was written and not synced may be lost at a crash, any
// 512-byte sector of it by itself; it can fail and fill. One name, one disk; the default VFS is not
// touched.
class Disk {
 public:
  // `random` outlives the disk.
  Disk(std::string vfs_name, Random& random);
  ~Disk();
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;

  const std::string& vfs_name() const { return name_; }

  // The machine dies: everything not synced is lost or torn. Open files stay unusable.
  void crash();
  // As crash(), at the write that comes then.
  void crash_at_write(std::uint64_t writes_from_now) { crash_in_ = writes_from_now; }
  bool is_dead() const { return dead_; }
  // The processes that had files open are gone, and new ones may open them.
  void restart();
  // The next writes fail; zero heals.
  void fail_writes(std::uint64_t count) { failing_ = count; }
  void set_full(bool full) { full_ = full; }

  void copy(const std::string& from, const std::string& to);
  void remove(const std::string& name);
  bool exists(const std::string& name) const { return files_.count(name) != 0; }
  std::uint64_t torn_sectors() const { return torn_; }
  std::uint64_t lost_writes() const { return lost_; }

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
    std::vector<std::vector<std::uint8_t>> shared;
  };
  File& file(const std::string& name) { return files_[name]; }
  // SQLite's result for the next write: ok, full or broken.
  int admit_write();

 private:
  static void apply(std::vector<std::uint8_t>& to, const PendingWrite& write);
  friend struct DiskFile;

  std::string name_;
  Random* random_;
  std::map<std::string, File> files_;
  bool dead_ = false;
  bool full_ = false;
  std::uint64_t failing_ = 0;
  std::uint64_t crash_in_ = 0;
  std::uint64_t torn_ = 0;
  std::uint64_t lost_ = 0;
  struct Vfs;
  std::unique_ptr<Vfs> vfs_;
};

}  // namespace syncline::sim
