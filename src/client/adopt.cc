// The part of apply that takes rows over as somebody else says they are.
#include <algorithm>

#include "client/apply.h"
#include "model/cell_content.h"

namespace syncline {
namespace {

// Without what a cell replaced, which tables do not keep.
bool is_same(const RowState& a, const RowState& b) {
  return a.life == b.life && a.alive == b.alive &&
         std::equal(a.cells.begin(), a.cells.end(), b.cells.begin(), b.cells.end(),
                    [](const CellState& x, const CellState& y) {
                      return x.column == y.column && x.stamp == y.stamp && x.form == y.form &&
                             x.value == y.value;
                    });
}

}  // namespace

Result<void> Apply::become(const std::string& table, Bytes key, const RowState& state,
                           ApplyReport& report) {
  ++report.rows;
  time_ = ClockTime();
  stamp_ = Stamp();
  for (const CellState& cell : state.cells) {
    SL_TRY(check_cell(cell));
  }
  SL_TRY(const TrackedTable* known, parts_.catalog.find(table));
  SL_TRY(const std::optional<HeldRow> held, parts_.held.find(table, key));
  const bool is_nothing = state.life.is_zero() && state.cells.empty();
  if (held.has_value()) {
    if (is_same(held->state, state)) {
      return {};
    }
    SL_TRY(parts_.held.drop(table, key));
  }
  if (known == nullptr) {
    if (is_nothing) {
      return {};
    }
    return hold(nullptr, table, key, state,
                Error(ErrorCode::not_found, "no table '" + table + "' is synced here"), report);
  }
  SL_TRY(before_touching(known->id, key));
  SL_TRY(TableAccess * access, parts_.tables.access(known->id));
  SL_TRY(const LoadedRow before, parts_.rows.load(*access, key));
  if (is_same(before.state, state)) {
    return {};
  }
  if (state.life.is_zero()) {
    // Nobody knows the row any more. It leaves without a tomb: nothing was deleted.
    if (before.row.has_value()) {
      SL_TRY(remove_standing(*access, key, before, report));
    }
    return parts_.rows.store_extra(known->id, key, state.cells);
  }
  if (before.row.has_value() && !state.alive) {
    SL_TRY(spare_children(access->table(), key, report));
  }
  return store_or_hold(*access, key, before, state, report);
}

Result<void> Apply::store_or_hold(TableAccess& access, Bytes key, const LoadedRow& before,
                                  const RowState& after, ApplyReport& report) {
  for (int attempt = 0; attempt < 8; ++attempt) {
    auto stored = parts_.rows.store(access, key, before, after, time_, ops_);
    if (stored || stored.error().code() != ErrorCode::constraint) {
      note_documents(access.table(), key, before.state, after, report);
      return stored;
    }
    bool again = false;
    if (held_reason(stored.error()) == "unique" && after.alive) {
      SL_TRY(again, evict_younger(access, key, after, report));
    }
    if (!again) {
      return hold_whole(access, key, before, after, stored.error(), report);
    }
  }
  return hold_whole(
      access, key, before, after,
      Error(ErrorCode::constraint, "UNIQUE constraint failed: several rows are in the way"),
      report);
}

Result<void> Apply::end_states(ApplyReport& report) {
  for (const TableId table : ops_.tables()) {
    if (std::find(report.tables.begin(), report.tables.end(), table) == report.tables.end()) {
      report.tables.push_back(table);
    }
  }
  time_ = ClockTime();
  return write_log(LogRow());
}

}  // namespace syncline
