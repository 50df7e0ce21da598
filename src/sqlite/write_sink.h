#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sqlite/connection.h"

namespace syncline {

// A virtual table that only takes inserts and lives through its transaction's whole life. SQLite
// itself calls on_sync() inside the commit, where SQL may still be run: what is written there
// commits or fails with the transaction that caused it.
class WriteSink {
 public:
  virtual ~WriteSink() = default;

  // A statement that reads the sink (which has no rows) is being prepared. Triggers read it to tell
  // that a statement was prepared which fires them.
  virtual void on_prepare() = 0;
  virtual Result<void> on_row(std::span<sqlite3_value* const> values) = 0;
  virtual Result<void> on_begin() = 0;
  virtual Result<void> on_sync() = 0;
  virtual void on_commit() = 0;
  virtual void on_rollback() = 0;
  // Savepoint levels count from 0; a statement's own savepoint is one, too. Levels may be skipped:
  // a table that joins late is told only of the innermost.
  virtual Result<void> on_savepoint(int level) = 0;
  virtual void on_release(int level) = 0;
  virtual void on_rollback_to(int level) = 0;
};

// Makes the sinks of one connection. Must outlive the connection's use of the module.
class WriteSinkFactory {
 public:
  virtual ~WriteSinkFactory() = default;
  // `arguments` as written behind the module's name. `column_count` says how many values a row has.
  virtual Result<std::unique_ptr<WriteSink>> connect(std::span<const std::string> arguments,
                                                     int& column_count) = 0;
  // Called after a sink was destroyed: when the last one is gone the connection may be closing, and
  // cached statements must be let go.
  virtual void disconnected() = 0;
};

// Registers `module` on the connection. `factory` is owned by the connection from here on when
// `destroy` is given: it is called when the connection closes.
Result<void> register_sink_module(Connection connection, const char* module,
                                  WriteSinkFactory* factory, void (*destroy)(void*));

}  // namespace syncline
