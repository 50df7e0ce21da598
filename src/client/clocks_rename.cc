// The part of the clocks that gives everything stored other names: a replica's unsent changes got
// new stamps, or the replica itself a new id.
#include "client/clocks.h"

namespace syncline {

Result<void> Clocks::rename(Rename name) {
  SL_TRY(fold());
  SL_TRY(rename_chunks(name));
  SL_TRY(rename_tombs(name));
  tables_.clear();
  return {};
}

Result<void> Clocks::rename_chunks(Rename name) {
  SL_TRY(Statement select, connection_.prepare("SELECT tbl, chunk, body FROM syncline_clocks WHERE "
                                               "(tbl, chunk) > (?1, ?2) ORDER BY tbl, chunk"));
  SL_TRY(Statement * write, write_chunk_.get(connection_));
  TableId table = INT64_MIN;
  ChunkId id = INT64_MIN;
  // One at a time: a statement must not write what another one is reading.
  for (;;) {
    select.bind(1, table).bind(2, id);
    SL_TRY(const bool row, select.step());
    if (!row) {
      return {};
    }
    table = select.column_int(0);
    id = select.column_int(1);
    Chunk chunk;
    SL_TRY(chunk.read(select.column_blob(2)));
    select.reset();
    bool changed = false;
    const auto rename_one = [&](ClockTime& clock) {
      const ClockTime now = clock.is_zero() ? clock : name(clock);
      changed = changed || now != clock;
      clock = now;
    };
    for (RowClock& clock : chunk.clocks) {
      rename_one(clock.life);
      for (CellClock& cell : clock.cells) {
        rename_one(cell.time);
      }
    }
    if (changed) {
      Writer body;
      chunk.write(body);
      write->bind(1, table).bind(2, id).bind_blob(3, body.bytes());
      SL_TRY(write->run());
    }
  }
}

Result<void> Clocks::rename_tombs(Rename name) {
  SL_TRY(Statement select, connection_.prepare("SELECT tbl, key, body FROM syncline_tombs WHERE "
                                               "(tbl, key) > (?1, ?2) ORDER BY tbl, key"));
  SL_TRY(Statement * write, write_tomb_.get(connection_));
  TableId table = INT64_MIN;
  ByteVector key;
  for (;;) {
    select.bind(1, table).bind_blob(2, key);
    SL_TRY(const bool row, select.step());
    if (!row) {
      return {};
    }
    const TableId found = select.column_int(0);
    const ByteVector found_key = to_vector(select.column_blob(1));
    Reader in(select.column_blob(2));
    SL_TRY(Tomb tomb, syncline::read_tomb(in));
    select.reset();
    table = found;
    key = found_key;
    const Tomb renamed{tomb.death.is_zero() ? tomb.death : name(tomb.death),
                       tomb.replaced.is_zero() ? tomb.replaced : name(tomb.replaced)};
    if (renamed.death != tomb.death || renamed.replaced != tomb.replaced) {
      Writer body;
      write_tomb(body, renamed);
      write->bind(1, table).bind_blob(2, key).bind_blob(3, body.bytes());
      SL_TRY(write->run());
    }
  }
}

}  // namespace syncline
