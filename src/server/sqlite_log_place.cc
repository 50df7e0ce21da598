// Where a store stands: its seals, its openings, its lineages.
#include "server/sqlite_log_store.h"

namespace syncline {
namespace {

// A witness that missed so many starts of its server is taken for that of a later store.
constexpr int openings_max = 100'000;

std::uint64_t from_sql(std::int64_t value) { return static_cast<std::uint64_t>(value); }

}  // namespace

Result<SealKey> SqliteLogStore::seal_key() {
  SL_TRY(Statement * row, prepared("SELECT key FROM seal_keys"));
  const ResetGuard guard(*row);
  SL_TRY(const bool found, row->step());
  if (!found) {
    return Error(ErrorCode::corrupt, "the log has no key for its seals");
  }
  return SealKey::from_bytes(row->column_blob(0));
}

Result<std::optional<std::uint64_t>> SqliteLogStore::mark_at(WorkspaceId workspace,
                                                             ServerVersion version) {
  SL_TRY(Statement * row, prepared("SELECT mark FROM log WHERE workspace = ?1 AND version = ?2"));
  const ResetGuard guard(*row);
  row->bind(1, workspace.get()).bind(2, static_cast<std::int64_t>(version.get()));
  SL_TRY(const bool found, row->step());
  return found ? std::optional<std::uint64_t>(from_sql(row->column_int(0))) : std::nullopt;
}

Result<StorePlace> SqliteLogStore::place() {
  StorePlace out;
  SL_TRY(Statement row,
         database_->prepare("SELECT (SELECT lineage FROM lineages ORDER BY number LIMIT 1), "
                            "ifnull((SELECT opening FROM openings ORDER BY number DESC LIMIT 1), "
                            "zeroblob(16)), (SELECT ifnull(sum(head), 0) FROM workspaces)"));
  SL_TRY(const bool found, row.step());
  if (!found) {
    return Error(ErrorCode::corrupt, "the log does not say where it stands");
  }
  SL_TRY(out.store, LineageId::from_bytes(row.column_blob(0)));
  SL_TRY(out.opening, OpeningId::from_bytes(row.column_blob(1)));
  out.heads = from_sql(row.column_int(2));
  SL_TRY(out.lineage, lineage());
  return out;
}

Result<void> SqliteLogStore::begin_opening(const OpeningId& opening) {
  SL_TRY(Statement row, database_->prepare("INSERT INTO openings(opening) VALUES(?1)"));
  row.bind_blob(1, opening.view());
  SL_TRY(row.run());
  return database_->execute(
      "DELETE FROM openings WHERE number <= (SELECT max(number) FROM "
      "openings) - " +
      std::to_string(openings_max));
}

Result<bool> SqliteLogStore::was_at(const LineageId& lineage, const OpeningId& opening) {
  SL_TRY(Statement row, database_->prepare("SELECT EXISTS(SELECT 1 FROM lineages WHERE lineage = "
                                           "?1) AND EXISTS(SELECT 1 FROM openings WHERE opening "
                                           "= ?2)"));
  row.bind_blob(1, lineage.view()).bind_blob(2, opening.view());
  SL_TRY(const bool found, row.step());
  return found && row.column_int(0) != 0;
}

Result<void> SqliteLogStore::touch(std::int64_t now_ms) {
  SL_TRY(Statement * row, prepared("INSERT OR REPLACE INTO probes(one, at_ms) VALUES(1, ?1)"));
  row->bind(1, now_ms);
  return row->run();
}

}  // namespace syncline
