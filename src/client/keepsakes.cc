#include "client/keepsakes.h"

namespace syncline {
namespace {

// Made when it is first needed, which in most files is never.
constexpr const char* table_sql =
    "CREATE TABLE IF NOT EXISTS main.syncline_keepsakes(tbl TEXT NOT NULL, key BLOB NOT NULL, "
    "PRIMARY KEY(tbl, key)) WITHOUT ROWID";

}  // namespace

Result<bool> Keepsakes::any_named() {
  SL_TRY(const std::int64_t some, meta_.integer(meta_name::keepsakes));
  return some != 0;
}

Result<bool> Keepsakes::any() {
  SL_TRY(const bool named, any_named());
  if (named) {
    return true;
  }
  SL_TRY(const std::optional<LocalVersion> heard, this->heard());
  return heard.has_value();
}

Result<void> Keepsakes::hear(LocalVersion version) {
  SL_TRY(const std::optional<LocalVersion> heard, this->heard());
  if (heard.has_value()) {
    return {};
  }
  return meta_.set(meta_name::heard_version,
                   ValueView::of(static_cast<std::int64_t>(version.get())));
}

Result<std::optional<LocalVersion>> Keepsakes::heard() {
  SL_TRY(const std::int64_t version, meta_.integer(meta_name::heard_version));
  return version == 0 ? std::nullopt
                      : std::optional<LocalVersion>(static_cast<std::uint64_t>(version));
}

Result<void> Keepsakes::heard_is_named() {
  return meta_.set(meta_name::heard_version, ValueView::of(std::int64_t{0}));
}

Result<bool> Keepsakes::has(const std::string& table, Bytes key) {
  SL_TRY(const bool some, any_named());
  if (!some) {
    return false;
  }
  SL_TRY(Statement * statement, has_.get(connection_));
  const ResetGuard guard(*statement);
  statement->bind_text(1, table).bind_blob(2, key);
  return statement->step();
}

Result<void> Keepsakes::add(const std::string& table, Bytes key) {
  SL_TRY(const bool some, any_named());
  if (!some) {
    SL_TRY(connection_.execute(table_sql));
    SL_TRY(meta_.set(meta_name::keepsakes, ValueView::of(std::int64_t{1})));
  }
  SL_TRY(Statement * statement, add_.get(connection_));
  statement->bind_text(1, table).bind_blob(2, key);
  return statement->run();
}

Result<void> Keepsakes::clear() {
  SL_TRY(heard_is_named());
  SL_TRY(const bool some, any_named());
  if (!some) {
    return {};
  }
  rewind();
  SL_TRY(connection_.execute("DELETE FROM syncline_keepsakes"));
  return meta_.set(meta_name::keepsakes, ValueView::of(std::int64_t{0}));
}

void Keepsakes::rewind() {
  at_ = Row();
  name_ = ReplicaId();
  told_.clear();
}

Result<std::optional<Keepsakes::Row>> Keepsakes::next() {
  SL_TRY(const bool some, any_named());
  if (!some) {
    return std::optional<Row>();
  }
  SL_TRY(Statement * statement, next_.get(connection_));
  const ResetGuard guard(*statement);
  statement->bind_text(1, at_.table).bind_blob(2, at_.key);
  SL_TRY(const bool found, statement->step());
  if (!found) {
    return std::optional<Row>();
  }
  at_.table = statement->column_text(0);
  at_.key = to_vector(statement->column_blob(1));
  return std::optional<Row>(at_);
}

Result<void> Keepsakes::drop(const Row& row) {
  SL_TRY(Statement * statement, drop_.get(connection_));
  statement->bind_text(1, row.table).bind_blob(2, row.key);
  SL_TRY(statement->run());
  SL_TRY(Statement * any, any_.get(connection_));
  const ResetGuard guard(*any);
  SL_TRY(const bool left, any->step());
  return left ? Result<void>() : meta_.set(meta_name::keepsakes, ValueView::of(std::int64_t{0}));
}

void Keepsakes::release() {
  add_.release();
  next_.release();
  has_.release();
  drop_.release();
  any_.release();
}

}  // namespace syncline
