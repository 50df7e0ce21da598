#include "sqlite/savepoint.h"

namespace syncline {

Result<Savepoint> Savepoint::open(Connection connection) {
  SL_TRY(connection.execute("SAVEPOINT syncline"));
  return Savepoint(connection);
}

Result<void> Savepoint::release() {
  SL_CHECK(open_);
  auto released = connection_.execute("RELEASE syncline");
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
    // Some failures (disk full, I/O) have rolled everything back already; then these two fail, and
    // there is nothing left to undo.
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

}  // namespace syncline
