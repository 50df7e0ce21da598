#include "client/extract.h"

#include <algorithm>
#include <tuple>

#include "base/mutant.h"
#include "base/sort.h"
#include "model/merge.h"
#include "wire/limits.h"

namespace syncline {
namespace {

RowId plus(RowId row, std::uint64_t count) {
  return static_cast<RowId>(static_cast<std::uint64_t>(row) + count);
}

// What edits of counters and documents say, by table, row and column.
using RichEdit = std::pair<CellForm, Bytes>;
using RichEdits = std::map<std::tuple<TableId, RowId, std::uint16_t>, RichEdit>;

}  // namespace

// The change being written out.
struct Extract::Running {
  const Range& range;
  Sink sink;
  LogRow row;
  Stamp stamp;
  ClockTime time;
  bool exact = false;
  // Of whose change the row tells the rest; zero for bookkeeping that belongs to none.
  Stamp rest_of;
  ReplacedReader replaced;
  RowWriter rows;
  // States that are not of the change: rows that it drove out of their table, or let in.
  RowWriter extras;
  std::uint64_t index = 0;
  TableId table = 0;
  TableId extras_table = 0;
  bool stopped = false;
  // Of the table being written: column positions in the order in which they stand on the wire,
  // which is the table's own.
  std::vector<std::uint16_t> all_positions;
  std::vector<std::uint16_t> positions;
  std::vector<Stamp> stamps;
  RichEdits rich;
  Writer key;

  // Of the table being written; null where the value is all there is to say.
  const RichEdit* find_rich(RowId row_id, std::uint16_t column) const {
    const auto found = rich.empty() ? rich.end() : rich.find({table, row_id, column});
    return found == rich.end() ? nullptr : &found->second;
  }
};

Result<TableAccess*> TableSet::access(TableId id) {
  SL_TRY(const TrackedTable* table, catalog_.table(id));
  if (generation_ != catalog_.generation()) {
    // The catalog was read anew: statements name old columns, and their table is gone.
    generation_ = catalog_.generation();
    release();
  }
  std::unique_ptr<TableAccess>& slot = tables_[id];
  if (slot == nullptr) {
    slot = std::make_unique<TableAccess>(connection_, *table);
  }
  return slot.get();
}

// What became of the last change's rows stands behind the range, so old values are read up to the
// log's end.
Result<void> Extract::changes(const Range& range, Sink sink) {
  // Another connection may have put the first cell beside a table since.
  rows_.forget();
  held_.forget();
  SL_TRY(clocks_.settle_puts(range.after, range.through));
  SL_TRY(const LogHead head, log_.head());
  SL_TRY(old_values_.cover(std::min(range.after.next(), head.version), head.version));
  // The change that was told whole just now: what became of its rows here stands behind it.
  LocalVersion told;
  Stamp told_stamp;
  untold_ = LocalVersion();
  return log_.for_each(
      range.after, range.through,
      [&](const LogRow& row, std::span<const Bytes> parts, Bytes stored) -> Result<bool> {
        const bool own = row.origin == first_own_origin;
        const bool frozen = row.form == LogForm::frozen || row.form == LogForm::frozen_parts;
        // Only what is to be sent from here is ever frozen, be it imported.
        if (range.own_only && !own && !frozen) {
          return true;
        }
        // Our own bookkeeping (a held row installed, a snapshot) is nobody's change.
        const OriginId author = row.origin == 0 ? first_own_origin : row.origin;
        SL_TRY(const Stamp stamp, origins_.stamp_of({row.time, author}));
        if (frozen) {
          told = row.version;
          told_stamp = stamp;
          for (const Bytes part : parts) {
            Reader in(part);
            untold_ = own && row.version > range.acknowledged ? row.version : LocalVersion();
            SL_TRY(const PartHeader header, read_part_header(in));
            untold_ = LocalVersion();
            SL_TRY(const bool more, sink(row, header, part));
            if (!more) {
              return false;
            }
          }
          return true;
        }
        const bool follows = row.origin == 0 && row.version == told.next() &&
                             row.time == told_stamp.time && told != LocalVersion();
        SL_TRY(ReplacedReader replaced,
               ReplacedReader::open(clocks_.replaced_by(row.version, stored)));
        Running running{range,
                        sink,
                        row,
                        stamp,
                        ClockTime{row.time, row.origin},
                        own && row.version > range.acknowledged,
                        follows                             ? told_stamp
                        : row.sequence != ChangeSequence(0) ? stamp
                                                            : Stamp(),
                        std::move(replaced),
                        RowWriter(stamp.replica),
                        RowWriter(stamp.replica),
                        0,
                        0,
                        0,
                        false,
                        {},
                        {},
                        {},
                        {},
                        {}};
        auto more = one_change(running, parts);
        if (!more && running.exact) {
          untold_ = row.version;
        }
        return more;
      });
}

Result<bool> Extract::one_change(Running& running, std::span<const Bytes> parts) {
  LogRun run;
  for (const Bytes part : parts) {
    // What counters and documents say of their edits stands behind the run that it describes.
    running.rich.clear();
    LogBodyReader ahead(part);
    for (;;) {
      SL_TRY(const bool more, ahead.next(run));
      if (!more) {
        break;
      }
      if (run.kind == OpKind::rich) {
        running.rich[{ahead.table(), run.first, run.column}] = {static_cast<CellForm>(run.form),
                                                                run.edit};
      }
    }
    LogBodyReader body(part);
    for (;;) {
      SL_TRY(const bool more, body.next(run));
      if (!more) {
        break;
      }
      if (run.kind == OpKind::rich) {
        continue;
      }
      if (run.kind == OpKind::put) {
        running.replaced.begin_put();
      }
      auto access = tables_.access(body.table());
      if (!access && access.error().code() == ErrorCode::not_found) {
        // Untracked since: nothing of it is synced any more.
        SL_TRY(pass_over(running, run));
        continue;
      }
      SL_TRY(std::move(access));
      SL_TRY(TableAccess * table, tables_.access(body.table()));
      if (running.table != body.table()) {
        SL_TRY(begin_table(running, table->table()));
      }
      SL_TRY(one_run(running, *table, run));
      table->end_range();
      if (running.stopped) {
        return false;
      }
    }
  }
  // Our own bookkeeping has nothing but states.
  if (running.row.sequence != ChangeSequence(0)) {
    SL_TRY(const bool more, flush(running, true));
    if (!more) {
      return false;
    }
  }
  SL_TRY(flush_extras(running));
  return !running.stopped;
}

// What was noted of a run that is not told.
Result<void> Extract::pass_over(Running& running, const LogRun& run) {
  if (running.row.origin != first_own_origin) {
    return {};
  }
  if (run.kind == OpKind::over || run.kind == OpKind::erase) {
    SL_TRY(running.replaced.row());
  }
  std::vector<ClockTime> seen;
  for (std::uint64_t i = 0; run.kind == OpKind::set && i < run.count; ++i) {
    SL_TRY(running.replaced.cells(run.columns.size(), seen));
  }
  return {};
}

Result<void> Extract::begin_table(Running& running, const TrackedTable& table) {
  running.table = table.id;
  std::vector<std::string> names;
  running.all_positions.clear();
  for (const TrackedColumn& column : table.columns) {
    running.all_positions.push_back(static_cast<std::uint16_t>(names.size()));
    names.push_back(column.name);
  }
  running.rows.begin_table(table.name, table.key.size(), names);
  return {};
}

// Where a state of this table's rows is written.
Result<RowWriter*> Extract::extras_of(Running& running, const TrackedTable& table) {
  if (running.extras.size() >= limits::part_bytes_target) {
    SL_TRY(flush_extras(running));
  }
  if (running.extras_table != table.id) {
    running.extras_table = table.id;
    std::vector<std::string> names;
    for (const TrackedColumn& column : table.columns) {
      names.push_back(column.name);
    }
    running.extras.begin_table(table.name, table.key.size(), names);
  }
  return &running.extras;
}

// A part of its own, because whoever has seen the change skips what comes with it.
Result<void> Extract::flush_extras(Running& running) {
  running.extras_table = 0;
  if (running.extras.empty() || running.stopped) {
    return {};
  }
  const PartHeader header{ChangeSequence(0), running.stamp, running.range.schema_version, 0, true};
  Writer out;
  write_part_header(out, header);
  out.raw(running.extras.finish());
  running.extras = RowWriter(running.stamp.replica);
  SL_TRY(const bool more, running.sink(running.row, header, out.bytes()));
  running.stopped = !more;
  return {};
}

Result<bool> Extract::flush(Running& running, bool last) {
  if (running.stopped) {
    return false;
  }
  const PartHeader header{running.row.sequence, running.stamp, running.range.schema_version,
                          running.index, last};
  Writer out;
  write_part_header(out, header);
  const ByteVector rows = running.rows.finish();
  out.raw(rows);
  running.rows = RowWriter(running.stamp.replica);
  const TableId table = running.table;
  running.table = 0;
  ++running.index;
  SL_TRY(const bool more, running.sink(running.row, header, out.bytes()));
  running.stopped = !more;
  if (!last) {
    SL_TRY(const TrackedTable* described, catalog_.table(table));
    SL_TRY(begin_table(running, *described));
  }
  return more;
}

Result<void> Extract::one_run(Running& running, TableAccess& access, const LogRun& run) {
  switch (run.kind) {
    case OpKind::put:
    case OpKind::over:
      return put_rows(running, access, run);
    case OpKind::set:
      return set_rows(running, access, run);
    case OpKind::erase:
      return erase_row(running, access, run);
    case OpKind::install:
      return install_rows(running, access, run);
    case OpKind::bury:
      return bury_row(running, access, run);
    case OpKind::aside:
      return aside_row(running, access, run.key);
    case OpKind::rich:
    case OpKind::leave:
      return {};
  }
  return {};
}

// Visits each row of a run together with what the table holds of it now, or null.
template <typename Visit>
static Result<void> for_each_row(TableAccess& access, const LogRun& run, Visit&& visit) {
  if (access.table().without_rowid || run.count == 1) {
    for (std::uint64_t i = 0; i < run.count; ++i) {
      const RowId row = plus(run.first, i);
      SL_TRY(const StoredRow* stored, access.read(row));
      SL_TRY(visit(row, stored));
    }
    return {};
  }
  SL_TRY(access.start_range(run.first, plus(run.first, run.count - 1)));
  RowId next = run.first;
  std::uint64_t left = run.count;
  while (left > 0) {
    SL_TRY(const StoredRow* stored, access.next_in_range());
    while (left > 0 && (stored == nullptr || next != stored->row)) {
      SL_TRY(visit(next, nullptr));
      next = plus(next, 1);
      --left;
    }
    if (left > 0) {
      SL_TRY(visit(next, stored));
      next = plus(next, 1);
      --left;
    }
  }
  return {};
}

static void write_cell(Writer& out, const RichEdit* edit, const ValueView& value) {
  if (edit != nullptr) {
    RowWriter::write_formed(out, edit->first, edit->second);
  } else {
    write_value(out, value);
  }
}

Result<void> Extract::put_rows(Running& running, TableAccess& access, const LogRun& run) {
  return for_each_row(access, run, [&](RowId row, const StoredRow* stored) -> Result<void> {
    SL_TRY(put_row(running, access, run, row, stored));
    if (running.rows.size() >= limits::part_bytes_target) {
      SL_TRY(flush(running, false));
    }
    return {};
  });
}

// Whether the row that stands at a place now is the one that `version` wrote there, and not another
// that the same change may have written, too. One that ended and came back is the same.
Result<bool> Extract::is_same(const TrackedTable& table, RowId row, const StoredRow& stored,
                              LocalVersion version) {
  if (!old_values_.has_left(table.id, row, version)) {
    return true;
  }
  SL_TRY(const OldValues::Past past, old_values_.past(table.id, row, version));
  return past.key == key_of(table, stored);
}

// Of somebody else's put only what stands now is known; its author tells it as it was.
Result<Stamp> Extract::put_replaced(const TrackedTable& table, Bytes key, const ClockTime& time) {
  SL_TRY(const auto tomb, clocks_.find_tomb(table.id, key));
  if (!tomb.has_value() || tomb->death.time >= time.time) {
    return Stamp();
  }
  return origins_.stamp_of(tomb->death);
}

Result<ByteVector> Extract::key_after(LocalVersion version, TableId table, RowId row) {
  auto access = tables_.access(table);
  if (!access && access.error().code() == ErrorCode::not_found) {
    return ByteVector();
  }
  SL_TRY(std::move(access));
  SL_TRY(TableAccess * found, tables_.access(table));
  SL_TRY(const LogHead head, log_.head());
  SL_TRY(old_values_.cover(std::min(version, head.version), head.version));
  SL_TRY(OldValues::Past past, old_values_.past(table, row, version));
  if (!past.key.empty()) {
    return std::move(past.key);
  }
  SL_TRY(const StoredRow* stored, found->read(row));
  ByteVector key = stored == nullptr ? ByteVector() : key_of(found->table(), *stored);
  found->end_range();
  return key;
}

Result<void> Extract::put_row(Running& running, TableAccess& access, const LogRun& run, RowId row,
                              const StoredRow* stored) {
  const TrackedTable& table = access.table();
  Stamp replaced;
  // What was replaced is known for own changes only, as in set_rows().
  const bool own = running.row.origin == first_own_origin;
  if (own) {
    const auto index = static_cast<std::uint64_t>(row) - static_cast<std::uint64_t>(run.first);
    ClockTime seen = running.replaced.put(index);
    if (run.kind == OpKind::over) {
      SL_TRY(seen, running.replaced.row());
    }
    SL_TRY(replaced, origins_.stamp_of(seen));
  }
  SL_TRY(const RowClock* clock, clocks_.find(table.id, row));
  bool stands = stored != nullptr && clock != nullptr && clock->life == running.time;
  if (stands) {
    SL_TRY(stands, is_same(table, row, *stored, running.row.version));
  }
  if (!stands && !running.exact) {
    return {};
  }
  if (!running.exact && table.has_rich()) {
    return state_row(running, access, *stored);
  }
  // In a change that is not told exactly, a cell that was overwritten since travels with its
  // present value: the later change that wrote it follows and stamps it. Leaving it out would make
  // a row that NOT NULL columns refuse in between.
  if (stands && (clock->cells.empty() || !running.exact)) {
    running.key.clear();
    for (std::size_t i = 0; i < table.key.size(); ++i) {
      write_value(running.key, stored->values[i]);
    }
    if (!own && run.kind == OpKind::put) {
      SL_TRY(replaced, put_replaced(table, running.key.bytes(), running.time));
    }
    Writer& out = running.rows.begin_row(RowKind::put, running.all_positions,
                                         std::span<const Stamp>(&replaced, 1));
    out.raw(running.key.bytes());
    for (std::size_t i = 0; i < table.columns.size(); ++i) {
      write_cell(out, running.find_rich(row, table.columns[i].id),
                 stored->values[table.key.size() + i]);
    }
    return {};
  }
  replaced =
      SL_MUTANT(43) ? Stamp() : replaced;  // as if found out anew, where nothing is left of it
  return past_row(running, access, row, stored, table.all_columns(), RowKind::put,
                  std::span<const Stamp>(&replaced, 1));
}

Result<void> Extract::set_rows(Running& running, TableAccess& access, const LogRun& run) {
  const std::size_t columns = run.columns.size();
  std::vector<ClockTime> replaced;
  return for_each_row(access, run, [&](RowId row, const StoredRow* stored) -> Result<void> {
    // What was replaced is known for own changes; of others only peers would want it.
    if (running.row.origin == first_own_origin) {
      SL_TRY(running.replaced.cells(columns, replaced));
    } else {
      replaced.assign(columns, ClockTime());
    }
    SL_TRY(set_row(running, access, run, row, stored, replaced));
    if (running.rows.size() >= limits::part_bytes_target) {
      SL_TRY(flush(running, false));
    }
    return {};
  });
}

Result<void> Extract::set_row(Running& running, TableAccess& access, const LogRun& run, RowId row,
                              const StoredRow* stored, std::span<const ClockTime> replaced) {
  const TrackedTable& table = access.table();
  SL_TRY(const RowClock* clock, clocks_.find(table.id, row));
  running.positions.clear();
  running.stamps.clear();
  std::size_t index = 0;
  bool whole = true;
  bool is_there = stored != nullptr && clock != nullptr;
  if (is_there) {
    SL_TRY(is_there, is_same(table, row, *stored, running.row.version));
  }
  Result<void> failed;
  // Column ids rise, the wire wants positions rising: the same order unless columns were added in
  // the middle by a rebuilt table, so sort below.
  std::vector<std::pair<std::uint16_t, Stamp>> columns;
  run.columns.for_each([&](std::size_t column) {
    const ClockTime& seen = replaced[index++];
    const auto id = static_cast<std::uint16_t>(column);
    const int position = table.position_of(id);
    if (position < 0 || !failed) {
      return;
    }
    const bool stands = is_there && clock->of(id) == running.time;
    whole = whole && stands;
    if (!stands && !running.exact) {
      return;
    }
    auto stamp = origins_.stamp_of(seen);
    if (!stamp) {
      failed = std::move(stamp).error();
      return;
    }
    columns.emplace_back(static_cast<std::uint16_t>(position), *stamp);
  });
  SL_TRY(std::move(failed));
  if (columns.empty()) {
    return {};
  }
  if (!running.exact && table.has_rich()) {
    // A counter's present value is no edit of its own.
    return state_row(running, access, *stored);
  }
  syncline::sort(columns.begin(), columns.end(),
                 [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const auto& [position, stamp] : columns) {
    running.positions.push_back(position);
    running.stamps.push_back(stamp);
  }
  if (running.exact && !whole) {
    return past_row(running, access, row, stored, run.columns, RowKind::set, running.stamps);
  }
  Writer& out = running.rows.begin_row(RowKind::set, running.positions, running.stamps);
  for (std::size_t i = 0; i < table.key.size(); ++i) {
    write_value(out, stored->values[i]);
  }
  for (const std::uint16_t position : running.positions) {
    write_cell(out, running.find_rich(row, table.columns[position].id),
               stored->values[table.key.size() + position]);
  }
  return {};
}

// Leaves cells out of a set, or the whole of a put; false when nothing is left.
template <typename IsLost>
static bool leave_out(RowKind kind, const IsLost& is_lost, std::vector<std::uint16_t>& positions,
                      std::vector<Stamp>& replaced) {
  if (kind == RowKind::put) {
    return std::none_of(positions.begin(), positions.end(), is_lost);
  }
  std::size_t kept = 0;
  for (std::size_t i = 0; i < positions.size(); ++i) {
    if (!is_lost(positions[i])) {
      positions[kept] = positions[i];
      replaced[kept++] = replaced[i];
    }
  }
  positions.resize(kept);
  replaced.resize(kept);
  return kept > 0;
}

// A row of an unsent change that was overwritten since: what it was stands in later log rows.
Result<void> Extract::past_row(Running& running, TableAccess& access, RowId row,
                               const StoredRow* stored, const ColumnSet& columns, RowKind kind,
                               std::span<const Stamp> replaced) {
  const TrackedTable& table = access.table();
  SL_TRY(const OldValues::Past past, old_values_.past(table.id, row, running.row.version));
  running.key.clear();
  if (!past.key.empty()) {
    running.key.raw(past.key);
  } else if (stored != nullptr) {
    for (std::size_t i = 0; i < table.key.size(); ++i) {
      write_value(running.key, stored->values[i]);
    }
  } else if (running.row.version <= running.range.once_acknowledged) {
    return {};
  } else {
    return Error(ErrorCode::corrupt, "table '" + table.name +
                                         "': a row of an unsent change is gone "
                                         "without a trace; was it written without the extension?");
  }
  std::vector<std::uint16_t> positions;
  columns.for_each([&](std::size_t column) {
    const int position = table.position_of(static_cast<std::uint16_t>(column));
    if (position >= 0) {
      positions.push_back(static_cast<std::uint16_t>(position));
    }
  });
  syncline::sort(positions.begin(), positions.end());
  std::vector<Stamp> kept_replaced;
  if (running.row.version <= running.range.once_acknowledged) {
    const auto is_lost = [&](std::uint16_t position) {
      const std::uint16_t id = table.columns[position].id;
      return running.find_rich(row, id) == nullptr && past.find(id) == nullptr &&
             (stored == nullptr || past.complete);
    };
    kept_replaced.assign(replaced.begin(), replaced.end());
    if (!leave_out(kind, is_lost, positions, kept_replaced)) {
      return {};  // the row ended since, and whoever ended it says so
    }
    replaced = kept_replaced;
  }
  Writer& out = running.rows.begin_row(kind, positions, replaced);
  out.raw(running.key.bytes());
  for (const std::uint16_t position : positions) {
    const std::uint16_t id = table.columns[position].id;
    const ByteVector* old = past.find(id);
    if (running.find_rich(row, id) != nullptr) {
      write_cell(out, running.find_rich(row, id), ValueView());
    } else if (old != nullptr) {
      out.raw(*old);
    } else if (stored != nullptr && !past.complete) {
      write_value(out, stored->values[table.key.size() + position]);
    } else {
      return Error(ErrorCode::corrupt, "table '" + table.name + "', column '" +
                                           table.columns[position].name +
                                           "': the value of an unsent change is lost");
    }
  }
  return {};
}

Result<void> Extract::erase_row(Running& running, TableAccess& access, const LogRun& run) {
  (void)access;
  Stamp replaced;
  if (running.row.origin == first_own_origin) {
    SL_TRY(const ClockTime seen, running.replaced.row());
    SL_TRY(replaced, origins_.stamp_of(seen));
  }
  Writer& out = running.rows.begin_row(RowKind::erase, {}, std::span<const Stamp>(&replaced, 1));
  out.raw(run.key);
  if (running.rows.size() >= limits::part_bytes_target) {
    SL_TRY(flush(running, false));
  }
  return {};
}

Result<void> Extract::install_rows(Running& running, TableAccess& access, const LogRun& run) {
  for (std::uint64_t i = 0; i < run.count; ++i) {
    SL_TRY(const StoredRow* stored, access.read(plus(run.first, i)));
    if (stored == nullptr) {
      continue;
    }
    const ByteVector key = key_of(access.table(), *stored);
    SL_TRY(RowWriter * extras, extras_of(running, access.table()));
    SL_TRY(LoadedRow row, rows_.load(access, key));
    if (!running.rest_of.is_zero()) {
      leave_to_later(running.rest_of, access.table(), row.state);
    }
    write_state_row(*extras, access.table(), key, row.state);
  }
  return {};
}

ByteVector Extract::key_of(const TrackedTable& table, const StoredRow& stored) {
  Writer key;
  for (std::size_t k = 0; k < table.key.size(); ++k) {
    write_value(key, stored.values[k]);
  }
  return key.take();
}

// What newer changes wrote is left to them, because they say what they replaced; only what the row
// cannot stand without stays, and what its life began with: a life without its cells would begin
// with defaults.
void Extract::leave_to_later(const Stamp& stamp, const TrackedTable& table, RowState& state) {
  std::erase_if(state.cells, [&](const CellState& cell) {
    const int position = table.position_of(cell.column);
    if (cell.form != CellForm::plain || cell.stamp <= stamp || cell.stamp == state.life ||
        position < 0) {
      return false;
    }
    const TrackedColumn& column = table.columns[static_cast<std::size_t>(position)];
    return !column.not_null || !column.default_sql.empty();
  });
}

// A row of the running change in a table whose cells are more than values.
Result<void> Extract::state_row(Running& running, TableAccess& access, const StoredRow& stored) {
  const TrackedTable& table = access.table();
  const ByteVector key = key_of(table, stored);
  SL_TRY(LoadedRow row, rows_.load(access, key));
  leave_to_later(running.stamp, table, row.state);
  write_state_row(running.rows, table, key, row.state);
  return {};
}

// What is kept of a row outside its table may be all that others will hear of a change.
Result<void> Extract::aside_row(Running& running, TableAccess& access, Bytes key) {
  const TrackedTable& table = access.table();
  SL_TRY(LoadedRow row, rows_.load(access, key));
  SL_TRY(const std::optional<HeldRow> held, held_.find(table.name, key));
  if (held.has_value()) {
    merge_state(row.state, held->state);
  }
  std::vector<std::string> names;
  for (const CellState& cell : row.state.cells) {
    names.push_back(cell.column);
  }
  // Its columns are its own, of which the table need not know all.
  SL_TRY(RowWriter * extras, extras_of(running, table));
  extras->begin_table(table.name, table.key.size(), names);
  write_state_cells(*extras, names, key, row.state);
  running.extras_table = 0;
  return {};
}

Result<void> Extract::bury_row(Running& running, TableAccess& access, const LogRun& run) {
  Reader encoded(run.clock);
  SL_TRY(const Tomb tomb, read_tomb(encoded));
  SL_TRY(const Stamp death, origins_.stamp_of(tomb.death));
  SL_TRY(RowWriter * extras, extras_of(running, access.table()));
  Writer& out = extras->begin_state(false, death, {});
  out.raw(run.key);
  extras->begin_newer_cells(0);
  return {};
}

Result<std::optional<Value>> Extract::value_before(TableId table, RowId row, std::uint16_t column,
                                                   const ClockTime& time) {
  SL_TRY(const auto version,
         connection_.query_int(
             "SELECT version FROM syncline_log WHERE origin = " + std::to_string(time.origin) +
             " AND time = " + std::to_string(static_cast<std::int64_t>(time.time))));
  if (!version.has_value()) {
    return std::optional<Value>();
  }
  const LocalVersion before(static_cast<std::uint64_t>(*version) - 1);
  SL_TRY(const LogHead head, log_.head());
  OldValues values(connection_, log_);
  SL_TRY(values.cover(before, head.version));
  SL_TRY(const OldValues::Past past, values.past(table, row, before));
  const ByteVector* found = past.find(column);
  if (found == nullptr) {
    return std::optional<Value>();
  }
  Reader in(*found);
  DecodedValue value;
  SL_TRY(value.read(in));
  return std::optional<Value>(Value(value.view()));
}

}  // namespace syncline
