#pragma once

#include "client/capture.h"
#include "client/clocks.h"
#include "client/documents.h"
#include "client/extract.h"
#include "client/row_store.h"

namespace syncline {

// Columns whose edits say more than their new value: what a counter was raised by, which fields of
// a JSON document changed, what was typed where. Runs inside the commit, for tables with such
// columns only.
class Rich {
 public:
  Rich(Capture& capture, Clocks& clocks, TableSet& tables, RowStore& rows, Documents& documents)
      : capture_(capture), clocks_(clocks), tables_(tables), rows_(rows), documents_(documents) {}

  // Writes `run` to `out` and behind it what others must know of each such cell that it changed,
  // and keeps the cell's new content beside the table. Old values of a document stay out of the log
  // where no change would be told by them: each edit says itself what it did.
  Result<void> describe(const TrackedTable& table, const LogRun& run, const Stamp& stamp,
                        LogBodyWriter& out);
  // Takes back what describe() kept beside the tables: the commit failed and will come again.
  Result<void> undo();
  // What was described is settled, one way or the other.
  void forget() { kept_.clear(); }

 private:
  // Cells beside a row's table as they were before.
  struct Kept {
    TableId table = 0;
    ByteVector key;
    std::vector<CellState> cells;
  };
  // What a run becomes in the log.
  struct Told {
    std::vector<std::pair<LogRun, CellEdit>> edits;
    Writer old_values;
  };
  struct Made {
    CellEdit edit;
    std::optional<CellState> cell;  // as the edit leaves it, where that is known already
  };
  Result<void> describe_sets(TableAccess& access, const LogRun& run, const Stamp& stamp,
                             LogBodyWriter& out);
  Result<void> describe_put(TableAccess& access, RowId row, const Stamp& stamp, LogBodyWriter& out);
  Result<Made> edit_of(const LoadedRow& loaded, RowId row, const TrackedTable& table,
                       const TrackedColumn& column, const Stamp& stamp, const ValueView& before,
                       const Value& after);
  Result<void> keep(const TrackedTable& table, Bytes key, const RowState& state, bool had_extra);
  Result<void> describe_row(TableAccess& access, RowId row, const ColumnSet& columns,
                            Reader& old_values, const Stamp& stamp, Told& told);

  Capture& capture_;
  Clocks& clocks_;
  TableSet& tables_;
  RowStore& rows_;
  Documents& documents_;
  std::vector<Kept> kept_;
};

}  // namespace syncline
