#include "sim/disk.h"

#include <sqlite3.h>

#include <algorithm>
#include <cstring>
#include <set>

namespace syncline::sim {

struct DiskFile;

// A process's end of the disk.
struct Disk::Process {
  Disk* disk = nullptr;
  std::string name;
  sqlite3_vfs vfs{};
  bool killed = false;
  std::uint64_t dies_in = 0;
  std::set<DiskFile*> open;
};

struct DiskFile {
  sqlite3_file base;
  Disk* disk;
  Disk::Process* process;
  std::shared_ptr<Disk::File>* file;
  bool delete_on_close;
  char name[64];
};

// What SQLite's calls may do with a disk.
struct DiskCalls {
  static int admit_write(DiskFile* file) { return file->disk->admit_write(*file->process); }
  static int admit_lock(DiskFile* file) { return file->disk->admit_lock(*file->process); }
  static bool passes(DiskFile* file) { return file->disk->passes(*file->process); }
  static bool is_dead(const DiskFile* file) { return file->disk->dead_ || file->process->killed; }
  static std::shared_ptr<Disk::File> open(Disk* disk, const std::string& name) {
    auto& file = disk->files_[name];
    if (!file) {
      file = std::make_shared<Disk::File>();
    }
    return file;
  }
};

namespace {

constexpr std::uint64_t sector = 512;

DiskFile* of(sqlite3_file* file) { return reinterpret_cast<DiskFile*>(file); }

Disk::File& content_of(sqlite3_file* file) { return **of(file)->file; }

void forget_locks(DiskFile* file) {
  (*file->file)->lock.lower(file, FileLock::Level::none);
  (*file->file)->shared.unlock(file, 0, SharedMemory::locks);
}

int file_close(sqlite3_file* f) {
  DiskFile* file = of(f);
  forget_locks(file);
  (*file->file)->shared.unmap(file);
  file->process->open.erase(file);
  if (file->delete_on_close) {
    file->disk->remove(file->name);
  }
  delete file->file;
  file->file = nullptr;
  return SQLITE_OK;
}

int file_read(sqlite3_file* f, void* out, int size, sqlite3_int64 offset) {
  if (DiskCalls::is_dead(of(f))) {
    return SQLITE_IOERR_READ;
  }
  const auto& bytes = content_of(f).now;
  const auto at = static_cast<std::size_t>(offset);
  const auto want = static_cast<std::size_t>(size);
  const std::size_t have = at >= bytes.size() ? 0 : std::min(want, bytes.size() - at);
  if (have > 0) {
    std::memcpy(out, bytes.data() + at, have);
  }
  if (have < want) {
    std::memset(static_cast<std::uint8_t*>(out) + have, 0, want - have);
    return SQLITE_IOERR_SHORT_READ;
  }
  return SQLITE_OK;
}

void apply_write(std::vector<std::uint8_t>& to, const Disk::PendingWrite& write) {
  if (write.truncate) {
    to.resize(static_cast<std::size_t>(write.offset));
    return;
  }
  const auto end = static_cast<std::size_t>(write.offset) + write.bytes.size();
  if (to.size() < end) {
    to.resize(end);
  }
  std::copy(write.bytes.begin(), write.bytes.end(),
            to.begin() + static_cast<std::ptrdiff_t>(write.offset));
}

int file_write(sqlite3_file* f, const void* data, int size, sqlite3_int64 offset) {
  if (const int result = DiskCalls::admit_write(of(f)); result != SQLITE_OK) {
    return result;
  }
  const auto* bytes = static_cast<const std::uint8_t*>(data);
  Disk::PendingWrite write{static_cast<std::uint64_t>(offset), {bytes, bytes + size}, false};
  apply_write(content_of(f).now, write);
  content_of(f).pending.push_back(std::move(write));
  return SQLITE_OK;
}

int file_truncate(sqlite3_file* f, sqlite3_int64 size) {
  if (const int result = DiskCalls::admit_write(of(f)); result != SQLITE_OK) {
    return result;
  }
  Disk::PendingWrite write{static_cast<std::uint64_t>(size), {}, true};
  apply_write(content_of(f).now, write);
  content_of(f).pending.push_back(std::move(write));
  return SQLITE_OK;
}

int file_sync(sqlite3_file* f, int /*flags*/) {
  if (!DiskCalls::passes(of(f))) {
    return SQLITE_IOERR_FSYNC;
  }
  Disk::File& file = content_of(f);
  for (const Disk::PendingWrite& write : file.pending) {
    apply_write(file.synced, write);
  }
  file.pending.clear();
  file.name_synced = true;
  return SQLITE_OK;
}

int file_size(sqlite3_file* f, sqlite3_int64* size) {
  *size = static_cast<sqlite3_int64>(content_of(f).now.size());
  return DiskCalls::is_dead(of(f)) ? SQLITE_IOERR_FSTAT : SQLITE_OK;
}

int file_lock(sqlite3_file* f, int level) {
  if (const int result = DiskCalls::admit_lock(of(f)); result != SQLITE_OK) {
    return result;
  }
  return content_of(f).lock.raise(of(f), static_cast<FileLock::Level>(level)) ? SQLITE_OK
                                                                              : SQLITE_BUSY;
}
// A dead process's locks are free already.
int file_unlock(sqlite3_file* f, int level) {
  if (DiskCalls::passes(of(f))) {
    content_of(f).lock.lower(of(f), static_cast<FileLock::Level>(level));
  }
  return SQLITE_OK;
}
int file_check_lock(sqlite3_file* f, int* out) {
  *out = content_of(f).lock.is_reserved() ? 1 : 0;
  return SQLITE_OK;
}
int file_control(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
int file_sector(sqlite3_file*) { return static_cast<int>(sector); }
int file_traits(sqlite3_file*) { return 0; }

int shm_map(sqlite3_file* f, int region, int size, int extend, void volatile** out) {
  if (DiskCalls::is_dead(of(f))) {
    return SQLITE_IOERR_SHMMAP;
  }
  *out = content_of(f).shared.map(of(f), static_cast<std::size_t>(region),
                                  static_cast<std::size_t>(size), extend != 0);
  return SQLITE_OK;
}
int shm_lock(sqlite3_file* f, int first, int count, int flags) {
  const auto from = static_cast<std::size_t>(first);
  const auto number = static_cast<std::size_t>(count);
  if ((flags & SQLITE_SHM_UNLOCK) != 0) {
    if (DiskCalls::passes(of(f))) {
      content_of(f).shared.unlock(of(f), from, number);
    }
    return SQLITE_OK;
  }
  if (const int result = DiskCalls::admit_lock(of(f)); result != SQLITE_OK) {
    return result;
  }
  const bool exclusive = (flags & SQLITE_SHM_EXCLUSIVE) != 0;
  return content_of(f).shared.lock(of(f), from, number, exclusive) ? SQLITE_OK : SQLITE_BUSY;
}
void shm_barrier(sqlite3_file*) {}
int shm_unmap(sqlite3_file* f, int /*remove*/) {
  content_of(f).shared.unmap(of(f));
  return SQLITE_OK;
}

const sqlite3_io_methods methods = {
    2,         file_close,  file_read,       file_write,   file_truncate, file_sync,   file_size,
    file_lock, file_unlock, file_check_lock, file_control, file_sector,   file_traits, shm_map,
    shm_lock,  shm_barrier, shm_unmap,       nullptr,      nullptr};

Disk::Process* process_of(sqlite3_vfs* vfs) { return static_cast<Disk::Process*>(vfs->pAppData); }
Disk* disk_of(sqlite3_vfs* vfs) { return process_of(vfs)->disk; }
bool is_gone(sqlite3_vfs* vfs) { return disk_of(vfs)->is_dead() || process_of(vfs)->killed; }

int vfs_open(sqlite3_vfs* vfs, sqlite3_filename name, sqlite3_file* f, int flags, int* out) {
  static std::uint64_t temporary = 0;
  Disk* disk = disk_of(vfs);
  if (is_gone(vfs)) {
    f->pMethods = nullptr;
    return SQLITE_CANTOPEN;
  }
  DiskFile* file = of(f);
  const std::string path = name != nullptr ? name : "temporary" + std::to_string(++temporary);
  std::strncpy(file->name, path.c_str(), sizeof file->name - 1);
  file->name[sizeof file->name - 1] = 0;
  file->disk = disk;
  file->process = process_of(vfs);
  // SQLite gives raw memory for it.
  file->file = new std::shared_ptr<Disk::File>(DiskCalls::open(disk, file->name));
  file->process->open.insert(file);
  file->delete_on_close = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
  file->base.pMethods = &methods;
  if (out != nullptr) {
    *out = flags;
  }
  return SQLITE_OK;
}

int vfs_delete(sqlite3_vfs* vfs, const char* name, int /*sync*/) {
  if (is_gone(vfs)) {
    return SQLITE_IOERR_DELETE;
  }
  disk_of(vfs)->remove(name);
  return SQLITE_OK;
}

int vfs_access(sqlite3_vfs* vfs, const char* name, int /*flags*/, int* out) {
  *out = disk_of(vfs)->exists(name) ? 1 : 0;
  return SQLITE_OK;
}

int vfs_path(sqlite3_vfs*, const char* name, int size, char* out) {
  std::strncpy(out, name, static_cast<std::size_t>(size) - 1);
  out[size - 1] = 0;
  return SQLITE_OK;
}

// SQLite asks these for temporary names and time stamps only.
int vfs_randomness(sqlite3_vfs*, int size, char* out) {
  std::memset(out, 7, static_cast<std::size_t>(size));
  return size;
}
int vfs_sleep(sqlite3_vfs*, int microseconds) { return microseconds; }
int vfs_time(sqlite3_vfs*, double* out) {
  *out = 2460000.5;
  return SQLITE_OK;
}

}  // namespace

Disk::Disk(std::string vfs_name, Random& random) : name_(std::move(vfs_name)), random_(&random) {
  sqlite3_initialize();
  add_process(name_);
}

void Disk::add_process(const std::string& name) {
  auto& process = processes_[name];
  process = std::make_unique<Process>();
  process->disk = this;
  process->name = name;
  sqlite3_vfs& vfs = process->vfs;
  vfs.iVersion = 1;
  vfs.szOsFile = sizeof(DiskFile);
  vfs.mxPathname = 60;
  vfs.zName = process->name.c_str();
  vfs.pAppData = process.get();
  vfs.xOpen = vfs_open;
  vfs.xDelete = vfs_delete;
  vfs.xAccess = vfs_access;
  vfs.xFullPathname = vfs_path;
  vfs.xRandomness = vfs_randomness;
  vfs.xSleep = vfs_sleep;
  vfs.xCurrentTime = vfs_time;
  sqlite3_vfs_register(&vfs, 0);
}

Disk::~Disk() {
  for (const auto& [name, process] : processes_) {
    sqlite3_vfs_unregister(&process->vfs);
  }
}

void Disk::kill(const std::string& name) {
  Process& dying = process(name);
  dying.killed = true;
  dying.dies_in = 0;
  for (DiskFile* file : dying.open) {
    forget_locks(file);
  }
}

void Disk::kill_at_step(const std::string& name, std::uint64_t steps_from_now) {
  process(name).dies_in = steps_from_now;
}

bool Disk::is_killed(const std::string& name) const { return process(name).killed; }

void Disk::start_anew(const std::string& name) {
  process(name).killed = false;
  process(name).dies_in = 0;
}

// False when the process does not live to do it.
bool Disk::passes(Process& acting) {
  if (dead_ || acting.killed) {
    return false;
  }
  if (!calm_ && acting.dies_in > 0 && --acting.dies_in == 0) {
    kill(acting.name);
    return false;
  }
  return true;
}

int Disk::admit_write(Process& acting) {
  if (!passes(acting)) {
    return SQLITE_IOERR_WRITE;
  }
  if (calm_) {
    return SQLITE_OK;
  }
  if (crash_in_ > 0 && --crash_in_ == 0) {
    crash();
    return SQLITE_IOERR_WRITE;
  }
  if (failing_ > 0) {
    --failing_;
    return SQLITE_IOERR_WRITE;
  }
  return full_ ? SQLITE_FULL : SQLITE_OK;
}

int Disk::admit_lock(Process& acting) {
  if (!passes(acting)) {
    return SQLITE_IOERR_LOCK;
  }
  if (calm_) {
    return SQLITE_OK;
  }
  if (hook_ && !hooked_) {
    hooked_ = true;
    hook_(acting.name);
    hooked_ = false;
    if (dead_ || acting.killed) {
      return SQLITE_IOERR_LOCK;
    }
  }
  if (busy_ > 0) {
    --busy_;
    ++busy_answers_;
    return SQLITE_BUSY;
  }
  return SQLITE_OK;
}

void Disk::crash() {
  dead_ = true;
  crash_in_ = 0;
  for (auto& [name, any] : files_) {
    File& file = *any;
    std::vector<std::uint8_t> left = file.synced;
    for (const PendingWrite& write : file.pending) {
      const std::uint64_t fate = random_->below(3);
      if (fate == 0 || write.truncate) {
        ++lost_;
        continue;
      }
      if (fate == 1) {
        apply_write(left, write);
        continue;
      }
      for (std::size_t at = 0; at < write.bytes.size(); at += sector) {
        if (random_->chance(1, 2)) {
          const std::size_t end = std::min<std::size_t>(write.bytes.size(), at + sector);
          apply_write(left, {write.offset + at,
                             {write.bytes.begin() + static_cast<std::ptrdiff_t>(at),
                              write.bytes.begin() + static_cast<std::ptrdiff_t>(end)},
                             false});
        } else {
          ++torn_;
        }
      }
    }
    file.now = left;
    file.synced = std::move(left);
    file.pending.clear();
  }
}

void Disk::restart() {
  dead_ = false;
  for (const auto& [name, process] : processes_) {
    start_anew(name);
  }
}

void Disk::copy(const std::string& from, const std::string& to) {
  const File& source = *files_.at(from);
  auto file = std::make_shared<File>();
  file->now = source.now;
  file->synced = source.synced;
  file->pending = source.pending;
  file->name_synced = source.name_synced;
  files_[to] = std::move(file);
}

void Disk::remove(const std::string& name) { files_.erase(name); }

std::vector<std::uint8_t> Disk::content(const std::string& name) const {
  return files_.at(name)->now;
}

void Disk::put(const std::string& name, std::vector<std::uint8_t> bytes) {
  auto file = std::make_shared<File>();
  file->now = bytes;
  file->synced = std::move(bytes);
  file->name_synced = true;
  files_[name] = std::move(file);
}

}  // namespace syncline::sim
