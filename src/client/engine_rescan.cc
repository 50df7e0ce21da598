// The part of the engine that compares rows with the server's, range by range, and takes over what
// differs. What is compared stands in a temporary table for as long as the rescan runs.
#include <algorithm>
#include <set>

#include "client/engine.h"
#include "client/lost_rows.h"
#include "sqlite/savepoint.h"
#include "wire/state_part.h"

namespace syncline {
namespace {

constexpr const char* index_sql =
    "DROP TABLE IF EXISTS temp.syncline_rescan; CREATE TABLE temp.syncline_rescan(tbl TEXT NOT "
    "NULL, key BLOB NOT NULL, high INTEGER NOT NULL, low INTEGER NOT NULL, PRIMARY KEY(tbl, key)) "
    "WITHOUT ROWID";

// Rows with keys in (after, through]; an empty `through` has no end.
constexpr const char* range_condition =
    " FROM temp.syncline_rescan WHERE tbl = ?1 AND key > ?2 AND (?3 = x'' OR key <= ?3)";

void bind_range(Statement& statement, std::string_view table, Bytes after, Bytes through) {
  statement.bind_text(1, table).bind_blob(2, after).bind_blob(3, through);
}

Result<Digest> sum_of(Statement& select) {
  Digest sum;
  for (;;) {
    SL_TRY(const bool row, select.step());
    if (!row) {
      select.reset();
      return sum;
    }
    sum.add({static_cast<std::uint64_t>(select.column_int(0)),
             static_cast<std::uint64_t>(select.column_int(1))});
  }
}

}  // namespace

Result<void> Engine::begin_rescan() {
  SL_TRY(require_replica());
  const auto run = [&]() -> Result<void> {
    SL_TRY(Savepoint savepoint, Savepoint::to_write(parts_.connection));
    SL_TRY(meta_.set(meta_name::wants_rescan, ValueView::of(std::int64_t{1})));
    SL_TRY(meta_.set(meta_name::in_pieces, ValueView::of(std::int64_t{1})));
    SL_TRY(name_heard());
    SL_TRY(parts_.connection.execute(index_sql));
    SL_TRY(index_rows());
    return savepoint.release();
  };
  auto done = run();
  // Digests differed, or somebody doubts them: the sums are not believed either.
  sums_.forget();
  end_call();
  return done;
}

// Every row, also those that are held or hold nothing but waiting cells.
Result<void> Engine::index_rows() {
  SL_TRY(clocks_.catch_up());
  rows_.forget();
  held_.forget();
  SL_TRY(Statement insert,
         parts_.connection.prepare("INSERT OR REPLACE INTO temp.syncline_rescan(tbl, key, high, "
                                   "low) VALUES(?1, ?2, ?3, ?4)"));
  const auto enter = [&](const std::string& table, Bytes key,
                         const RowState& state) -> Result<void> {
    const Digest digest = digest_of(table, key, state);
    insert.bind_text(1, table)
        .bind_blob(2, key)
        .bind(3, static_cast<std::int64_t>(digest.high))
        .bind(4, static_cast<std::int64_t>(digest.low));
    return insert.run();
  };
  return for_each_state(enter);
}

Result<RowState> Engine::state_of_row(const std::string& table, Bytes key) {
  SL_TRY(std::optional<HeldRow> held, held_.find(table, key));
  if (held.has_value()) {
    return std::move(held->state);
  }
  SL_TRY(const TrackedTable* known, catalog_.find(table));
  if (known == nullptr) {
    return RowState();
  }
  SL_TRY(TableAccess * access, tables_.access(known->id));
  SL_TRY(LoadedRow row, rows_.load(*access, key));
  return std::move(row.state);
}

// Every row as merging sees it. What is held is its row's merged state, be there one in the table
// or not.
Result<void> Engine::for_each_state(StateVisitor visit) {
  rows_.forget();
  held_.forget();
  SL_TRY(const std::vector<const TrackedTable*> tables, catalog_.all_with_own());
  for (const TrackedTable* table : tables) {
    SL_TRY(TableAccess * access, tables_.access(table->id));
    SL_TRY(Statement keys, parts_.connection.prepare(access->select_keys_sql()));
    for (;;) {
      SL_TRY(const bool more, keys.step());
      if (!more) {
        break;
      }
      Writer key;
      for (int i = 0; i < keys.column_count(); ++i) {
        write_value(key, keys.column(i));
      }
      SL_TRY(const std::optional<HeldRow> held, held_.find(table->name, key.bytes()));
      if (!held.has_value()) {
        SL_TRY(const LoadedRow row, rows_.load(*access, key.bytes()));
        SL_TRY(visit(table->name, key.bytes(), row.state));
      }
    }
  }
  return held_.for_each(
      [&](const HeldRow& row) { return visit(row.table, row.key.view(), row.state); });
}

Result<std::vector<ByteVector>> Engine::compare_ranges(const RangeDigests& digests) {
  SL_TRY(require_replica());
  std::vector<ByteVector> differing;
  SL_TRY(Statement select,
         parts_.connection.prepare("SELECT high, low" + std::string(range_condition)));
  if (!digests.table.empty()) {
    Bytes after = digests.after;
    for (const RangeDigest& range : digests.ranges) {
      bind_range(select, digests.table, after, range.through);
      SL_TRY(const Digest sum, sum_of(select));
      if (sum != range.digest) {
        differing.push_back(range.through);
      }
      after = range.through;
    }
    return differing;
  }
  std::set<std::string> ours;
  {
    SL_TRY(Statement names,
           parts_.connection.prepare("SELECT DISTINCT tbl FROM temp.syncline_rescan"));
    for (;;) {
      SL_TRY(const bool row, names.step());
      if (!row) {
        break;
      }
      ours.insert(std::string(names.column_text(0)));
    }
  }
  for (const RangeDigest& range : digests.ranges) {
    const std::string table(as_text(range.through));
    ours.erase(table);
    bind_range(select, table, {}, {});
    SL_TRY(const Digest sum, sum_of(select));
    if (sum != range.digest) {
      differing.push_back(range.through);
    }
  }
  for (const std::string& table : ours) {
    differing.push_back(to_vector(as_bytes(table)));
  }
  return differing;
}

Result<ApplyReport> Engine::adopt_range(const RangeRows& rows) {
  return applying(rows.states.size(), [&](ApplyReport& report) -> Result<void> {
    SL_TRY(check_not_renewed());
    SL_TRY(prove_outbox());
    SL_TRY(unsent_.catch_up(replica_, clock_.now_ms()));
    SL_TRY(name_heard());
    SL_TRY(const std::int64_t left_lineage, meta_.integer(meta_name::left_lineage));
    SL_TRY(const std::int64_t read_only, meta_.integer(meta_name::read_only));
    LostRows lost(rejected_, *parts_.random, clock_.now_ms());
    const auto adopt = [&](const std::string& table, Bytes key,
                           const RowState& state) -> Result<void> {
      SL_TRY(const bool is_kept, keepsakes_.has(table, key));
      const bool is_for_both = is_kept || left_lineage != 0;
      if (is_for_both && read_only == 0) {
        return become_both(table, key, state, report);
      }
      // Who may only read cannot tell the server what it lacks.
      if (is_for_both && state.life.is_zero()) {
        SL_TRY(const RowState known, state_of_row(table, key));
        SL_TRY(lost.add(table, key, known));
      }
      return become(table, key, state, report);
    };
    std::set<ByteVector, BytesLess> named;
    if (!rows.states.empty()) {
      SL_TRY(read_state_part(
          rows.states,
          [&](const std::string& table, Bytes key, const RowState& state) -> Result<void> {
            const bool inside = table == rows.table && compare_bytes(key, rows.after) > 0 &&
                                (rows.through.empty() || compare_bytes(key, rows.through) <= 0);
            if (!inside || !named.insert(to_vector(key)).second) {
              return Error(ErrorCode::malformed, "a row outside the range that was asked for");
            }
            SL_TRY(apply_.observe_state(state.newest().time));
            return adopt(table, key, state);
          }));
    }
    std::vector<ByteVector> gone;
    {
      SL_TRY(Statement select,
             parts_.connection.prepare("SELECT key" + std::string(range_condition)));
      bind_range(select, rows.table, rows.after, rows.through);
      for (;;) {
        SL_TRY(const bool row, select.step());
        if (!row) {
          break;
        }
        if (named.find(select.column_blob(0)) == named.end()) {
          gone.push_back(to_vector(select.column_blob(0)));
        }
      }
    }
    for (const ByteVector& key : gone) {
      SL_TRY(adopt(rows.table, key, RowState()));
    }
    const std::string reason = "the server lacks these rows, and this device's token may only read";
    if (!lost.empty()) {
      SL_TRY(lost.list("read_only", reason));
      tell_rejected("read_only", reason);
    }
    SL_TRY(keep_newest_state());
    return apply_.end_states(report);
  });
}

Result<void> Engine::finish_rescan(ServerVersion cursor) {
  SL_TRY(applying(0, [&](ApplyReport& report) -> Result<void> {
    SL_TRY(check_not_renewed());
    // What a row waited for may have come, in whatever order the ranges came.
    for (int round = 0; round < 8; ++round) {
      SL_TRY(const std::uint64_t installed, apply_.retry_held("", report));
      if (installed == 0) {
        break;
      }
    }
    SL_TRY(meta_.set(meta_name::wants_rescan, ValueView::of(std::int64_t{0})));
    SL_TRY(meta_.set(meta_name::left_lineage, ValueView::of(std::int64_t{0})));
    SL_TRY(const std::int64_t read_only, meta_.integer(meta_name::read_only));
    if (read_only != 0) {
      SL_TRY(keepsakes_.clear());  // what the server lacks of them is listed as lost
    }
    SL_TRY(meta_.set(meta_name::snapshot_token, ValueView::blob({})));
    SL_TRY(store_receipt());
    return meta_.set(meta_name::cursor, ValueView::of(static_cast<std::int64_t>(cursor.get())));
  }));
  return parts_.connection.execute("DROP TABLE IF EXISTS temp.syncline_rescan");
}

Result<Digest> Engine::digest_of_tables(const std::vector<std::string>& tables) {
  SL_TRY(require_replica());
  const auto run = [&]() -> Result<Digest> {
    SL_TRY(Savepoint savepoint, Savepoint::open(parts_.connection));
    SL_TRY(clocks_.catch_up());
    SL_TRY(const Digest sum, sums_.sum(tables));
    SL_TRY(savepoint.release());
    return sum;
  };
  auto sum = run();
  end_call();
  return sum;
}

}  // namespace syncline
