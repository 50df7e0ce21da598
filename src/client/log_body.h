#pragma once

#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "client/column_set.h"

namespace syncline {

// What one transaction did, as the replica's log keeps it (docs/storage.md, "Log"): which rows and
// columns, run-length coded, and old values while somebody may still need them. New values stand in
// the application's table. Rows are named by rowid, or by a number of ours for tables without one.
//
// Invariants:
// 1. A body is a list of parts; each decodes alone, and a run never crosses two parts.
// 2. Within one transaction a rowid stands in at most one put or set, and after an erase of the
// same
//    rowid only in a put.

using TableId = std::int64_t;
using RowId = std::int64_t;

enum class OpKind : std::uint8_t {
  put = 1,      // rows [first, first + count) began a life
  set = 2,      // rows [first, first + count) changed in `columns`
  erase = 3,    // one row ended
  over = 4,     // one row began a life in place of a living row of the same key
  rich = 5,     // what a counter, json or document column's edit says to others
  install = 6,  // rows [first, first + count) came with clocks of their own
  leave = 7,    // one row left the table without having ended: it is held
  bury = 8,     // a key is dead with a tomb of its own; its row, if there was one, is gone
  aside = 9,    // of a key something was kept that is not in the table: a held row, waiting cells
};

// One run of a body.
struct LogRun {
  OpKind kind = OpKind::put;
  RowId first = 0;
  std::uint64_t count = 1;
  // set: the columns that changed. erase and over with old values: the columns these are for.
  ColumnSet columns;
  bool has_old = false;
  // Old values, `columns` in rising order, row by row; encoded as model/value_codec does.
  Bytes old_values;
  // erase, over, leave, bury and aside: the row's key, encoded.
  Bytes key;
  // over: where the row that was replaced stood.
  RowId old_rowid = 0;
  // install: the clock (client/clocks, write_row_clock). bury: the tomb (write_tomb).
  Bytes clock;
  // bury: the key's row stood at `first`.
  bool had_row = false;
  // rich: which column, and the edit.
  std::uint16_t column = 0;
  std::uint8_t form = 0;
  Bytes edit;
};

class LogBodyWriter {
 public:
  void begin_table(TableId table);
  void run(const LogRun& run);
  std::size_t size() const { return out_.size(); }
  bool empty() const { return out_.empty(); }
  // The part so far; the next one begins empty.
  ByteVector finish();

 private:
  Writer out_;
  RowId last_ = 0;
};

// Reads our own log; damage on disk still must not crash, so faults are Errors of code corrupt.
class LogBodyReader {
 public:
  explicit LogBodyReader(Bytes part) : in_(part) {}
  // Moves to the next run; false at the end of the part. `run` borrows from the part; what its kind
  // does not carry stays as it was.
  Result<bool> next(LogRun& run);
  TableId table() const { return table_; }
  // Where in the part the last run began; read_at() reads it again, all but the rowids.
  std::size_t position() const { return position_; }
  static Result<void> read_at(Bytes part, std::size_t position, LogRun& run);

 private:
  Result<bool> read(LogRun& run);
  // The kind and flags of the next run, past any change of table; false at the end.
  Result<bool> read_mark(LogRun& run);
  Result<void> read_fields(LogRun& run);
  Result<void> read_old(LogRun& run);

  Reader in_;
  TableId table_ = 0;
  RowId last_ = 0;
  std::size_t position_ = 0;
};

}  // namespace syncline
