#include "client/lost_rows.h"

#include <algorithm>

#include "model/cell_content.h"
#include "wire/change_codec.h"

namespace syncline {

Result<void> LostRows::add(const std::string& table, Bytes key, const RowState& state) {
  if (!state.alive || table.rfind("syncline_", 0) == 0) {
    return {};
  }
  RowEdit edit;
  edit.table = table;
  edit.key = RowKey{to_vector(key)};
  for (const CellState& cell : state.cells) {
    SL_TRY(Value shown, cell_value(cell));
    edit.cells.push_back({cell.column, CellForm::plain, std::move(shown), {}});
  }
  change_.stamp.time = std::max(change_.stamp.time, state.newest().time);
  change_.edits.push_back(std::move(edit));
  return {};
}

Result<void> LostRows::list(const std::string& code, const std::string& message) {
  if (empty()) {
    return {};
  }
  // Nobody's change, under a name of its own.
  change_.stamp.replica = ReplicaId::draw(random_);
  change_.sequence = ChangeSequence(1);
  RejectedChange kept;
  kept.stamp = change_.stamp;
  kept.sequence = change_.sequence;
  kept.code = code;
  kept.message = message;
  Writer parts;
  parts.blob(encode_change(change_));
  kept.change = parts.take();
  change_ = Change();
  return rejected_.keep(kept, now_ms_);
}

}  // namespace syncline
