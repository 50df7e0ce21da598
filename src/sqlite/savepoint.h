#pragma once

#include <cstdint>
#include <utility>

#include "sqlite/connection.h"

namespace syncline {

// A transaction that rolls back unless told otherwise. Inside an application's transaction it is a
// part of that one; outside it is a transaction of its own.
//
// There are two kinds, because SQLite lets nobody write who has read what is no longer the newest:
// no waiting mends that, so whoever may write says so before it reads anything.
class Savepoint {
 public:
  // For reading alone: one snapshot, and never in a writer's way.
  static Result<Savepoint> open(Connection connection);
  // For whoever may write. Outside of a transaction it waits for other writers, as long as the
  // connection's busy timeout says, and fails with `busy` then; afterwards none of its statements
  // is busy. Inside an application's it is no more than that one is: if that has read and not
  // written yet, SQLite may refuse it the first write.
  static Result<Savepoint> to_write(Connection connection);
  Savepoint(Savepoint&& other) noexcept
      : connection_(other.connection_),
        is_outermost_(other.is_outermost_),
        open_(std::exchange(other.open_, false)) {}
  Savepoint& operator=(Savepoint&&) = delete;
  Savepoint(const Savepoint&) = delete;
  Savepoint& operator=(const Savepoint&) = delete;
  ~Savepoint() { rollback(); }

  // After an error everything since the beginning is undone.
  Result<void> release();
  void rollback();

 private:
  Savepoint(Connection connection, bool is_outermost)
      : connection_(connection), is_outermost_(is_outermost), open_(true) {}
  Connection connection_;
  bool is_outermost_ = false;
  bool open_ = false;
};

// A write transaction of its own (BEGIN IMMEDIATE); rolls back unless committed.
class Transaction {
 public:
  static Result<Transaction> begin(Connection connection);
  Transaction(Transaction&& other) noexcept : connection_(other.connection_), open_(other.open_) {
    other.open_ = false;
  }
  Transaction& operator=(Transaction&&) = delete;
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;
  ~Transaction() { rollback(); }

  Result<void> commit();
  void rollback();

 private:
  explicit Transaction(Connection connection) : connection_(connection), open_(true) {}
  Connection connection_;
  bool open_ = false;
};

// While it lives, commits do not wait until the disk has them. A power cut may take the newest of
// them back, whole and in order, and leaves the file as good as ever: for what can be had again.
// Does nothing inside a transaction, or where a commit that is not synced could damage the file
// (any journal but WAL).
class UnsyncedCommits {
 public:
  static Result<UnsyncedCommits> begin(Connection connection);
  UnsyncedCommits(UnsyncedCommits&& other) noexcept
      : connection_(other.connection_), level_(std::exchange(other.level_, 0)) {}
  UnsyncedCommits& operator=(UnsyncedCommits&&) = delete;
  UnsyncedCommits(const UnsyncedCommits&) = delete;
  UnsyncedCommits& operator=(const UnsyncedCommits&) = delete;
  ~UnsyncedCommits() { (void)end(); }

  // Back to what was before; true when anything was different.
  Result<bool> end();

 private:
  UnsyncedCommits(Connection connection, std::int64_t level)
      : connection_(connection), level_(level) {}
  Connection connection_;
  std::int64_t level_ = 0;  // of PRAGMA synchronous before; 0 when nothing was changed
};

}  // namespace syncline
