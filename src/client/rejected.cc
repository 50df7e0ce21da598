#include "client/rejected.h"

#include <algorithm>

#include "base/sort.h"
#include "model/cell_content.h"
#include "model/merge.h"
#include "sqlite/savepoint.h"

namespace syncline {

Result<void> RejectedChanges::keep(const RejectedChange& change, std::int64_t now_ms) {
  SL_TRY(Statement insert,
         connection_.prepare("INSERT INTO syncline_rejected_changes(replica, sequence, time, code, "
                             "message, change, at) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7) ON "
                             "CONFLICT(replica, sequence) DO UPDATE SET code = excluded.code, "
                             "message = excluded.message"));
  insert.bind_blob(1, change.stamp.replica.view())
      .bind(2, static_cast<std::int64_t>(change.sequence.get()))
      .bind(3, static_cast<std::int64_t>(change.stamp.time))
      .bind_text(4, change.code)
      .bind_text(5, change.message)
      .bind_blob(6, change.change)
      .bind(7, now_ms);
  return insert.run();
}

Result<std::vector<RejectedChange>> RejectedChanges::list(std::size_t count_max) {
  SL_TRY(Statement select,
         connection_.prepare("SELECT id, replica, sequence, time, code, message, change FROM "
                             "syncline_rejected_changes ORDER BY id LIMIT ?1"));
  select.bind(1, static_cast<std::int64_t>(count_max));
  std::vector<RejectedChange> out;
  for (;;) {
    SL_TRY(const bool row, select.step());
    if (!row) {
      return out;
    }
    RejectedChange change;
    change.id = select.column_int(0);
    SL_TRY(change.stamp.replica, ReplicaId::from_bytes(select.column_blob(1)));
    change.sequence = ChangeSequence(static_cast<std::uint64_t>(select.column_int(2)));
    change.stamp.time = static_cast<std::uint64_t>(select.column_int(3));
    change.code = select.column_text(4);
    change.message = select.column_text(5);
    change.change = to_vector(select.column_blob(6));
    out.push_back(std::move(change));
  }
}

Result<std::uint64_t> RejectedChanges::count() {
  SL_TRY(const auto count, connection_.query_int("SELECT count(*) FROM syncline_rejected_changes"));
  return static_cast<std::uint64_t>(count.value_or(0));
}

Result<void> RejectedChanges::discard(std::int64_t id) {
  SL_TRY(connection_.execute("DELETE FROM syncline_rejected_changes WHERE id = " +
                             std::to_string(id)));
  if (connection_.changes() == 0) {
    return Error(ErrorCode::not_found, "there is no rejected change " + std::to_string(id));
  }
  return {};
}

Result<Change> RejectedChanges::read(std::int64_t id) {
  SL_TRY(Statement select,
         connection_.prepare("SELECT change FROM syncline_rejected_changes WHERE id = ?1"));
  select.bind(1, id);
  SL_TRY(const bool row, select.step());
  if (!row) {
    return Error(ErrorCode::not_found, "there is no rejected change " + std::to_string(id));
  }
  std::vector<Bytes> parts;
  Reader in(select.column_blob(0));
  while (!in.at_end()) {
    SL_TRY(const Bytes part, in.blob());
    parts.push_back(part);
  }
  return decode_parts(parts);
}

Result<void> RejectedChanges::retry(std::int64_t id) {
  SL_TRY(Savepoint savepoint, Savepoint::to_write(connection_));
  SL_TRY(const Change change, read(id));
  SL_TRY(retry(id, change.edits));
  return savepoint.release();
}

Result<void> RejectedChanges::retry(std::int64_t id, std::span<const RowEdit> edits) {
  SL_TRY(Savepoint savepoint, Savepoint::to_write(connection_));
  for (const RowEdit& edit : edits) {
    SL_TRY(redo(edit));
  }
  SL_TRY(discard(id));
  return savepoint.release();
}

Result<void> RejectedChanges::redo(const RowEdit& edit) {
  const Catalog::Hold hold(catalog_);
  SL_TRY(const TrackedTable* table, catalog_.find(edit.table));
  if (table == nullptr) {
    return Error(ErrorCode::not_found, "table '" + edit.table + "' is not synced here");
  }
  SL_TRY(TableAccess * access, tables_.access(table->id));
  ColumnSet columns;
  std::vector<std::pair<std::uint16_t, Value>> cells;
  for (const CellEdit& cell : edit.cells) {
    const int position = table->position_of(cell.column);
    if (position >= 0 && cell.form == CellForm::plain) {
      cells.emplace_back(table->columns[static_cast<std::size_t>(position)].id, cell.value);
    }
  }
  syncline::sort(cells.begin(), cells.end(),
                 [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<ValueView> values;
  for (const auto& [column, value] : cells) {
    columns.insert(column);
    values.push_back(value.view());
  }
  SL_TRY(const StoredRow* stored, access->find(edit.key.view()));
  const bool there = stored != nullptr;
  const RowId row = there ? stored->row : 0;
  access->end_range();
  switch (edit.kind) {
    case EditKind::erase:
      return there ? access->erase(row) : Result<void>();
    case EditKind::put:
      if (!there) {
        SL_TRY(access->insert(edit.key.view(), columns, values));
        return {};
      }
      [[fallthrough]];
    case EditKind::set:
      if (there && !columns.empty()) {
        return access->update(row, columns, values);
      }
      return {};
  }
  return {};
}

}  // namespace syncline
