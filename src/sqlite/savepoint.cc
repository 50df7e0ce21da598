#include "sqlite/savepoint.h"

#include <string>

#include "base/mutant.h"

namespace syncline {

Result<Savepoint> Savepoint::open(Connection connection) {
  const bool is_outermost = connection.autocommit();
  SL_TRY(connection.execute("SAVEPOINT syncline"));
  return Savepoint(connection, is_outermost);
}

Result<Savepoint> Savepoint::to_write(Connection connection) {
  if (!connection.autocommit() || SL_MUTANT(41)) {
    return open(connection);
  }
  if (connection.in_write_transaction()) {
    // A function of ours in an INSERT, say: what it did could not be committed before that ends.
    return Error(ErrorCode::unsupported,
                 "this cannot be done inside of a statement that writes: SELECT it by itself");
  }
  SL_TRY(connection.execute("BEGIN IMMEDIATE"));
  return Savepoint(connection, true);
}

Result<void> Savepoint::release() {
  SL_CHECK(open_);
  auto released = connection_.execute(is_outermost_ ? "COMMIT" : "RELEASE syncline");
  if (!released) {
    rollback();
    return std::move(released).error();
  }
  open_ = false;
  return {};
}

void Savepoint::rollback() {
  if (open_) {
    open_ = false;
    // Some failures (disk full, I/O) have rolled everything back already; then these fail, and
    // there is nothing left to undo.
    if (is_outermost_) {
      (void)connection_.execute("ROLLBACK");
      return;
    }
    (void)connection_.execute("ROLLBACK TO syncline");
    (void)connection_.execute("RELEASE syncline");
  }
}

Result<Transaction> Transaction::begin(Connection connection) {
  SL_TRY(connection.execute("BEGIN IMMEDIATE"));
  return Transaction(connection);
}

Result<void> Transaction::commit() {
  SL_CHECK(open_);
  auto committed = connection_.execute("COMMIT");
  if (!committed) {
    rollback();
    return std::move(committed).error();
  }
  open_ = false;
  return {};
}

void Transaction::rollback() {
  if (open_) {
    open_ = false;
    (void)connection_.execute("ROLLBACK");
  }
}

Result<UnsyncedCommits> UnsyncedCommits::begin(Connection connection) {
  constexpr std::int64_t full = 2;
  if (!connection.autocommit()) {
    return UnsyncedCommits(connection, 0);
  }
  SL_TRY(const auto level, connection.query_int("PRAGMA main.synchronous"));
  if (level.value_or(0) < full) {
    return UnsyncedCommits(connection, 0);
  }
  SL_TRY(Statement journal, connection.prepare("PRAGMA main.journal_mode"));
  SL_TRY(const bool row, journal.step());
  const bool is_wal = row && journal.column_text(0) == "wal";
  journal = Statement();
  if (!is_wal) {
    return UnsyncedCommits(connection, 0);
  }
  SL_TRY(connection.execute("PRAGMA main.synchronous = normal"));
  return UnsyncedCommits(connection, *level);
}

Result<bool> UnsyncedCommits::end() {
  if (level_ == 0) {
    return false;
  }
  SL_TRY(connection_.execute("PRAGMA main.synchronous = " + std::to_string(level_)));
  level_ = 0;
  return true;
}

}  // namespace syncline
