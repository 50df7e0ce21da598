#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/function_ref.h"
#include "client/cached_statement.h"
#include "model/row_state.h"

namespace syncline {

// Remote rows that the local schema cannot take now (P7): kept with their reason, merged with what
// comes later, and installed as soon as they fit.
struct HeldRow {
  std::int64_t id = 0;
  std::string table;
  RowKey key;
  std::string reason;   // unique, check, not_null, foreign_key, unknown_table, constraint
  std::string message;  // SQLite's words
  RowState state;
};

class Held {
 public:
  explicit Held(Connection connection) : connection_(connection) {}

  Result<bool> any();
  Result<bool> any_of(const std::string& table);
  Result<std::optional<HeldRow>> find(const std::string& table, Bytes key);
  // Inserts or replaces the row's entry.
  Result<void> put(const HeldRow& row, std::int64_t now_ms);
  Result<void> drop(const std::string& table, Bytes key);
  // Of one table, or of all when `table` is empty; at most `count_max`.
  Result<std::vector<HeldRow>> list(const std::string& table, std::size_t count_max);
  // All of them; `visit` holds and installs nothing, and asks for no other visit.
  Result<void> for_each(FunctionRef<Result<void>(const HeldRow& row)> visit);
  Result<std::uint64_t> count();

  void forget() { any_.clear(); }
  void release();

 private:
  static Result<HeldRow> read_row(const Statement& statement);

  Connection connection_;
  std::map<std::string, bool> any_;
  CachedStatement find_{
      "SELECT id, tbl, key, reason, message, state FROM syncline_held_rows WHERE tbl = ?1 AND key "
      "= "
      "?2"};
  CachedStatement any_row_{"SELECT 1 FROM syncline_held_rows LIMIT 1"};
  CachedStatement all_{
      "SELECT id, tbl, key, reason, message, state FROM syncline_held_rows ORDER BY id"};
  CachedStatement any_of_{"SELECT 1 FROM syncline_held_rows WHERE tbl = ?1 LIMIT 1"};
  CachedStatement put_{
      "INSERT INTO syncline_held_rows(tbl, key, reason, message, state, since) VALUES(?1, ?2, ?3, "
      "?4, ?5, ?6) ON CONFLICT(tbl, key) DO UPDATE SET reason = excluded.reason, message = "
      "excluded.message, state = excluded.state"};
  CachedStatement drop_{"DELETE FROM syncline_held_rows WHERE tbl = ?1 AND key = ?2"};
};

// The reason's stable name from SQLite's message.
std::string held_reason(const Error& error);

}  // namespace syncline
