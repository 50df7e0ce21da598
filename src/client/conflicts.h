#pragma once

#include <optional>
#include <string>
#include <vector>

#include "client/apply.h"

namespace syncline {

// What people wrote without having seen each other, under rule `manual`, kept until somebody
// decides. The rows of syncline_conflict_rows are data like the application's: they sync, so a
// conflict that is resolved on one device is closed on all.
struct ConflictRow {
  std::string id;
  std::string table;
  RowKey key;
  std::string column;
  Value base;
  Value winner;
  Value loser;
  std::string winner_stamp;
  std::string loser_stamp;
  std::string state;  // open, resolved
};

enum class Resolution { mine, theirs, merged, value };
Result<Resolution> resolution_from_name(std::string_view name);

class Conflicts {
 public:
  Conflicts(Connection connection, Catalog& catalog) : connection_(connection), catalog_(catalog) {}

  // Records a conflict; nothing happens when it is known.
  Result<void> record(const Conflict& conflict);
  Result<std::vector<ConflictRow>> open(std::size_t count_max);
  Result<std::optional<ConflictRow>> find(const std::string& id);
  Result<std::uint64_t> count();
  // Settles an open conflict: writes the value into the row, if it differs, and closes it. An
  // ordinary change of this replica. `mine` is what the replica `own` wrote. Fails with
  // `not_found`, and with `constraint` when `merged` finds edits that cannot be merged.
  Result<void> resolve(const std::string& id, Resolution how, const ValueView& value,
                       const ReplicaId& own);

 private:
  Result<Value> chosen_value(const ConflictRow& row, Resolution how, const ValueView& value,
                             const ReplicaId& own);
  static Result<Value> merge_values(const ConflictRow& row);
  Result<void> write_cell(const ConflictRow& row, const Value& value);

  Connection connection_;
  Catalog& catalog_;
};

}  // namespace syncline
