#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/value_view.h"
#include "sqlite/statement.h"

struct sqlite3_value;

namespace syncline {

// SQLite's result code and message as an Error: full disks, locks, corruption, constraints and
// memory keep their own code, so that callers can tell weather from damage.
Error sqlite_error(sqlite3* handle, int result);

// One SQL value, borrowed from SQLite until the call that handed it over returns.
ValueView read_value(sqlite3_value* value);

// A SQLite connection that somebody else owns: an application's, or Database's. Cheap to copy.
class Connection {
 public:
  Connection() = default;
  explicit Connection(sqlite3* handle) : handle_(handle) {}

  sqlite3* handle() const { return handle_; }

  Result<Statement> prepare(std::string_view sql) const;
  // For statements that are kept: SQLite allocates them for the long run.
  Result<Statement> prepare_kept(std::string_view sql) const;
  // Runs every statement of `sql`, ignoring rows.
  Result<void> execute(std::string_view sql) const;
  // The first column of the first row, or nothing when there is no row.
  Result<std::optional<std::int64_t>> query_int(std::string_view sql) const;
  Result<std::optional<std::string>> query_text(std::string_view sql) const;

  std::int64_t last_insert_rowid() const;
  // Puts back what last_insert_rowid() reported before statements of ours ran inside a statement of
  // the application's.
  void set_last_insert_rowid(std::int64_t rowid) const;
  // Rows changed by the last statement.
  std::int64_t changes() const;
  // True outside BEGIN ... COMMIT.
  bool autocommit() const;
  // True inside a write transaction.
  bool in_write_transaction() const;
  // A counter that moves by one for each commit of ours to the main database, and otherwise
  // whenever another connection's commit came into view.
  std::uint32_t data_version() const;
  // True while a foreign key constraint is violated that must be mended before the commit.
  bool deferred_violations() const;
  // The path of the main database's file; empty for a database in memory.
  std::string path() const;
  void interrupt() const;
  // The main database as its file would be, byte by byte.
  Result<ByteVector> serialize() const;
  // Statements that take more of SQLite's steps than about so many fail as interrupted, each.
  void limit_steps(int steps) const;
  // True when the SQL of a statement that is running and may write holds this word (in small
  // letters here, in any case there); also when such a statement's SQL is not known.
  bool running_sql_mentions(std::string_view word) const;
  // The same for all statements that are prepared and may write, running or not.
  bool prepared_sql_mentions(std::string_view word) const;
  // Switches all triggers of the connection (not foreign key actions); returns what was before.
  // Prepared statements are prepared again at their next use.
  bool set_triggers(bool enabled) const;
  // Switches the enforcement of foreign keys and their actions, inside a transaction too; returns
  // what was before.
  bool set_foreign_keys(bool enabled) const;

 private:
  sqlite3* handle_ = nullptr;
};

// Identifier quoted for SQL: any name is fine, quotes are doubled.
std::string quote_identifier(std::string_view name);
// Text as an SQL literal.
std::string quote_literal(std::string_view text);

}  // namespace syncline
