#include "client/held.h"

#include "client/row_store.h"

namespace syncline {

std::string held_reason(const Error& error) {
  const std::string& message = error.message();
  const auto says = [&](const char* words) { return message.find(words) != std::string::npos; };
  if (says("UNIQUE constraint")) {
    return "unique";
  }
  if (says("NOT NULL constraint")) {
    return "not_null";
  }
  if (says("CHECK constraint")) {
    return "check";
  }
  if (says("FOREIGN KEY constraint")) {
    return "foreign_key";
  }
  return "constraint";
}

Result<bool> Held::any_of(const std::string& table) {
  const auto known = any_.find(table);
  if (known != any_.end()) {
    return known->second;
  }
  SL_TRY(Statement * statement, any_of_.get(connection_));
  const ResetGuard guard(*statement);
  statement->bind_text(1, table);
  SL_TRY(const bool found, statement->step());
  any_[table] = found;
  return found;
}

Result<bool> Held::any() {
  SL_TRY(Statement * statement, any_row_.get(connection_));
  const ResetGuard guard(*statement);
  return statement->step();
}

Result<HeldRow> Held::read_row(const Statement& statement) {
  HeldRow row;
  row.id = statement.column_int(0);
  row.table = statement.column_text(1);
  row.key.bytes = to_vector(statement.column_blob(2));
  row.reason = statement.column_text(3);
  row.message = statement.column_text(4);
  Reader in(statement.column_blob(5));
  auto state = read_row_state(in);
  if (!state) {
    return Error(ErrorCode::corrupt, "a held row is damaged: " + state.error().message());
  }
  row.state = std::move(*state);
  return row;
}

Result<std::optional<HeldRow>> Held::find(const std::string& table, Bytes key) {
  SL_TRY(const bool possible, any_of(table));
  if (!possible) {
    return std::optional<HeldRow>();
  }
  SL_TRY(Statement * statement, find_.get(connection_));
  const ResetGuard guard(*statement);
  statement->bind_text(1, table).bind_blob(2, key);
  SL_TRY(const bool found, statement->step());
  if (!found) {
    return std::optional<HeldRow>();
  }
  SL_TRY(HeldRow row, read_row(*statement));
  return std::optional<HeldRow>(std::move(row));
}

Result<void> Held::put(const HeldRow& row, std::int64_t now_ms) {
  Writer state;
  write_row_state(state, row.state);
  SL_TRY(Statement * statement, put_.get(connection_));
  statement->bind_text(1, row.table)
      .bind_blob(2, row.key.view())
      .bind_text(3, row.reason)
      .bind_text(4, row.message)
      .bind_blob(5, state.bytes())
      .bind(6, now_ms);
  SL_TRY(statement->run());
  any_[row.table] = true;
  return {};
}

Result<void> Held::drop(const std::string& table, Bytes key) {
  SL_TRY(Statement * statement, drop_.get(connection_));
  statement->bind_text(1, table).bind_blob(2, key);
  SL_TRY(statement->run());
  any_.erase(table);
  return {};
}

Result<std::vector<HeldRow>> Held::list(const std::string& table, std::size_t count_max) {
  SL_TRY(Statement statement,
         connection_.prepare("SELECT id, tbl, key, reason, message, state FROM syncline_held_rows "
                             "WHERE ?1 = '' OR tbl = ?1 ORDER BY id LIMIT ?2"));
  statement.bind_text(1, table).bind(2, static_cast<std::int64_t>(count_max));
  std::vector<HeldRow> out;
  for (;;) {
    SL_TRY(const bool found, statement.step());
    if (!found) {
      return out;
    }
    SL_TRY(HeldRow row, read_row(statement));
    out.push_back(std::move(row));
  }
}

Result<void> Held::for_each(FunctionRef<Result<void>(const HeldRow& row)> visit) {
  SL_TRY(Statement * statement, all_.get(connection_));
  const ResetGuard guard(*statement);
  for (;;) {
    SL_TRY(const bool found, statement->step());
    if (!found) {
      return {};
    }
    SL_TRY(const HeldRow row, read_row(*statement));
    SL_TRY(visit(row));
  }
}

Result<std::uint64_t> Held::count() {
  SL_TRY(const auto count, connection_.query_int("SELECT count(*) FROM syncline_held_rows"));
  return static_cast<std::uint64_t>(count.value_or(0));
}

void Held::release() {
  for (CachedStatement* statement : {&find_, &any_row_, &any_of_, &all_, &put_, &drop_}) {
    statement->release();
  }
}

}  // namespace syncline
