#include "model/row_state.h"

#include <algorithm>

namespace syncline {

const CellState* RowState::find(std::string_view column) const {
  const auto at = std::lower_bound(
      cells.begin(), cells.end(), column,
      [](const CellState& cell, std::string_view name) { return cell.column < name; });
  return at != cells.end() && at->column == column ? &*at : nullptr;
}

CellState* RowState::find(std::string_view column) {
  const RowState& self = *this;
  return const_cast<CellState*>(self.find(column));
}

Stamp RowState::newest() const {
  Stamp out = life;
  for (const CellState& cell : cells) {
    out = std::max(out, cell.stamp);
  }
  return out;
}

}  // namespace syncline
