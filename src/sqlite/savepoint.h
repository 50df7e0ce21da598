#pragma once

#include "sqlite/connection.h"

namespace syncline {

// A nested transaction that rolls back unless told otherwise. Inside an application's transaction
// it is a part of that one; outside it is a transaction of its own.
class Savepoint {
 public:
  static Result<Savepoint> open(Connection connection);
  Savepoint(Savepoint&& other) noexcept : connection_(other.connection_), open_(other.open_) {
    other.open_ = false;
  }
  Savepoint& operator=(Savepoint&&) = delete;
  Savepoint(const Savepoint&) = delete;
  Savepoint& operator=(const Savepoint&) = delete;
  ~Savepoint() { rollback(); }

  // After an error everything since open() is undone.
  Result<void> release();
  void rollback();

 private:
  explicit Savepoint(Connection connection) : connection_(connection), open_(true) {}
  Connection connection_;
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

}  // namespace syncline
