// The part of capture that finds out which rows a REPLACE removed, of which SQLite tells nobody.
#include <algorithm>

#include "client/capture.h"
#include "client/event_order.h"
#include "model/value_codec.h"

namespace syncline {
namespace {

// Candidates whose statement was ignored are not told apart from those of a statement that goes on
// after a trigger's; beyond this many the oldest are of the former kind.
constexpr std::size_t candidates_max = 16;

constexpr std::string_view replace_word = "replace";
constexpr int replace_checks_until_known = 4;

// Encodes the key of a row that is being inserted; empty when SQLite still has to choose it.
ByteVector chosen_key(std::span<const ValueView> key) {
  Writer out;
  for (const ValueView& value : key) {
    // Before the insert an INTEGER PRIMARY KEY that SQLite will choose is told as -1.
    if (value.is_null() ||
        (key.size() == 1 && same_value(value, ValueView::of(std::int64_t{-1})))) {
      return {};
    }
    write_value(out, value);
  }
  return out.take();
}

}  // namespace

// Constraints (ON CONFLICT REPLACE) and the application's triggers may replace rows, too; and
// triggers and foreign keys may write a row before capture hears of it.
Result<void> Capture::look_at_schema() {
  std::int64_t numbers[2] = {0, 0};
  CachedStatement* reads[2] = {&read_main_schema_, &read_temp_schema_};
  for (int i = 0; i < 2; ++i) {
    SL_TRY(Statement * read, reads[i]->get(connection_));
    const ResetGuard guard(*read);
    SL_TRY(const bool row, read->step());
    numbers[i] = row ? read->column_int(0) : 0;
  }
  const std::pair<std::int64_t, std::int64_t> schemas{numbers[0], numbers[1]};
  schema_looked_at_ = true;
  if (schemas_ == schemas) {
    return {};
  }
  SL_TRY(const auto found,
         connection_.query_int("SELECT 1 FROM (SELECT name, sql FROM main.sqlite_schema UNION ALL "
                               "SELECT name, sql FROM temp.sqlite_schema) WHERE sql LIKE "
                               "'%replace%' AND name NOT LIKE 'syncline\\_%' ESCAPE '\\' LIMIT "
                               "1"));
  schema_replaces_ = found.has_value();
  SL_TRY(unordered_, tables_out_of_order(connection_));
  SL_TRY(schema_stops_, triggers_may_stop(connection_));
  // Rows that a REPLACE removes for an index that our triggers do not know are found as what a
  // stopped statement leaves is found.
  SL_TRY(catalog_.catch_up());
  SL_TRY(const std::set<TableId> unsure, tables_of_other_indexes(connection_, catalog_));
  unordered_.insert(unsure.begin(), unsure.end());
  schema_stops_ = schema_stops_ || !unsure.empty();
  SL_TRY(const auto silent,
         connection_.query_int("SELECT 1 FROM main.sqlite_schema WHERE type = 'trigger' AND (name "
                               "LIKE 'syncline\\_updated\\_%' ESCAPE '\\' OR name LIKE "
                               "'syncline\\_deleted\\_%' ESCAPE '\\') AND sql NOT LIKE "
                               "'%WHERE 0; END' LIMIT 1"));
  updates_tell_ = !silent.has_value();
  schemas_ = schemas;
  return {};
}

Result<void> Capture::look_at_new_schema() {
  return schema_looked_at_ ? Result<void>() : look_at_schema();
}

Result<bool> Capture::is_unordered(const TrackedTable& table) {
  // Where updates do not tell that they were prepared anew, a trigger that this connection makes
  // inside a transaction is found by the next.
  if (!updates_tell_ && buffer_.empty()) {
    SL_TRY(look_at_schema());
  }
  SL_TRY(look_at_new_schema());
  return !unordered_.empty() && unordered_.count(table.id) != 0;
}

Result<bool> Capture::may_replace() {
  // Every statement that fires our triggers was prepared after on_prepare(), so what was found
  // holds until the next. Most statements run once: all are looked through only when some run
  // often.
  if (replace_checks_ == 0) {
    SL_TRY(look_at_new_schema());
    statements_replace_ = true;
  } else if (replace_checks_ == replace_checks_until_known) {
    statements_replace_ = connection_.prepared_sql_mentions(replace_word);
  }
  replace_checks_ = std::min(replace_checks_ + 1, replace_checks_until_known + 1);
  if (schema_replaces_ || !statements_replace_) {
    return schema_replaces_;
  }
  return connection_.running_sql_mentions(replace_word);
}

Result<void> Capture::on_may_vanish(const TrackedTable& table,
                                    std::span<sqlite3_value* const> values) {
  SL_TRY(const RowId row, row_of(table, values, false));
  SL_TRY(encode_key(table, values, false));
  encode_old(table, values);
  std::vector<ValueView> writer;
  for (std::size_t i = 0; i < table.key.size(); ++i) {
    writer.push_back(read_value(values[tap_new_column(i)]));
  }
  add_candidate(table, row, chosen_key(writer));
  return {};
}

// The row's key and old values are in key_ and old_.
void Capture::add_candidate(const TrackedTable& table, RowId row, ByteVector writer) {
  if (expecting_ && table.id == expected_table_) {
    return;  // the engine's own write, which replaces nothing
  }
  Candidate candidate;
  candidate.table = table.id;
  candidate.row = row;
  candidate.key = to_vector(key_.bytes());
  candidate.old_values = to_vector(old_.bytes());
  candidate.writer = std::move(writer);
  if (unordered_.count(table.id) != 0) {
    buffer_.may_replace(table, row, candidate.key, candidate.old_values,
                        state_of(table, candidate.key, candidate.old_values));
    candidate.is_noted = true;
  }
  if (candidates_.size() >= candidates_max) {
    candidates_.erase(candidates_.begin());
  }
  candidates_.push_back(std::move(candidate));
}

Result<void> Capture::look_in_way(std::span<const ValueView> values) {
  catalog_.settle();
  const Catalog::Hold hold(catalog_);
  drop_if_stale();
  SL_TRY(const TrackedTable* table, catalog_.table(values.empty() ? 0 : values[0].integer));
  if (values.size() < 2 + table->key.size() || table->without_rowid) {
    return Error(ErrorCode::invalid_argument, "this function is called by triggers only");
  }
  Statement& look = in_way_statements_[table->id];
  if (!look) {
    SL_TRY(look, connection_.prepare_kept(rows_in_way_sql(*table)));
  }
  const ResetGuard guard(look);
  for (std::size_t i = 1; i < values.size(); ++i) {
    look.bind(static_cast<int>(i), values[i]);
  }
  const ByteVector writer = chosen_key(values.subspan(2, table->key.size()));
  for (;;) {
    SL_TRY(const bool more, look.step());
    if (!more) {
      return {};
    }
    const RowId row = look.column_int(0);
    SL_TRY(const bool there, load_row(*table, row));
    if (there) {
      add_candidate(*table, row, writer);
    }
  }
}

// Brings a row of a table with rowids into key_ and old_; false when it is not there.
Result<bool> Capture::load_row(const TrackedTable& table, RowId row) {
  Statement& statement = row_statements_[table.id];
  if (!statement) {
    std::string names;
    for (const std::string& column : table.key) {
      names += (names.empty() ? "t." : ",t.") + quote_identifier(column);
    }
    // Column ids rise with time, not always with the table's order.
    for (const int position : table.positions) {
      if (position >= 0) {
        names += ",t." + quote_identifier(table.columns[static_cast<std::size_t>(position)].name);
      }
    }
    SL_TRY(statement, connection_.prepare_kept("SELECT " + names + " FROM main." +
                                               quote_identifier(table.name) + " t WHERE t." +
                                               table.rowid_name + " = ?1"));
  }
  const ResetGuard guard(statement);
  statement.bind(1, row);
  SL_TRY(const bool found, statement.step());
  key_.clear();
  old_.clear();
  for (int i = 0; found && i < statement.column_count(); ++i) {
    write_value(i < static_cast<int>(table.key.size()) ? key_ : old_, statement.column(i));
  }
  return found;
}

// As encode_old() has them, of the row as it stands; empty when it does not.
Result<ByteVector> Capture::values_of_row(const TrackedTable& table, RowId row) {
  if (!table.without_rowid) {
    SL_TRY(const bool there, load_row(table, row));
    return there ? to_vector(old_.bytes()) : ByteVector();
  }
  SL_TRY(const ByteVector key, key_of_row(table, row));
  if (key.empty()) {
    return ByteVector();
  }
  SL_TRY(const std::vector<Value> values, key_values(key));
  std::string names;
  for (const int position : table.positions) {
    if (position >= 0) {
      names += (names.empty() ? "" : ",") +
               quote_identifier(table.columns[static_cast<std::size_t>(position)].name);
    }
  }
  std::string where;
  for (std::size_t i = 0; i < table.key.size(); ++i) {
    where +=
        (i == 0 ? "" : " AND ") + quote_identifier(table.key[i]) + " = ?" + std::to_string(i + 1);
  }
  SL_TRY(Statement select,
         connection_.prepare("SELECT " + (names.empty() ? "NULL" : names) + " FROM main." +
                             quote_identifier(table.name) + " WHERE " + where));
  for (std::size_t i = 0; i < values.size(); ++i) {
    select.bind(static_cast<int>(i) + 1, values[i].view());
  }
  Writer out;
  SL_TRY(const bool there, select.step());
  for (int i = 0; there && !names.empty() && i < select.column_count(); ++i) {
    write_value(out, select.column(i));
  }
  return out.take();
}

// Once a row was written it is known whether the rows in its way were removed for it. One that is
// still there stays so: the statement was ignored or became an upsert, or the row was not in the
// way in the end. A candidate of a statement that did nothing lies about for a while, which must do
// no harm: it counts as removed only when its rowid is empty or another row's, and then its end is
// in the buffer already or belongs there.
Result<void> Capture::settle_candidates(const TrackedTable& table, RowId written,
                                        std::optional<RowId> updated) {
  SL_TRY(const ByteVector writer, key_of_row(table, written));
  std::vector<Candidate> waiting;
  std::vector<Candidate> settled;
  for (Candidate& candidate : candidates_) {
    // A row that a trigger took away at once may have replaced any.
    const bool ours = candidate.table == table.id &&
                      (candidate.writer.empty() || writer.empty() || candidate.writer == writer);
    (ours ? settled : waiting).push_back(std::move(candidate));
  }
  candidates_ = std::move(waiting);
  for (Candidate& candidate : settled) {
    if (updated == candidate.row) {
      continue;  // the very row that was updated
    }
    bool gone = candidate.row == written;
    if (!gone) {
      SL_TRY(const ByteVector key, key_of_row(table, candidate.row));
      gone = key != candidate.key;
    }
    if (gone) {
      note_acted(table.id, candidate.key);
      note_acted_at(table.id, candidate.row);
      if (candidate.is_noted) {
        buffer_.end_staged(table.id, candidate.row);
      } else {
        buffer_.replace(table, candidate.row, candidate.key, table.all_columns(),
                        candidate.old_values);
      }
    } else if (candidate.writer.empty()) {
      candidates_.push_back(std::move(candidate));
    }
  }
  return {};
}

}  // namespace syncline
