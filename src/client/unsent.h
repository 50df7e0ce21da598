#pragma once

#include <string>

#include "client/outbox.h"
#include "model/row_state.h"

namespace syncline {

// The edits of unsent changes, found by row: what has to be merged on top when a row is made what
// the server says it is. Kept beside the database while somebody asks (a temporary table), so that
// memory does not grow with the outbox.
class Unsent {
 public:
  Unsent(Connection connection, Outbox& outbox) : connection_(connection), outbox_(outbox) {}

  // Takes in what was written since the last call. Call before rows change, in the same
  // transaction as what follows.
  Result<void> catch_up();
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
