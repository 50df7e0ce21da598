#pragma once

#include "model/change.h"
#include "model/row_state.h"

namespace syncline {

// Rows and changes that tests of the codecs share.

inline ReplicaId sample_replica(int number) {
  ReplicaId id;
  id.bytes.fill(static_cast<std::uint8_t>(number));
  return id;
}

inline Stamp sample_stamp(std::uint64_t ms, int replica) {
  return {ms << Stamp::counter_bits, sample_replica(replica)};
}

inline RowKey sample_key(std::int64_t id) {
  const ValueView values[] = {ValueView::of(id)};
  return make_key(values);
}

inline Change sample_change() {
  Change change;
  change.sequence = ChangeSequence(3);
  change.stamp = sample_stamp(1000, 1);
  change.schema_version = 2;
  RowEdit put{EditKind::put, "notes", sample_key(1), {}, {}};
  put.cells = {{"body", CellForm::plain, Value::text("hello"), {}},
               {"rank", CellForm::plain, Value::real(1.5), {}}};
  RowEdit set{EditKind::set, "notes", sample_key(2), {}, {}};
  set.cells = {{"body", CellForm::plain, Value(), sample_stamp(900, 2)},
               {"rank", CellForm::plain, Value::integer(-7), sample_stamp(800, 1)}};
  RowEdit erase{EditKind::erase, "tags", sample_key(3), sample_stamp(700, 3), {}};
  change.edits = {put, set, erase};
  return change;
}

inline RowState sample_state() {
  RowState state;
  state.life = sample_stamp(500, 1);
  state.alive = true;
  state.cells = {{"body", CellForm::plain, state.life, Value::text("born"), {}},
                 {"count", CellForm::plain, sample_stamp(600, 2), Value::integer(9), {}},
                 {"rank", CellForm::plain, state.life, Value(), {}}};
  return state;
}

}  // namespace syncline
