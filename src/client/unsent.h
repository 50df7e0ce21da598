#pragma once

#include <string>

#include "client/outbox.h"
#include "model/hlc.h"
#include "model/row_state.h"

namespace syncline {

// Stamped by a clock so far ahead that no server takes it now.
inline bool is_far_ahead(const Stamp& stamp, std::int64_t now_ms) {
  return static_cast<std::int64_t>(stamp.ms()) > now_ms + skew_ms_max;
}

// The edits of unsent changes, found by row: what has to be merged on top when a row is made what
// the server says it is. Kept beside the database while somebody asks (a temporary table), so that
// memory does not grow with the outbox.
class Unsent {
 public:
  Unsent(Connection connection, Outbox& outbox) : connection_(connection), outbox_(outbox) {}

  // Takes in what was written since the last call. Call before rows change, in the same
  // transaction as what follows. What others stamped far ahead of `now_ms` no server takes: it must
  // not keep `own` from agreeing with one, and comes with the stamp that its author will give it.
  Result<void> catch_up(const ReplicaId& own, std::int64_t now_ms);
  // Merges every unsent edit of the row, oldest first.
  Result<void> merge_into(const std::string& table, Bytes key, RowState& state);
  // The change was refused: its edits count no more. Its stamp names it.
  Result<void> drop(LocalVersion version);
  // Stamps, identities or acknowledgements changed: everything is read anew.
  void forget() { there_ = false; }

 private:
  Result<void> enter(const OutboxChange& change);

  Connection connection_;
  Outbox& outbox_;
  bool there_ = false;
  LocalVersion through_;
};

}  // namespace syncline
