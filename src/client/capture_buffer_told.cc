// What the buffer was told of a table from some operation on, for whoever has to tell it better
// (client/capture_stops).
#include <algorithm>

#include "client/capture_buffer.h"

namespace syncline {

std::size_t CaptureBuffer::position(TableId table) const {
  const TableOps* ops = find_ops(table);
  return ops == nullptr ? 0 : ops->ops.size();
}

void CaptureBuffer::for_each_told(TableId table, std::size_t position,
                                  FunctionRef<void(const Told& told)> visit) const {
  const TableOps* ops = find_ops(table);
  for (std::size_t i = position; ops != nullptr && i < ops->ops.size(); ++i) {
    const Op& op = ops->ops[i];
    for (std::uint64_t at = 0; at < op.count; ++at) {
      Told told;
      told.row = op.first + static_cast<RowId>(at);
      told.is_known = op.between != 0;
      told.is_in_doubt = op.is_in_doubt;
      told.states = between_of(*ops, op);
      visit(told);
    }
  }
}

void CaptureBuffer::take_out(TableId table, std::size_t position, RowId row) {
  const auto end = tables_.begin() + static_cast<std::ptrdiff_t>(table_count_);
  const auto ops =
      std::find_if(tables_.begin(), end, [&](const TableOps& one) { return one.id == table; });
  for (std::size_t i = position; ops != end && i < ops->ops.size(); ++i) {
    if (ops->ops[i].first == row && ops->ops[i].between != 0) {
      ops->ops[i].count = 0;
      ops->has_doubts = true;  // so that runs without rows are not told
    }
  }
}

}  // namespace syncline
