#include "sim/disk.h"

#include <sqlite3.h>

#include <algorithm>
#include <cstring>

namespace syncline::sim {

struct Disk::Vfs {
  sqlite3_vfs vfs{};
};

struct DiskFile {
  sqlite3_file base;
  Disk* disk;
  Disk::File* file;
  bool delete_on_close;
  char name[64];
};

namespace {

constexpr std::uint64_t sector = 512;

DiskFile* of(sqlite3_file* file) { return reinterpret_cast<DiskFile*>(file); }

int file_close(sqlite3_file* f) {
  if (of(f)->delete_on_close) {
    of(f)->disk->remove(of(f)->name);
  }
  return SQLITE_OK;
}

int file_read(sqlite3_file* f, void* out, int size, sqlite3_int64 offset) {
  const DiskFile* file = of(f);
  if (file->disk->is_dead()) {
    return SQLITE_IOERR_READ;
  }
  const auto& bytes = file->file->now;
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
  const DiskFile* file = of(f);
  if (const int result = file->disk->admit_write(); result != SQLITE_OK) {
    return result;
  }
  const auto* bytes = static_cast<const std::uint8_t*>(data);
  Disk::PendingWrite write{static_cast<std::uint64_t>(offset), {bytes, bytes + size}, false};
  apply_write(file->file->now, write);
  file->file->pending.push_back(std::move(write));
  return SQLITE_OK;
}

int file_truncate(sqlite3_file* f, sqlite3_int64 size) {
  const DiskFile* file = of(f);
  if (const int result = file->disk->admit_write(); result != SQLITE_OK) {
    return result;
  }
  Disk::PendingWrite write{static_cast<std::uint64_t>(size), {}, true};
  apply_write(file->file->now, write);
  file->file->pending.push_back(std::move(write));
  return SQLITE_OK;
}

int file_sync(sqlite3_file* f, int /*flags*/) {
  const DiskFile* file = of(f);
  if (file->disk->is_dead()) {
    return SQLITE_IOERR_FSYNC;
  }
  for (const Disk::PendingWrite& write : file->file->pending) {
    apply_write(file->file->synced, write);
  }
  file->file->pending.clear();
  file->file->name_synced = true;
  return SQLITE_OK;
}

int file_size(sqlite3_file* f, sqlite3_int64* size) {
  *size = static_cast<sqlite3_int64>(of(f)->file->now.size());
  return of(f)->disk->is_dead() ? SQLITE_IOERR_FSTAT : SQLITE_OK;
}

int file_lock(sqlite3_file*, int) { return SQLITE_OK; }
int file_check_lock(sqlite3_file*, int* out) {
  *out = 0;
  return SQLITE_OK;
}
int file_control(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
int file_sector(sqlite3_file*) { return static_cast<int>(sector); }
int file_traits(sqlite3_file*) { return 0; }

int shm_map(sqlite3_file* f, int region, int size, int extend, void volatile** out) {
  auto& shared = of(f)->file->shared;
  const auto index = static_cast<std::size_t>(region);
  if (shared.size() <= index) {
    if (extend == 0) {
      *out = nullptr;
      return SQLITE_OK;
    }
    shared.resize(index + 1);
  }
  if (shared[index].empty()) {
    shared[index].resize(static_cast<std::size_t>(size));
  }
  *out = shared[index].data();
  return SQLITE_OK;
}
int shm_lock(sqlite3_file*, int, int, int) { return SQLITE_OK; }
void shm_barrier(sqlite3_file*) {}
int shm_unmap(sqlite3_file* f, int /*remove*/) {
  of(f)->file->shared.clear();
  return SQLITE_OK;
}

const sqlite3_io_methods methods = {
    2,         file_close,  file_read,       file_write,   file_truncate, file_sync,   file_size,
    file_lock, file_lock,   file_check_lock, file_control, file_sector,   file_traits, shm_map,
    shm_lock,  shm_barrier, shm_unmap,       nullptr,      nullptr};

Disk* disk_of(sqlite3_vfs* vfs) { return static_cast<Disk*>(vfs->pAppData); }

int vfs_open(sqlite3_vfs* vfs, sqlite3_filename name, sqlite3_file* f, int flags, int* out) {
  static std::uint64_t temporary = 0;
  Disk* disk = disk_of(vfs);
  if (disk->is_dead()) {
    f->pMethods = nullptr;
    return SQLITE_CANTOPEN;
  }
  DiskFile* file = of(f);
  const std::string path = name != nullptr ? name : "temporary" + std::to_string(++temporary);
  std::strncpy(file->name, path.c_str(), sizeof file->name - 1);
  file->name[sizeof file->name - 1] = 0;
  file->disk = disk;
  file->file = &disk->file(file->name);
  file->delete_on_close = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
  file->base.pMethods = &methods;
  if (out != nullptr) {
    *out = flags;
  }
  return SQLITE_OK;
}

int vfs_delete(sqlite3_vfs* vfs, const char* name, int /*sync*/) {
  if (disk_of(vfs)->is_dead()) {
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

Disk::Disk(std::string vfs_name, Random& random)
    : name_(std::move(vfs_name)), random_(&random), vfs_(std::make_unique<Vfs>()) {
  sqlite3_initialize();
  sqlite3_vfs& vfs = vfs_->vfs;
  vfs.iVersion = 1;
  vfs.szOsFile = sizeof(DiskFile);
  vfs.mxPathname = 60;
  vfs.zName = name_.c_str();
  vfs.pAppData = this;
  vfs.xOpen = vfs_open;
  vfs.xDelete = vfs_delete;
  vfs.xAccess = vfs_access;
  vfs.xFullPathname = vfs_path;
  vfs.xRandomness = vfs_randomness;
  vfs.xSleep = vfs_sleep;
  vfs.xCurrentTime = vfs_time;
  sqlite3_vfs_register(&vfs, 0);
}

Disk::~Disk() { sqlite3_vfs_unregister(&vfs_->vfs); }

int Disk::admit_write() {
  if (dead_) {
    return SQLITE_IOERR_WRITE;
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

void Disk::crash() {
  dead_ = true;
  crash_in_ = 0;
  for (auto& [name, file] : files_) {
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
  // Only now: until its process is gone, a dead connection still points into this memory.
  for (auto& [name, file] : files_) {
    file.shared.clear();
  }
}

void Disk::copy(const std::string& from, const std::string& to) { files_[to] = files_.at(from); }

void Disk::remove(const std::string& name) {
  // Somebody may still have it open: the file is emptied, and its name goes with the content.
  const auto at = files_.find(name);
  if (at != files_.end()) {
    files_.erase(at);
  }
}

}  // namespace syncline::sim
