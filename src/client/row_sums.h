#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "client/held.h"
#include "client/meta.h"
#include "client/row_store.h"
#include "model/digest.h"

namespace syncline {

class TableSet;

// The digest over all rows (model/digest), kept as sums of 256 rowids each, so that a change costs
// the rows around it and not the whole table. The log says which sums a commit made void, whoever
// committed it.
//
// Invariants:
// 1. A sum that is kept is that of the rows as the log through `through_` left them.
// 2. Tables whose rows may count otherwise than by their place (WITHOUT ROWID, held rows) are
// summed
//    anew each time.
class RowSums {
 public:
  RowSums(Connection connection, Catalog& catalog, LocalLog& log, Clocks& clocks, Origins& origins,
          TableSet& tables, RowStore& rows, Held& held, Meta& meta)
      : connection_(connection),
        catalog_(catalog),
        log_(log),
        clocks_(clocks),
        origins_(origins),
        tables_(tables),
        rows_(rows),
        held_(held),
        meta_(meta) {}

  // Over these tables, or over all when there are none. Clocks must be caught up, in the same
  // transaction, and no transaction of the application's may be open.
  Result<Digest> sum(const std::vector<std::string>& tables);
  void forget() {
    sums_.clear();
    loaded_ = false;
  }

 private:
  using ChunkId = std::int64_t;
  static constexpr unsigned chunk_bits = 8;
  struct TableSums {
    bool known = false;
    std::map<ChunkId, Digest> chunks;
    std::set<ChunkId> touched;
  };

  Result<void> catch_up();
  void touch(TableId table, const LogRun& run);
  Result<Digest> sum_of(const TrackedTable& table);
  Result<Digest> sum_anew(const TrackedTable& table);
  Result<void> scan(const TrackedTable& table, RowId first, RowId last, TableSums& into);
  Result<Digest> digest_of_row(TableAccess& access, RowId row, Bytes key, bool plain);

  Connection connection_;
  Catalog& catalog_;
  LocalLog& log_;
  Clocks& clocks_;
  Origins& origins_;
  TableSet& tables_;
  RowStore& rows_;
  Held& held_;
  Meta& meta_;
  bool loaded_ = false;
  LocalVersion through_;
  std::int64_t schema_version_ = 0;
  std::map<TableId, TableSums> sums_;
};

}  // namespace syncline
