#include "wire/state_part.h"

#include <algorithm>

#include "model/cell_content.h"
#include "model/value_codec.h"
#include "wire/each_row.h"

namespace syncline {
namespace {

void write_cell(Writer& to, CellForm form, const ValueView& value) {
  if (form == CellForm::plain) {
    write_value(to, value);
  } else {
    RowWriter::write_formed(to, form, value.data);
  }
}

// The row that `rows` stands at, as it came.
Result<void> copy_edit(const RowReader& rows, RowWriter& to) {
  if (rows.kind() == RowKind::state) {
    return Error(ErrorCode::malformed, "a change holds edits, not states");
  }
  std::vector<std::uint16_t> columns;
  std::vector<Stamp> replaced;
  for (std::size_t i = 0; i < rows.cell_count(); ++i) {
    columns.push_back(rows.cell(i).column);
    replaced.push_back(rows.cell(i).stamp);
  }
  if (rows.kind() != RowKind::set) {
    replaced.assign(1, rows.replaced());
  }
  Writer& out = to.begin_row(rows.kind(), columns, replaced);
  out.raw(rows.key());
  for (std::size_t i = 0; i < rows.cell_count(); ++i) {
    write_cell(out, rows.cell(i).form, rows.cell(i).value.view());
  }
  return {};
}

}  // namespace

void StatePartWriter::row(const std::string& table, Bytes key, const RowState& state) {
  const auto width = count_key_values(key);
  SL_CHECK(width.has_value());
  std::vector<std::string_view> columns;
  columns.reserve(state.cells.size());
  for (const CellState& cell : state.cells) {
    columns.emplace_back(cell.column);
    size_ += cell.value.view().data.size() + 10;
    newest_ = std::max(newest_, cell.stamp.time);
  }
  size_ += sections_.add(table, *width, columns) + key.size() + 8;
  newest_ = std::max(newest_, state.life.time);
  rows_.push_back({{to_vector(key)}, state});
}

void StatePartWriter::write_section(RowWriter& out, const TableSections::Section& section) const {
  const auto index_of = [&](const std::string& column) {
    return static_cast<std::uint16_t>(
        std::lower_bound(section.columns.begin(), section.columns.end(), column) -
        section.columns.begin());
  };
  out.begin_table(section.table, section.key_columns, section.columns);
  std::vector<std::uint16_t> with_life;
  for (const std::size_t number : section.rows) {
    const Row& row = rows_[number];
    with_life.clear();
    for (const CellState& cell : row.state.cells) {
      if (cell.stamp == row.state.life) {
        with_life.push_back(index_of(cell.column));
      }
    }
    Writer& to = out.begin_state(row.state.alive, row.state.life, with_life);
    to.raw(row.key.view());
    for (const CellState& cell : row.state.cells) {
      if (cell.stamp == row.state.life) {
        write_cell(to, cell.form, cell.value.view());
      }
    }
    out.begin_newer_cells(row.state.cells.size() - with_life.size());
    for (const CellState& cell : row.state.cells) {
      if (!(cell.stamp == row.state.life)) {
        write_cell(out.newer_cell(index_of(cell.column), cell.stamp), cell.form, cell.value.view());
      }
    }
  }
}

ByteVector StatePartWriter::finish() {
  Writer out;
  write_part_header(out, {ChangeSequence(0), {newest_, author_}, 0, 0, true});
  RowWriter rows(author_);
  for (const TableSections::Section& section : sections_.finish()) {
    write_section(rows, section);
  }
  out.raw(rows.finish());
  rows_.clear();
  size_ = 0;
  newest_ = 1;
  return out.take();
}

Result<void> read_state_part(Bytes part, StateVisit visit) {
  Reader in(part);
  SL_TRY(const PartHeader header, read_part_header(in));
  if (header.sequence != ChangeSequence(0) || header.index != 0 || !header.last) {
    return Error(ErrorCode::malformed, "expected a part of states, found a part of a change");
  }
  RowReader rows(in.rest(), header.stamp.replica);
  return for_each_row(rows, [&]() -> Result<void> {
    if (rows.kind() != RowKind::state) {
      return Error(ErrorCode::malformed, "a part of states holds an edit");
    }
    const RowState state = read_state(rows);
    for (std::size_t i = 1; i < state.cells.size(); ++i) {
      if (state.cells[i - 1].column == state.cells[i].column) {
        return Error(ErrorCode::malformed, "a row names a column twice");
      }
    }
    return visit(rows.table(), rows.key(), state);
  });
}

Result<Change> shown_by_states(Bytes part) {
  Change out;
  Reader in(part);
  SL_TRY(const PartHeader header, read_part_header(in));
  out.stamp = header.stamp;
  SL_TRY(read_state_part(
      part, [&](const std::string& table, Bytes key, const RowState& state) -> Result<void> {
        RowEdit edit;
        edit.kind = state.alive            ? EditKind::put
                    : state.life.is_zero() ? EditKind::set
                                           : EditKind::erase;
        edit.table = table;
        edit.key.bytes = to_vector(key);
        for (const CellState& cell : state.cells) {
          if (edit.kind != EditKind::erase) {
            SL_TRY(Value shown, cell_value(cell));
            edit.cells.push_back({cell.column, CellForm::plain, std::move(shown), {}});
          }
        }
        out.edits.push_back(std::move(edit));
        return {};
      }));
  return out;
}

Result<Change> shown_by_parts(std::span<const Bytes> parts) {
  if (parts.size() == 1) {
    Reader in(parts[0]);
    SL_TRY(const PartHeader header, read_part_header(in));
    if (header.sequence == ChangeSequence(0)) {
      return shown_by_states(parts[0]);
    }
  }
  return decode_parts(parts);
}

Result<ByteVector> filter_states(Bytes part, FunctionRef<bool(const std::string& table)> wanted) {
  Reader in(part);
  SL_TRY(const PartHeader header, read_part_header(in));
  StatePartWriter out(header.stamp.replica);
  SL_TRY(read_state_part(
      part, [&](const std::string& table, Bytes key, const RowState& state) -> Result<void> {
        if (wanted(table)) {
          out.row(table, key, state);
        }
        return {};
      }));
  return out.finish();
}

Result<ByteVector> filter_part(Bytes part, FunctionRef<bool(const std::string& table)> wanted) {
  Reader in(part);
  SL_TRY(const PartHeader header, read_part_header(in));
  if (header.sequence == ChangeSequence(0)) {
    return filter_states(part, wanted);
  }
  RowReader rows(in.rest(), header.stamp.replica);
  RowWriter kept(header.stamp.replica);
  bool all = true;
  for (;;) {
    SL_TRY(const bool table, rows.next_table());
    if (!table) {
      break;
    }
    if (!wanted(rows.table())) {
      all = false;
      continue;
    }
    kept.begin_table(rows.table(), rows.key_columns(), rows.columns());
    for (;;) {
      SL_TRY(const bool row, rows.next_row());
      if (!row) {
        break;
      }
      SL_TRY(copy_edit(rows, kept));
    }
  }
  if (all) {
    return to_vector(part);
  }
  Writer out;
  write_part_header(out, header);
  out.raw(kept.finish());
  return out.take();
}

}  // namespace syncline
