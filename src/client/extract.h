#pragma once

#include <map>
#include <memory>
#include <utility>

#include "base/function_ref.h"
#include "client/catalog.h"
#include "client/clocks.h"
#include "client/held.h"
#include "client/local_log.h"
#include "client/old_values.h"
#include "client/origins.h"
#include "client/row_store.h"
#include "client/table_access.h"
#include "wire/change_codec.h"

namespace syncline {

// The tables of a connection, ready to be read and written; shared by whoever extracts and applies.
class TableSet {
 public:
  TableSet(Connection connection, Catalog& catalog) : connection_(connection), catalog_(catalog) {}
  Result<TableAccess*> access(TableId id);
  // Statements that write a tracked table keep its capture table connected, so that they must go
  // before the connection can close. Letting go may call back here: the members go first.
  void release() { const auto doomed = std::exchange(tables_, {}); }

 private:
  Connection connection_;
  Catalog& catalog_;
  std::uint64_t generation_ = 0;
  std::map<TableId, std::unique_ptr<TableAccess>> tables_;
};

// Turns log rows back into changes that travel: runs of rowids into keys and values.
//
// Invariants:
// 1. An own change that is not acknowledged yet is told exactly as it was made, whatever has been
//    written since (P6); a second time byte for byte as the first.
// 2. Of any other change only what still stands is told, under its own stamps: what was overwritten
//    since travels with the change that overwrote it.
// 3. Rows that came with clocks of their own (from a snapshot, or where a change met a newer edit)
//    are told as states, in parts that are nobody's change.
class Extract final : private PastKeys {
 public:
  Extract(Connection connection, Catalog& catalog, LocalLog& log, Clocks& clocks, Origins& origins,
          TableSet& tables, RowStore& rows, Held& held)
      : connection_(connection),
        catalog_(catalog),
        log_(log),
        clocks_(clocks),
        origins_(origins),
        tables_(tables),
        rows_(rows),
        held_(held),
        old_values_(connection, log) {
    clocks_.set_past_keys(this);
  }

  // Takes one encoded part (wire/change_codec) after the other; false stops.
  using Sink = FunctionRef<Result<bool>(const LogRow& row, const PartHeader& header, Bytes part)>;

  struct Range {
    LocalVersion after;
    LocalVersion through;
    // Own changes above this version are told exactly.
    LocalVersion acknowledged;
    // Of those through this version values may be gone: they were acknowledged once, and what
    // overwrote them kept nothing. What is gone is left out.
    LocalVersion once_acknowledged;
    bool own_only = false;
    std::uint32_t schema_version = 0;
  };
  // Clocks must be caught up, in the same transaction.
  Result<void> changes(const Range& range, Sink sink);
  // All rows of all tables as states, and the tombs: parts that are nobody's change.
  Result<void> snapshot(const Stamp& stamp, FunctionRef<Result<bool>(Bytes part)> sink);
  // Held rows as states: all, or only those of tables that the log cannot name because the schema
  // does not know them.
  Result<void> held(const Stamp& stamp, bool all, FunctionRef<Result<bool>(Bytes part)> sink);
  // What a cell was before an own change wrote it, while the log still knows; the base of a
  // three-way merge.
  Result<std::optional<Value>> value_before(TableId table, RowId row, std::uint16_t column,
                                            const ClockTime& time);
  void forget() { old_values_.forget(); }
  // The own unsent change that changes() failed at the last time; zero when it did not fail at one.
  LocalVersion untold() const { return untold_; }

 private:
  struct Running;

  Result<bool> one_change(Running& running, std::span<const Bytes> parts);
  Result<void> one_run(Running& running, TableAccess& access, const LogRun& run);
  Result<void> put_rows(Running& running, TableAccess& access, const LogRun& run);
  Result<void> put_row(Running& running, TableAccess& access, const LogRun& run, RowId row,
                       const StoredRow* stored);
  Result<void> set_rows(Running& running, TableAccess& access, const LogRun& run);
  Result<void> set_row(Running& running, TableAccess& access, const LogRun& run, RowId row,
                       const StoredRow* stored, std::span<const ClockTime> replaced);
  Result<void> snapshot_tombs(const TrackedTable& table, RowWriter& rows);
  Result<void> erase_row(Running& running, TableAccess& access, const LogRun& run);
  Result<void> install_rows(Running& running, TableAccess& access, const LogRun& run);
  Result<void> state_row(Running& running, TableAccess& access, const StoredRow& stored);
  Result<void> aside_row(Running& running, TableAccess& access, Bytes key);
  Result<void> bury_row(Running& running, TableAccess& access, const LogRun& run);
  static ByteVector key_of(const TrackedTable& table, const StoredRow& stored);
  Result<RowWriter*> extras_of(Running& running, const TrackedTable& table);
  static void leave_to_later(const Stamp& stamp, const TrackedTable& table, RowState& state);
  Result<void> flush_extras(Running& running);
  Result<void> past_row(Running& running, TableAccess& access, RowId row, const StoredRow* stored,
                        const ColumnSet& columns, RowKind kind, std::span<const Stamp> replaced);
  Result<void> begin_table(Running& running, const TrackedTable& table);
  Result<bool> flush(Running& running, bool last);
  Result<bool> is_same(const TrackedTable& table, RowId row, const StoredRow& stored,
                       LocalVersion version);
  Result<Stamp> put_replaced(const TrackedTable& table, Bytes key, const ClockTime& time);
  static Result<void> pass_over(Running& running, const LogRun& run);
  // PastKeys
  Result<ByteVector> key_after(LocalVersion version, TableId table, RowId row) override;

  Connection connection_;
  Catalog& catalog_;
  LocalLog& log_;
  Clocks& clocks_;
  Origins& origins_;
  TableSet& tables_;
  RowStore& rows_;
  Held& held_;
  OldValues old_values_;
  LocalVersion untold_;
};

// Writes a row as a state. The table must have been begun with its columns in their own order.
// Cells of columns that the table does not have are left out.
void write_state_row(RowWriter& rows, const TrackedTable& table, Bytes key, const RowState& state);
// The same for a table that was begun with these columns.
void write_state_cells(RowWriter& rows, std::span<const std::string> columns, Bytes key,
                       const RowState& state);

}  // namespace syncline
