// What capture does about statements that a trigger stops in the middle: RAISE(IGNORE) and
// RAISE(FAIL) leave written what was written, and the triggers that would have told of it never
// run. SQLite says nothing of the kind, so the tables are compared with what they were.
#include <algorithm>
#include <limits>
#include <utility>

#include "base/sort.h"
#include "client/capture.h"
#include "client/row_measure.h"
#include "client/row_net.h"
#include "model/value_codec.h"
#include "wire/limits.h"

namespace syncline {
namespace {

// A statement is not allowed where more than this would have to be remembered of its tables.
constexpr std::uint64_t watched_bytes_max = std::uint64_t{64} << 20U;

Error too_much_to_watch(const TrackedTable& table) {
  return Error(ErrorCode::too_large,
               "a trigger that is newer than sync's own may stop a statement on table '" +
                   table.name +
                   "' in the middle (RAISE, OR FAIL), and the table is too large to be " +
                   "compared; run SELECT syncline_track('" + table.name +
                   "') to make sync's triggers the newest");
}

// Where the operations lead that were heard of one row.
class Heard {
 public:
  void add(const CaptureBuffer::Told& told) {
    if (!told.is_known) {
      is_known_ = false;
    } else if (told.is_in_doubt) {
      doubts_.push_back(told.states.before);
    } else {
      count(told.states.after, 1);
      count(told.states.before, -1);
    }
  }
  // Whether they make this of that, and nothing else. What is in doubt may have happened.
  bool explains(std::uint64_t before, std::uint64_t now) {
    if (!is_known_) {
      return true;
    }
    count(before, 1);
    count(now, -1);
    for (const std::uint64_t state : doubts_) {
      if (count(state, 0) > 0) {
        count(state, -1);
        count(0, 1);
      }
    }
    return std::all_of(surplus_.begin(), surplus_.end(),
                       [](const auto& one) { return one.second == 0; });
  }

 private:
  std::int64_t count(std::uint64_t state, std::int64_t more) {
    for (auto& [known, times] : surplus_) {
      if (known == state) {
        return times += more;
      }
    }
    surplus_.emplace_back(state, more);
    return more;
  }

  bool is_known_ = true;
  // How often to a content, less how often from it.
  std::vector<std::pair<std::uint64_t, std::int64_t>> surplus_;
  std::vector<std::uint64_t> doubts_;
};

template <typename Rows>
auto find_row(const Rows& rows, RowId row) -> decltype(rows.data()) {
  const auto at = std::lower_bound(rows.begin(), rows.end(), row,
                                   [](const auto& one, RowId wanted) { return one.row < wanted; });
  return at == rows.end() || at->row != row ? nullptr : &*at;
}

// What is read and written while tables are compared are statements, too, and none to be watched.
template <typename Watched>
std::unique_ptr<Watched> look_away() {
  auto out = std::make_unique<Watched>();
  out->level = std::numeric_limits<int>::min();
  return out;
}

}  // namespace

Result<void> Capture::on_watched_statement(int level) {
  if (watched_ != nullptr && !watched_->is_over) {
    // Another table's tap hears of the same, or a statement inside of the watched one begins. One
    // that is a transaction of its own has no savepoint.
    if (watched_->level == unknown_level && !connection_.autocommit()) {
      watched_->level = level;
    }
    return {};
  }
  SL_TRY(settle_watched());
  SL_TRY(look_at_new_schema());
  // What the engine writes is no one's to tell.
  if (unordered_.empty() || engine_writing_ || watching_ || adopting_ || !tapped_ || synced_ ||
      (!schema_stops_ && !connection_.running_sql_mentions("fail"))) {
    return {};
  }
  return watch_statement(level);
}

Result<void> Capture::watch_statement(int level) {
  catalog_.settle();
  const Catalog::Hold hold(catalog_);
  drop_if_stale();
  auto watched = std::make_unique<Watched>();
  watched->level = level;
  const auto look = [&]() -> Result<void> {
    for (const TableId id : unordered_) {
      SL_TRY(const TrackedTable* table, catalog_.table(id));
      watched->tables.push_back({id, buffer_.position(id), {}});
      SL_TRY(watched->tables.back().rows, standing_rows(*table));
    }
    return {};
  };
  watched_ = look_away<Watched>();
  auto looked = look();
  watched_.reset();
  SL_TRY(std::move(looked));
  watched_ = std::move(watched);
  return {};
}

Result<Capture::Watched::Rows> Capture::standing_rows(const TrackedTable& table) {
  std::string sql = "SELECT " + (table.without_rowid ? std::string("0") : "t." + table.rowid_name);
  for (const std::string& column : table.key) {
    sql += ",t." + quote_identifier(column);
  }
  // Column ids rise with time, not always with the table's order.
  for (const int position : table.positions) {
    if (position >= 0) {
      sql += ",t." + quote_identifier(table.columns[static_cast<std::size_t>(position)].name);
    }
  }
  SL_TRY(Statement select,
         connection_.prepare(sql + " FROM main." + quote_identifier(table.name) + " t"));
  Watched::Rows out;
  bool is_sorted = true;
  std::uint64_t bytes = 0;
  Writer key;
  Writer values;
  const int key_end = 1 + static_cast<int>(table.key.size());
  for (;;) {
    SL_TRY(const bool more, select.step());
    if (!more) {
      break;
    }
    key.clear();
    values.clear();
    for (int i = 1; i < select.column_count(); ++i) {
      write_value(i < key_end ? key : values, select.column(i));
    }
    RowId row = select.column_int(0);
    if (table.without_rowid) {
      SL_TRY(row, known_rowid_of_key(table, key.bytes()));
    }
    bytes += key.size() + values.size() + sizeof(Watched::Row);
    if (bytes > watched_bytes_max) {
      return too_much_to_watch(table);
    }
    is_sorted = is_sorted && (out.empty() || out.back().row < row);
    out.push_back({row, state_of(table, key.bytes(), values.bytes()), to_vector(key.bytes()),
                   to_vector(values.bytes())});
  }
  if (!is_sorted) {
    syncline::sort(out.begin(), out.end(),
                   [](const auto& a, const auto& b) { return a.row < b.row; });
  }
  return out;
}

// As rowid_of_key(), and writes nothing where the key is known.
Result<RowId> Capture::known_rowid_of_key(const TrackedTable& table, Bytes key) {
  SL_TRY(Statement select, connection_.prepare("SELECT rid FROM syncline_keys_" +
                                               std::to_string(table.id) + " WHERE key = ?1"));
  select.bind_blob(1, key);
  SL_TRY(const bool known, select.step());
  return known ? Result<RowId>(select.column_int(0)) : rowid_of_key(table, key);
}

Result<void> Capture::settle_watched() {
  if (watched_ == nullptr) {
    return {};
  }
  catalog_.settle();
  const Catalog::Hold hold(catalog_);
  drop_if_stale();
  const std::unique_ptr<Watched> watched = std::exchange(watched_, look_away<Watched>());
  const auto settle = [&]() -> Result<void> {
    for (const Watched::Table& before : watched->tables) {
      const auto table = catalog_.table(before.id);
      if (!table && table.error().code() == ErrorCode::not_found) {
        continue;  // no longer tracked
      }
      SL_TRY(const TrackedTable* found, table);
      SL_TRY(settle_watched_table(*found, before.rows, before.position));
    }
    return {};
  };
  auto settled = settle();
  watched_.reset();
  return settled;
}

Result<void> Capture::settle_watched_table(const TrackedTable& table, const Watched::Rows& before,
                                           std::size_t position) {
  SL_TRY(Watched::Rows now, standing_rows(table));
  SL_TRY(const bool spelled, spell(table, before, now));
  if (spelled) {
    SL_TRY(now, standing_rows(table));
  }
  std::vector<CaptureBuffer::Told> told;
  std::vector<RowId> rows;
  buffer_.for_each_told(table.id, position, [&](const CaptureBuffer::Told& one) {
    told.push_back(one);
    rows.push_back(one.row);
  });
  syncline::sort(told.begin(), told.end(),
                 [](const auto& a, const auto& b) { return a.row < b.row; });
  for (const Watched::Rows* standing : {&before, &std::as_const(now)}) {
    for (const Watched::Row& row : *standing) {
      rows.push_back(row.row);
    }
  }
  syncline::sort(rows.begin(), rows.end(), [](RowId a, RowId b) { return a < b; });
  rows.erase(std::unique(rows.begin(), rows.end()), rows.end());
  auto next = told.begin();
  for (const RowId row : rows) {
    Heard heard;
    for (; next != told.end() && next->row == row; ++next) {
      heard.add(*next);
    }
    const Watched::Row* const was = find_row(before, row);
    const Watched::Row* const is = find_row(now, row);
    if (!heard.explains(was == nullptr ? 0 : was->state, is == nullptr ? 0 : is->state)) {
      buffer_.take_out(table.id, position, row);
      SL_TRY(note_unheard(table, row, was, is));
    }
  }
  return {};
}

// Does what capture's triggers would have done to JSON columns of rows that were written. False
// when there was nothing to do.
Result<bool> Capture::spell(const TrackedTable& table, const Watched::Rows& before,
                            const Watched::Rows& now) {
  std::string sets;
  std::string differs;
  for (const TrackedColumn& column : table.columns) {
    if (column.rule == MergeRule::json) {
      const std::string name = quote_identifier(column.name);
      const std::string spelled = std::string(canonical_json_function) + "(" + name + ")";
      sets += (sets.empty() ? "" : ",") + (name + " = " + spelled);
      differs += (differs.empty() ? "" : " OR ") + (name + " IS NOT " + spelled);
    }
  }
  const bool is_written = std::any_of(now.begin(), now.end(), [&](const auto& row) {
    const Watched::Row* const was = find_row(before, row.row);
    return was == nullptr || was->state != row.state;
  });
  if (sets.empty() || !is_written) {
    return false;
  }
  const std::string from = " main." + quote_identifier(table.name);
  const auto update = [&] {
    return connection_.execute("UPDATE" + from + " SET " + sets + " WHERE " + differs);
  };
  const auto unspelled = [&] {
    return connection_.query_int("SELECT 1 FROM" + from + " WHERE " + differs + " LIMIT 1");
  };
  SL_TRY(const auto some, unspelled());
  if (!some.has_value()) {
    return false;
  }
  Result<void> done;
  if (connection_.autocommit()) {
    // While a transaction is being committed no trigger can write to a tap.
    const bool had_triggers = connection_.set_triggers(false);
    done = update();
    connection_.set_triggers(had_triggers);
  } else {
    // A statement is about to begin: it would not survive that triggers are switched.
    done = update();
  }
  SL_TRY(const auto left, unspelled());
  if (left.has_value()) {
    return done ? Error(ErrorCode::constraint,
                        "a trigger keeps JSON of table '" + table.name + "' from being stored")
                : done.error();
  }
  return true;
}

Result<void> Capture::note_unheard(const TrackedTable& table, RowId row, const Watched::Row* before,
                                   const Watched::Row* now) {
  const ColumnSet all = table.all_columns();
  if (now != nullptr) {
    SL_TRY(const std::vector<Value> key, key_values(now->key));
    for (std::size_t i = 0; i < key.size(); ++i) {
      if (key[i].view().is_null()) {
        return null_in_key(table, i);
      }
    }
    if (now->key.size() > limits::written_key_bytes_max) {
      return key_too_large(table);
    }
    const std::uint64_t bytes = now->key.size() + now->values.size();
    if (bytes > limits::written_row_bytes_max) {
      return row_too_large(table, bytes);
    }
    buffer_.add_told(bytes + row_overhead_bytes + stamp_bytes * (all.size() + 1));
  }
  if (before != nullptr && now != nullptr && before->key == now->key) {
    if (before->state == now->state) {
      return {};
    }
    if (table.rule == MergeRule::row) {
      buffer_.over(table, row, row, before->key, all, true, before->values,
                   {before->state, now->state});
      return {};
    }
    ColumnSet changed;
    const auto after = split_values(all, now->values);
    for (const auto& [column, value] : split_values(all, before->values)) {
      if (!equal_bytes(after.at(column), value)) {
        changed.insert(column);
      }
    }
    buffer_.set_unordered(table, row, changed, before->key, before->values,
                          {before->state, now->state});
    return {};
  }
  if (before != nullptr) {
    buffer_.erase(table, row, before->key, all, true, before->values, before->state);
  }
  if (now != nullptr) {
    buffer_.put(table, row, now->state);
  }
  return {};
}

}  // namespace syncline
