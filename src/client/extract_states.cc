// What is told as states and is nobody's change: snapshots, tombs, held rows.
#include "client/extract.h"
#include "model/merge.h"
#include "wire/limits.h"

namespace syncline {

Result<void> Extract::snapshot(const Stamp& stamp, FunctionRef<Result<bool>(Bytes part)> sink) {
  rows_.forget();
  held_.forget();
  RowWriter rows(stamp.replica);
  const auto flush_rows = [&]() -> Result<void> {
    Writer out;
    write_part_header(out, {ChangeSequence(0), stamp, 0, 0, true});
    const ByteVector body = rows.finish();
    rows = RowWriter(stamp.replica);
    out.raw(body);
    SL_TRY(sink(out.bytes()));
    return {};
  };
  SL_TRY(const std::vector<const TrackedTable*> tables, catalog_.all_with_own());
  for (const TrackedTable* table : tables) {
    std::vector<std::string> names;
    for (const TrackedColumn& column : table->columns) {
      names.push_back(column.name);
    }
    rows.begin_table(table->name, table->key.size(), names);
    SL_TRY(TableAccess * access, tables_.access(table->id));
    SL_TRY(Statement keys, connection_.prepare(access->select_keys_sql()));
    for (;;) {
      SL_TRY(const bool more, keys.step());
      if (!more) {
        break;
      }
      Writer key;
      for (int i = 0; i < keys.column_count(); ++i) {
        write_value(key, keys.column(i));
      }
      SL_TRY(const LoadedRow row, rows_.load(*access, key.bytes()));
      write_state_row(rows, *table, key.bytes(), row.state);
      if (rows.size() >= limits::part_bytes_target) {
        SL_TRY(flush_rows());
        rows.begin_table(table->name, table->key.size(), names);
      }
    }
    SL_TRY(snapshot_tombs(*table, rows));
  }
  return flush_rows();
}

Result<void> Extract::held(const Stamp& stamp, bool all,
                           FunctionRef<Result<bool>(Bytes part)> sink) {
  RowWriter rows(stamp.replica);
  const auto flush_rows = [&]() -> Result<void> {
    if (rows.empty()) {
      return {};
    }
    Writer out;
    write_part_header(out, {ChangeSequence(0), stamp, 0, 0, true});
    out.raw(rows.finish());
    rows = RowWriter(stamp.replica);
    SL_TRY(sink(out.bytes()));
    return {};
  };
  SL_TRY(held_.for_each([&](const HeldRow& row) -> Result<void> {
    SL_TRY(const TrackedTable* table, catalog_.find(row.table));
    if (!all && table != nullptr) {
      return {};
    }
    std::vector<std::string> names;
    for (const CellState& cell : row.state.cells) {
      names.push_back(cell.column);
    }
    SL_TRY(const std::vector<Value> key, key_values(row.key.view()));
    rows.begin_table(row.table, key.size(), names);
    write_state_cells(rows, names, row.key.view(), row.state);
    if (rows.size() >= limits::part_bytes_target) {
      SL_TRY(flush_rows());
    }
    return {};
  }));
  return flush_rows();
}

// Tombs of keys that no row has: a row that came again tells more than its tomb.
Result<void> Extract::snapshot_tombs(const TrackedTable& table, RowWriter& rows) {
  SL_TRY(clocks_.fold());
  SL_TRY(Statement tombs,
         connection_.prepare("SELECT key, body FROM syncline_tombs WHERE tbl = ?1 ORDER BY key"));
  tombs.bind(1, table.id);
  SL_TRY(TableAccess * access, tables_.access(table.id));
  for (;;) {
    SL_TRY(const bool more, tombs.step());
    if (!more) {
      return {};
    }
    SL_TRY(const StoredRow* standing, access->find(tombs.column_blob(0)));
    access->end_range();
    if (standing != nullptr) {
      continue;
    }
    Reader in(tombs.column_blob(1));
    SL_TRY(const Tomb tomb, read_tomb(in));
    SL_TRY(const Stamp death, origins_.stamp_of(tomb.death));
    Writer& out = rows.begin_state(false, death, {});
    out.raw(tombs.column_blob(0));
    rows.begin_newer_cells(0);
  }
}

void write_state_row(RowWriter& rows, const TrackedTable& table, Bytes key, const RowState& state) {
  std::vector<std::string> names;
  for (const TrackedColumn& column : table.columns) {
    names.push_back(column.name);
  }
  write_state_cells(rows, names, key, state);
}

void write_state_cells(RowWriter& rows, std::span<const std::string> columns, Bytes key,
                       const RowState& state) {
  std::vector<std::uint16_t> at_life;
  std::vector<std::uint16_t> newer;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    const CellState* cell = state.find(columns[i]);
    if (cell != nullptr) {
      (state.alive && cell->stamp == state.life ? at_life : newer)
          .push_back(static_cast<std::uint16_t>(i));
    }
  }
  Writer& out = rows.begin_state(state.alive, state.life, at_life);
  out.raw(key);
  const auto write_content = [&](Writer& into, const CellState& cell) {
    if (cell.form == CellForm::plain) {
      write_value(into, cell.value.view());
    } else {
      RowWriter::write_formed(into, cell.form, cell.value.view().data);
    }
  };
  for (const std::uint16_t position : at_life) {
    write_content(out, *state.find(columns[position]));
  }
  rows.begin_newer_cells(newer.size());
  for (const std::uint16_t position : newer) {
    const CellState* cell = state.find(columns[position]);
    write_content(rows.newer_cell(position, cell->stamp), *cell);
  }
}

}  // namespace syncline
