#include "sqlite/database.h"

#include "sqlite/api.h"

namespace syncline {
namespace {

// Turning a file to WAL does not wait for others, whatever the busy timeout: whoever opens it first
// at the same moment is in the way. To begin a transaction does wait for them.
Result<void> write_ahead(Connection connection) {
  constexpr int tries_max = 10;
  for (int tries = 1;; ++tries) {
    auto done = connection.execute("PRAGMA journal_mode=wal");
    if (done || done.error().code() != ErrorCode::busy || tries == tries_max) {
      return done;
    }
    SL_TRY(connection.execute("BEGIN IMMEDIATE; COMMIT"));
  }
}

}  // namespace

Result<Database> Database::open(const std::string& path, const OpenOptions& options) {
#ifndef SYNCLINE_SQLITE_EXTENSION
  if (const int result = sqlite3_initialize(); result != SQLITE_OK) {
    return sqlite_error(nullptr, result).in("cannot start SQLite");
  }
#endif
  sqlite3* handle = nullptr;
  const int flags = (options.read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE) |
                    (options.create && !options.read_only ? SQLITE_OPEN_CREATE : 0);
  const int result = sqlite3_open_v2(path.c_str(), &handle, flags,
                                     options.vfs.empty() ? nullptr : options.vfs.c_str());
  Database database(handle);
  if (result != SQLITE_OK) {
    return sqlite_error(handle, result).in("cannot open " + path);
  }
  sqlite3_extended_result_codes(handle, 0);
  sqlite3_busy_timeout(handle, options.busy_timeout_ms);
  if (options.exclusive) {
    // Before the first look at the file: a WAL without shared memory cannot be opened otherwise.
    SL_TRY(database->execute("PRAGMA locking_mode=exclusive"));
  }
  if (!options.read_only && options.write_ahead) {
    SL_TRY(write_ahead(database.connection()));
    SL_TRY(database->execute(options.synchronous_full ? "PRAGMA synchronous=full"
                                                      : "PRAGMA synchronous=normal"));
  }
  return database;
}

std::string vfs_of(Connection connection) {
  sqlite3_vfs* vfs = nullptr;
  sqlite3_file_control(connection.handle(), "main", SQLITE_FCNTL_VFS_POINTER, &vfs);
  return vfs == nullptr ? "" : vfs->zName;
}

Result<Database> Database::open_memory() { return open(":memory:"); }

Database::Database(Database&& other) noexcept : handle_(other.handle_) { other.handle_ = nullptr; }

Database& Database::operator=(Database&& other) noexcept {
  if (this != &other) {
    sqlite3_close_v2(handle_);
    handle_ = other.handle_;
    other.handle_ = nullptr;
  }
  return *this;
}

// close_v2: a statement that outlives its database (a caller's mistake) delays the close instead of
// leaking the file.
Database::~Database() { sqlite3_close_v2(handle_); }

}  // namespace syncline
