#include "client/rich.h"

#include "model/cell_content.h"
#include "model/merge.h"

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

void tell(RowId row, std::uint16_t column, const CellEdit& edit, LogBodyWriter& out) {
  if (edit.form == CellForm::plain) {
    return;  // the value in the table says it all
  }
  LogRun rich = run_of(row, column, edit);
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
  for (std::uint64_t i = 0; i < run.count; ++i) {
    const auto row = static_cast<RowId>(static_cast<std::uint64_t>(run.first) + i);
    SL_TRY(describe_row(access, row, run.columns, old_values, stamp, out));
  }
  return {};
}

// The edit of one cell; plain when the change cannot be told as a step, as fields or as typing.
Result<CellEdit> Rich::edit_of(const LoadedRow& loaded, RowId row, const TrackedTable& table,
                               const TrackedColumn& column, const Stamp& stamp,
                               const ValueView& before, const Value& after) {
  const CellState* cell = loaded.state.find(column.name);
  if (column.rule == MergeRule::json) {
    return edit_document(cell, column.name, before, after.view());
  }
  CellEdit plain;
  plain.column = column.name;
  plain.value = after;
  if (is_document(column.rule)) {
    const auto staged = capture_.buffer().staged(table.id, row, column.id);
    SL_TRY(auto edit, documents_.describe(cell, loaded.state.life, column, staged, after));
    return edit.has_value() ? std::move(*edit) : std::move(plain);
  }
  auto step = counter_step(before, after.view());
  if (!step) {
    return plain;
  }
  return increment(loaded.state, column.name, stamp, *step);
}

Result<void> Rich::describe_row(TableAccess& access, RowId row, const ColumnSet& columns,
                                Reader& old_values, const Stamp& stamp, LogBodyWriter& out) {
  const TrackedTable& table = access.table();
  SL_TRY(const ByteVector key, capture_.key_of_row(table, row));
  // Stamps are those before this change, which the clocks have not seen yet; values are the new.
  SL_TRY(LoadedRow loaded, rows_.load(access, key));
  RowEdit edit;
  edit.kind = EditKind::set;
  Result<void> failed;
  columns.for_each([&](std::size_t id) {
    DecodedValue before;
    if (failed) {
      failed = before.read(old_values);
    }
    const int position = table.position_of(static_cast<std::uint16_t>(id));
    if (!failed || position < 0) {
      return;
    }
    const TrackedColumn& column = table.columns[static_cast<std::size_t>(position)];
    if (!is_rich(column.rule)) {
      return;
    }
    CellState* cell = loaded.state.find(column.name);
    if (cell != nullptr && cell->form == CellForm::plain) {
      cell->value = Value(before.view());
    }
    const Value& after = loaded.values[table.key.size() + static_cast<std::size_t>(position)];
    auto made = edit_of(loaded, row, table, column, stamp, before.view(), after);
    if (!made) {
      failed = std::move(made).error();
      return;
    }
    tell(row, column.id, *made, out);
    edit.cells.push_back(std::move(*made));
  });
  SL_TRY(std::move(failed));
  if (edit.cells.empty()) {
    return {};
  }
  merge_edit(loaded.state, edit, stamp);
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
    SL_TRY(auto made, documents_.describe(nullptr, stamp, column, staged, after));
    if (made.has_value()) {
      tell(row, column.id, *made, out);
      edit.cells.push_back(std::move(*made));
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
