#pragma once

#include <string>
#include <vector>

#include "base/random.h"
#include "client/rejected.h"
#include "model/row_state.h"

namespace syncline {

// Rows that this replica holds, that are nobody's unsent change, and that its server will not have
// from it: they are going to be what the server says, and until somebody discards them they are
// listed among the rejected changes with the reason. Doing such a change again writes the rows in
// this device's own name.
class LostRows {
 public:
  LostRows(RejectedChanges& rejected, Random& random, std::int64_t now_ms)
      : rejected_(rejected), random_(random), now_ms_(now_ms) {}

  // In the order of their keys, each once. What is dead is lost to nobody, and our own tables are
  // nobody's to do again.
  Result<void> add(const std::string& table, Bytes key, const RowState& state);
  bool empty() const { return change_.edits.empty(); }
  // Lists what was added.
  Result<void> list(const std::string& code, const std::string& message);

 private:
  RejectedChanges& rejected_;
  Random& random_;
  std::int64_t now_ms_ = 0;
  Change change_;
};

}  // namespace syncline
