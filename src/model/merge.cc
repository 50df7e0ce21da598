#include "model/merge.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "model/cell_content.h"
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

// Both cells must be bases alone.
bool is_cell_above(const CellState& a, const CellState& b) {
  if (a.stamp == b.stamp && a.value == b.value) {
    return a.replaced > b.replaced;
  }
  return is_base_above(a.stamp, a.value, b.stamp, b.value);
}

// Leaves of a cell what the row's new life does not make void. False when that is nothing.
bool outlives(const RowState& row, CellState& cell) {
  if (is_base_form(cell.form)) {
    return !row.voids(cell.stamp);
  }
  auto content = content_of(cell);
  if (!content) {
    return !row.voids(cell.stamp);  // nothing in it is newer than its stamp
  }
  drop_void_content(*content, row);
  auto left = cell_of(cell.column, *content);
  if (!left) {
    return false;
  }
  cell = std::move(*left);
  return true;
}

bool join_life(RowState& row, const RowState& other) {
  if (!is_life_above(other, row)) {
    return false;
  }
  row.life = other.life;
  row.alive = other.alive;
  row.life_replaced = other.life_replaced;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < row.cells.size(); ++i) {
    if (outlives(row, row.cells[i])) {
      if (kept != i) {
        row.cells[kept] = std::move(row.cells[i]);
      }
      ++kept;
    }
  }
  row.cells.resize(kept);
  return true;
}

std::vector<CellState>::iterator place_of(RowState& row, const std::string& column) {
  return std::lower_bound(
      row.cells.begin(), row.cells.end(), column,
      [](const CellState& present, const std::string& name) { return present.column < name; });
}

bool join_base(RowState& row, CellState&& cell) {
  if (row.voids(cell.stamp)) {
    return false;
  }
  const auto at = place_of(row, cell.column);
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

bool join_content_into(RowState& row, const std::string& column, CellContent&& content,
                       DocumentCache* documents, MergeEffect& effect) {
  const auto at = place_of(row, column);
  const bool is_here = at != row.cells.end() && at->column == column;
  CellContent joined;
  if (is_here) {
    auto present = content_of(*at);
    if (!present) {
      effect.is_unreadable = true;
      return false;
    }
    joined = std::move(*present);
  }
  join_content(joined, std::move(content), documents);
  drop_void_content(joined, row);
  const CellRoom room = room_of(joined);
  effect.room = std::max(effect.room, room);
  if (room == CellRoom::none) {
    return false;
  }
  auto cell = cell_of(column, joined);
  if (!cell) {
    if (is_here) {
      row.cells.erase(at);
    }
    return is_here;
  }
  if (!is_here) {
    row.cells.insert(at, std::move(*cell));
    return true;
  }
  if (*at == *cell) {
    return false;
  }
  *at = std::move(*cell);
  return true;
}

// Whether both what comes and what is here are bases, which is what nearly every cell is.
bool is_base_pair(const RowState& row, const std::string& column, CellForm form) {
  const CellState* present = row.find(column);
  return is_base_form(form) && (present == nullptr || is_base_form(present->form));
}

bool join_cell(RowState& row, const CellState& cell, MergeEffect& effect) {
  if (is_base_pair(row, cell.column, cell.form)) {
    return join_base(row, CellState(cell));
  }
  auto content = content_of(cell);
  return content && join_content_into(row, cell.column, std::move(*content), nullptr, effect);
}

bool join_edit(RowState& row, const RowEdit& edit, const CellEdit& cell, const Stamp& stamp,
               DocumentCache* documents, MergeEffect& effect) {
  // Whoever put the row had seen all of it.
  const Stamp replaced =
      edit.kind == EditKind::put ? std::max(cell.replaced, edit.replaced) : cell.replaced;
  if (is_base_pair(row, cell.column, cell.form)) {
    return join_base(row, {cell.column, cell.form, stamp, cell.value, replaced});
  }
  auto content = content_of(cell, stamp, replaced);
  return content && join_content_into(row, cell.column, std::move(*content), documents, effect);
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

MergeEffect merge_edit(RowState& row, const RowEdit& edit, const Stamp& stamp,
                       DocumentCache* documents) {
  MergeEffect effect;
  if (stamp.is_zero()) {
    return effect;  // A zero stamp means nothing, and nothing changes.
  }
  effect.concurrent = concurrency_of_edit(row, edit, stamp);
  effect.changed = join_life(row, life_of(edit, stamp));
  if (edit.kind != EditKind::erase) {
    for (const CellEdit& cell : edit.cells) {
      effect.changed |= join_edit(row, edit, cell, stamp, documents, effect);
    }
  }
  return effect;
}

MergeEffect merge_state(RowState& row, const RowState& other) {
  MergeEffect effect;
  effect.concurrent = concurrency_of_states(row, other);
  effect.changed = join_life(row, other);
  for (const CellState& cell : other.cells) {
    effect.changed |= join_cell(row, cell, effect);
  }
  return effect;
}

}  // namespace syncline
