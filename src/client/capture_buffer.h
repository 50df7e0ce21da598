#pragma once

#include <optional>
#include <unordered_map>
#include <vector>

#include "base/function_ref.h"
#include "client/byte_arena.h"
#include "client/catalog.h"
#include "client/log_body.h"
#include "model/value.h"

namespace syncline {

struct RowNet;

// What the running transaction has done to tracked tables so far, in memory until the commit.
// Rolls back to any open savepoint. Bytes are kept once, and sequential inserts cost nothing.
class CaptureBuffer {
 public:
  bool empty() const { return op_count_ == 0; }
  // Tables with operations, in the order in which they were first written.
  std::vector<TableId> tables() const;

  // Contents of a row before and after an operation (client/row_net). They are given, and never 0
  // but for no row, where operations may be noted in another order than they happened.
  struct Between {
    std::uint64_t before = 0;
    std::uint64_t after = 0;
  };

  void put(const TrackedTable& table, RowId row, std::uint64_t state = 0);
  // `old_values`: encoded values of `columns` in rising column id; has_old says that they are
  // given.
  void set(const TrackedTable& table, RowId row, const ColumnSet& columns, bool has_old,
           Bytes old_values);
  void erase(const TrackedTable& table, RowId row, Bytes key, const ColumnSet& columns,
             bool has_old, Bytes old_values, std::uint64_t state = 0);
  // The same of a row that REPLACE removed for the row that is noted next. Where a trigger told of
  // it, it stands here already.
  void replace(const TrackedTable& table, RowId row, Bytes key, const ColumnSet& columns,
               Bytes old_values);
  // The same where order is not known, of a row that REPLACE may be about to remove.
  void may_replace(const TrackedTable& table, RowId row, Bytes key, Bytes old_values,
                   std::uint64_t state);
  // A set where order is not known: `old_values` are all.
  void set_unordered(const TrackedTable& table, RowId row, const ColumnSet& changed, Bytes key,
                     Bytes old_values, const Between& states);
  // A put in place of a living row of the same key, which stood at old_row.
  void over(const TrackedTable& table, RowId row, RowId old_row, Bytes key,
            const ColumnSet& columns, bool has_old, Bytes old_values, const Between& states);

  // A row that came with a clock of its own, encoded.
  void install(const TrackedTable& table, RowId first, Bytes clock, const ColumnSet& columns,
               bool has_old, Bytes old_values);
  void leave(const TrackedTable& table, RowId row, Bytes key, const ColumnSet& columns,
             bool has_old, Bytes old_values);
  // A key that is dead with a tomb of its own, encoded.
  void bury(const TrackedTable& table, RowId row, bool had_row, Bytes key, Bytes tomb,
            const ColumnSet& columns, bool has_old, Bytes old_values);

  // A key of which something is kept outside the table.
  void aside(const TrackedTable& table, Bytes key);

  // An edit of a document that the running transaction made, to be told with the row's change.
  // Ends with the row's life.
  void stage(const TrackedTable& table, RowId row, std::uint16_t column, Bytes update);
  std::vector<Bytes> staged(TableId table, RowId row, std::uint16_t column) const;
  bool has_staged() const { return !staged_.empty(); }
  void end_staged(TableId table, RowId row);
  // Whether the running transaction began the life of this row.
  bool is_born(TableId table, RowId row) const;
  // What a cell of a row that is not born was before the transaction; nothing when it was not set.
  std::optional<Value> value_before(TableId table, RowId row, std::uint16_t column) const;

  // For what is noted with contents, from a position of the table's operations on.
  std::size_t position(TableId table) const;
  struct Told {
    RowId row = 0;
    bool is_known = false;  // else the contents are not
    bool is_in_doubt = false;
    Between states;
  };
  void for_each_told(TableId table, std::size_t position,
                     FunctionRef<void(const Told& told)> visit) const;
  // Takes out what was noted of one row; it will be noted otherwise.
  void take_out(TableId table, std::size_t position, RowId row);

  // So much will travel of what was written; rows that are written twice count twice.
  void add_told(std::uint64_t bytes) { told_bytes_ += bytes; }
  std::uint64_t told_bytes() const { return told_bytes_; }

  // Savepoints, by SQLite's level. Setting a level that is set does nothing: several tables report
  // the same savepoint.
  void set_mark(int level);
  void release_mark(int level);
  void rollback_to_mark(int level);
  // Rolling back to any open savepoint would leave nothing here.
  bool marks_are_empty() const;
  // Forgets the operations, which were written down, but not the savepoints. Only while
  // marks_are_empty().
  void drop_ops();
  void clear();

  // The net effect on one table, each row once, in an order that LogBodyWriter can take: visit() is
  // called for each run. `key_of` tells the encoded key of a row that is in the table now, and
  // `state_of` its content (client/row_net).
  using KeyOf = FunctionRef<Result<ByteVector>(RowId row)>;
  using StateOf = FunctionRef<Result<std::uint64_t>(RowId row)>;
  Result<void> for_each_run(TableId table, KeyOf key_of, StateOf state_of,
                            FunctionRef<Result<void>(const LogRun& run)> visit);
  // The same for a buffer in which each row stands once: as it came.
  Result<void> for_each_op(TableId table, FunctionRef<Result<void>(const LogRun& run)> visit) const;

 private:
  struct Op {
    // A million rows are a million of these: 64 bytes.
    OpKind kind = OpKind::put;
    bool has_old = false;
    bool is_in_doubt = false;
    bool had_row = false;
    std::uint32_t columns = 0;  // index into TableOps::column_sets
    std::uint32_t changed = 0;  // the same; of a set that may be out of order
    std::uint32_t between = 0;  // of TableOps::betweens, counted from 1; 0 where order is known
    RowId first = 0;
    RowId old_row = 0;
    std::uint64_t count = 1;
    std::uint64_t bytes_at = 0;
    std::uint32_t key_bytes = 0;    // the key comes first in the bytes,
    std::uint32_t clock_bytes = 0;  // then a clock or tomb, then old values
    std::uint64_t bytes = 0;
  };
  struct TableOps {
    TableId id = 0;
    std::vector<Op> ops;
    std::vector<ColumnSet> column_sets;
    std::vector<Between> betweens;
    // Every row so far was above the one before: nothing can stand in the buffer twice.
    bool rising = true;
    RowId highest = INT64_MIN;
    // With both, a key may have ended at one rowid and begun anew at another.
    bool has_ends = false;
    bool has_births = false;
    bool has_doubts = false;  // some op is in doubt
  };
  struct TableMark {
    std::size_t ops = 0;
    std::size_t betweens = 0;
    std::uint64_t last_count = 0;
    std::uint64_t last_bytes = 0;
    bool rising = true;
    RowId highest = INT64_MIN;
  };
  struct Staged {
    TableId table = 0;
    RowId row = 0;
    std::uint16_t column = 0;
    bool ends = false;  // what was staged for this row before is gone
    ByteVector update;
  };
  struct Mark {
    int level = 0;
    std::uint64_t arena = 0;
    std::size_t staged = 0;
    std::size_t tables = 0;
    std::uint64_t op_count = 0;
    std::uint64_t told_bytes = 0;
    std::vector<TableMark> table_marks;
  };
  struct RowOp {
    OpKind kind = OpKind::erase;
    RowId row = 0;
    RowId old_row = 0;
    Bytes key;
    Bytes clock;
    bool had_row = false;
    std::uint64_t before = 0;
    std::uint64_t after = 0;
  };
  void add_row_op(const TrackedTable& table, const RowOp& row_op, const ColumnSet& columns,
                  bool has_old, Bytes old_values);
  TableOps& ops_of(const TrackedTable& table);
  const TableOps* find_ops(TableId table) const;
  void note_rows(TableOps& ops, RowId first, RowId last);
  std::uint32_t column_set_index(TableOps& ops, const ColumnSet& columns);
  static std::uint32_t between_index(TableOps& ops, const Between& states);
  static Between between_of(const TableOps& ops, const Op& op) {
    return op.between == 0 ? Between() : ops.betweens[op.between - 1];
  }
  static std::vector<RowId> repeated_rows(const TableOps& ops);
  LogRun run_of(const TableOps& ops, const Op& op) const;
  Result<std::vector<RowNet>> net_effect(const TableOps& ops, KeyOf key_of, StateOf state_of);
  void fold(const TableOps& ops, const Op& op, std::unordered_map<RowId, std::size_t>& index,
            std::vector<RowNet>& nets) const;

  std::vector<TableOps> tables_;
  std::size_t table_count_ = 0;  // tables_ beyond are kept for their capacity
  ByteArena arena_;
  std::uint64_t op_count_ = 0;
  std::uint64_t told_bytes_ = 0;
  std::vector<Mark> marks_;
  std::size_t mark_count_ = 0;  // marks_ beyond are kept for their capacity
  Writer scratch_;
  std::vector<Staged> staged_;
};

}  // namespace syncline
