#pragma once

#include <map>

#include "client/catalog.h"
#include "client/clocks.h"
#include "client/meta.h"
#include "client/outbox.h"
#include "client/row_store.h"

namespace syncline {

// A migration of the application's schema: its own DDL between begin() and commit(), all in one
// transaction. What it writes meanwhile is the migration's, which every replica runs itself: it is
// not captured.
//
// Invariants:
// 1. Unsent changes are encoded whole before the first DDL runs, so that no DDL can harm them.
// 2. A table that was rebuilt with other rowids keeps its rows' clocks, found again by their keys.
// 3. Cells that came for columns which did not exist yet take their place.
class SchemaChange {
 public:
  SchemaChange(Connection connection, Catalog& catalog, Clocks& clocks, Outbox& outbox, Meta& meta)
      : connection_(connection), catalog_(catalog), clocks_(clocks), outbox_(outbox), meta_(meta) {}

  bool is_active() const { return active_; }
  Result<void> begin();
  // Adapts triggers and columns to the tables as they are now. Without begin() it adapts to DDL
  // that was run outside.
  Result<void> adapt();
  // Closes the transaction of begin().
  Result<void> end();
  // The transaction was rolled back.
  void forget() { active_ = false; }

  // Encodes every own change whole in its log row, and folds the clocks: acknowledged ones, too,
  // because a server that was restored asks for them again, and what they wrote may stand in log
  // rows that lose their old values now. Runs in the caller's transaction.
  Result<void> freeze_outbox();
  // The same of those before `end`.
  Result<void> freeze_before(LocalVersion end);

 private:
  Result<void> freeze_between(LocalVersion after, LocalVersion end);
  Result<void> freeze(const OutboxChange& change);
  Result<void> remember_keys(const TrackedTable& table);
  Result<void> find_rows_again(TableId id);
  Result<std::int64_t> root_page(const std::string& table);

  Connection connection_;
  Catalog& catalog_;
  Clocks& clocks_;
  Outbox& outbox_;
  Meta& meta_;
  bool active_ = false;
  bool is_outermost_ = false;  // the transaction is ours alone
  std::map<TableId, std::int64_t> root_pages_;
};

}  // namespace syncline
