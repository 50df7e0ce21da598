#include "client/rich.h"

#include "model/cell_content.h"
#include "model/merge.h"

namespace syncline {
namespace {

bool is_rich(MergeRule rule) { return rule == MergeRule::counter || rule == MergeRule::json; }

// The edit of one cell; plain when the change cannot be told as a step or as fields.
Result<CellEdit> edit_of(const RowState& row, const TrackedColumn& column, const Stamp& stamp,
                         const ValueView& before, const ValueView& after) {
  if (column.rule == MergeRule::json) {
    return edit_document(row.find(column.name), column.name, before, after);
  }
  auto step = counter_step(before, after);
  if (!step) {
    CellEdit plain;
    plain.column = column.name;
    plain.value = Value(after);
    return plain;
  }
  return increment(row, column.name, stamp, *step);
}

}  // namespace

Result<void> Rich::describe(const TrackedTable& table, const LogRun& run, const Stamp& stamp,
                            LogBodyWriter& out) {
  if (run.kind != OpKind::set || !run.has_old) {
    return {};
  }
  bool any = false;
  for (const TrackedColumn& column : table.columns) {
    any = any || (is_rich(column.rule) && run.columns.contains(column.id));
  }
  if (!any) {
    return {};
  }
  SL_TRY(clocks_.catch_up());
  rows_.forget();
  SL_TRY(TableAccess * access, tables_.access(table.id));
  Reader old_values(run.old_values);
  for (std::uint64_t i = 0; i < run.count; ++i) {
    const auto row = static_cast<RowId>(static_cast<std::uint64_t>(run.first) + i);
    SL_TRY(describe_row(*access, row, run.columns, old_values, stamp, out));
  }
  return {};
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
    const Value after = loaded.values[table.key.size() + static_cast<std::size_t>(position)];
    auto made = edit_of(loaded.state, column, stamp, before.view(), after.view());
    if (!made) {
      failed = std::move(made).error();
      return;
    }
    if (made->form != CellForm::plain) {
      LogRun rich;
      rich.kind = OpKind::rich;
      rich.first = row;
      rich.column = column.id;
      rich.form = static_cast<std::uint8_t>(made->form);
      const ValueView value = made->value.view();
      rich.edit = value.data;
      out.run(rich);
    }
    edit.cells.push_back(std::move(*made));
  });
  SL_TRY(std::move(failed));
  if (edit.cells.empty()) {
    return {};
  }
  merge_edit(loaded.state, edit, stamp);
  std::vector<CellState> extra;
  for (const CellState& cell : loaded.state.cells) {
    if (cell.form != CellForm::plain || table.position_of(cell.column) < 0) {
      extra.push_back(cell);
    }
  }
  if (loaded.has_extra || !extra.empty()) {
    SL_TRY(rows_.store_extra(table.id, key, extra));
  }
  return {};
}

}  // namespace syncline
