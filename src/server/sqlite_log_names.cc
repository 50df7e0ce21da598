// The part of the log's file that doors without replicas need: changes and devices by their names.
#include "server/sqlite_log_store.h"

namespace syncline {

Result<std::optional<NamedChange>> SqliteLogStore::find_named(WorkspaceId workspace,
                                                              const std::string& user,
                                                              const std::string& id) {
  SL_TRY(Statement * row,
         prepared("SELECT hash, version, author_ms, conflict FROM named_changes WHERE workspace = "
                  "?1 AND user = ?2 AND id = ?3"));
  const ResetGuard guard(*row);
  row->bind(1, workspace.get()).bind_text(2, user).bind_text(3, id);
  SL_TRY(const bool found, row->step());
  if (!found) {
    return std::optional<NamedChange>();
  }
  NamedChange change;
  change.hash = static_cast<std::uint64_t>(row->column_int(0));
  change.version = ServerVersion(static_cast<std::uint64_t>(row->column_int(1)));
  change.author_ms = row->column_int(2);
  change.conflict = row->column_text(3);
  return std::optional<NamedChange>(std::move(change));
}

Result<void> SqliteLogStore::save_named(WorkspaceId workspace, const std::string& user,
                                        const std::string& id, const NamedChange& change) {
  SL_TRY(Statement * row,
         prepared("INSERT INTO named_changes(workspace, user, id, hash, version, author_ms, "
                  "conflict) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)"));
  row->bind(1, workspace.get())
      .bind_text(2, user)
      .bind_text(3, id)
      .bind(4, static_cast<std::int64_t>(change.hash))
      .bind(5, static_cast<std::int64_t>(change.version.get()))
      .bind(6, change.author_ms)
      .bind_text(7, change.conflict);
  return row->run();
}

Result<void> SqliteLogStore::give_names(WorkspaceId workspace, const std::string& from,
                                        const std::string& to) {
  SL_TRY(Statement * row, prepared("UPDATE OR IGNORE named_changes SET user = ?3 WHERE workspace = "
                                   "?1 AND user = ?2"));
  row->bind(1, workspace.get()).bind_text(2, from).bind_text(3, to);
  return row->run();
}

Result<std::uint64_t> SqliteLogStore::devices_beside(WorkspaceId workspace, const std::string& user,
                                                     const std::string& name) {
  SL_TRY(Statement * row, prepared("SELECT count(DISTINCT name) FROM named_devices WHERE workspace "
                                   "= ?1 AND user = ?2 AND name NOT IN (?3, '')"));
  const ResetGuard guard(*row);
  row->bind(1, workspace.get()).bind_text(2, user).bind_text(3, name);
  SL_TRY(const bool found, row->step());
  return found ? static_cast<std::uint64_t>(row->column_int(0)) : 0;
}

Result<void> SqliteLogStore::save_maker(WorkspaceId workspace, const std::string& user) {
  SL_TRY(Statement * row, prepared("INSERT OR IGNORE INTO makers(workspace, user) VALUES(?1, ?2)"));
  row->bind(1, workspace.get()).bind_text(2, user);
  return row->run();
}

Result<std::uint64_t> SqliteLogStore::workspaces_by(const std::string& user) {
  SL_TRY(Statement * row, prepared("SELECT count(*) FROM makers WHERE user = ?1"));
  const ResetGuard guard(*row);
  row->bind_text(1, user);
  SL_TRY(const bool found, row->step());
  return found ? static_cast<std::uint64_t>(row->column_int(0)) : 0;
}

Result<ByteVector> SqliteLogStore::secret() {
  SL_TRY(Statement * row, prepared("SELECT secret FROM secrets"));
  const ResetGuard guard(*row);
  SL_TRY(const bool found, row->step());
  if (!found) {
    return Error(ErrorCode::corrupt, "the log has no secret");
  }
  return to_vector(row->column_blob(0));
}

Result<void> SqliteLogStore::save_device(WorkspaceId workspace, const ReplicaId& replica,
                                         const NamedDevice& device) {
  SL_TRY(Statement * row, prepared("INSERT OR IGNORE INTO named_devices(workspace, device, user, "
                                   "name) VALUES(?1, ?2, ?3, ?4)"));
  const std::string id = replica.hex();  // the statement borrows it
  row->bind(1, workspace.get())
      .bind_text(2, id)
      .bind_text(3, device.user)
      .bind_text(4, device.name);
  return row->run();
}

Result<std::optional<NamedDevice>> SqliteLogStore::find_device(WorkspaceId workspace,
                                                               const ReplicaId& replica) {
  SL_TRY(Statement * row,
         prepared("SELECT user, name FROM named_devices WHERE workspace = ?1 AND device = ?2"));
  const ResetGuard guard(*row);
  const std::string id = replica.hex();
  row->bind(1, workspace.get()).bind_text(2, id);
  SL_TRY(const bool found, row->step());
  if (!found) {
    return std::optional<NamedDevice>();
  }
  return std::optional<NamedDevice>(
      NamedDevice{std::string(row->column_text(0)), std::string(row->column_text(1))});
}

// A replica's stamps rise with its sequences, so the log's index by sequence finds a stamp in a few
// steps; one by stamps would cost every append.
Result<std::optional<ServerVersion>> SqliteLogStore::version_of(WorkspaceId workspace,
                                                                const Stamp& stamp) {
  SL_TRY(Statement * last, prepared("SELECT max(sequence) FROM log WHERE workspace = ?1 AND "
                                    "replica = ?2"));
  const ResetGuard last_guard(*last);
  last->bind(1, workspace.get()).bind_blob(2, stamp.replica.view());
  SL_TRY(const bool any, last->step());
  std::int64_t low = 0;  // the change has a sequence in [low, high]
  std::int64_t high = any ? last->column_int(0) : -1;
  while (low <= high) {
    const std::int64_t middle = low + (high - low) / 2;
    SL_TRY(Statement * row, prepared("SELECT sequence, time, version FROM log WHERE workspace = ?1 "
                                     "AND replica = ?2 AND sequence >= ?3 ORDER BY sequence LIMIT "
                                     "1"));
    const ResetGuard guard(*row);
    row->bind(1, workspace.get()).bind_blob(2, stamp.replica.view()).bind(3, middle);
    SL_TRY(const bool found, row->step());
    if (!found) {
      break;
    }
    const auto time = static_cast<std::uint64_t>(row->column_int(1));
    if (time == stamp.time) {
      return std::optional<ServerVersion>(
          ServerVersion(static_cast<std::uint64_t>(row->column_int(2))));
    }
    if (time < stamp.time) {
      low = row->column_int(0) + 1;
    } else {
      high = middle - 1;
    }
  }
  return std::optional<ServerVersion>();
}

}  // namespace syncline
