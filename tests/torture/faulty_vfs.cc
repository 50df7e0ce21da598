#include "tests/torture/faulty_vfs.h"

#include <sqlite3.h>

#include <cstring>

#include "base/check.h"

namespace syncline::torture {
namespace {

FaultPlan plan;
AllocationPlan allocations;
sqlite3_mem_methods real_memory;

// SQLite allocates this, with the real file behind it.
struct FaultyFile {
  sqlite3_file base;
  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};
FaultyFile* faulty(sqlite3_file* file) { return reinterpret_cast<FaultyFile*>(file); }
sqlite3_vfs* below(sqlite3_vfs* vfs) { return static_cast<sqlite3_vfs*>(vfs->pAppData); }

bool fails(bool concerned) {
  if (!concerned || plan.kind == FaultPlan::Kind::none) {
    return false;
  }
  ++plan.calls;
  if (plan.calls < plan.countdown || plan.calls >= plan.countdown + plan.burst) {
    return false;
  }
  ++plan.failed;
  return true;
}

int close_file(sqlite3_file* file) {
  sqlite3_file* real = faulty(file)->real();
  return real->pMethods == nullptr ? SQLITE_OK : real->pMethods->xClose(real);
}
int read_file(sqlite3_file* file, void* out, int amount, sqlite3_int64 offset) {
  if (fails(plan.reads)) {
    return SQLITE_IOERR_READ;
  }
  sqlite3_file* real = faulty(file)->real();
  return real->pMethods->xRead(real, out, amount, offset);
}
int write_file(sqlite3_file* file, const void* in, int amount, sqlite3_int64 offset) {
  if (fails(plan.writes)) {
    return plan.kind == FaultPlan::Kind::disk_full ? SQLITE_FULL : SQLITE_IOERR_WRITE;
  }
  sqlite3_file* real = faulty(file)->real();
  return real->pMethods->xWrite(real, in, amount, offset);
}
int truncate_file(sqlite3_file* file, sqlite3_int64 size) {
  if (fails(plan.writes)) {
    return SQLITE_IOERR_TRUNCATE;
  }
  sqlite3_file* real = faulty(file)->real();
  return real->pMethods->xTruncate(real, size);
}
int sync_file(sqlite3_file* file, int flags) {
  if (fails(plan.syncs)) {
    return SQLITE_IOERR_FSYNC;
  }
  sqlite3_file* real = faulty(file)->real();
  return real->pMethods->xSync(real, flags);
}
int file_size(sqlite3_file* file, sqlite3_int64* out) {
  sqlite3_file* real = faulty(file)->real();
  return real->pMethods->xFileSize(real, out);
}
int lock_file(sqlite3_file* file, int level) {
  sqlite3_file* real = faulty(file)->real();
  return real->pMethods->xLock(real, level);
}
int unlock_file(sqlite3_file* file, int level) {
  sqlite3_file* real = faulty(file)->real();
  return real->pMethods->xUnlock(real, level);
}
int check_lock(sqlite3_file* file, int* out) {
  sqlite3_file* real = faulty(file)->real();
  return real->pMethods->xCheckReservedLock(real, out);
}
int control_file(sqlite3_file* file, int what, void* argument) {
  sqlite3_file* real = faulty(file)->real();
  return real->pMethods->xFileControl(real, what, argument);
}
int sector_size(sqlite3_file* file) {
  sqlite3_file* real = faulty(file)->real();
  return real->pMethods->xSectorSize(real);
}
int characteristics(sqlite3_file* file) {
  sqlite3_file* real = faulty(file)->real();
  return real->pMethods->xDeviceCharacteristics(real);
}
int map_shared(sqlite3_file* file, int page, int size, int extend, void volatile** out) {
  sqlite3_file* real = faulty(file)->real();
  return real->pMethods->xShmMap(real, page, size, extend, out);
}
int lock_shared(sqlite3_file* file, int offset, int count, int flags) {
  sqlite3_file* real = faulty(file)->real();
  return real->pMethods->xShmLock(real, offset, count, flags);
}
void barrier_shared(sqlite3_file* file) {
  sqlite3_file* real = faulty(file)->real();
  real->pMethods->xShmBarrier(real);
}
int unmap_shared(sqlite3_file* file, int remove) {
  sqlite3_file* real = faulty(file)->real();
  return real->pMethods->xShmUnmap(real, remove);
}

const sqlite3_io_methods methods = {2,
                                    close_file,
                                    read_file,
                                    write_file,
                                    truncate_file,
                                    sync_file,
                                    file_size,
                                    lock_file,
                                    unlock_file,
                                    check_lock,
                                    control_file,
                                    sector_size,
                                    characteristics,
                                    map_shared,
                                    lock_shared,
                                    barrier_shared,
                                    unmap_shared,
                                    nullptr,
                                    nullptr};

int open_file(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  sqlite3_file* real = faulty(file)->real();
  file->pMethods = nullptr;
  const int result = below(vfs)->xOpen(below(vfs), name, real, flags, out_flags);
  if (result == SQLITE_OK) {
    file->pMethods = &methods;
  }
  return result;
}
int delete_file(sqlite3_vfs* vfs, const char* name, int sync_folder) {
  return below(vfs)->xDelete(below(vfs), name, sync_folder);
}
int access_file(sqlite3_vfs* vfs, const char* name, int flags, int* out) {
  return below(vfs)->xAccess(below(vfs), name, flags, out);
}
int full_path(sqlite3_vfs* vfs, const char* name, int size, char* out) {
  return below(vfs)->xFullPathname(below(vfs), name, size, out);
}

void* allocate(int size) {
  ++allocations.calls;
  if (allocations.countdown != 0 && allocations.calls == allocations.countdown) {
    ++allocations.failed;
    return nullptr;
  }
  return real_memory.xMalloc(size);
}
void* reallocate(void* old, int size) {
  ++allocations.calls;
  if (allocations.countdown != 0 && allocations.calls == allocations.countdown) {
    ++allocations.failed;
    return nullptr;
  }
  return real_memory.xRealloc(old, size);
}

}  // namespace

FaultPlan& faulty_vfs() {
  static sqlite3_vfs vfs;
  if (vfs.zName == nullptr) {
    SL_CHECK(sqlite3_initialize() == SQLITE_OK);
    sqlite3_vfs* real = sqlite3_vfs_find(nullptr);
    vfs = *real;
    vfs.zName = "faulty";
    vfs.pNext = nullptr;
    vfs.pAppData = real;
    vfs.szOsFile = static_cast<int>(sizeof(FaultyFile)) + real->szOsFile;
    vfs.xOpen = open_file;
    vfs.xDelete = delete_file;
    vfs.xAccess = access_file;
    vfs.xFullPathname = full_path;
    SL_CHECK(sqlite3_vfs_register(&vfs, 0) == SQLITE_OK);
  }
  return plan;
}

AllocationPlan& faulty_allocations() {
  static bool installed = false;
  if (!installed) {
    installed = true;
    SL_CHECK(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real_memory) == SQLITE_OK);
    sqlite3_mem_methods memory = real_memory;
    memory.xMalloc = allocate;
    memory.xRealloc = reallocate;
    SL_CHECK(sqlite3_config(SQLITE_CONFIG_MALLOC, &memory) == SQLITE_OK);
  }
  return allocations;
}

}  // namespace syncline::torture
