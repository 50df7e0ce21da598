#include "client/rename.h"

#include <algorithm>
#include <map>

#include "base/sort.h"
#include "client/row_store.h"
#include "model/cell_content.h"
#include "model/counter.h"
#include "wire/each_row.h"

namespace syncline {
namespace {

Result<Value> renamed_count(const Renaming& how, const RowEdit& edit, const CellEdit& cell) {
  SL_TRY(CounterEdit count, decode_counter_edit(cell.value.view()));
  if (how.counted) {
    const auto before = how.counted(edit.table, edit.key.view(), cell.column, count.base);
    if (before.has_value()) {
      count.total = without(count.total.view(), before->view());
    }
  }
  count.base = how.stamp(count.base);
  return encode_counter_edit(count);
}

Result<Value> renamed_doc_edit(const Renaming& how, const CellEdit& cell) {
  SL_TRY(DocEdit edit, decode_doc_edit(cell.value.view()));
  edit.base.stamp = how.stamp(edit.base.stamp);
  return encode_doc_edit(edit);
}

DocContent renamed_document(const Renaming& how, DocContent document) {
  if (document.empty()) {
    return document;
  }
  document.base.stamp = how.stamp(document.base.stamp);
  std::map<ReplicaId, Stamp> newest;
  for (const Stamp& stamp : document.newest) {
    const Stamp renamed = how.stamp(stamp);
    Stamp& known = newest[renamed.replica];
    known = std::max(known, renamed);
  }
  document.newest.clear();
  for (const auto& [replica, stamp] : newest) {
    document.newest.push_back(stamp);
  }
  for (DocWaiting& one : document.waiting) {
    one.stamp = how.stamp(one.stamp);
  }
  syncline::sort(document.waiting.begin(), document.waiting.end(),
                 [](const DocWaiting& a, const DocWaiting& b) { return a.stamp < b.stamp; });
  return document;
}

}  // namespace

Value without(const ValueView& total, const ValueView& part) {
  if (part.type == ValueType::real) {
    return add_numbers(total, ValueView::of(-part.real));
  }
  if (part.integer == INT64_MIN) {
    return add_numbers(total, ValueView::of(-static_cast<double>(part.integer)));
  }
  return add_numbers(total, ValueView::of(-part.integer));
}

Result<CellState> renamed_cell(const Renaming& how, std::string_view table, Bytes key,
                               const CellState& cell) {
  if (is_base_form(cell.form)) {
    CellState out = cell;
    out.stamp = how.stamp(cell.stamp);
    out.replaced = how.stamp(cell.replaced);
    return out;
  }
  SL_TRY(CellContent content, content_of(cell));
  content.base = how.stamp(content.base);
  content.base_replaced = how.stamp(content.base_replaced);
  CounterEntries counts;
  for (CounterEntry entry : content.counts) {
    Stamp stamp = how.stamp(entry.stamp);
    const Stamp base = how.stamp(entry.base);
    if (!(base < stamp)) {
      // Somebody counted from a value of ours that has a later stamp now. The count stays; when it
      // was made last is the server's to say.
      stamp.time = base.time + 1;
    }
    const bool moves = stamp.replica != entry.stamp.replica;
    if (moves && how.counted) {
      const auto before = how.counted(table, key, cell.column, entry.base);
      if (before.has_value()) {
        // When exactly the original counted it last is the server's to say.
        join_counter(counts, {base, {base.time + 1, how.original}, *before});
        entry.total = without(entry.total.view(), before->view());
      }
    }
    join_counter(counts, {base, stamp, entry.total});
  }
  content.counts = std::move(counts);
  content.document = renamed_document(how, std::move(content.document));
  for (JsonEntry& entry : content.fields) {
    entry.stamp = how.stamp(entry.stamp);
    entry.cleared = how.stamp(entry.cleared);
  }
  auto out = cell_of(cell.column, content);
  if (out.has_value()) {
    return std::move(*out);
  }
  return cell;
}

Result<RowState> renamed_state(const Renaming& how, std::string_view table, Bytes key,
                               const RowState& state) {
  RowState out;
  out.life = how.stamp(state.life);
  out.alive = state.alive;
  out.life_replaced = how.stamp(state.life_replaced);
  for (const CellState& cell : state.cells) {
    SL_TRY(CellState renamed, renamed_cell(how, table, key, cell));
    out.cells.push_back(std::move(renamed));
  }
  return out;
}

Result<ByteVector> renamed_part(const Renaming& how, Bytes part, const PartHeader& header) {
  Reader in(part);
  SL_TRY(const PartHeader before, read_part_header(in));
  RowReader rows(in.rest(), before.stamp.replica);
  Change change;
  change.sequence = header.sequence;
  change.stamp = header.stamp;
  change.schema_version = header.schema_version;
  SL_TRY(for_each_row(rows, [&]() -> Result<void> {
    RowEdit edit = read_edit(rows);
    edit.replaced = how.stamp(edit.replaced);
    for (CellEdit& cell : edit.cells) {
      cell.replaced = how.stamp(cell.replaced);
      if (cell.form == CellForm::counter) {
        SL_TRY(cell.value, renamed_count(how, edit, cell));
      } else if (cell.form == CellForm::doc) {
        SL_TRY(cell.value, renamed_doc_edit(how, cell));
      }
    }
    change.edits.push_back(std::move(edit));
    return {};
  }));
  const ByteVector encoded = encode_change(change);
  Reader again(encoded);
  SL_TRY(read_part_header(again));
  Writer out;
  write_part_header(out, header);
  out.raw(again.rest());
  return out.take();
}

static Result<void> rename_cells(const Renaming& how, Connection connection) {
  SL_TRY(Statement select,
         connection.prepare("SELECT c.tbl, c.key, c.col, c.body, coalesce(t.name, '') FROM "
                            "syncline_cells c LEFT JOIN syncline_tables t ON t.id = c.tbl WHERE "
                            "(c.tbl, c.key, c.col) > (?1, ?2, ?3) ORDER BY c.tbl, c.key, c.col"));
  SL_TRY(Statement write, connection.prepare("UPDATE syncline_cells SET body = ?4 WHERE tbl = ?1 "
                                             "AND key = ?2 AND col = ?3"));
  std::int64_t table = INT64_MIN;
  ByteVector key;
  std::string column;
  for (;;) {
    select.bind(1, table).bind_blob(2, key).bind_text(3, column);
    SL_TRY(const bool row, select.step());
    if (!row) {
      return {};
    }
    const std::int64_t found = select.column_int(0);
    ByteVector found_key = to_vector(select.column_blob(1));
    std::string found_column(select.column_text(2));
    Reader in(select.column_blob(3));
    SL_TRY(const CellState cell, read_cell_state(in));
    const std::string name(select.column_text(4));
    select.reset();
    table = found;
    key = std::move(found_key);
    column = std::move(found_column);
    SL_TRY(const CellState renamed, renamed_cell(how, name, key, cell));
    if (renamed == cell) {
      continue;
    }
    Writer body;
    write_cell_state(body, renamed);
    write.bind(1, table).bind_blob(2, key).bind_text(3, column).bind_blob(4, body.bytes());
    SL_TRY(write.run());
  }
}

static Result<void> rename_held(const Renaming& how, Connection connection) {
  SL_TRY(Statement select, connection.prepare("SELECT id, tbl, key, state FROM syncline_held_rows "
                                              "WHERE id > ?1 ORDER BY id"));
  SL_TRY(Statement write,
         connection.prepare("UPDATE syncline_held_rows SET state = ?2 WHERE id = ?1"));
  std::int64_t id = INT64_MIN;
  for (;;) {
    select.bind(1, id);
    SL_TRY(const bool row, select.step());
    if (!row) {
      return {};
    }
    id = select.column_int(0);
    const std::string table(select.column_text(1));
    const ByteVector key = to_vector(select.column_blob(2));
    Reader in(select.column_blob(3));
    SL_TRY(const RowState state, read_row_state(in));
    select.reset();
    SL_TRY(const RowState renamed, renamed_state(how, table, key, state));
    if (renamed == state) {
      continue;
    }
    Writer body;
    write_row_state(body, renamed);
    write.bind(1, id).bind_blob(2, body.bytes());
    SL_TRY(write.run());
  }
}

Result<void> rename_stored_states(const Renaming& how, Connection connection) {
  SL_TRY(rename_cells(how, connection));
  return rename_held(how, connection);
}

}  // namespace syncline
