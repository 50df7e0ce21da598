#pragma once

#include "client/capture.h"
#include "client/clocks.h"
#include "client/extract.h"
#include "client/row_store.h"

namespace syncline {

// Columns whose edits say more than their new value: what a counter was raised by, which fields of
// a document changed. Runs inside the commit, for tables with such columns only.
class Rich {
 public:
  Rich(Capture& capture, Clocks& clocks, TableSet& tables, RowStore& rows)
      : capture_(capture), clocks_(clocks), tables_(tables), rows_(rows) {}

  // Adds to `out`, behind `run`, what others must know of each such cell that it changed, and keeps
  // the cell's new content beside the table.
  Result<void> describe(const TrackedTable& table, const LogRun& run, const Stamp& stamp,
                        LogBodyWriter& out);

 private:
  Result<void> describe_row(TableAccess& access, RowId row, const ColumnSet& columns,
                            Reader& old_values, const Stamp& stamp, LogBodyWriter& out);

  Capture& capture_;
  Clocks& clocks_;
  TableSet& tables_;
  RowStore& rows_;
};

}  // namespace syncline
