#pragma once

#include <deque>
#include <optional>

#include "base/result.h"
#include "session/status.h"
#include "wire/message.h"

namespace syncline {

// A snapshot on its way in: pages that came and are not applied yet, in order, and whether what
// came is what was promised. Holds at most limits::snapshot_pages_ahead pages and one.
class SnapshotIntake {
 public:
  // A new connection; what was applied stays applied.
  void reset();

  void begin(const SnapshotBegin& begin);
  // Fails with `out_of_order` for a page that was not asked for.
  Result<void> add(SnapshotPage&& page);
  void end(const SnapshotEnd& end) { end_ = end; }

  // The next page to apply; nothing when none is there.
  std::optional<SnapshotPage> take_page();
  // The end, once every page was taken. Fails with `malformed` when the totals are not those that
  // were promised.
  Result<std::optional<SnapshotEnd>> finished() const;

  // Rows and bytes so far, those before a cut included.
  Progress progress() const;
  // Of these bytes, what came on this connection.
  std::uint64_t bytes_here() const { return bytes_ - begin_.bytes_before; }

 private:
  std::deque<SnapshotPage> pages_;
  SnapshotBegin begin_;
  std::uint64_t rows_ = 0;
  std::uint64_t bytes_ = 0;
  std::optional<SnapshotEnd> end_;
};

}  // namespace syncline
