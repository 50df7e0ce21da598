#include "client/row_store.h"

#include <algorithm>

#include "base/sort.h"
#include "model/cell_content.h"
#include "model/stamp_codec.h"
#include "wire/limits.h"

namespace syncline {
namespace {

constexpr std::size_t sound_max = 4;
constexpr std::size_t sound_bytes_min = 512;
constexpr std::size_t sound_bytes_max = std::size_t{4} << 20U;

}  // namespace

void write_cell_state(Writer& out, const CellState& cell) {
  out.text(cell.column);
  out.u8(static_cast<std::uint8_t>(cell.form));
  write_stamp(out, cell.stamp);
  write_stamp(out, cell.replaced);
  write_value(out, cell.value.view());
}

Result<CellState> read_sound_cell_state(Reader& in) {
  CellState cell;
  SL_TRY(const std::string_view column, in.text(limits::name_bytes_max));
  cell.column = column;
  SL_TRY(const std::uint8_t form, in.u8());
  if (form > static_cast<std::uint8_t>(CellForm::doc)) {
    return Error(ErrorCode::malformed, "unknown form of a cell");
  }
  cell.form = static_cast<CellForm>(form);
  SL_TRY(cell.stamp, read_stamp(in));
  SL_TRY(cell.replaced, read_stamp(in));
  DecodedValue value;
  SL_TRY(value.read(in));
  cell.value = Value(value.view());
  return cell;
}

Result<CellState> read_cell_state(Reader& in) {
  SL_TRY(CellState cell, read_sound_cell_state(in));
  SL_TRY(check_cell(cell));
  return cell;
}

void write_row_state(Writer& out, const RowState& state) {
  write_stamp(out, state.life);
  write_stamp(out, state.life_replaced);
  out.u8(state.alive ? 1 : 0);
  out.varint(state.cells.size());
  for (const CellState& cell : state.cells) {
    write_cell_state(out, cell);
  }
}

Result<RowState> read_row_state(Reader& in) {
  RowState state;
  SL_TRY(state.life, read_stamp(in));
  SL_TRY(state.life_replaced, read_stamp(in));
  SL_TRY(const std::uint8_t alive, in.u8());
  state.alive = alive != 0;
  SL_TRY(const std::uint64_t cells, in.varint_at_most(limits::columns_max));
  for (std::uint64_t i = 0; i < cells; ++i) {
    SL_TRY(CellState cell, read_cell_state(in));
    if (!state.cells.empty() && state.cells.back().column >= cell.column) {
      return Error(ErrorCode::malformed, "the cells of a row are not in order");
    }
    state.cells.push_back(std::move(cell));
  }
  return state;
}

bool RowStore::is_sound(Bytes body) const {
  return std::any_of(sound_.begin(), sound_.end(),
                     [body](const ByteVector& known) { return equal_bytes(known, body); });
}

void RowStore::note_sound(Bytes body) {
  // Small ones cost nothing to check, and the largest would cost too much to keep.
  if (body.size() < sound_bytes_min || body.size() > sound_bytes_max || is_sound(body)) {
    return;
  }
  if (sound_.size() >= sound_max) {
    sound_.erase(sound_.begin());
  }
  sound_.push_back(to_vector(body));
}

Result<bool> RowStore::may_have_extra(TableId table) {
  const auto known = no_extra_.find(table);
  if (known != no_extra_.end()) {
    return !known->second;
  }
  SL_TRY(Statement * any, any_extra_.get(connection_));
  const ResetGuard guard(*any);
  any->bind(1, table);
  SL_TRY(const bool found, any->step());
  no_extra_[table] = !found;
  return found;
}

Result<std::vector<CellState>> RowStore::extra_cells(TableId table, Bytes key) {
  std::vector<CellState> out;
  SL_TRY(const bool possible, may_have_extra(table));
  if (!possible) {
    return out;
  }
  SL_TRY(Statement * read, read_extra_.get(connection_));
  const ResetGuard guard(*read);
  read->bind(1, table).bind_blob(2, key);
  for (;;) {
    SL_TRY(const bool row, read->step());
    if (!row) {
      return out;
    }
    const Bytes body = read->column_blob(1);
    Reader in(body);
    auto cell = is_sound(body) ? read_sound_cell_state(in) : read_cell_state(in);
    if (!cell) {
      return Error(ErrorCode::corrupt, "syncline_cells is damaged: " + cell.error().message());
    }
    note_sound(body);
    out.push_back(std::move(*cell));
  }
}

Result<void> RowStore::store_extra(TableId table, Bytes key, std::span<const CellState> cells) {
  SL_TRY(Statement * drop, drop_extra_.get(connection_));
  drop->bind(1, table).bind_blob(2, key);
  SL_TRY(drop->run());
  SL_TRY(Statement * write, write_extra_.get(connection_));
  Writer body;
  for (const CellState& cell : cells) {
    body.clear();
    write_cell_state(body, cell);
    write->bind(1, table).bind_blob(2, key).bind_text(3, cell.column).bind_blob(4, body.bytes());
    SL_TRY(write->run());
    note_sound(body.bytes());
    no_extra_[table] = false;
  }
  return {};
}

Result<LoadedRow> RowStore::load(TableAccess& access, Bytes key) {
  const TrackedTable& table = access.table();
  LoadedRow out;
  SL_TRY(std::vector<CellState> extra, extra_cells(table.id, key));
  out.has_extra = !extra.empty();
  SL_TRY(const StoredRow* stored, access.find(key));
  if (stored != nullptr) {
    out.row = stored->row;
    for (const ValueView& value : stored->values) {
      out.values.emplace_back(value);
    }
    access.end_range();
    SL_TRY(const RowClock* clock, clocks_.find(table.id, *out.row));
    if (clock != nullptr) {
      out.clock = *clock;
    }
    SL_TRY(out.state.life, origins_.stamp_of(out.clock.life));
    out.state.alive = true;
    for (std::size_t i = 0; i < table.columns.size(); ++i) {
      const TrackedColumn& column = table.columns[i];
      SL_TRY(const Stamp stamp, origins_.stamp_of(out.clock.of(column.id)));
      out.state.cells.push_back(
          {column.name, CellForm::plain, stamp, out.values[table.key.size() + i], Stamp()});
    }
  } else {
    SL_TRY(const std::optional<Tomb> tomb, clocks_.find_tomb(table.id, key));
    if (tomb.has_value()) {
      SL_TRY(out.state.life, origins_.stamp_of(tomb->death));
      SL_TRY(out.state.life_replaced, origins_.stamp_of(tomb->replaced));
    }
  }
  syncline::sort(out.state.cells.begin(), out.state.cells.end(),
                 [](const CellState& a, const CellState& b) { return a.column < b.column; });
  for (CellState& cell : extra) {
    if (out.state.voids(cell.stamp)) {
      continue;  // the row ended or began anew since, by a write that did not look here
    }
    CellState* present = out.state.find(cell.column);
    if (present == nullptr) {
      out.state.cells.insert(std::upper_bound(out.state.cells.begin(), out.state.cells.end(), cell,
                                              [](const CellState& a, const CellState& b) {
                                                return a.column < b.column;
                                              }),
                             std::move(cell));
    } else if (present->stamp <= cell.stamp) {
      *present = std::move(cell);
    }
  }
  return out;
}

Result<RowClock> RowStore::clock_of(const TrackedTable& table, const RowState& state) {
  RowClock clock;
  SL_TRY(clock.life, origins_.clock_of(state.life));
  for (const TrackedColumn& column : table.columns) {
    const CellState* cell = state.find(column.name);
    if (cell != nullptr && cell->stamp > state.life) {
      SL_TRY(const ClockTime time, origins_.clock_of(cell->stamp));
      clock.cells.push_back({column.id, time});
    }
  }
  syncline::sort(clock.cells.begin(), clock.cells.end(),
                 [](const CellClock& a, const CellClock& b) { return a.column < b.column; });
  return clock;
}

Result<RowId> RowStore::write_values(TableAccess& access, Bytes key, const LoadedRow& before,
                                     const RowState& after) {
  const TrackedTable& table = access.table();
  std::vector<std::pair<std::uint16_t, Value>> wanted;
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    const TrackedColumn& column = table.columns[i];
    const CellState* cell = after.find(column.name);
    if (cell != nullptr) {
      SL_TRY(Value value, cell_value(*cell, &documents_));
      wanted.emplace_back(column.id, std::move(value));
    } else if (before.row.has_value()) {
      // The new life does not name the column: it begins with the default, as on a replica that
      // never saw the old life.
      SL_TRY(Value value, access.default_value(column));
      wanted.emplace_back(column.id, std::move(value));
    }
  }
  syncline::sort(wanted.begin(), wanted.end(),
                 [](const auto& a, const auto& b) { return a.first < b.first; });
  ColumnSet columns;
  std::vector<ValueView> values;
  for (const auto& [id, value] : wanted) {
    const std::size_t index = table.key.size() + static_cast<std::size_t>(table.position_of(id));
    if (before.row.has_value() && before.values[index] == value) {
      continue;
    }
    columns.insert(id);
    values.push_back(value.view());
  }
  if (!before.row.has_value()) {
    capture_.expect(TapKind::inserted, table);
    auto inserted = access.insert(key, columns, values);
    std::optional<RowId> row = capture_.expected_row();
    SL_TRY(const bool is_new, std::move(inserted));
    if (is_new && !capture_.is_tapped()) {
      SL_TRY(row, inserted_row(table, key));
    }
    if (!is_new || !row.has_value()) {
      return Error(ErrorCode::constraint,
                   "UNIQUE constraint failed: another row has the same key of table '" +
                       table.name + "' by its collation, or a trigger refused the row");
    }
    SL_TRY(settle_place(table, *row));
    return *row;
  }
  if (!columns.empty()) {
    capture_.expect(TapKind::updated, table);
    auto updated = access.update(*before.row, columns, values);
    (void)capture_.expected_row();
    SL_TRY(std::move(updated));
  }
  return *before.row;
}

Result<RowId> RowStore::inserted_row(const TrackedTable& table, Bytes key) {
  if (table.without_rowid) {
    return capture_.rowid_of_key(table, key);
  }
  return connection_.last_insert_rowid();
}

Result<void> RowStore::settle_place(const TrackedTable& table, RowId row) {
  if (scribe_ == nullptr || !capture_.has_acted_at(table.id, row)) {
    return {};
  }
  return scribe_->settle_captured();
}

ColumnSet RowStore::unsent_columns(const TrackedTable& table, const LoadedRow& before) const {
  ColumnSet out;
  if (!before.row.has_value()) {
    return out;
  }
  for (const TrackedColumn& column : table.columns) {
    if (may_be_told(before.clock.of(column.id))) {
      out.insert(column.id);
    }
  }
  return out;
}

void RowStore::encode_old(const TrackedTable& table, const LoadedRow& before,
                          const ColumnSet& columns) {
  old_.clear();
  columns.for_each([&](std::size_t column) {
    const auto position =
        static_cast<std::size_t>(table.position_of(static_cast<std::uint16_t>(column)));
    write_value(old_, before.values[table.key.size() + position].view());
  });
}

Result<void> RowStore::note_alive(TableAccess& access, Bytes key, const LoadedRow& before,
                                  const RowClock& clock, RowId row, const ClockTime& time,
                                  CaptureBuffer& ops) {
  const TrackedTable& table = access.table();
  const ColumnSet unsent = unsent_columns(table, before);
  encode_old(table, before, unsent);
  const bool has_old = !unsent.empty();
  if (before.row.has_value() && before.clock.life == clock.life) {
    // Only cells changed; when all of them are this change's, that is an ordinary set.
    ColumnSet changed;
    bool ours = true;
    for (const CellClock& cell : clock.cells) {
      if (before.clock.of(cell.column) != cell.time) {
        changed.insert(cell.column);
        ours = ours && cell.time == time;
      }
    }
    for (const CellClock& cell : before.clock.cells) {
      // A cell that goes back to the life's stamp (an edit that was refused): no set can say so.
      if (clock.of(cell.column) == clock.life) {
        changed.insert(cell.column);
        ours = false;
      }
    }
    if (changed.empty() && !table.has_rich()) {
      return {};
    }
    // A counter or a document changed by an edit older than its newest one keeps its clock.
    if (ours && !table.has_rich()) {
      const bool any_unsent = [&] {
        bool any = false;
        changed.for_each([&](std::size_t column) { any = any || unsent.contains(column); });
        return any;
      }();
      encode_old(table, before, changed);
      ops.set(table, row, changed, any_unsent, any_unsent ? old_.bytes() : Bytes());
      return {};
    }
  } else if (!before.row.has_value() && clock.life == time && clock.cells.empty() &&
             !table.has_rich()) {
    ops.put(table, row);
    return {};
  } else if (before.row.has_value() && clock.life == time && has_old && !table.has_rich()) {
    const ColumnSet all = table.all_columns();
    encode_old(table, before, all);
    ops.over(table, row, *before.row, key, all, true, old_.bytes(), {});
    return {};
  }
  Writer encoded;
  write_row_clock(encoded, clock);
  ops.install(table, row, encoded.bytes(), unsent, has_old, has_old ? old_.bytes() : Bytes());
  return {};
}

Result<void> RowStore::store(TableAccess& access, Bytes key, const LoadedRow& before,
                             const RowState& after, const ClockTime& time, CaptureBuffer& ops) {
  const TrackedTable& table = access.table();
  if (after.alive) {
    SL_TRY(const RowId row, write_values(access, key, before, after));
    SL_TRY(const RowClock clock, clock_of(table, after));
    SL_TRY(note_alive(access, key, before, clock, row, time, ops));
  } else if (before.row.has_value() || after.life != before.state.life) {
    SL_TRY(const ClockTime death, origins_.clock_of(after.life));
    RowId row = 0;
    if (before.row.has_value()) {
      row = *before.row;
      capture_.expect(TapKind::deleted, table);
      auto erased = access.erase(row);
      (void)capture_.expected_row();
      SL_TRY(std::move(erased));
    }
    ColumnSet columns;
    if (before.row.has_value() && !unsent_columns(table, before).empty()) {
      columns = table.all_columns();
    }
    encode_old(table, before, columns);
    if (death == time && before.row.has_value()) {
      ops.erase(table, row, key, columns, !columns.empty(), old_.bytes());
    } else {
      SL_TRY(const ClockTime replaced, origins_.clock_of(after.life_replaced));
      Writer tomb;
      write_tomb(tomb, Tomb{death, replaced});
      ops.bury(table, before.row.value_or(0), before.row.has_value(), key, tomb.bytes(), columns,
               !columns.empty(), old_.bytes());
    }
  }
  std::vector<CellState> extra;
  bool outside = false;
  for (const CellState& cell : after.cells) {
    const bool stands = after.alive && table.position_of(cell.column) >= 0;
    if (!stands || cell.form != CellForm::plain) {
      extra.push_back(cell);
    }
    outside = outside || !stands;
  }
  if (before.has_extra || !extra.empty()) {
    SL_TRY(store_extra(table.id, key, extra));
  }
  if (outside) {
    ops.aside(table, key);
  }
  return {};
}

Result<void> RowStore::remove_standing(TableAccess& access, Bytes key, const LoadedRow& before,
                                       CaptureBuffer& ops) {
  SL_CHECK(before.row.has_value());
  const TrackedTable& table = access.table();
  capture_.expect(TapKind::deleted, table);
  auto erased = access.erase(*before.row);
  (void)capture_.expected_row();
  SL_TRY(std::move(erased));
  ColumnSet columns;
  if (!unsent_columns(table, before).empty()) {
    columns = table.all_columns();
  }
  encode_old(table, before, columns);
  ops.leave(table, *before.row, key, columns, !columns.empty(), old_.bytes());
  return {};
}

void RowStore::release() {
  sound_.clear();
  for (CachedStatement* statement : {&read_extra_, &drop_extra_, &write_extra_, &any_extra_}) {
    statement->release();
  }
}

}  // namespace syncline
