#pragma once

#include <string>

#include "sqlite/connection.h"

namespace syncline {

struct OpenOptions {
  bool create = true;
  bool read_only = false;
  // How long to wait for other writers of the same file before `busy`.
  int busy_timeout_ms = 5000;
  // FULL: a power cut must not take back a transaction that was already sent, or its sequence
  // would be used twice. The bench compares under NORMAL.
  bool synchronous_full = true;
  // Name of a registered VFS; empty for the default one. The simulator brings its own.
  std::string vfs;
  // Nobody else opens the file: needs no shared memory, which browser storage lacks.
  bool exclusive = false;
  // Off for a file that is only there to be locked.
  bool write_ahead = true;
};

// Owns one SQLite connection and closes it.
class Database {
 public:
  // Opens in WAL mode. Fails with `storage`, `corrupt`, `not_allowed` or `busy`.
  static Result<Database> open(const std::string& path, const OpenOptions& options = {});
  static Result<Database> open_memory();

  Database(Database&& other) noexcept;
  Database& operator=(Database&& other) noexcept;
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;
  ~Database();

  Connection connection() const { return Connection(handle_); }
  const Connection* operator->() const {
    view_ = Connection(handle_);
    return &view_;
  }

 private:
  explicit Database(sqlite3* handle) : handle_(handle) {}
  sqlite3* handle_ = nullptr;
  mutable Connection view_;
};

// Name of the VFS through which the connection reaches its main database.
std::string vfs_of(Connection connection);

}  // namespace syncline
