#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/cached_statement.h"
#include "client/column_set.h"
#include "client/log_body.h"
#include "model/change.h"
#include "sqlite/connection.h"

namespace syncline {

struct TrackedColumn {
  // Stable for the table's whole life, also across other columns' coming and going.
  std::uint16_t id = 0;
  std::string name;
  MergeRule rule = MergeRule::lww;
  // As declared; for the schema's fingerprint.
  std::string type;
  bool not_null = false;
  // SQL of the default; empty when there is none.
  std::string default_sql;
};

// One synced table as this connection sees it.
struct TrackedTable {
  TableId id = 0;
  std::string name;
  MergeRule rule = MergeRule::lww;
  // In key order.
  std::vector<std::string> key;
  std::vector<std::string> key_types;
  // A key column compares by something other than its bytes (NOCASE).
  bool key_collated = false;
  // Outside the key, generated ones left out, in the table's order. The order of trigger arguments.
  std::vector<TrackedColumn> columns;
  bool without_rowid = false;
  // The name under which the rowid can be reached; "rowid" unless a column hides it.
  std::string rowid_name;
  // Unique constraints beside the key: each a list of (column, collation).
  struct UniqueColumn {
    std::string name;
    std::string collation;
  };
  std::vector<std::vector<UniqueColumn>> unique;
  // The application has triggers of its own on the table.
  bool has_triggers = false;
  // Its constraints say ON CONFLICT: they would drop or replace rows of which nobody hears.
  bool resolves_conflicts = false;
  // The table takes part in foreign keys, on either side.
  bool has_foreign_keys = false;
  // Highest column id ever given.
  std::uint16_t last_column_id = 0;

  // Position in `columns` of a column id; -1 when the column is gone.
  int position_of(std::uint16_t column_id) const {
    return column_id < positions.size() ? positions[column_id] : -1;
  }
  int position_of(std::string_view column) const;
  bool has_rule(MergeRule wanted) const;
  // Some column's edits say more than its value does.
  bool has_rich() const {
    return std::any_of(columns.begin(), columns.end(),
                       [](const TrackedColumn& column) { return is_rich(column.rule); });
  }
  // All present columns.
  ColumnSet all_columns() const;

  std::vector<int> positions;  // by column id
};

struct TrackOptions {
  MergeRule rule = MergeRule::lww;
  std::map<std::string, MergeRule> column_rules;
};
// "manual" or "column=json", as syncline_track() takes them.
Result<TrackOptions> parse_track_options(std::span<const std::string> texts);

// Our own tables in the application's file, and which of the application's tables are synced.
//
// Invariants:
// 1. The application's tables gain no columns and their SQL answers do not change.
// 2. A table is tracked exactly when its row in syncline_tables and its triggers exist; both come
//    and go in one transaction.
class Catalog {
 public:
  // Whoever keeps statements calls release() before the connection closes.
  explicit Catalog(Connection connection, bool keep_statements = false)
      : connection_(connection), keep_statements_(keep_statements) {}

  // Creates our tables when they are missing. Fails with `unsupported` when a newer version made
  // them.
  Result<void> create_own_tables();
  // True once the database has our tables.
  Result<bool> is_initialised();
  // Of those tables: that they are complete. Fails as create_own_tables() does.
  Result<bool> is_of_this_version();

  // Starts syncing a table. Does not look at its rows: the engine captures those.
  Result<TableId> track(const std::string& table, const TrackOptions& options);
  // Syncs one of our own tables like an application's.
  Result<TableId> track_own(const std::string& table);
  // Removes triggers and the entry; the application's table is as it was before.
  Result<void> untrack(const std::string& table);
  // The same for a table that was dropped.
  Result<void> untrack_gone(TableId id);
  // Takes capture off a table while its schema changes; refresh() puts it back.
  Result<void> drop_triggers(TableId table) const;
  // Adapts triggers and columns after the application changed a tracked table's schema.
  Result<void> refresh(TableId table);

  // The table as it stands, read once and kept until it is read anew. The pointer stays valid until
  // then: within a Hold, for its whole life. Fails with `not_found`.
  Result<const TrackedTable*> table(TableId id);
  // Whether the table has the columns still that it is known to have.
  Result<bool> describes(const TrackedTable& table) const;
  // Null when no such table is tracked.
  Result<const TrackedTable*> find(std::string_view name);
  // The application's tables, by name.
  Result<std::vector<const TrackedTable*>> all();
  // These and our own that sync.
  Result<std::vector<const TrackedTable*>> all_with_own();
  void drop_cache() {
    tables_.clear();
    stale_ = false;
    ++generation_;
  }
  // SQLite has read the schema anew, or a transaction was rolled back. That happens inside of
  // statements, and whoever runs one may hold pointers: they last until settle().
  void mark_stale() { stale_ = true; }
  // Nobody holds pointers, unless a Hold says so.
  void settle() {
    if (stale_ && holds_ == 0) {
      drop_cache();
    }
  }
  // The same, and another process's changes of the schema count.
  Result<void> catch_up();
  // Whoever works with pointers while the application's triggers may write.
  class Hold {
   public:
    explicit Hold(Catalog& catalog) : catalog_(catalog) { ++catalog_.holds_; }
    ~Hold() { --catalog_.holds_; }
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;

   private:
    Catalog& catalog_;
  };
  // Lets go of the statements: the connection may be closing.
  void release();
  // Moves whenever pointers from table(), find() and all() became invalid.
  std::uint64_t generation() const { return generation_; }

 private:
  Result<TableId> enter_table(const std::string& name, const TrackOptions& options);
  Result<std::unique_ptr<TrackedTable>> load(TableId id) const;
  Result<void> load_columns(TrackedTable& table) const;
  Result<void> load_unique(TrackedTable& table) const;
  Result<void> load_surroundings(TrackedTable& table) const;
  Result<void> check_documents(const TrackedTable& table, const TrackOptions& options) const;
  Result<void> store_columns(TrackedTable& table, const TrackOptions& options) const;
  Result<void> install_triggers(const TrackedTable& table) const;
  Result<std::string> spelling_triggers(TableId table) const;

  // One of the kept statements, while it is used.
  class Used {
   public:
    Used(Catalog& catalog, Statement& statement) : catalog_(catalog), statement_(statement) {}
    ~Used() {
      statement_.reset();
      if (!catalog_.keep_statements_) {
        catalog_.release();
      }
    }
    Used(const Used&) = delete;
    Used& operator=(const Used&) = delete;

   private:
    Catalog& catalog_;
    Statement& statement_;
  };

  Connection connection_;
  bool keep_statements_ = false;
  std::uint64_t generation_ = 0;
  std::uint32_t holds_ = 0;
  bool stale_ = false;
  std::int64_t schema_cookie_ = 0;
  std::map<TableId, std::unique_ptr<TrackedTable>> tables_;
  CachedStatement read_own_{"SELECT 1 FROM main.sqlite_schema WHERE name='syncline_meta'"};
  CachedStatement read_cookie_{"PRAGMA main.schema_version"};
  CachedStatement read_ids_{"SELECT id FROM syncline_tables ORDER BY name"};
};

// The module that capture's tables name; what a program without the extension is told is missing:
// "no such module: syncline_extension".
inline constexpr const char* capture_module = "syncline_extension";

}  // namespace syncline
