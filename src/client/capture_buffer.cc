#include "client/capture_buffer.h"

#include <algorithm>
#include <map>

#include "base/digest.h"
#include "base/sort.h"
#include "model/value_codec.h"

namespace syncline {
namespace {

// Runs with old values are cut here, so that no part of a log body grows far beyond its target.
constexpr std::uint64_t run_old_bytes_max = std::uint64_t{128} << 10U;

RowId after(RowId first, std::uint64_t count) {
  return static_cast<RowId>(static_cast<std::uint64_t>(first) + count);
}

// Old values as a map from column id to the encoded value.
std::map<std::size_t, Bytes> split_values(const ColumnSet& columns, Bytes values) {
  std::map<std::size_t, Bytes> out;
  Reader in(values);
  columns.for_each([&](std::size_t column) {
    const std::size_t start = in.position();
    SL_CHECK(skip_value(in).has_value());
    out[column] = in.since(start);
  });
  return out;
}

}  // namespace

// What happened to one rowid, all operations taken together.
struct CaptureBuffer::Net {
  RowId row = 0;
  bool was_there = false;  // before the transaction
  bool is_there = false;   // now
  bool reborn = false;     // erased and put again in between
  RowId old_row = 0;
  bool has_old = false;
  ByteVector key;  // of the row that was there
  std::map<std::size_t, ByteVector> old_values;
  ColumnSet columns;  // that changed, when it was there and still is
  // How often the rowid was given and taken, in whatever order that was noted.
  std::uint32_t births = 0;
  bool begins_with_birth = false;
  struct End {
    ByteVector key;
    ColumnSet columns;
    ByteVector values;
    // REPLACE removed the row before any was noted in its place: it was there before all of it,
    // whatever a trigger did to its successor meanwhile.
    bool is_first = false;
  };
  std::vector<End> ends;
  // Sets that may be out of order: what each found, and what it left.
  struct Step {
    ColumnSet columns;
    ByteVector values;
    std::uint64_t after = 0;
  };
  std::vector<Step> steps;
  ColumnSet stepped;

  void keep_old(const LogRun& run) {
    if (!run.has_old) {
      return;
    }
    has_old = true;
    // The first value a column had in this transaction is the one that others know.
    for (const auto& [column, value] : split_values(run.columns, run.old_values)) {
      old_values.try_emplace(column, to_vector(value));
    }
  }
  void keep_older(const LogRun& run) {
    for (const auto& [column, value] : split_values(run.columns, run.old_values)) {
      old_values[column] = to_vector(value);
    }
  }
  void count(const LogRun& run) {
    if (run.kind == OpKind::put) {
      ++births;
    } else if (run.kind == OpKind::erase) {
      const bool by_replace = !run.had_row;
      const bool is_known = std::any_of(ends.begin(), ends.end(), [&](const End& end) {
        return equal_bytes(end.key, run.key) && equal_bytes(end.values, run.old_values);
      });
      if (!by_replace || !is_known) {
        const bool is_first = by_replace && births == 0;
        ends.push_back({to_vector(run.key), run.columns, to_vector(run.old_values), is_first});
      }
    }
  }
  // True when that is all there is to it: the steps say what the row was.
  bool is_step(const LogRun& run, const ColumnSet& changed, std::uint64_t after) {
    steps.push_back({run.columns, to_vector(run.old_values), after});
    stepped.insert_all(changed);
    return run.kind == OpKind::set;
  }
  Result<void> settle(KeyOf key_of, KeyOf values_of) {
    if (may_be_out_of_order()) {
      SL_TRY(const ByteVector standing_key, key_of(row));
      put_in_order(!standing_key.empty());
    }
    if (was_there && !steps.empty()) {
      ByteVector standing;
      if (is_there) {
        SL_TRY(standing, values_of(row));
      }
      follow_steps(standing);
    }
    return {};
  }
  // Each step begins where another ended, but for the first of all. A row that ended was before
  // its end what the first step to it found; births, of which only the fact is known, do not lead
  // there.
  void follow_steps(Bytes standing) {
    const End* ended = first_end();
    if (births > 0 && ended != nullptr) {
      Step at{ended->columns, ended->values, 0};
      for (std::size_t i = 0; i < steps.size(); ++i) {
        const auto before = std::find_if(steps.begin(), steps.end(), [&](const Step& step) {
          return step.after == hash64(at.values);
        });
        if (before == steps.end()) {
          break;
        }
        at = *before;
      }
      take_old(at);
      return;
    }
    std::map<std::uint64_t, int> begun;
    std::vector<Step> all = steps;
    for (const End& end : ends) {
      all.push_back({end.columns, end.values, 0});
    }
    for (const Step& step : all) {
      ++begun[hash64(step.values)];
      --begun[step.after];
    }
    const auto starts = [&](const Step& step) { return begun[hash64(step.values)] > 0; };
    const auto ends_it = [&](const Step& step) { return equal_bytes(step.values, standing); };
    auto first = std::find_if(all.begin(), all.end(), starts);
    if (first == all.end()) {
      first = std::find_if(all.begin(), all.end(), ends_it);  // it became what it was
    }
    if (first == all.end()) {
      return;
    }
    take_old(*first);
  }
  void take_old(const Step& step) {
    for (const auto& [column, value] : split_values(step.columns, step.values)) {
      old_values[column] = to_vector(value);
    }
    has_old = true;
    columns.insert_all(stepped);
  }
  const End* first_end() const {
    const auto replaced =
        std::find_if(ends.begin(), ends.end(), [](const End& end) { return end.is_first; });
    return replaced != ends.end() ? &*replaced : ends.empty() ? nullptr : ends.data();
  }
  // A trigger that fires before capture's writes the row again before capture hears of the first
  // write. In the order in which they are noted a row then seems to end before it begins.
  bool may_be_out_of_order() const { return births > 0 && (!ends.empty() || !begins_with_birth); }
  // Births and ends take turns: with what stands now they say what stood before.
  void put_in_order(bool stands) {
    const bool stood = (stands ? 1U : 0U) + ends.size() > births;
    is_there = stands;
    reborn = stood && stands;
    const End* end = first_end();
    if (!stood) {
      key.clear();
      old_values.clear();
      has_old = false;
    } else if (end != nullptr && (!was_there || key.empty() || end->is_first)) {
      key = end->key;
      for (const auto& [column, value] : split_values(end->columns, end->values)) {
        old_values.try_emplace(column, to_vector(value));
      }
      has_old = has_old || !old_values.empty();
    }
    was_there = stood;
  }
};

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
  ops.rising = true;
  ops.highest = INT64_MIN;
  ops.has_ends = false;
  ops.has_births = false;
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

void CaptureBuffer::put(const TrackedTable& table, RowId row) {
  TableOps& ops = ops_of(table);
  ops.has_births = true;
  note_rows(ops, row, row);
  if (!ops.ops.empty()) {
    Op& last = ops.ops.back();
    if (last.kind == OpKind::put && after(last.first, last.count) == row) {
      ++last.count;
      return;
    }
  }
  Op op;
  op.first = row;
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
                          bool has_old, Bytes old_values) {
  add_row_op(table, {OpKind::erase, row, row, key, {}, true}, columns, has_old, old_values);
  ops_of(table).has_ends = true;
  end_staged(table.id, row);
}

void CaptureBuffer::replace(const TrackedTable& table, RowId row, Bytes key,
                            const ColumnSet& columns, Bytes old_values) {
  add_row_op(table, {OpKind::erase, row, row, key, {}, false}, columns, true, old_values);
  ops_of(table).has_ends = true;
  end_staged(table.id, row);
}

void CaptureBuffer::set_unordered(const TrackedTable& table, RowId row, const ColumnSet& changed,
                                  Bytes old_values, std::uint64_t after) {
  add_row_op(table, {OpKind::set, row, row, {}, {}, true}, table.all_columns(), true, old_values);
  TableOps& ops = ops_of(table);
  const std::uint32_t set_index = column_set_index(ops, changed);
  ops.ops.back().changed = set_index;
  ops.ops.back().after = after;
}

void CaptureBuffer::over(const TrackedTable& table, RowId row, RowId old_row, Bytes key,
                         const ColumnSet& columns, bool has_old, Bytes old_values,
                         std::uint64_t after) {
  add_row_op(table, {OpKind::over, row, old_row, key, {}, true}, columns, has_old, old_values);
  ops_of(table).ops.back().after = after;
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
                         std::vector<Net>& nets) const {
  const LogRun whole = run_of(ops, op);
  Reader values(whole.old_values);
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
      nets.back().was_there = op.kind == OpKind::set || op.kind == OpKind::erase;
      nets.back().is_there = nets.back().was_there;
      nets.back().begins_with_birth = op.kind == OpKind::put;
    }
    Net& net = nets[found->second];
    net.count(run);
    if (op.after != 0 && net.is_step(run, ops.column_sets[op.changed], op.after)) {
      continue;
    }
    switch (op.kind) {
      case OpKind::put:
        net.reborn = net.was_there;
        net.is_there = true;
        break;
      case OpKind::over:
        if (!net.was_there && !net.is_there) {
          net.was_there = true;
          net.old_row = run.old_rowid;
          net.key = to_vector(run.key);
          net.keep_old(run);
        } else if (net.was_there && !net.reborn) {
          net.key = to_vector(run.key);
          net.keep_old(run);
        }
        net.reborn = net.was_there;
        net.is_there = true;
        break;
      case OpKind::set:
        if (net.was_there && !net.is_there && net.births == 0) {
          // Noted after the end that a trigger made of it.
          net.keep_older(run);
        } else if (net.was_there && !net.reborn) {
          net.columns.insert_all(run.columns);
          net.keep_old(run);
        }
        break;
      case OpKind::erase:
        if (net.was_there && !net.reborn) {
          net.keep_old(run);
          net.key = to_vector(run.key);
        }
        net.is_there = false;
        break;
      case OpKind::rich:
      case OpKind::install:
      case OpKind::leave:
      case OpKind::bury:
      case OpKind::aside:
        SL_CHECK(false);  // never the application's doing
    }
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

Result<std::vector<CaptureBuffer::Net>> CaptureBuffer::net_effect(const TableOps& ops, KeyOf key_of,
                                                                  KeyOf values_of) {
  std::unordered_map<RowId, std::size_t> index;
  std::vector<Net> nets;
  for (const Op& op : ops.ops) {
    fold(ops, op, index, nets);
  }
  for (Net& net : nets) {
    SL_TRY(net.settle(key_of, values_of));
  }
  // A key that was erased at one rowid and put at another is one row with a new life.
  std::map<ByteVector, std::size_t, BytesLess> erased;
  for (std::size_t i = 0; i < nets.size(); ++i) {
    if (nets[i].was_there && !nets[i].key.empty()) {
      erased.emplace(nets[i].key, i);
    }
  }
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
        Net ended = nets[i];
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
      Net& source = nets[found->second];
      Net split;
      const bool source_lives = source.is_there;
      Net moved = source;
      if (nets[i].was_there && nets[i].reborn && !nets[i].key.empty()) {
        split = nets[i];
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

Result<void> CaptureBuffer::for_each_run(TableId table, KeyOf key_of, KeyOf values_of,
                                         FunctionRef<Result<void>(const LogRun& run)> visit) {
  const auto found =
      std::find_if(tables_.begin(), tables_.begin() + static_cast<std::ptrdiff_t>(table_count_),
                   [&](const TableOps& ops) { return ops.id == table; });
  SL_CHECK(found != tables_.begin() + static_cast<std::ptrdiff_t>(table_count_));
  const bool keys_may_move = found->has_ends && found->has_births;
  if (!keys_may_move && (found->rising || repeated_rows(*found).empty())) {
    for (const Op& op : found->ops) {
      LogRun run = run_of(*found, op);
      if (op.kind != OpKind::set || op.after == 0) {
        SL_TRY(visit(run));
        continue;
      }
      scratch_.clear();
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
  SL_TRY(std::vector<Net> nets, net_effect(*found, key_of, values_of));
  // Ends come first: a rowid may have been given to another key since.
  syncline::stable_sort(nets.begin(), nets.end(), [](const Net& a, const Net& b) {
    return a.is_there != b.is_there ? !a.is_there : a.row < b.row;
  });
  Writer values;
  for (const Net& net : nets) {
    if (!net.was_there && !net.is_there) {
      continue;
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
