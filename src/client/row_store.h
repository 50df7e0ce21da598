#pragma once

#include <optional>
#include <string>
#include <vector>

#include "client/cached_statement.h"
#include "client/capture.h"
#include "client/capture_buffer.h"
#include "client/clocks.h"
#include "client/origins.h"
#include "client/table_access.h"
#include "model/document_cache.h"
#include "model/row_state.h"

namespace syncline {

// One row as the model sees it, gathered from where its parts lie: values in the application's
// table, stamps in the clocks, the end of a dead row among the tombs, and in syncline_cells what
// has no place in the table (a counter's parts, columns that this schema does not know, edits of a
// row that is dead or was never seen).
struct LoadedRow {
  RowState state;
  // Where the row stands; nothing when it does not stand in the table.
  std::optional<RowId> row;
  RowClock clock;
  std::vector<Value> values;  // key values, then tracked columns; when `row`
  bool has_extra = false;     // something lies in syncline_cells
};

class RowStore {
 public:
  // Whoever writes the log while rows are stored.
  class Scribe {
   public:
    virtual ~Scribe() = default;
    // A row has just come to stand where a row stood that the application's triggers or foreign key
    // actions removed: what they did must be logged before it.
    virtual Result<void> settle_captured() = 0;
  };
  void set_scribe(Scribe* scribe) { scribe_ = scribe; }

  RowStore(Connection connection, Clocks& clocks, Origins& origins, Capture& capture)
      : connection_(connection), clocks_(clocks), origins_(origins), capture_(capture) {}

  Result<LoadedRow> load(TableAccess& access, Bytes key);

  // Own changes after this time are in the log, and may have to be told again: what overwrites them
  // keeps their values.
  void set_pruned_time(std::uint64_t time) { pruned_time_ = time; }
  bool may_be_told(const ClockTime& time) const {
    return time.origin == first_own_origin && time.time > pruned_time_;
  }

  // Makes table and side tables hold `after` instead of `before`, and notes in `ops` what was done.
  // `time` is the change's clock: a row that is wholly that change's needs no clock of its own.
  // Fails with `constraint` when the application's schema refuses the row; then nothing was done.
  Result<void> store(TableAccess& access, Bytes key, const LoadedRow& before, const RowState& after,
                     const ClockTime& time, CaptureBuffer& ops);
  // Takes a row out of the table without ending it, because it will be held.
  Result<void> remove_standing(TableAccess& access, Bytes key, const LoadedRow& before,
                               CaptureBuffer& ops);

  // Where the row stands that was just inserted without triggers.
  Result<RowId> inserted_row(const TrackedTable& table, Bytes key);
  // Must follow each insert, before it is noted.
  Result<void> settle_place(const TrackedTable& table, RowId row);

  // What lies in syncline_cells for a row.
  Result<std::vector<CellState>> extra_cells(TableId table, Bytes key);
  Result<void> store_extra(TableId table, Bytes key, std::span<const CellState> cells);
  // False when the table certainly has nothing there.
  Result<bool> may_have_extra(TableId table);

  // Documents that were read or written here a moment ago.
  DocumentCache& documents() { return documents_; }

  void forget() { no_extra_.clear(); }
  void release();

 private:
  Result<RowId> write_values(TableAccess& access, Bytes key, const LoadedRow& before,
                             const RowState& after);
  Result<RowClock> clock_of(const TrackedTable& table, const RowState& state);
  Result<void> note_alive(TableAccess& access, Bytes key, const LoadedRow& before,
                          const RowClock& clock, RowId row, const ClockTime& time,
                          CaptureBuffer& ops);
  // Columns of `before` whose values some own change may have to tell.
  ColumnSet unsent_columns(const TrackedTable& table, const LoadedRow& before) const;
  void encode_old(const TrackedTable& table, const LoadedRow& before, const ColumnSet& columns);

  Connection connection_;
  Clocks& clocks_;
  Origins& origins_;
  Capture& capture_;
  Scribe* scribe_ = nullptr;
  std::uint64_t pruned_time_ = 0;
  std::map<TableId, bool> no_extra_;
  // Cells that were found sound or written here, by their bytes: a document is costly to check.
  std::vector<ByteVector> sound_;
  DocumentCache documents_;
  bool is_sound(Bytes body) const;
  void note_sound(Bytes body);
  Writer old_;
  CachedStatement read_extra_{"SELECT col, body FROM syncline_cells WHERE tbl = ?1 AND key = ?2"};
  CachedStatement drop_extra_{"DELETE FROM syncline_cells WHERE tbl = ?1 AND key = ?2"};
  CachedStatement write_extra_{
      "INSERT INTO syncline_cells(tbl, key, col, body) VALUES(?1, ?2, ?3, ?4)"};
  CachedStatement any_extra_{"SELECT 1 FROM syncline_cells WHERE tbl = ?1 LIMIT 1"};
};

// A cell outside its table, as bytes: stamps in full, because it may outlive numbers of replicas.
void write_cell_state(Writer& out, const CellState& cell);
Result<CellState> read_cell_state(Reader& in);
// The same of bytes that were checked before.
Result<CellState> read_sound_cell_state(Reader& in);
void write_row_state(Writer& out, const RowState& state);
Result<RowState> read_row_state(Reader& in);

}  // namespace syncline
