#include "model/concurrency.h"

#include <algorithm>
#include <string>
#include <utility>

namespace syncline {
namespace {

using Kind = Concurrency::Kind;

// One side of a cell's pair: a plain value, or none to show.
struct Side {
  Stamp stamp;
  Value value;
};

Side side_of(const CellState& cell) {
  return {cell.stamp, cell.form == CellForm::plain ? cell.value : Value()};
}
Side side_of(const CellEdit& cell, const Stamp& stamp) {
  return {stamp, cell.form == CellForm::plain ? cell.value : Value()};
}

Concurrency pair_of(Kind kind, const Stamp& a, const Stamp& b) {
  Concurrency out;
  out.kind = kind;
  out.loser = std::min(a, b);
  out.winner = std::max(a, b);
  return out;
}

Concurrency cell_pair(const std::string& column, Side a, Side b) {
  Concurrency out = pair_of(Kind::cell, a.stamp, b.stamp);
  out.column = column;
  out.loser_value = a.stamp < b.stamp ? std::move(a.value) : std::move(b.value);
  return out;
}

bool has_life(const RowState& row) { return !row.life.is_zero(); }
bool is_dead(const RowState& row) { return has_life(row) && !row.alive; }

const CellEdit* find_cell(const RowEdit& edit, const std::string& column) {
  for (const CellEdit& cell : edit.cells) {
    if (cell.column == column) {
      return &cell;
    }
  }
  return nullptr;
}

// A set of a deleted row. Its writer cannot have seen the deletion: it would have had no row to
// change, or a later put of it would be here too.
bool meets_death(const RowState& row, const RowEdit& edit, const Stamp& stamp) {
  if (stamp < row.life) {
    return arrives_concurrent(stamp, Stamp(), row.life, row.life_replaced);
  }
  const bool is_repeated =
      std::any_of(edit.cells.begin(), edit.cells.end(), [&](const CellEdit& cell) {
        const CellState* present = row.find(cell.column);
        return present != nullptr && present->stamp == stamp;
      });
  return stamp.replica != row.life.replica && !is_repeated;
}

void report_set(const RowState& row, const RowEdit& edit, const Stamp& stamp,
                std::vector<Concurrency>& out) {
  if (is_dead(row) && meets_death(row, edit, stamp)) {
    out.push_back(pair_of(Kind::edit_erased, stamp, row.life));
  }
  for (const CellEdit& cell : edit.cells) {
    const CellState* present = row.find(cell.column);
    if (present != nullptr) {
      if (arrives_concurrent(stamp, cell.replaced, present->stamp, present->replaced)) {
        out.push_back(cell_pair(cell.column, side_of(cell, stamp), side_of(*present)));
      }
    } else if (row.alive && stamp < row.life &&
               arrives_concurrent(stamp, cell.replaced, row.life, row.life_replaced)) {
      // Void by a put that did not even name the column: lost all the same.
      out.push_back(cell_pair(cell.column, side_of(cell, stamp), {row.life, Value()}));
    }
  }
}

void report_put(const RowState& row, const RowEdit& edit, const Stamp& stamp,
                std::vector<Concurrency>& out) {
  if (has_life(row) && arrives_concurrent(stamp, edit.replaced, row.life, row.life_replaced)) {
    out.push_back(pair_of(row.alive ? Kind::life : Kind::edit_erased, stamp, row.life));
  }
  for (const CellState& present : row.cells) {
    const CellEdit* named = find_cell(edit, present.column);
    if (named == nullptr && stamp < present.stamp) {
      continue;  // The put leaves this cell alone.
    }
    const Stamp seen = named == nullptr ? edit.replaced : std::max(edit.replaced, named->replaced);
    if (arrives_concurrent(stamp, seen, present.stamp, present.replaced)) {
      Side side = named == nullptr ? Side{stamp, Value()} : side_of(*named, stamp);
      out.push_back(cell_pair(present.column, std::move(side), side_of(present)));
    }
  }
}

void report_erase(const RowState& row, const RowEdit& edit, const Stamp& stamp,
                  std::vector<Concurrency>& out) {
  if (is_dead(row) || stamp == row.life) {
    return;  // Two deletions agree.
  }
  if (has_life(row) && arrives_concurrent(stamp, edit.replaced, row.life, row.life_replaced)) {
    out.push_back(pair_of(Kind::edit_erased, stamp, row.life));
    return;
  }
  if (stamp < row.life) {
    return;  // Whoever put the row again had seen it deleted.
  }
  const CellState* newest = nullptr;
  for (const CellState& cell : row.cells) {
    if (arrives_concurrent(stamp, edit.replaced, cell.stamp, cell.replaced) &&
        (newest == nullptr || newest->stamp < cell.stamp)) {
      newest = &cell;
    }
  }
  if (newest != nullptr) {
    out.push_back(pair_of(Kind::edit_erased, stamp, newest->stamp));
  }
}

}  // namespace

std::vector<Concurrency> concurrency_of_edit(const RowState& row, const RowEdit& edit,
                                             const Stamp& stamp) {
  std::vector<Concurrency> out;
  switch (edit.kind) {
    case EditKind::put:
      report_put(row, edit, stamp, out);
      break;
    case EditKind::set:
      report_set(row, edit, stamp, out);
      break;
    case EditKind::erase:
      report_erase(row, edit, stamp, out);
      break;
  }
  return out;
}

std::vector<Concurrency> concurrency_of_states(const RowState& row, const RowState& other) {
  std::vector<Concurrency> out;
  if (has_life(row) && has_life(other) && (row.alive || other.alive) &&
      is_concurrent(other.life, other.life_replaced, row.life, row.life_replaced)) {
    const bool both_alive = row.alive && other.alive;
    out.push_back(pair_of(both_alive ? Kind::life : Kind::edit_erased, other.life, row.life));
  }
  for (const CellState& cell : other.cells) {
    const CellState* present = row.find(cell.column);
    if (present != nullptr &&
        is_concurrent(cell.stamp, cell.replaced, present->stamp, present->replaced)) {
      out.push_back(cell_pair(cell.column, side_of(cell), side_of(*present)));
    }
  }
  return out;
}

}  // namespace syncline
