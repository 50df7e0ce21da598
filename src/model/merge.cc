#include "model/merge.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "model/concurrency.h"

namespace syncline {
namespace {

// 1. Everything here is a join of a semilattice: lives and cells each take the greater of two in a
//    total order, and what the life makes void is dropped. That is why order, grouping and
//    repetition do not matter.
// 2. Two contents of one stamp come from one change and are equal, unless somebody forges. The
//    orders below are total all the same, so that even forged edits cannot split the replicas.

// At one stamp an erase is above a put: it makes more void, so the join only ever voids more.
bool is_life_above(const RowState& a, const RowState& b) {
  return std::make_tuple(a.life, !a.alive, a.life_replaced) >
         std::make_tuple(b.life, !b.alive, b.life_replaced);
}

bool is_cell_above(const CellState& a, const CellState& b) {
  if (a.stamp != b.stamp) {
    return a.stamp > b.stamp;
  }
  if (a.form != b.form) {
    return a.form > b.form;
  }
  const int order = compare_values(a.value.view(), b.value.view());
  return order != 0 ? order > 0 : a.replaced > b.replaced;
}

bool join_life(RowState& row, const RowState& other) {
  if (!is_life_above(other, row)) {
    return false;
  }
  row.life = other.life;
  row.alive = other.alive;
  row.life_replaced = other.life_replaced;
  const auto is_void = [&row](const CellState& cell) { return row.voids(cell.stamp); };
  row.cells.erase(std::remove_if(row.cells.begin(), row.cells.end(), is_void), row.cells.end());
  return true;
}

bool join_cell(RowState& row, CellState&& cell) {
  if (row.voids(cell.stamp)) {
    return false;
  }
  const auto at = std::lower_bound(
      row.cells.begin(), row.cells.end(), cell.column,
      [](const CellState& present, const std::string& name) { return present.column < name; });
  if (at == row.cells.end() || at->column != cell.column) {
    row.cells.insert(at, std::move(cell));
    return true;
  }
  if (!is_cell_above(cell, *at)) {
    return false;
  }
  *at = std::move(cell);
  return true;
}

CellState cell_of(const RowEdit& edit, const CellEdit& cell, const Stamp& stamp) {
  CellState out{cell.column, cell.form, stamp, cell.value, cell.replaced};
  if (edit.kind == EditKind::put) {
    // Whoever put the row had seen all of it.
    out.replaced = std::max(cell.replaced, edit.replaced);
  }
  return out;
}

RowState life_of(const RowEdit& edit, const Stamp& stamp) {
  RowState out;
  if (edit.kind != EditKind::set) {
    out.life = stamp;
    out.alive = edit.kind == EditKind::put;
    out.life_replaced = edit.replaced;
  }
  return out;
}

}  // namespace

RowState state_of(const RowEdit& edit, const Stamp& stamp) {
  RowState out;
  merge_edit(out, edit, stamp);
  return out;
}

MergeEffect merge_edit(RowState& row, const RowEdit& edit, const Stamp& stamp) {
  MergeEffect effect;
  if (stamp.is_zero()) {
    return effect;  // A zero stamp means nothing, and nothing changes.
  }
  effect.concurrent = concurrency_of_edit(row, edit, stamp);
  effect.changed = join_life(row, life_of(edit, stamp));
  if (edit.kind != EditKind::erase) {
    for (const CellEdit& cell : edit.cells) {
      effect.changed |= join_cell(row, cell_of(edit, cell, stamp));
    }
  }
  return effect;
}

MergeEffect merge_state(RowState& row, const RowState& other) {
  MergeEffect effect;
  effect.concurrent = concurrency_of_states(row, other);
  effect.changed = join_life(row, other);
  for (const CellState& cell : other.cells) {
    effect.changed |= join_cell(row, CellState(cell));
  }
  return effect;
}

}  // namespace syncline
