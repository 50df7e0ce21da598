#include "client/conflicts.h"

#include "client/table_access.h"
#include "model/three_way.h"
#include "sqlite/savepoint.h"

namespace syncline {
namespace {

constexpr const char* select_row =
    "SELECT id, tbl, key, col, base, winner, loser, winner_stamp, loser_stamp, state FROM "
    "syncline_conflict_rows ";

ConflictRow read_row(const Statement& statement) {
  ConflictRow row;
  row.id = statement.column_text(0);
  row.table = statement.column_text(1);
  row.key.bytes = to_vector(statement.column_blob(2));
  row.column = statement.column_text(3);
  row.base = Value(statement.column(4));
  row.winner = Value(statement.column(5));
  row.loser = Value(statement.column(6));
  row.winner_stamp = statement.column_text(7);
  row.loser_stamp = statement.column_text(8);
  row.state = statement.column_text(9);
  return row;
}

}  // namespace

Result<Resolution> resolution_from_name(std::string_view name) {
  if (name == "mine") {
    return Resolution::mine;
  }
  if (name == "theirs") {
    return Resolution::theirs;
  }
  if (name == "merged") {
    return Resolution::merged;
  }
  if (name == "value") {
    return Resolution::value;
  }
  return Error(ErrorCode::invalid_argument,
               "a conflict is resolved by 'mine', 'theirs', 'merged' "
               "or 'value', not by '" +
                   std::string(name) + "'");
}

Result<void> Conflicts::record(const Conflict& conflict) {
  SL_TRY(
      Statement insert,
      connection_.prepare(
          "INSERT INTO syncline_conflict_rows(id, tbl, key, col, base, winner, loser, "
          "winner_stamp, loser_stamp) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT(id) "
          "DO NOTHING"));
  const std::string id = conflict_id(conflict).hex();
  const std::string winner_stamp = to_text(conflict.winner);
  const std::string loser_stamp = to_text(conflict.loser);
  const Value base = conflict.base_value.value_or(Value());
  insert.bind_text(1, id)
      .bind_text(2, conflict.table)
      .bind_blob(3, conflict.key.view())
      .bind_text(4, conflict.column)
      .bind(5, base.view())
      .bind(6, conflict.winner_value.view())
      .bind(7, conflict.loser_value.view())
      .bind_text(8, winner_stamp)
      .bind_text(9, loser_stamp);
  return insert.run();
}

Result<std::vector<ConflictRow>> Conflicts::open(std::size_t count_max) {
  SL_TRY(Statement select,
         connection_.prepare(std::string(select_row) +
                             "WHERE state = 'open' ORDER BY winner_stamp, id LIMIT ?1"));
  select.bind(1, static_cast<std::int64_t>(count_max));
  std::vector<ConflictRow> out;
  for (;;) {
    SL_TRY(const bool row, select.step());
    if (!row) {
      return out;
    }
    out.push_back(read_row(select));
  }
}

Result<std::optional<ConflictRow>> Conflicts::find(const std::string& id) {
  SL_TRY(Statement select, connection_.prepare(std::string(select_row) + "WHERE id = ?1"));
  select.bind_text(1, id);
  SL_TRY(const bool row, select.step());
  if (!row) {
    return std::optional<ConflictRow>();
  }
  return std::optional<ConflictRow>(read_row(select));
}

Result<std::uint64_t> Conflicts::count() {
  SL_TRY(const auto count,
         connection_.query_int("SELECT count(*) FROM syncline_conflict_rows WHERE state = 'open'"));
  return static_cast<std::uint64_t>(count.value_or(0));
}

Result<Value> Conflicts::chosen_value(const ConflictRow& row, Resolution how,
                                      const ValueView& value, const ReplicaId& own) {
  SL_TRY(const Stamp winner, stamp_from_text(row.winner_stamp));
  SL_TRY(const Stamp loser, stamp_from_text(row.loser_stamp));
  // To a device that wrote neither, what stands is its own side.
  const bool loser_is_mine = loser.replica == own && winner.replica != own;
  switch (how) {
    case Resolution::mine:
      return loser_is_mine ? row.loser : row.winner;
    case Resolution::theirs:
      return loser_is_mine ? row.winner : row.loser;
    case Resolution::value:
      return Value(value);
    case Resolution::merged:
      return merge_values(row);
  }
  return Error(ErrorCode::internal, "unknown resolution");
}

Result<Value> Conflicts::merge_values(const ConflictRow& row) {
  ThreeWay merged = merge_any(row.base.view(), row.winner.view(), row.loser.view());
  if (merged.is_clean()) {
    return std::move(merged.merged);
  }
  std::string where;
  for (const Disagreement& disagreement : merged.disagreements) {
    for (const std::string& step : disagreement.path) {
      where += (where.empty() ? " (" : where.back() == ' ' ? "" : ".") + step;
    }
    where += disagreement.path.empty() ? "" : ", ";
  }
  if (!where.empty()) {
    where.resize(where.size() - 2);
    where += ")";
  }
  return Error(ErrorCode::constraint, "both sides changed the same thing" + where +
                                          ": choose 'mine' or 'theirs', or give a value");
}

Result<void> Conflicts::write_cell(const ConflictRow& row, const Value& value) {
  SL_TRY(const TrackedTable* table, catalog_.find(row.table));
  if (table == nullptr) {
    return Error(ErrorCode::not_found,
                 "the conflict is about table '" + row.table + "', which is not synced here");
  }
  SL_TRY(const std::vector<Value> key, key_values(row.key.view()));
  if (key.size() != table->key.size()) {
    return Error(ErrorCode::schema_mismatch, "the conflict's key does not fit its table");
  }
  const std::string column = quote_identifier(row.column);
  std::string sql = "UPDATE main." + quote_identifier(table->name) + " SET " + column +
                    " = ?1 WHERE " + column + " IS NOT ?1";
  for (std::size_t i = 0; i < key.size(); ++i) {
    sql += " AND " + quote_identifier(table->key[i]) + " = ?" + std::to_string(i + 2);
  }
  SL_TRY(Statement update, connection_.prepare(sql));
  update.bind(1, value.view());
  for (std::size_t i = 0; i < key.size(); ++i) {
    update.bind(static_cast<int>(i) + 2, key[i].view());
  }
  return update.run();
}

Result<void> Conflicts::resolve(const std::string& id, Resolution how, const ValueView& value,
                                const ReplicaId& own) {
  SL_TRY(Savepoint savepoint, Savepoint::to_write(connection_));
  SL_TRY(const std::optional<ConflictRow> row, find(id));
  if (!row.has_value()) {
    return Error(ErrorCode::not_found, "there is no conflict '" + id + "'");
  }
  if (row->state != "open") {
    return Error(ErrorCode::already_exists, "conflict '" + id + "' is resolved already");
  }
  SL_TRY(const Value chosen, chosen_value(*row, how, value, own));
  SL_TRY(write_cell(*row, chosen));
  SL_TRY(
      Statement close,
      connection_.prepare("UPDATE syncline_conflict_rows SET state = 'resolved', resolution = ?2 "
                          "WHERE id = ?1"));
  close.bind_text(1, id).bind(2, chosen.view());
  SL_TRY(close.run());
  return savepoint.release();
}

}  // namespace syncline
