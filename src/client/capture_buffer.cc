#include "client/capture_buffer.h"

#include <algorithm>
#include <map>

#include "base/sort.h"
#include "client/row_net.h"
#include "model/value_codec.h"

namespace syncline {
namespace {

// Runs with old values are cut here, so that no part of a log body grows far beyond its target.
constexpr std::uint64_t run_old_bytes_max = std::uint64_t{128} << 10U;

RowId after(RowId first, std::uint64_t count) {
  return static_cast<RowId>(static_cast<std::uint64_t>(first) + count);
}

}  // namespace

std::vector<TableId> CaptureBuffer::tables() const {
  std::vector<TableId> out;
  for (std::size_t i = 0; i < table_count_; ++i) {
    if (!tables_[i].ops.empty()) {
      out.push_back(tables_[i].id);
    }
  }
  return out;
}

CaptureBuffer::TableOps& CaptureBuffer::ops_of(const TrackedTable& table) {
  for (std::size_t i = 0; i < table_count_; ++i) {
    if (tables_[i].id == table.id) {
      return tables_[i];
    }
  }
  if (table_count_ == tables_.size()) {
    tables_.emplace_back();
  }
  TableOps& ops = tables_[table_count_++];
  ops.id = table.id;
  ops.ops.clear();
  ops.betweens.clear();
  ops.rising = true;
  ops.highest = INT64_MIN;
  ops.has_ends = false;
  ops.has_births = false;
  ops.has_doubts = false;
  return ops;
}

void CaptureBuffer::note_rows(TableOps& ops, RowId first, RowId last) {
  if (first <= ops.highest && ops.highest != INT64_MIN) {
    ops.rising = false;
  }
  ops.highest = std::max(ops.highest, last);
  ++op_count_;
}

std::uint32_t CaptureBuffer::column_set_index(TableOps& ops, const ColumnSet& columns) {
  for (std::size_t i = ops.column_sets.size(); i-- > 0;) {
    if (ops.column_sets[i] == columns) {
      return static_cast<std::uint32_t>(i);
    }
  }
  ops.column_sets.push_back(columns);
  return static_cast<std::uint32_t>(ops.column_sets.size() - 1);
}

std::uint32_t CaptureBuffer::between_index(TableOps& ops, const Between& states) {
  if (states.before == 0 && states.after == 0) {
    return 0;
  }
  ops.betweens.push_back(states);
  return static_cast<std::uint32_t>(ops.betweens.size());
}

void CaptureBuffer::put(const TrackedTable& table, RowId row, std::uint64_t state) {
  TableOps& ops = ops_of(table);
  ops.has_births = true;
  note_rows(ops, row, row);
  if (!ops.ops.empty() && state == 0) {
    Op& last = ops.ops.back();
    if (last.kind == OpKind::put && last.between == 0 && after(last.first, last.count) == row) {
      ++last.count;
      return;
    }
  }
  Op op;
  op.first = row;
  op.between = between_index(ops, {0, state});
  ops.ops.push_back(op);
}

void CaptureBuffer::set(const TrackedTable& table, RowId row, const ColumnSet& columns,
                        bool has_old, Bytes old_values) {
  TableOps& ops = ops_of(table);
  note_rows(ops, row, row);
  const std::uint32_t set_index = column_set_index(ops, columns);
  if (!ops.ops.empty()) {
    Op& last = ops.ops.back();
    const bool follows = last.kind == OpKind::set && after(last.first, last.count) == row &&
                         last.columns == set_index && last.has_old == has_old &&
                         last.bytes < run_old_bytes_max &&
                         last.bytes_at + last.bytes == arena_.size();
    if (follows && (!has_old || arena_.extend(old_values))) {
      ++last.count;
      last.bytes += old_values.size();
      return;
    }
  }
  Op op;
  op.kind = OpKind::set;
  op.first = row;
  op.columns = set_index;
  op.has_old = has_old;
  op.bytes_at = arena_.append(old_values);
  op.bytes = old_values.size();
  ops.ops.push_back(op);
}

void CaptureBuffer::erase(const TrackedTable& table, RowId row, Bytes key, const ColumnSet& columns,
                          bool has_old, Bytes old_values, std::uint64_t state) {
  add_row_op(table, {OpKind::erase, row, row, key, {}, true, state}, columns, has_old, old_values);
  ops_of(table).has_ends = true;
  end_staged(table.id, row);
}

void CaptureBuffer::replace(const TrackedTable& table, RowId row, Bytes key,
                            const ColumnSet& columns, Bytes old_values) {
  add_row_op(table, {OpKind::erase, row, row, key, {}, false}, columns, true, old_values);
  ops_of(table).has_ends = true;
  end_staged(table.id, row);
}

void CaptureBuffer::may_replace(const TrackedTable& table, RowId row, Bytes key, Bytes old_values,
                                std::uint64_t state) {
  add_row_op(table, {OpKind::erase, row, row, key, {}, false, state}, table.all_columns(), true,
             old_values);
  TableOps& ops = ops_of(table);
  ops.ops.back().is_in_doubt = true;
  ops.has_doubts = true;
}

void CaptureBuffer::set_unordered(const TrackedTable& table, RowId row, const ColumnSet& changed,
                                  Bytes key, Bytes old_values, const Between& states) {
  add_row_op(table, {OpKind::set, row, row, key, {}, true, states.before, states.after},
             table.all_columns(), true, old_values);
  TableOps& ops = ops_of(table);
  const std::uint32_t set_index = column_set_index(ops, changed);
  ops.ops.back().changed = set_index;
}

void CaptureBuffer::over(const TrackedTable& table, RowId row, RowId old_row, Bytes key,
                         const ColumnSet& columns, bool has_old, Bytes old_values,
                         const Between& states) {
  add_row_op(table, {OpKind::over, row, old_row, key, {}, true, states.before, states.after},
             columns, has_old, old_values);
}

void CaptureBuffer::install(const TrackedTable& table, RowId row, Bytes clock,
                            const ColumnSet& columns, bool has_old, Bytes old_values) {
  TableOps& ops = ops_of(table);
  if (!ops.ops.empty() && !has_old) {
    Op& last = ops.ops.back();
    if (last.kind == OpKind::install && !last.has_old && after(last.first, last.count) == row &&
        equal_bytes(run_of(ops, last).clock, clock)) {
      note_rows(ops, row, row);
      ++last.count;
      return;
    }
  }
  add_row_op(table, {OpKind::install, row, row, {}, clock, true}, columns, has_old, old_values);
}

void CaptureBuffer::leave(const TrackedTable& table, RowId row, Bytes key, const ColumnSet& columns,
                          bool has_old, Bytes old_values) {
  add_row_op(table, {OpKind::leave, row, row, key, {}, true}, columns, has_old, old_values);
}

void CaptureBuffer::bury(const TrackedTable& table, RowId row, bool had_row, Bytes key, Bytes tomb,
                         const ColumnSet& columns, bool has_old, Bytes old_values) {
  add_row_op(table, {OpKind::bury, row, row, key, tomb, had_row}, columns, has_old, old_values);
}

void CaptureBuffer::aside(const TrackedTable& table, Bytes key) {
  add_row_op(table, {OpKind::aside, 0, 0, key, {}, false}, {}, false, {});
}

void CaptureBuffer::add_row_op(const TrackedTable& table, const RowOp& row_op,
                               const ColumnSet& columns, bool has_old, Bytes old_values) {
  TableOps& ops = ops_of(table);
  note_rows(ops, row_op.row, row_op.row);
  scratch_.clear();
  scratch_.raw(row_op.key);
  scratch_.raw(row_op.clock);
  scratch_.raw(old_values);
  Op op;
  op.kind = row_op.kind;
  op.first = row_op.row;
  op.old_row = row_op.old_row;
  op.had_row = row_op.had_row;
  op.between = between_index(ops, {row_op.before, row_op.after});
  op.columns = column_set_index(ops, columns);
  op.has_old = has_old;
  op.bytes_at = arena_.append(scratch_.bytes());
  op.key_bytes = static_cast<std::uint32_t>(row_op.key.size());
  op.clock_bytes = static_cast<std::uint32_t>(row_op.clock.size());
  op.bytes = scratch_.size();
  ops.ops.push_back(op);
}

void CaptureBuffer::set_mark(int level) {
  if (mark_count_ > 0 && marks_[mark_count_ - 1].level >= level) {
    return;
  }
  if (mark_count_ == marks_.size()) {
    marks_.emplace_back();
  }
  Mark& mark = marks_[mark_count_++];
  mark.level = level;
  mark.arena = arena_.size();
  mark.tables = table_count_;
  mark.op_count = op_count_;
  mark.told_bytes = told_bytes_;
  mark.staged = staged_.size();
  mark.table_marks.clear();
  for (std::size_t i = 0; i < table_count_; ++i) {
    const TableOps& ops = tables_[i];
    TableMark of_table;
    of_table.ops = ops.ops.size();
    of_table.betweens = ops.betweens.size();
    if (!ops.ops.empty()) {
      of_table.last_count = ops.ops.back().count;
      of_table.last_bytes = ops.ops.back().bytes;
    }
    of_table.rising = ops.rising;
    of_table.highest = ops.highest;
    mark.table_marks.push_back(of_table);
  }
}

void CaptureBuffer::release_mark(int level) {
  std::size_t found = mark_count_;
  while (found > 0 && marks_[found - 1].level >= level) {
    --found;
  }
  if (found == mark_count_) {
    return;
  }
  // SQLite tells a table that joins the transaction of the innermost savepoint only. The next one
  // out began earlier, but nothing was captured in between: its mark is this one.
  const bool known = found > 0 && marks_[found - 1].level == level - 1;
  if (level > 0 && !known) {
    marks_[found].level = level - 1;
    ++found;
  }
  mark_count_ = found;
}

void CaptureBuffer::rollback_to_mark(int level) {
  if (level < 0) {
    // The savepoint that began the transaction, which SQLite counts as none.
    clear();
    return;
  }
  // A level that we were not told of began before anything was captured under the next one.
  std::size_t found = mark_count_;
  while (found > 0 && marks_[found - 1].level >= level) {
    --found;
  }
  if (found == mark_count_) {
    return;
  }
  const Mark& mark = marks_[found];
  table_count_ = mark.tables;
  op_count_ = mark.op_count;
  told_bytes_ = mark.told_bytes;
  for (std::size_t i = 0; i < table_count_; ++i) {
    TableOps& ops = tables_[i];
    const TableMark& of_table = mark.table_marks[i];
    ops.ops.resize(of_table.ops);
    ops.betweens.resize(of_table.betweens);
    if (!ops.ops.empty()) {
      ops.ops.back().count = of_table.last_count;
      ops.ops.back().bytes = of_table.last_bytes;
    }
    ops.rising = of_table.rising;
    ops.highest = of_table.highest;
  }
  arena_.truncate(mark.arena);
  staged_.resize(mark.staged);
  // The savepoint itself stays open after ROLLBACK TO.
  marks_[found].level = level;
  mark_count_ = found + 1;
}

bool CaptureBuffer::marks_are_empty() const {
  return std::all_of(marks_.begin(), marks_.begin() + static_cast<std::ptrdiff_t>(mark_count_),
                     [](const Mark& mark) { return mark.op_count == 0; });
}

void CaptureBuffer::drop_ops() {
  SL_CHECK(marks_are_empty());
  const std::size_t marks = mark_count_;
  clear();
  mark_count_ = marks;
  for (std::size_t i = 0; i < mark_count_; ++i) {
    const int level = marks_[i].level;
    marks_[i] = Mark();
    marks_[i].level = level;
  }
}

void CaptureBuffer::clear() {
  // Room that one large transaction needed is not kept for ever.
  constexpr std::size_t ops_kept = 4096;
  for (TableOps& ops : tables_) {
    if (ops.ops.capacity() > ops_kept) {
      ops.ops = {};
    }
  }
  table_count_ = 0;
  op_count_ = 0;
  told_bytes_ = 0;
  mark_count_ = 0;
  staged_.clear();
  arena_.clear();
  for (TableOps& ops : tables_) {
    ops.column_sets.clear();
  }
}

LogRun CaptureBuffer::run_of(const TableOps& ops, const Op& op) const {
  LogRun run;
  run.kind = op.kind;
  run.first = op.first;
  run.count = op.count;
  run.has_old = op.has_old;
  run.old_rowid = op.old_row;
  run.had_row = op.had_row;
  if (op.kind != OpKind::put) {
    run.columns = ops.column_sets[op.columns];
    const Bytes bytes = arena_.at(op.bytes_at, op.bytes);
    run.key = bytes.subspan(0, op.key_bytes);
    run.clock = bytes.subspan(op.key_bytes, op.clock_bytes);
    run.old_values = bytes.subspan(std::size_t{op.key_bytes} + op.clock_bytes);
  }
  return run;
}

void CaptureBuffer::fold(const TableOps& ops, const Op& op,
                         std::unordered_map<RowId, std::size_t>& index,
                         std::vector<RowNet>& nets) const {
  const LogRun whole = run_of(ops, op);
  Reader values(whole.old_values);
  RowNet::Passage passage;
  const Between states = between_of(ops, op);
  passage.is_known = op.between != 0;
  passage.is_in_doubt = op.is_in_doubt;
  passage.before = states.before;
  passage.after = states.after;
  if (passage.is_known && op.kind == OpKind::set) {
    passage.changed = ops.column_sets[op.changed];
  }
  for (std::uint64_t i = 0; i < op.count; ++i) {
    const RowId row = after(op.first, i);
    LogRun run = whole;
    if (op.kind == OpKind::set && op.has_old) {
      const std::size_t start = values.position();
      run.columns.for_each([&](std::size_t) { SL_CHECK(skip_value(values).has_value()); });
      run.old_values = values.since(start);
    }
    const auto [found, is_new] = index.try_emplace(row, nets.size());
    if (is_new) {
      nets.emplace_back();
      nets.back().row = row;
      nets.back().old_row = row;
    }
    nets[found->second].note(run, passage);
  }
}

// Rows that stand in the buffer more than once, sorted.
std::vector<RowId> CaptureBuffer::repeated_rows(const TableOps& ops) {
  std::vector<RowId> rows;
  for (const Op& op : ops.ops) {
    for (std::uint64_t i = 0; i < op.count; ++i) {
      rows.push_back(after(op.first, i));
    }
  }
  syncline::sort(rows.begin(), rows.end());
  std::vector<RowId> repeated;
  for (std::size_t i = 1; i < rows.size(); ++i) {
    if (rows[i] == rows[i - 1] && (repeated.empty() || repeated.back() != rows[i])) {
      repeated.push_back(rows[i]);
    }
  }
  return repeated;
}

namespace {

// A key that was erased at one rowid and put at another is one row with a new life. Which rowid
// held each of such keys; what may have come does not count where another is known to have.
std::map<ByteVector, std::size_t, BytesLess> ended_keys(std::vector<RowNet>& nets) {
  std::map<ByteVector, std::size_t, BytesLess> out;
  for (const bool in_doubt : {false, true}) {
    for (std::size_t i = 0; i < nets.size(); ++i) {
      if (nets[i].was_there && !nets[i].key.empty() && nets[i].may_have_come == in_doubt &&
          !out.emplace(nets[i].key, i).second && in_doubt) {
        nets[i].renounce();
      }
    }
  }
  return out;
}

}  // namespace

Result<std::vector<RowNet>> CaptureBuffer::net_effect(const TableOps& ops, KeyOf key_of,
                                                      StateOf state_of) {
  std::unordered_map<RowId, std::size_t> index;
  std::vector<RowNet> nets;
  for (const Op& op : ops.ops) {
    fold(ops, op, index, nets);
  }
  for (RowNet& net : nets) {
    SL_TRY(net.settle(state_of));
  }
  std::map<ByteVector, std::size_t, BytesLess> erased = ended_keys(nets);
  if (erased.empty()) {
    return nets;
  }
  for (std::size_t i = 0; i < nets.size(); ++i) {
    if (!nets[i].is_there || (nets[i].was_there && !nets[i].reborn)) {
      continue;
    }
    SL_TRY(const ByteVector key, key_of(nets[i].row));
    const auto found = erased.find(key);
    if (found == erased.end()) {
      if (nets[i].reborn && !nets[i].key.empty()) {
        // The rowid was given to another key: the old row's end stands on its own.
        RowNet ended = nets[i].copy();
        ended.is_there = false;
        ended.reborn = false;
        nets[i].was_there = false;
        nets[i].reborn = false;
        nets[i].has_old = false;
        nets[i].old_values.clear();
        erased[ended.key] = nets.size();
        nets.push_back(std::move(ended));
      }
      continue;
    }
    if (found->second != i) {
      RowNet& source = nets[found->second];
      RowNet split;
      const bool source_lives = source.is_there;
      RowNet moved = source.copy();
      if (nets[i].was_there && nets[i].reborn && !nets[i].key.empty()) {
        split = nets[i].copy();
        split.is_there = false;
        split.reborn = false;
      }
      nets[i].was_there = true;
      nets[i].reborn = true;
      nets[i].old_row = moved.old_row;
      nets[i].has_old = moved.has_old;
      nets[i].old_values = moved.old_values;
      nets[i].key = moved.key;
      source.was_there = false;
      source.reborn = false;
      source.has_old = false;
      source.key.clear();
      source.is_there = source_lives;
      erased.erase(found);
      if (split.was_there) {
        erased[split.key] = nets.size();
        nets.push_back(std::move(split));
      }
    }
  }
  return nets;
}

Result<void> CaptureBuffer::for_each_op(TableId table,
                                        FunctionRef<Result<void>(const LogRun& run)> visit) const {
  for (std::size_t i = 0; i < table_count_; ++i) {
    if (tables_[i].id == table) {
      for (const Op& op : tables_[i].ops) {
        SL_TRY(visit(run_of(tables_[i], op)));
      }
    }
  }
  return {};
}

Result<void> CaptureBuffer::for_each_run(TableId table, KeyOf key_of, StateOf state_of,
                                         FunctionRef<Result<void>(const LogRun& run)> visit) {
  const auto found =
      std::find_if(tables_.begin(), tables_.begin() + static_cast<std::ptrdiff_t>(table_count_),
                   [&](const TableOps& ops) { return ops.id == table; });
  SL_CHECK(found != tables_.begin() + static_cast<std::ptrdiff_t>(table_count_));
  const bool keys_may_move = found->has_ends && found->has_births;
  if (!found->has_doubts && !keys_may_move && (found->rising || repeated_rows(*found).empty())) {
    for (const Op& op : found->ops) {
      LogRun run = run_of(*found, op);
      if (op.kind != OpKind::set || between_of(*found, op).after == 0) {
        SL_TRY(visit(run));
        continue;
      }
      scratch_.clear();
      run.key = {};
      run.columns = found->column_sets[op.changed];
      for (const auto& [column, value] :
           split_values(found->column_sets[op.columns], run.old_values)) {
        if (run.columns.contains(column)) {
          scratch_.raw(value);
        }
      }
      run.old_values = scratch_.bytes();
      SL_TRY(visit(run));
    }
    return {};
  }
  SL_TRY(std::vector<RowNet> nets, net_effect(*found, key_of, state_of));
  // Ends come first: a rowid may have been given to another key since.
  syncline::stable_sort(nets.begin(), nets.end(), [](const RowNet& a, const RowNet& b) {
    return a.is_there != b.is_there ? !a.is_there : a.row < b.row;
  });
  Writer values;
  for (const RowNet& net : nets) {
    const bool is_set = net.was_there && net.is_there && !net.reborn;
    if ((!net.was_there && !net.is_there) || (is_set && net.columns.empty())) {
      continue;  // nothing became of it
    }
    LogRun run;
    run.first = net.row;
    run.old_rowid = net.old_row;
    run.kind = !net.is_there   ? OpKind::erase
               : net.reborn    ? OpKind::over
               : net.was_there ? OpKind::set
                               : OpKind::put;
    values.clear();
    if (run.kind == OpKind::set) {
      run.columns = net.columns;
      run.has_old = net.has_old;
    } else if (net.has_old && run.kind != OpKind::put) {
      run.has_old = true;
      for (const auto& [column, value] : net.old_values) {
        run.columns.insert(column);
      }
    }
    if (run.has_old) {
      run.columns.for_each([&](std::size_t column) {
        const auto value = net.old_values.find(column);
        if (value != net.old_values.end()) {
          values.raw(value->second);
        }
      });
    }
    run.old_values = values.bytes();
    run.key = net.key;
    SL_TRY(visit(run));
  }
  return {};
}

}  // namespace syncline
