#include "session/rescan_walk.h"

#include "base/mutant.h"
#include "wire/limits.h"

namespace syncline {
namespace {

// Ranges of so few rows travel whole; finding the one that differs would cost more.
constexpr std::uint64_t whole_rows_max = 64;

}  // namespace

Result<void> RescanWalk::differ(const RangeDigests& compared,
                                const std::vector<ByteVector>& differing) {
  if (ranges_.size() + differing.size() > limits::rescan_ranges_open_max) {
    return Error(ErrorCode::too_large, "too many ranges of rows differ");
  }
  if (SL_MUTANT(20)) {  // believes that nothing differs
    return {};
  }
  // Last first, so that the stack hands them out in order.
  for (auto it = differing.rbegin(); it != differing.rend(); ++it) {
    if (compared.table.empty()) {
      ranges_.push_back({std::string(as_text(*it)), {}, {}, false});
      continue;
    }
    ByteVector after = compared.after;
    for (const RangeDigest& range : compared.ranges) {
      if (range.through == *it) {
        const bool whole = compared.ranges.size() == 1 || range.rows <= whole_rows_max;
        ranges_.push_back({compared.table, after, range.through, whole});
        break;
      }
      after = range.through;
    }
  }
  return {};
}

std::variant<RangeRequest, RescanRequest> RescanWalk::next() {
  const Range top = ranges_.back();
  if (top.whole) {
    return RangeRequest{top.table, top.after, top.through};
  }
  ranges_.pop_back();
  return RescanRequest{top.table, top.after, top.through};
}

Result<void> RescanWalk::received(const RangeRows& rows) {
  if (ranges_.empty() || !ranges_.back().whole || ranges_.back().table != rows.table ||
      ranges_.back().after != rows.after) {
    return Error(ErrorCode::malformed, "rows that nobody asked for");
  }
  Range& top = ranges_.back();
  if (rows.through == top.through) {
    ranges_.pop_back();
    return {};
  }
  const bool forward = !rows.through.empty() && compare_bytes(rows.through, rows.after) > 0 &&
                       (top.through.empty() || compare_bytes(rows.through, top.through) < 0);
  if (!forward) {
    return Error(ErrorCode::malformed, "a range of rows that does not move on");
  }
  top.after = rows.through;
  return {};
}

}  // namespace syncline
