#include "client/rich.h"

#include "client/row_measure.h"
#include "model/cell_content.h"
#include "model/merge.h"
#include "wire/limits.h"

namespace syncline {
namespace {

LogRun run_of(RowId row, std::uint16_t column, const CellEdit& edit) {
  LogRun rich;
  rich.kind = OpKind::rich;
  rich.first = row;
  rich.column = column;
  rich.form = static_cast<std::uint8_t>(edit.form);
  return rich;
}

void tell(LogRun rich, const CellEdit& edit, LogBodyWriter& out) {
  if (edit.form == CellForm::plain) {
    return;  // the value in the table says it all
  }
  const ValueView value = edit.value.view();
  rich.edit = value.data;
  out.run(rich);
}

}  // namespace

Result<void> Rich::describe(const TrackedTable& table, const LogRun& run, const Stamp& stamp,
                            LogBodyWriter& out) {
  const bool has_puts = run.kind == OpKind::put && capture_.buffer().has_staged();
  bool has_sets = false;
  for (const TrackedColumn& column : table.columns) {
    has_sets = has_sets || (is_rich(column.rule) && run.kind == OpKind::set && run.has_old &&
                            run.columns.contains(column.id));
  }
  if (!has_sets) {
    out.run(run);
  }
  if (!has_puts && !has_sets) {
    return {};
  }
  SL_TRY(clocks_.catch_up());
  rows_.forget();
  SL_TRY(TableAccess * access, tables_.access(table.id));
  if (has_sets) {
    return describe_sets(*access, run, stamp, out);
  }
  for (std::uint64_t i = 0; i < run.count; ++i) {
    const auto row = static_cast<RowId>(static_cast<std::uint64_t>(run.first) + i);
    SL_TRY(describe_put(*access, row, stamp, out));
  }
  return {};
}

Result<void> Rich::describe_sets(TableAccess& access, const LogRun& run, const Stamp& stamp,
                                 LogBodyWriter& out) {
  Reader old_values(run.old_values);
  Told told;
  for (std::uint64_t i = 0; i < run.count; ++i) {
    const auto row = static_cast<RowId>(static_cast<std::uint64_t>(run.first) + i);
    SL_TRY(describe_row(access, row, run.columns, old_values, stamp, told));
  }
  LogRun kept = run;
  kept.old_values = told.old_values.bytes();
  out.run(kept);
  for (const auto& [rich, edit] : told.edits) {
    tell(rich, edit, out);
  }
  return {};
}

// The edit of one cell; plain when the change cannot be told as a step, as fields or as typing.
Result<Rich::Made> Rich::edit_of(const LoadedRow& loaded, RowId row, const TrackedTable& table,
                                 const TrackedColumn& column, const Stamp& stamp,
                                 const ValueView& before, const Value& after) {
  const CellState* cell = loaded.state.find(column.name);
  if (column.rule == MergeRule::json) {
    return Made{edit_document(cell, column.name, before, after.view()), std::nullopt};
  }
  CellEdit plain;
  plain.column = column.name;
  plain.value = after;
  if (is_document(column.rule)) {
    const auto staged = capture_.buffer().staged(table.id, row, column.id);
    SL_TRY(auto done, documents_.describe({loaded.state, column, staged, after, stamp}));
    return done.has_value() ? Made{std::move(done->edit), std::move(done->cell)}
                            : Made{std::move(plain), std::nullopt};
  }
  auto step = counter_step(before, after.view());
  if (!step) {
    return Made{std::move(plain), std::nullopt};
  }
  SL_TRY(CellEdit edit, increment(loaded.state, column.name, stamp, *step));
  return Made{std::move(edit), std::nullopt};
}

Result<void> Rich::describe_row(TableAccess& access, RowId row, const ColumnSet& columns,
                                Reader& old_values, const Stamp& stamp, Told& told) {
  const TrackedTable& table = access.table();
  SL_TRY(const ByteVector key, capture_.key_of_row(table, row));
  // Stamps are those before this change, which the clocks have not seen yet; values are the new.
  SL_TRY(LoadedRow loaded, rows_.load(access, key));
  RowEdit edit;
  edit.kind = EditKind::set;
  bool any = false;
  std::vector<std::uint16_t> ids;
  columns.for_each([&](std::size_t id) { ids.push_back(static_cast<std::uint16_t>(id)); });
  for (const std::uint16_t id : ids) {
    DecodedValue before;
    SL_TRY(before.read(old_values));
    const int position = table.position_of(id);
    const TrackedColumn* column =
        position < 0 ? nullptr : &table.columns[static_cast<std::size_t>(position)];
    if (column == nullptr || !is_rich(column->rule)) {
      write_value(told.old_values, before.view());
      continue;
    }
    CellState* cell = loaded.state.find(column->name);
    if (cell != nullptr && cell->form == CellForm::plain) {
      cell->value = Value(before.view());
    }
    const Value& after = loaded.values[table.key.size() + static_cast<std::size_t>(position)];
    SL_TRY(Made made, edit_of(loaded, row, table, *column, stamp, before.view(), after));
    // A plain value may be all that is left of an earlier change. An edit is its own witness.
    const bool is_told =
        cell != nullptr && cell->form == CellForm::doc && made.edit.form == CellForm::doc;
    write_value(told.old_values, is_told ? ValueView() : before.view());
    told.edits.emplace_back(run_of(row, id, made.edit), made.edit);
    if (made.cell.has_value() && cell != nullptr) {
      *cell = std::move(*made.cell);
    } else {
      edit.cells.push_back(std::move(made.edit));
    }
    any = true;
  }
  if (!any) {
    return {};
  }
  if (!edit.cells.empty()) {
    merge_edit(loaded.state, edit, stamp, &rows_.documents());
  }
  return keep(table, key, loaded.state, loaded.has_extra);
}

// A row that was born in this transaction, and edited then as a document.
Result<void> Rich::describe_put(TableAccess& access, RowId row, const Stamp& stamp,
                                LogBodyWriter& out) {
  const TrackedTable& table = access.table();
  RowEdit edit;
  edit.kind = EditKind::put;
  ByteVector key;
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    const TrackedColumn& column = table.columns[i];
    const auto staged = is_document(column.rule)
                            ? capture_.buffer().staged(table.id, row, column.id)
                            : std::vector<Bytes>();
    if (staged.empty()) {
      continue;
    }
    if (key.empty()) {
      SL_TRY(key, capture_.key_of_row(table, row));
    }
    SL_TRY(const StoredRow* stored, access.read(row));
    SL_CHECK(stored != nullptr);
    const Value after(stored->values[table.key.size() + i]);
    access.end_range();
    RowState born;
    born.life = stamp;
    born.alive = true;
    SL_TRY(auto made, documents_.describe({born, column, staged, after, stamp}));
    if (made.has_value()) {
      tell(run_of(row, column.id, made->edit), made->edit, out);
      edit.cells.push_back(std::move(made->edit));
    }
  }
  if (edit.cells.empty()) {
    return {};
  }
  SL_TRY(const std::vector<CellState> before, rows_.extra_cells(table.id, key));
  RowState state;
  merge_edit(state, edit, stamp);
  return keep(table, key, state, !before.empty());
}

Result<void> Rich::keep(const TrackedTable& table, Bytes key, const RowState& state,
                        bool had_extra) {
  std::vector<CellState> extra;
  for (const CellState& cell : state.cells) {
    if (cell.form != CellForm::plain || table.position_of(cell.column) < 0) {
      extra.push_back(cell);
    }
  }
  if (!had_extra && extra.empty()) {
    return {};
  }
  std::size_t bytes = 0;
  for (const CellState& cell : extra) {
    bytes += cell.value.view().data.size();
  }
  if (bytes > limits::written_row_bytes_max) {
    // A document remembers more than it shows.
    return row_too_large(table, bytes);
  }
  SL_TRY(std::vector<CellState> before, rows_.extra_cells(table.id, key));
  kept_.push_back({table.id, to_vector(key), std::move(before)});
  return rows_.store_extra(table.id, key, extra);
}

Result<void> Rich::undo() {
  while (!kept_.empty()) {
    SL_TRY(rows_.store_extra(kept_.back().table, kept_.back().key, kept_.back().cells));
    kept_.pop_back();
  }
  return {};
}

}  // namespace syncline
