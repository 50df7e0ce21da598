#pragma once

#include <string>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "wire/message.h"

namespace syncline {

// Which ranges of rows still have to be compared or fetched: a stack, so that it stays as deep as
// the ranges are nested and never holds more than limits::rescan_ranges_open_max.
class RescanWalk {
 public:
  void clear() { ranges_.clear(); }
  bool empty() const { return ranges_.empty(); }

  // Of what was compared, these ranges differ. Fails with `too_large`.
  Result<void> differ(const RangeDigests& compared, const std::vector<ByteVector>& differing);
  // What to ask the server next; the walk must not be empty.
  std::variant<RangeRequest, RescanRequest> next();
  // Rows came for the range on top. Fails with `malformed` for rows that were not asked for.
  Result<void> received(const RangeRows& rows);

 private:
  struct Range {
    std::string table;
    ByteVector after;
    ByteVector through;
    bool whole = false;  // travels as rows; otherwise it is cut once more
  };
  std::vector<Range> ranges_;
};

}  // namespace syncline
