#include "model/concurrency.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "model/cell_content.h"

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

using Pair = std::optional<Concurrency>;

Pair base_pair(const std::string& column, const CellContent& edit, const CellContent& present) {
  if (edit.base.is_zero() || present.base.is_zero() ||
      !arrives_concurrent(edit.base, edit.base_replaced, present.base, present.base_replaced)) {
    return std::nullopt;
  }
  return cell_pair(column, {edit.base, edit.base_value}, {present.base, present.base_value});
}

// Counts do not compete with each other, only with a base that makes them void.
Pair count_pair(const std::string& column, const CounterEntry& edit, const CellContent& present) {
  if (!(edit.base < present.base) ||
      !arrives_concurrent(edit.stamp, edit.base, present.base, present.base_replaced)) {
    return std::nullopt;
  }
  return cell_pair(column, {edit.stamp, Value()}, {present.base, present.base_value});
}

// Nor do the edits of a document.
Pair document_pair(const std::string& column, const DocContent& edit, const CellContent& present) {
  const Stamp& stamp = edit.newest[0];
  if (!(edit.base.stamp < present.base) ||
      !arrives_concurrent(stamp, edit.base.stamp, present.base, present.base_replaced)) {
    return std::nullopt;
  }
  return cell_pair(column, {stamp, Value()}, {present.base, present.base_value});
}

// What a new base throws away that its writer had not seen: the newest of it.
Pair lost_under_base(const std::string& column, const CellContent& edit,
                     const CellContent& present) {
  Stamp lost;
  const auto look = [&](const Stamp& stamp, const Stamp& void_below) {
    if (void_below < edit.base && edit.base_replaced < stamp &&
        stamp.replica != edit.base.replica) {
      lost = std::max(lost, stamp);
    }
  };
  for (const CounterEntry& entry : present.counts) {
    look(entry.stamp, entry.base);
  }
  for (const JsonEntry& entry : present.fields) {
    look(entry.stamp, entry.stamp);
  }
  for (const Stamp& stamp : present.document.newest) {
    look(stamp, present.document.base.stamp);
  }
  if (lost.is_zero()) {
    return std::nullopt;
  }
  return cell_pair(column, {edit.base, edit.base_value}, {lost, Value()});
}

Pair field_pair(const std::string& column, const CellContent& edit, const Stamp& stamp,
                const Stamp& seen, const CellContent& present) {
  if (stamp < present.base) {
    return arrives_concurrent(stamp, seen, present.base, present.base_replaced)
               ? Pair(cell_pair(column, {stamp, Value()}, {present.base, present.base_value}))
               : std::nullopt;
  }
  Stamp other;
  for_each_overlap(edit.fields, present.fields, [&](const JsonEntry& entry) {
    if (arrives_concurrent(stamp, seen, entry.stamp, Stamp())) {
      other = std::max(other, entry.stamp);
    }
  });
  return other.is_zero() ? std::nullopt
                         : Pair(cell_pair(column, {stamp, Value()}, {other, Value()}));
}

// `seen` is what the edit's writer had seen of the cell.
Pair pair_of_cells(const CellEdit& cell, const Stamp& stamp, const Stamp& seen,
                   const CellState& present) {
  if (is_base_form(cell.form) && is_base_form(present.form)) {
    return arrives_concurrent(stamp, seen, present.stamp, present.replaced)
               ? Pair(cell_pair(cell.column, side_of(cell, stamp), side_of(present)))
               : std::nullopt;
  }
  const auto edit = content_of(cell, stamp, seen);
  const auto content = content_of(present);
  if (!edit || !content) {
    return std::nullopt;
  }
  if (!edit->counts.empty()) {
    return count_pair(cell.column, edit->counts[0], *content);
  }
  if (!edit->fields.empty()) {
    return field_pair(cell.column, *edit, stamp, seen, *content);
  }
  if (!edit->document.empty()) {
    return document_pair(cell.column, edit->document, *content);
  }
  Pair pair = base_pair(cell.column, *edit, *content);
  return pair ? pair : lost_under_base(cell.column, *edit, *content);
}

void add(std::vector<Concurrency>& out, Pair pair) {
  if (pair) {
    out.push_back(std::move(*pair));
  }
}

void report_set(const RowState& row, const RowEdit& edit, const Stamp& stamp,
                std::vector<Concurrency>& out) {
  if (is_dead(row) && meets_death(row, edit, stamp)) {
    out.push_back(pair_of(Kind::edit_erased, stamp, row.life));
  }
  for (const CellEdit& cell : edit.cells) {
    const CellState* present = row.find(cell.column);
    if (present != nullptr) {
      add(out, pair_of_cells(cell, stamp, cell.replaced, *present));
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
    if (named != nullptr) {
      const Stamp seen = std::max(edit.replaced, named->replaced);
      add(out, pair_of_cells(*named, stamp, seen, present));
    } else if (present.stamp < stamp &&
               arrives_concurrent(stamp, edit.replaced, present.stamp, present.replaced)) {
      out.push_back(cell_pair(present.column, {stamp, Value()}, side_of(present)));
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
    if (present != nullptr && is_base_form(cell.form) && is_base_form(present->form) &&
        is_concurrent(cell.stamp, cell.replaced, present->stamp, present->replaced)) {
      out.push_back(cell_pair(cell.column, side_of(cell), side_of(*present)));
    }
  }
  return out;
}

}  // namespace syncline
