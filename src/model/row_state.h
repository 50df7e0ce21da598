#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/change.h"

namespace syncline {

// How much room a cell has for more parts: replicas that counted, fields that were set, writers of
// a document.
enum class CellRoom : std::uint8_t {
  ample,
  scarce,  // more than half of what can be read is there
  none,    // nobody could read it
};

struct CellState {
  std::string column;
  CellForm form = CellForm::plain;
  // For counter, json and doc: the newest stamp that went into it.
  Stamp stamp;
  Value value;
  // The stamp that the winning edit replaced; zero when unknown. Lets a late arrival see that the
  // winner had already seen it.
  Stamp replaced;

  friend bool operator==(const CellState&, const CellState&) = default;
};

// Everything that is known about one row: its life and its cells.
//
// Invariants:
// 1. Cells are sorted by column, each column once.
// 2. No cell is older than the life: such a cell is void and dropped.
// 3. A dead row holds only cells newer than its death.
// 4. A row that was never heard of has a zero life, is not alive and may hold cells that came
//    before their put.
struct RowState {
  Stamp life;
  bool alive = false;
  // What the put or erase that made this life had seen of the row.
  Stamp life_replaced;
  std::vector<CellState> cells;

  // Null when there is no such cell.
  CellState* find(std::string_view column);
  const CellState* find(std::string_view column) const;
  // Whether the row's life makes content of that stamp void (invariants 2 and 3).
  bool voids(const Stamp& stamp) const { return stamp < life || (!alive && stamp == life); }
  // The newest stamp anywhere in the row.
  Stamp newest() const;

  friend bool operator==(const RowState&, const RowState&) = default;
};

}  // namespace syncline
