#pragma once

#include <span>
#include <string>
#include <vector>

#include "client/extract.h"
#include "client/meta.h"
#include "client/table_access.h"
#include "model/change.h"

namespace syncline {

// An own change that the server refused for good: kept as it was, with the reason, until somebody
// discards it or does it again. It blocks nothing (P9).
struct RejectedChange {
  std::int64_t id = 0;
  Stamp stamp;
  ChangeSequence sequence;
  std::string code;
  std::string message;
  ByteVector change;  // one part (wire/change_codec) after the other, each with its length
};

class RejectedChanges {
 public:
  RejectedChanges(Connection connection, Catalog& catalog, TableSet& tables)
      : connection_(connection), catalog_(catalog), tables_(tables) {}

  Result<void> keep(const RejectedChange& change, std::int64_t now_ms);
  Result<std::vector<RejectedChange>> list(std::size_t count_max);
  Result<std::uint64_t> count();
  Result<void> discard(std::int64_t id);
  // What it wanted to do. Fails with `not_found`.
  Result<Change> read(std::int64_t id);
  // Does the change's edits again as new local writes, in one transaction, and forgets it.
  Result<void> retry(std::int64_t id);
  // The same with these edits in their stead.
  Result<void> retry(std::int64_t id, std::span<const RowEdit> edits);

 private:
  Result<void> redo(const RowEdit& edit);

  Connection connection_;
  Catalog& catalog_;
  TableSet& tables_;
};

}  // namespace syncline
