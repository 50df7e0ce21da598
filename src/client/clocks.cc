#include "client/clocks.h"

#include <algorithm>

#include "base/sort.h"

namespace syncline {
namespace {

RowId plus(RowId row, std::uint64_t count) {
  return static_cast<RowId>(static_cast<std::uint64_t>(row) + count);
}

Error damaged(const char* what, const Error& error) {
  return Error(ErrorCode::corrupt,
               std::string("stored ") + what + " are damaged: " + error.message());
}

}  // namespace

void write_clock(Writer& out, const ClockTime& time) {
  out.varint(static_cast<std::uint64_t>(time.origin));
  if (time.origin != 0) {
    out.varint(time.time);
  }
}

Result<ClockTime> read_clock(Reader& in) {
  ClockTime out;
  SL_TRY(const std::uint64_t origin, in.varint_at_most(INT64_MAX));
  out.origin = static_cast<OriginId>(origin);
  if (origin != 0) {
    SL_TRY(out.time, in.varint());
  }
  return out;
}

void write_row_clock(Writer& out, const RowClock& clock) {
  write_clock(out, clock.life);
  out.varint(clock.cells.size());
  for (const CellClock& cell : clock.cells) {
    out.varint(cell.column);
    write_clock(out, cell.time);
  }
}

Result<RowClock> read_row_clock(Reader& in) {
  RowClock clock;
  SL_TRY(clock.life, read_clock(in));
  SL_TRY(const std::uint64_t cells, in.varint_at_most(in.remaining()));
  for (std::uint64_t i = 0; i < cells; ++i) {
    CellClock cell;
    SL_TRY(const std::uint64_t column, in.varint_at_most(UINT16_MAX));
    cell.column = static_cast<std::uint16_t>(column);
    SL_TRY(cell.time, read_clock(in));
    clock.cells.push_back(cell);
  }
  return clock;
}

void write_tomb(Writer& out, const Tomb& tomb) {
  write_clock(out, tomb.death);
  write_clock(out, tomb.replaced);
}

Result<Tomb> read_tomb(Reader& in) {
  Tomb tomb;
  SL_TRY(tomb.death, read_clock(in));
  SL_TRY(tomb.replaced, read_clock(in));
  return tomb;
}

ClockTime RowClock::of(std::uint16_t column) const {
  for (const CellClock& cell : cells) {
    if (cell.column == column) {
      return cell.time;
    }
  }
  return life;
}

ClockTime RowClock::newest() const {
  ClockTime newest = life;
  for (const CellClock& cell : cells) {
    if (cell.time.time > newest.time) {
      newest = cell.time;
    }
  }
  return newest;
}

std::uint16_t Clocks::Chunk::intern(const RowClock& clock) {
  // Neighbours mostly share their clock, and the newest clocks are the likely ones.
  for (std::size_t i = clocks.size(); i-- > 0 && clocks.size() - i <= 4;) {
    if (clocks[i] == clock) {
      return static_cast<std::uint16_t>(i);
    }
  }
  if (clocks.size() >= 2 * chunk_rows) {
    compact();
  }
  clocks.push_back(clock);
  return static_cast<std::uint16_t>(clocks.size() - 1);
}

void Clocks::Chunk::compact() {
  std::vector<RowClock> kept;
  std::vector<std::uint16_t> moved(clocks.size(), no_clock);
  for (std::uint16_t& index : clock_of) {
    if (index == no_clock) {
      continue;
    }
    if (moved[index] == no_clock) {
      moved[index] = static_cast<std::uint16_t>(kept.size());
      kept.push_back(std::move(clocks[index]));
    }
    index = moved[index];
  }
  clocks = std::move(kept);
}

void Clocks::Chunk::write(Writer& out) const {
  // Clocks in order of first use, then runs of rows: (clock or none, length).
  std::vector<std::size_t> order;
  std::vector<std::size_t> place(clocks.size(), 0);
  for (const std::uint16_t index : clock_of) {
    if (index != no_clock && place[index] == 0) {
      order.push_back(index);
      place[index] = order.size();
    }
  }
  out.varint(order.size());
  for (const std::size_t index : order) {
    write_row_clock(out, clocks[index]);
  }
  for (std::size_t i = 0; i < chunk_rows;) {
    std::size_t end = i + 1;
    while (end < chunk_rows && clock_of[end] == clock_of[i]) {
      ++end;
    }
    out.varint(clock_of[i] == no_clock ? 0 : place[clock_of[i]]);
    out.varint(end - i);
    i = end;
  }
}

Result<void> Clocks::Chunk::read(Bytes bytes) {
  Reader in(bytes);
  SL_TRY(const std::uint64_t count, in.varint_at_most(chunk_rows));
  for (std::uint64_t i = 0; i < count; ++i) {
    SL_TRY(RowClock clock, read_row_clock(in));
    clocks.push_back(std::move(clock));
  }
  for (std::size_t row = 0; row < chunk_rows;) {
    SL_TRY(const std::uint64_t clock, in.varint_at_most(count));
    SL_TRY(const std::uint64_t length, in.varint_at_most(chunk_rows - row));
    if (length == 0) {
      return Error(ErrorCode::malformed, "an empty run of clocks");
    }
    for (std::uint64_t i = 0; i < length; ++i) {
      clock_of[row++] = clock == 0 ? no_clock : static_cast<std::uint16_t>(clock - 1);
    }
  }
  return in.expect_end("a chunk of clocks");
}

Result<Clocks::Chunk*> Clocks::chunk(TableClocks& clocks, TableId table, ChunkId id) {
  if (clocks.last != nullptr && clocks.last_id == id) {
    return clocks.last;
  }
  std::unique_ptr<Chunk>& slot = clocks.chunks[id];
  if (slot == nullptr) {
    auto loaded = std::make_unique<Chunk>();
    SL_TRY(Statement * read, read_chunk_.get(connection_));
    const ResetGuard guard(*read);
    read->bind(1, table).bind(2, id);
    SL_TRY(const bool row, read->step());
    if (row) {
      auto decoded = loaded->read(read->column_blob(0));
      if (!decoded) {
        return damaged("clocks", decoded.error());
      }
    }
    slot = std::move(loaded);
  }
  clocks.last_id = id;
  clocks.last = slot.get();
  return clocks.last;
}

Result<void> Clocks::catch_up() {
  // First, because it may find that all clocks were renamed.
  SL_TRY(const LogHead head, log_.head());
  SL_TRY(Statement * read, read_folded_.get(connection_));
  LocalVersion folded;
  {
    const ResetGuard guard(*read);
    SL_TRY(const bool row, read->step());
    folded = LocalVersion(row ? static_cast<std::uint64_t>(read->column_int(0)) : 0);
  }
  if (!loaded_ || folded != folded_) {
    forget();
    folded_ = folded;
    seen_ = folded;
    loaded_ = true;
  }
  if (head.version < seen_) {
    // The log is shorter than what we saw: a rollback that nobody told us of.
    forget();
    return catch_up();
  }
  if (head.version == seen_) {
    return {};
  }
  return log_.for_each(
      seen_, head.version,
      [&](const LogRow& row, std::span<const Bytes> parts, Bytes stored) -> Result<bool> {
        const bool wanted = row.origin == first_own_origin && stored.empty();
        Writer replaced;
        displaced_.clear();
        puts_entered_ = 0;
        if (row.form == LogForm::runs || row.form == LogForm::runs_parts) {
          for (const Bytes part : parts) {
            SL_TRY(enter_part(row, part, wanted ? &replaced : nullptr));
          }
        }
        if (!replaced.empty()) {
          Writer noted;
          noted.varint(0);  // puts are settled when somebody asks
          noted.raw(replaced.bytes());
          replaced_[row.version] = noted.take();
        }
        seen_ = row.version;
        return true;
      });
}

Result<void> Clocks::enter(const LogRow& row, std::span<const Bytes> parts) {
  displaced_.clear();
  for (const Bytes part : parts) {
    SL_TRY(enter_part(row, part, nullptr));
  }
  seen_ = row.version;
  return {};
}

Result<void> Clocks::preview(const LogRow& row, std::span<const Bytes> parts) {
  displaced_.clear();
  for (const Bytes part : parts) {
    SL_TRY(enter_part(row, part, nullptr));
  }
  return {};
}

Result<void> Clocks::enter_part(const LogRow& row, Bytes part, Writer* replaced) {
  LogBodyReader body(part);
  LogRun run;
  const ClockTime time{row.time, row.origin};
  for (;;) {
    SL_TRY(const bool more, body.next(run));
    if (!more) {
      return {};
    }
    switch (run.kind) {
      case OpKind::put:
        SL_TRY(enter_put(row, body.table(), run, replaced != nullptr));
        SL_TRY(enter_rows(body.table(), run.first, run.count, RowClock{time, {}}));
        break;
      case OpKind::set:
        SL_TRY(enter_set(body.table(), run, time, replaced));
        break;
      case OpKind::over:
        SL_TRY(enter_over(body.table(), run, time, replaced));
        break;
      case OpKind::erase: {
        SL_TRY(const ClockTime seen, enter_erase(body.table(), run.first));
        enter_tomb(row, body.table(), run.key, Tomb{time, seen});
        if (replaced != nullptr) {
          write_clock(*replaced, seen);
        }
        break;
      }
      case OpKind::install: {
        Reader encoded(run.clock);
        auto clock = read_row_clock(encoded);
        if (!clock) {
          return damaged("clocks", clock.error());
        }
        SL_TRY(enter_rows(body.table(), run.first, run.count, *clock));
        break;
      }
      case OpKind::leave:
        SL_TRY(enter_erase(body.table(), run.first));
        break;
      case OpKind::bury: {
        if (run.had_row) {
          SL_TRY(enter_erase(body.table(), run.first));
        }
        Reader encoded(run.clock);
        auto tomb = syncline::read_tomb(encoded);
        if (!tomb) {
          return damaged("tombs", tomb.error());
        }
        enter_tomb(row, body.table(), run.key, *tomb);
        break;
      }
      case OpKind::rich:
      case OpKind::aside:
        break;
    }
  }
}

void Clocks::enter_tomb(const LogRow& row, TableId table, Bytes key, const Tomb& tomb) {
  TableClocks& clocks = tables_[table];
  const auto [at, is_new] =
      clocks.tombs.try_emplace(to_vector(key), TableClocks::Dated{tomb, row.version});
  if (is_new) {
    return;
  }
  if (at->second.version != LocalVersion()) {  // a preview is entered again
    clocks.deaths[at->first].emplace_back(at->second.version, at->second.tomb.death);
  }
  at->second = {tomb, row.version};
}

// Which key a rowid stands for is a question to the tables and to later log rows, and only for
// whoever tells the change.
Result<void> Clocks::enter_put(const LogRow& row, TableId table, const LogRun& run, bool wanted) {
  const std::uint64_t number = ++puts_entered_;
  if (!wanted) {
    return {};
  }
  SL_TRY(const bool tombs, may_have_tombs(table));
  if (tombs) {
    waiting_puts_[row.version].push_back({table, run.first, run.count, number});
  }
  return {};
}

Result<void> Clocks::settle_puts(LocalVersion after, LocalVersion through) {
  while (keys_ != nullptr) {
    const auto next = waiting_puts_.upper_bound(after);
    if (next == waiting_puts_.end() || next->first > through) {
      return {};
    }
    const LocalVersion version = next->first;
    Writer puts;
    std::uint64_t count = 0;
    for (const WaitingPut& put : next->second) {
      for (std::uint64_t i = 0; i < put.count; ++i) {
        SL_TRY(const ByteVector key, keys_->key_after(version, put.table, plus(put.first, i)));
        if (key.empty()) {
          continue;
        }
        SL_TRY(const ClockTime death, death_before(version, put.table, key));
        if (!death.is_zero()) {
          puts.varint(put.run);
          puts.varint(i);
          write_clock(puts, death);
          ++count;
        }
      }
    }
    waiting_puts_.erase(next);
    if (count > 0) {
      const ByteVector others = std::move(replaced_[version]);
      Writer noted;
      noted.varint(count);
      noted.raw(puts.bytes());
      noted.raw(others.empty() ? Bytes() : Bytes(others).subspan(1));
      replaced_[version] = noted.take();
    }
  }
  return {};
}

Result<ClockTime> Clocks::death_before(LocalVersion version, TableId table, Bytes key) {
  const TableClocks& clocks = tables_[table];
  const auto newest = clocks.tombs.find(key);
  if (newest != clocks.tombs.end() && newest->second.version != LocalVersion() &&
      newest->second.version < version) {
    return newest->second.tomb.death;
  }
  const auto deaths = clocks.deaths.find(key);
  if (deaths != clocks.deaths.end()) {
    for (std::size_t i = deaths->second.size(); i-- > 0;) {
      if (deaths->second[i].first < version) {
        return deaths->second[i].second;
      }
    }
  }
  SL_TRY(const std::optional<Tomb> tomb, stored_tomb(table, key));
  return tomb.has_value() ? tomb->death : ClockTime();
}

Result<void> Clocks::enter_over(TableId table, const LogRun& run, const ClockTime& time,
                                Writer* replaced) {
  RowClock clock;
  SL_TRY(const RowClock old, take_old(table, run.old_rowid));
  const ClockTime seen = old.newest();
  // A remote put may be older than some cells that it meets.
  for (const CellClock& cell : old.cells) {
    SL_TRY(const bool newer, origins_.is_newer(cell.time, time));
    if (newer) {
      clock.cells.push_back(cell);
    }
  }
  clock.life = time;
  if (replaced != nullptr) {
    write_clock(*replaced, seen);
  }
  return enter_rows(table, run.first, 1, clock);
}

Result<void> Clocks::enter_rows(TableId table, RowId first, std::uint64_t count,
                                const RowClock& clock) {
  TableClocks& clocks = tables_[table];
  while (count > 0) {
    SL_TRY(Chunk * target, chunk(clocks, table, first >> chunk_bits));
    const std::uint16_t index = target->intern(clock);
    const std::size_t start = static_cast<std::size_t>(first) & (chunk_rows - 1);
    const auto span = static_cast<std::size_t>(std::min<std::uint64_t>(count, chunk_rows - start));
    for (std::size_t i = 0; i < span; ++i) {
      std::uint16_t& slot = target->clock_of[start + i];
      // Only a row that moves leaves its rowid without an end before.
      if (slot != no_clock && target->clocks[slot].life != clock.life) {
        displaced_[{table, plus(first, i)}] = target->clocks[slot];
      }
      slot = index;
    }
    target->dirty = true;
    first = plus(first, span);
    count -= span;
  }
  return {};
}

Result<void> Clocks::enter_set(TableId table, const LogRun& run, const ClockTime& time,
                               Writer* replaced) {
  TableClocks& clocks = tables_[table];
  // Rows that had the same clock before have the same one after: computed once.
  std::uint16_t before_index = no_clock;
  std::uint16_t after_index = no_clock;
  const Chunk* memo_chunk = nullptr;
  std::uint64_t same = 0;
  std::vector<ClockTime> seen;
  std::vector<ClockTime> previous;
  const auto flush = [&] {
    if (replaced != nullptr && same > 0) {
      replaced->varint(same);
      for (const ClockTime& clock : previous) {
        write_clock(*replaced, clock);
      }
    }
    same = 0;
  };
  for (std::uint64_t i = 0; i < run.count; ++i) {
    const RowId row = plus(run.first, i);
    SL_TRY(Chunk * target, chunk(clocks, table, row >> chunk_bits));
    const std::size_t slot = static_cast<std::size_t>(row) & (chunk_rows - 1);
    const std::uint16_t old_index = target->clock_of[slot];
    if (target != memo_chunk || old_index != before_index) {
      RowClock clock = old_index == no_clock ? RowClock() : target->clocks[old_index];
      seen.clear();
      run.columns.for_each([&](std::size_t column) {
        const auto id = static_cast<std::uint16_t>(column);
        seen.push_back(clock.of(id));
        const auto at = std::lower_bound(
            clock.cells.begin(), clock.cells.end(), id,
            [](const CellClock& cell, std::uint16_t wanted) { return cell.column < wanted; });
        if (at != clock.cells.end() && at->column == id) {
          at->time = time;
        } else {
          clock.cells.insert(at, CellClock{id, time});
        }
      });
      const std::size_t size_before = target->clocks.size();
      after_index = target->intern(clock);
      // Interning may have packed the chunk and moved every index.
      before_index = target->clocks.size() < size_before ? no_clock : old_index;
      memo_chunk = target->clocks.size() < size_before ? nullptr : target;
    }
    if (replaced != nullptr) {
      if (same > 0 && seen != previous) {
        flush();
      }
      previous = seen;
      ++same;
    }
    target->clock_of[slot] = after_index;
    target->dirty = true;
  }
  flush();
  return {};
}

Result<ClockTime> Clocks::enter_erase(TableId table, RowId row) {
  SL_TRY(Chunk * target, chunk(tables_[table], table, row >> chunk_bits));
  std::uint16_t& slot = target->clock_of[static_cast<std::size_t>(row) & (chunk_rows - 1)];
  const ClockTime seen = slot == no_clock ? ClockTime() : target->clocks[slot].newest();
  slot = no_clock;
  target->dirty = true;
  return seen;
}

Result<RowClock> Clocks::take_old(TableId table, RowId row) {
  const auto moved = displaced_.find({table, row});
  if (moved != displaced_.end()) {
    RowClock clock = std::move(moved->second);
    displaced_.erase(moved);
    return clock;
  }
  SL_TRY(const RowClock* found, find(table, row));
  RowClock clock = found == nullptr ? RowClock() : *found;
  SL_TRY(enter_erase(table, row));
  return clock;
}

Result<const RowClock*> Clocks::find(TableId table, RowId row) {
  SL_TRY(const Chunk* target, chunk(tables_[table], table, row >> chunk_bits));
  const std::uint16_t index = target->clock_of[static_cast<std::size_t>(row) & (chunk_rows - 1)];
  return index == no_clock ? nullptr : &target->clocks[index];
}

Result<bool> Clocks::may_have_tombs(TableId table) {
  TableClocks& clocks = tables_[table];
  if (!clocks.tombs.empty()) {
    return true;
  }
  if (!clocks.stored_tombs.has_value()) {
    SL_TRY(Statement * any, any_tomb_.get(connection_));
    const ResetGuard guard(*any);
    any->bind(1, table);
    SL_TRY(const bool row, any->step());
    clocks.stored_tombs = row;
  }
  return *clocks.stored_tombs;
}

Result<std::optional<Tomb>> Clocks::find_tomb(TableId table, Bytes key) {
  SL_TRY(const bool possible, may_have_tombs(table));
  if (!possible) {
    return std::optional<Tomb>();
  }
  const TableClocks& clocks = tables_[table];
  const auto found = clocks.tombs.find(key);
  if (found != clocks.tombs.end()) {
    return std::optional<Tomb>(found->second.tomb);
  }
  return stored_tomb(table, key);
}

Result<std::optional<Tomb>> Clocks::stored_tomb(TableId table, Bytes key) {
  SL_TRY(Statement * read, read_tomb_.get(connection_));
  const ResetGuard guard(*read);
  read->bind(1, table).bind_blob(2, key);
  SL_TRY(const bool row, read->step());
  if (!row) {
    return std::optional<Tomb>();
  }
  Reader in(read->column_blob(0));
  auto tomb = syncline::read_tomb(in);
  if (!tomb) {
    return damaged("tombs", tomb.error());
  }
  return std::optional<Tomb>(*tomb);
}

Bytes Clocks::replaced_by(LocalVersion version, Bytes stored) const {
  if (!stored.empty()) {
    return stored;
  }
  const auto found = replaced_.find(version);
  return found == replaced_.end() ? Bytes() : Bytes(found->second);
}

Result<void> Clocks::fold() {
  SL_TRY(catch_up());
  if (seen_ == folded_) {
    return {};
  }
  SL_TRY(settle_puts(folded_, seen_));
  for (auto& [table, clocks] : tables_) {
    SL_TRY(store_chunks(table, clocks));
    SL_TRY(store_tombs(table, clocks));
  }
  SL_TRY(store_replaced());
  SL_TRY(Statement * write, write_folded_.get(connection_));
  write->bind(1, static_cast<std::int64_t>(seen_.get()));
  SL_TRY(write->run());
  folded_ = seen_;
  return {};
}

Result<void> Clocks::store_chunks(TableId table, TableClocks& clocks) {
  std::vector<ChunkId> ids;
  for (const auto& [id, stored] : clocks.chunks) {
    if (stored->dirty) {
      ids.push_back(id);
    }
  }
  syncline::sort(ids.begin(), ids.end());
  SL_TRY(Statement * write, write_chunk_.get(connection_));
  Writer body;
  for (const ChunkId id : ids) {
    Chunk& dirty = *clocks.chunks[id];
    body.clear();
    dirty.write(body);
    write->bind(1, table).bind(2, id).bind_blob(3, body.bytes());
    SL_TRY(write->run());
    dirty.dirty = false;
  }
  // Clean chunks can be read again; memory does not grow with the table.
  constexpr std::size_t chunks_kept = 4096;
  if (clocks.chunks.size() > chunks_kept) {
    clocks.chunks.clear();
    clocks.last = nullptr;
  }
  return {};
}

Result<void> Clocks::store_tombs(TableId table, TableClocks& clocks) {
  if (clocks.tombs.empty()) {
    return {};
  }
  SL_TRY(Statement * write, write_tomb_.get(connection_));
  Writer body;
  for (const auto& [key, dated] : clocks.tombs) {
    const Tomb& tomb = dated.tomb;
    body.clear();
    write_tomb(body, tomb);
    write->bind(1, table).bind_blob(2, key).bind_blob(3, body.bytes());
    SL_TRY(write->run());
  }
  clocks.tombs.clear();
  clocks.deaths.clear();
  clocks.stored_tombs = true;
  return {};
}

Result<void> Clocks::store_replaced() {
  SL_TRY(Statement * write, write_replaced_.get(connection_));
  for (const auto& [version, bytes] : replaced_) {
    write->bind(1, static_cast<std::int64_t>(version.get())).bind_blob(2, bytes);
    SL_TRY(write->run());
  }
  replaced_.clear();
  return {};
}

Result<void> Clocks::move_rows(TableId table, const std::vector<std::pair<RowId, RowId>>& moves) {
  TableClocks moved;
  for (const auto& [from, to] : moves) {
    SL_TRY(const RowClock* clock, find(table, from));
    if (clock == nullptr) {
      continue;
    }
    const RowClock kept = *clock;
    std::unique_ptr<Chunk>& slot = moved.chunks[to >> chunk_bits];
    if (slot == nullptr) {
      slot = std::make_unique<Chunk>();
    }
    slot->clock_of[static_cast<std::size_t>(to) & (chunk_rows - 1)] = slot->intern(kept);
    slot->dirty = true;
  }
  SL_TRY(connection_.execute("DELETE FROM syncline_clocks WHERE tbl = " + std::to_string(table)));
  SL_TRY(store_chunks(table, moved));
  tables_.erase(table);
  return {};
}

Result<void> Clocks::drop_tombs(std::uint64_t time) {
  SL_TRY(fold());
  std::vector<std::pair<TableId, ByteVector>> old;
  {
    SL_TRY(Statement select, connection_.prepare("SELECT tbl, key, body FROM syncline_tombs"));
    for (;;) {
      SL_TRY(const bool row, select.step());
      if (!row) {
        break;
      }
      Reader in(select.column_blob(2));
      auto tomb = syncline::read_tomb(in);
      if (!tomb) {
        return damaged("tombs", tomb.error());
      }
      if (tomb->death.time < time) {
        old.emplace_back(select.column_int(0), to_vector(select.column_blob(1)));
      }
    }
  }
  SL_TRY(Statement drop,
         connection_.prepare("DELETE FROM syncline_tombs WHERE tbl = ?1 AND key = ?2"));
  for (const auto& [table, key] : old) {
    drop.bind(1, table).bind_blob(2, key);
    SL_TRY(drop.run());
  }
  for (auto& [table, clocks] : tables_) {
    clocks.stored_tombs.reset();
  }
  return {};
}

void Clocks::forget() {
  tables_.clear();
  replaced_.clear();
  waiting_puts_.clear();
  loaded_ = false;
}

void Clocks::release() {
  for (CachedStatement* statement : {&read_folded_, &write_folded_, &read_chunk_, &write_chunk_,
                                     &read_tomb_, &any_tomb_, &write_tomb_, &write_replaced_}) {
    statement->release();
  }
}

Result<ReplacedReader> ReplacedReader::open(Bytes bytes) {
  ReplacedReader out(bytes);
  if (bytes.empty()) {
    return out;
  }
  const auto read_puts = [&]() -> Result<void> {
    SL_TRY(const std::uint64_t count, out.in_.varint_at_most(out.in_.remaining()));
    for (std::uint64_t i = 0; i < count; ++i) {
      SL_TRY(const std::uint64_t run, out.in_.varint());
      SL_TRY(const std::uint64_t row, out.in_.varint());
      SL_TRY(out.puts_[std::make_pair(run, row)], read_clock(out.in_));
    }
    return {};
  };
  if (const auto read = read_puts(); !read) {
    return damaged("replaced stamps", read.error());
  }
  return out;
}

ClockTime ReplacedReader::put(std::uint64_t index) const {
  const auto found = puts_.empty() ? puts_.end() : puts_.find({put_, index});
  return found == puts_.end() ? ClockTime() : found->second;
}

Result<ClockTime> ReplacedReader::row() { return read_clock(in_); }

Result<void> ReplacedReader::cells(std::size_t columns, std::vector<ClockTime>& out) {
  if (same_left_ == 0) {
    SL_TRY(same_left_, in_.varint());
    if (same_left_ == 0) {
      return Error(ErrorCode::corrupt, "an empty run of replaced stamps");
    }
    same_.clear();
    for (std::size_t i = 0; i < columns; ++i) {
      SL_TRY(const ClockTime clock, read_clock(in_));
      same_.push_back(clock);
    }
  }
  --same_left_;
  out = same_;
  return {};
}

}  // namespace syncline
