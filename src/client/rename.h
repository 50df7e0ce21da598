#pragma once

#include <functional>
#include <optional>
#include <string>

#include "model/row_state.h"
#include "sqlite/connection.h"
#include "wire/change_codec.h"

namespace syncline {

// How stamps are called from now on, in everything that holds stamps in full: encoded changes, and
// what lies beside the tables. A replica's clock was wrong, or the replica is a copy and gets an id
// of its own.
struct Renaming {
  std::function<Stamp(const Stamp& stamp)> stamp;
  // For a copy: what the original had counted before the changes that the copy keeps, since a
  // counter's edit carries its replica's running total on the value that it counts from, `base`.
  // Nothing where nothing was.
  std::function<std::optional<Value>(std::string_view table, Bytes key, std::string_view column,
                                     const Stamp& base)>
      counted;
  ReplicaId original;
};

Result<RowState> renamed_state(const Renaming& how, std::string_view table, Bytes key,
                               const RowState& state);
Result<CellState> renamed_cell(const Renaming& how, std::string_view table, Bytes key,
                               const CellState& cell);
// One part of a change, with another header.
Result<ByteVector> renamed_part(const Renaming& how, Bytes part, const PartHeader& header);

// syncline_cells and syncline_held_rows. Runs in the caller's transaction.
Result<void> rename_stored_states(const Renaming& how, Connection connection);

// `total` without `part`, both integer or real.
Value without(const ValueView& total, const ValueView& part);

}  // namespace syncline
