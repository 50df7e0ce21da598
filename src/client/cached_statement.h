#pragma once

#include <string>

#include "sqlite/connection.h"

namespace syncline {

// A statement that is prepared at its first use and kept. Whoever owns one lets go of it in
// release() when the connection may be closing: SQLite refuses to close over open statements.
class CachedStatement {
 public:
  explicit CachedStatement(std::string sql) : sql_(std::move(sql)) {}

  Result<Statement*> get(Connection connection) {
    if (!statement_) {
      SL_TRY(statement_, connection.prepare_kept(sql_));
    }
    return &statement_;
  }
  void release() { statement_ = Statement(); }

 private:
  std::string sql_;
  Statement statement_;
};

}  // namespace syncline
