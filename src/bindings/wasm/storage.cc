#include "bindings/wasm/storage.h"

#include <sqlite3.h>

#include <cstring>

#include "bindings/wasm/page.h"

namespace syncline {
namespace {

constexpr int name_bytes_max = 512;
constexpr int sector_bytes = 4096;

struct PageFile {
  sqlite3_file base;
  int file;
  int lock;
  int delete_on_close;
};

PageFile* self(sqlite3_file* file) { return reinterpret_cast<PageFile*>(file); }

int close(sqlite3_file* file) {
  page_file_close(self(file)->file);
  return SQLITE_OK;
}

int read(sqlite3_file* file, void* out, int size, sqlite3_int64 offset) {
  const int got = page_file_read(self(file)->file, out, static_cast<std::size_t>(size),
                                 static_cast<double>(offset));
  if (got < 0) {
    return SQLITE_IOERR_READ;
  }
  if (got == size) {
    return SQLITE_OK;
  }
  std::memset(static_cast<char*>(out) + got, 0, static_cast<std::size_t>(size - got));
  return SQLITE_IOERR_SHORT_READ;
}

int write(sqlite3_file* file, const void* data, int size, sqlite3_int64 offset) {
  const int put = page_file_write(self(file)->file, data, static_cast<std::size_t>(size),
                                  static_cast<double>(offset));
  if (put == size) {
    return SQLITE_OK;
  }
  return put < 0 ? SQLITE_IOERR_WRITE : SQLITE_FULL;
}

int truncate(sqlite3_file* file, sqlite3_int64 size) {
  return page_file_truncate(self(file)->file, static_cast<double>(size)) < 0 ? SQLITE_IOERR_TRUNCATE
                                                                             : SQLITE_OK;
}

int sync(sqlite3_file* file, int /*flags*/) {
  return page_file_sync(self(file)->file) < 0 ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

int file_size(sqlite3_file* file, sqlite3_int64* out) {
  const double size = page_file_size(self(file)->file);
  *out = size < 0 ? 0 : static_cast<sqlite3_int64>(size);
  return size < 0 ? SQLITE_IOERR_FSTAT : SQLITE_OK;
}

int lock(sqlite3_file* file, int level) {
  self(file)->lock = level;
  return SQLITE_OK;
}

int check_reserved_lock(sqlite3_file* file, int* out) {
  *out = self(file)->lock >= SQLITE_LOCK_RESERVED ? 1 : 0;
  return SQLITE_OK;
}

int file_control(sqlite3_file* /*file*/, int /*op*/, void* /*argument*/) { return SQLITE_NOTFOUND; }
int sector_size(sqlite3_file* /*file*/) { return sector_bytes; }
int device_characteristics(sqlite3_file* /*file*/) {
  return SQLITE_IOCAP_UNDELETABLE_WHEN_OPEN | SQLITE_IOCAP_POWERSAFE_OVERWRITE |
         SQLITE_IOCAP_SAFE_APPEND;
}

// Version 1: without shared memory a WAL is only for connections that are alone.
constexpr sqlite3_io_methods methods = {1,
                                        close,
                                        read,
                                        write,
                                        truncate,
                                        sync,
                                        file_size,
                                        lock,
                                        lock,
                                        check_reserved_lock,
                                        file_control,
                                        sector_size,
                                        device_characteristics,
                                        nullptr,
                                        nullptr,
                                        nullptr,
                                        nullptr,
                                        nullptr,
                                        nullptr};

int open(sqlite3_vfs* /*vfs*/, const char* name, sqlite3_file* file, int flags, int* flags_out) {
  PageFile* const out = self(file);
  *out = PageFile{};
  out->file = page_file_open(name, name == nullptr ? 0 : std::strlen(name),
                             (flags & SQLITE_OPEN_CREATE) != 0 ? 1 : 0);
  if (out->file < 0) {
    return SQLITE_CANTOPEN;
  }
  out->base.pMethods = &methods;
  if (flags_out != nullptr) {
    *flags_out = flags;
  }
  return SQLITE_OK;
}

int remove(sqlite3_vfs* /*vfs*/, const char* name, int /*sync_folder*/) {
  return page_file_delete(name, std::strlen(name)) < 0 ? SQLITE_IOERR_DELETE : SQLITE_OK;
}

int exists(sqlite3_vfs* /*vfs*/, const char* name, int /*flags*/, int* out) {
  *out = page_file_exists(name, std::strlen(name));
  return SQLITE_OK;
}

int full_path(sqlite3_vfs* /*vfs*/, const char* name, int size, char* out) {
  const std::size_t needed = std::strlen(name) + 1;
  if (needed > static_cast<std::size_t>(size)) {
    return SQLITE_CANTOPEN;
  }
  std::memcpy(out, name, needed);
  return SQLITE_OK;
}

int draw(sqlite3_vfs* /*vfs*/, int size, char* out) {
  page_random(out, static_cast<std::size_t>(size));
  return size;
}

int wait(sqlite3_vfs* /*vfs*/, int micros) { return micros; }

int current_time_ms(sqlite3_vfs* /*vfs*/, sqlite3_int64* out) {
  // Julian days begin at noon on 24 November 4714 before Christ.
  constexpr sqlite3_int64 julian_1970_ms = 210'866'760'000'000;
  *out = julian_1970_ms + static_cast<sqlite3_int64>(page_now_ms());
  return SQLITE_OK;
}

int current_time(sqlite3_vfs* vfs, double* out) {
  sqlite3_int64 ms = 0;
  const int result = current_time_ms(vfs, &ms);
  *out = static_cast<double>(ms) / 86'400'000.0;
  return result;
}

int last_error(sqlite3_vfs* /*vfs*/, int /*size*/, char* /*out*/) { return 0; }

sqlite3_vfs vfs = {2,
                   sizeof(PageFile),
                   name_bytes_max,
                   nullptr,
                   "syncline",
                   nullptr,
                   open,
                   remove,
                   exists,
                   full_path,
                   nullptr,
                   nullptr,
                   nullptr,
                   nullptr,
                   draw,
                   wait,
                   current_time,
                   last_error,
                   current_time_ms,
                   nullptr,
                   nullptr,
                   nullptr};

}  // namespace

void register_page_storage() { sqlite3_vfs_register(&vfs, 1); }

}  // namespace syncline

// SQLite is built without a system below it.
extern "C" int sqlite3_os_init(void) {
  syncline::register_page_storage();
  return SQLITE_OK;
}
extern "C" int sqlite3_os_end(void) { return SQLITE_OK; }
