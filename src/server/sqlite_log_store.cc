#include "server/sqlite_log_store.h"

#include <array>

#include "server/row_bytes.h"

namespace syncline {
namespace {

// All workspaces share it, and what is changed lies all over it; SQLite's own 2 MiB are written out
// and read again within one commit. In KiB, taken as it is needed.
constexpr const char* cache_sql = "PRAGMA cache_size = -65536";

// Of the file, in PRAGMA user_version. 2: marks, seals and openings.
constexpr std::int64_t store_format = 2;

constexpr const char* schema_sql = R"sql(
CREATE TABLE IF NOT EXISTS lineages(
  number INTEGER PRIMARY KEY, lineage BLOB NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS lineage_ends(
  lineage BLOB NOT NULL, workspace INTEGER NOT NULL, head INTEGER NOT NULL,
  PRIMARY KEY(lineage, workspace)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS backup_mark(one INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS seal_keys(one INTEGER PRIMARY KEY CHECK(one = 1), key BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS probes(one INTEGER PRIMARY KEY CHECK(one = 1), at_ms INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS openings(
  number INTEGER PRIMARY KEY AUTOINCREMENT, opening BLOB NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS secrets(one INTEGER PRIMARY KEY CHECK(one = 1), secret BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS workspaces(
  id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE,
  head INTEGER NOT NULL DEFAULT 0, fence INTEGER NOT NULL DEFAULT 0,
  fence_time INTEGER NOT NULL DEFAULT 0, mark INTEGER NOT NULL DEFAULT 0,
  schema BLOB NOT NULL DEFAULT x'');
CREATE TABLE IF NOT EXISTS makers(workspace INTEGER PRIMARY KEY, user TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS makers_by_user ON makers(user);
CREATE TABLE IF NOT EXISTS totals(
  workspace INTEGER NOT NULL, tbl TEXT NOT NULL, digest BLOB NOT NULL, rows INTEGER NOT NULL,
  bytes INTEGER NOT NULL, PRIMARY KEY(workspace, tbl)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS state_rows(
  workspace INTEGER NOT NULL, tbl TEXT NOT NULL, key BLOB NOT NULL, alive INTEGER NOT NULL,
  version INTEGER NOT NULL, state BLOB NOT NULL,
  PRIMARY KEY(workspace, tbl, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS log(
  workspace INTEGER NOT NULL, version INTEGER NOT NULL, replica BLOB NOT NULL,
  sequence INTEGER NOT NULL, time INTEGER NOT NULL, hash INTEGER NOT NULL, user TEXT NOT NULL,
  at_ms INTEGER NOT NULL, parts INTEGER NOT NULL, mark INTEGER NOT NULL, body BLOB NOT NULL,
  UNIQUE(workspace, version), UNIQUE(workspace, replica, sequence));
CREATE TABLE IF NOT EXISTS log_parts(
  workspace INTEGER NOT NULL, version INTEGER NOT NULL, part INTEGER NOT NULL, body BLOB NOT NULL,
  PRIMARY KEY(workspace, version, part));
CREATE TABLE IF NOT EXISTS rejected(
  workspace INTEGER NOT NULL, replica BLOB NOT NULL, sequence INTEGER NOT NULL,
  time INTEGER NOT NULL, hash INTEGER NOT NULL, code TEXT NOT NULL, message TEXT NOT NULL,
  PRIMARY KEY(workspace, replica, sequence)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS identities(
  workspace INTEGER NOT NULL, replica BLOB NOT NULL, sequence INTEGER NOT NULL,
  time INTEGER NOT NULL, hash INTEGER NOT NULL,
  PRIMARY KEY(workspace, replica, sequence)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS replicas(
  workspace INTEGER NOT NULL, replica BLOB NOT NULL, epoch BLOB NOT NULL,
  last_sequence INTEGER NOT NULL, last_time INTEGER NOT NULL, confirmed INTEGER NOT NULL,
  cursor INTEGER NOT NULL, seen_ms INTEGER NOT NULL, user TEXT NOT NULL, PRIMARY KEY(workspace, replica)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS named_changes(
  workspace INTEGER NOT NULL, user TEXT NOT NULL, id TEXT NOT NULL, hash INTEGER NOT NULL,
  version INTEGER NOT NULL, author_ms INTEGER NOT NULL, conflict TEXT NOT NULL,
  PRIMARY KEY(workspace, user, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS named_devices(
  workspace INTEGER NOT NULL, device TEXT NOT NULL, user TEXT NOT NULL, name TEXT NOT NULL,
  PRIMARY KEY(workspace, device)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS named_devices_by_user ON named_devices(workspace, user);
CREATE TABLE IF NOT EXISTS audit_rows(
  id INTEGER PRIMARY KEY, workspace INTEGER NOT NULL, version INTEGER NOT NULL,
  device TEXT NOT NULL, user TEXT NOT NULL, type TEXT NOT NULL, entity_type TEXT NOT NULL,
  entity_id TEXT NOT NULL, data TEXT NOT NULL, at_ms INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS audit_by_version ON audit_rows(workspace, version);
CREATE VIEW IF NOT EXISTS audit AS
  SELECT w.name AS workspace, a.version AS change_id, a.device, a.user, a.type, a.entity_type,
    a.entity_id, a.data, strftime('%Y-%m-%dT%H:%M:%fZ', a.at_ms / 1000.0, 'unixepoch') AS time,
    (SELECT n.name FROM named_devices n WHERE n.workspace = a.workspace AND n.device = a.device)
      AS device_name
  FROM audit_rows a JOIN workspaces w ON w.id = a.workspace;
CREATE VIEW IF NOT EXISTS audit_conflicts AS
  SELECT w.name AS workspace, c.version AS change_id, c.user, c.id AS author_change_id,
    c.conflict ->> 'entityType' AS entity_type, c.conflict ->> 'entityId' AS entity_id,
    c.conflict ->> 'reason' AS reason, c.conflict ->> 'winner' AS winner,
    c.conflict -> 'fields' AS fields
  FROM named_changes c JOIN workspaces w ON w.id = c.workspace WHERE c.conflict <> '';
)sql";

// Makes the tables in a new file, and touches no file of another format.
Result<void> prepare_file(Connection file) {
  SL_TRY(const auto format, file.query_int("PRAGMA user_version"));
  SL_TRY(const auto tables, file.query_int("SELECT count(*) FROM sqlite_schema"));
  if (format.value_or(0) == store_format) {
    return file.execute(schema_sql);
  }
  if (tables.value_or(0) != 0) {
    return Error(ErrorCode::unsupported,
                 "format " + std::to_string(format.value_or(0)) + ", and this program knows " +
                     std::to_string(store_format) +
                     ": another version of syncline wrote it, or it is no server's log");
  }
  SL_TRY(file.execute(std::string("BEGIN IMMEDIATE; ") + schema_sql +
                      "PRAGMA user_version = " + std::to_string(store_format) + "; COMMIT"));
  return {};
}

// SQLite's integers are signed; times and hashes use all 64 bits.
std::int64_t to_sql(std::uint64_t value) { return static_cast<std::int64_t>(value); }
std::uint64_t from_sql(std::int64_t value) { return static_cast<std::uint64_t>(value); }

WorkspaceRecord read_workspace(const Statement& row) {
  WorkspaceRecord record;
  record.id = WorkspaceId(row.column_int(0));
  record.head = ServerVersion(from_sql(row.column_int(1)));
  record.fence = ServerVersion(from_sql(row.column_int(2)));
  record.fence_time = from_sql(row.column_int(3));
  record.mark = from_sql(row.column_int(4));
  record.schema = to_vector(row.column_blob(5));
  return record;
}

Result<ServerRow> read_row(const std::string& table, Bytes key, Bytes state) {
  ServerRow row;
  row.table = table;
  row.key.bytes = to_vector(key);
  row.bytes = key.size() + state.size();
  SL_TRY(row.state, decode_row_state(state));
  return row;
}

}  // namespace

Result<std::unique_ptr<SqliteLogStore>> SqliteLogStore::open(const std::string& path,
                                                             Random& random,
                                                             const Options& options) {
  SL_TRY(Database database, Database::open(path, options.open));
  SL_TRY(prepare_file(database.connection()));
  SL_TRY(database->execute(cache_sql));
  std::unique_ptr<SqliteLogStore> store(new SqliteLogStore(std::move(database), options));
  SL_TRY(const auto keys, store->database_->query_int("SELECT count(*) FROM seal_keys"));
  if (keys.value_or(0) == 0) {
    SL_TRY(Statement row,
           store->database_->prepare("INSERT INTO seal_keys(one, key) VALUES(1, ?1)"));
    const SealKey key = SealKey::draw(random);
    row.bind_blob(1, key.view());
    SL_TRY(row.run());
  }
  // A backup that is opened is a server that forgot something: never the same lineage again.
  SL_TRY(const auto fresh, store->database_->query_int(
                               "SELECT (SELECT count(*) FROM lineages) = 0 OR EXISTS(SELECT 1 "
                               "FROM backup_mark)"));
  if (fresh.value_or(1) != 0) {
    SL_TRY(store->begin_lineage(LineageId::draw(random)));
  }
  SL_TRY(const auto has_secret, store->database_->query_int("SELECT count(*) FROM secrets"));
  if (has_secret.value_or(0) == 0) {
    std::array<std::uint8_t, 32> secret{};
    random.fill(secret);
    SL_TRY(Statement keep,
           store->database_->prepare("INSERT INTO secrets(one, secret) VALUES(1, ?1)"));
    keep.bind_blob(1, secret);
    SL_TRY(keep.run());
  }
  return store;
}

SqliteLogStore::~SqliteLogStore() {
  // Statements go before their connection.
  statements_.clear();
}

Result<Statement*> SqliteLogStore::prepared(const char* sql) {
  const auto at = statements_.find(sql);
  if (at != statements_.end()) {
    return &at->second;
  }
  SL_TRY(Statement statement, database_->prepare_kept(sql));
  return &statements_.emplace(sql, std::move(statement)).first->second;
}

Result<LineageId> SqliteLogStore::lineage() {
  SL_TRY(Statement * row, prepared("SELECT lineage FROM lineages ORDER BY number DESC LIMIT 1"));
  const ResetGuard guard(*row);
  SL_TRY(const bool found, row->step());
  if (!found) {
    return Error(ErrorCode::corrupt, "the log has no lineage");
  }
  return LineageId::from_bytes(row->column_blob(0));
}

Result<std::optional<ServerVersion>> SqliteLogStore::ancestor(WorkspaceId workspace,
                                                              const LineageId& lineage) {
  SL_TRY(Statement * row,
         prepared("SELECT min(head) FROM lineage_ends WHERE workspace = ?1 AND lineage IN (SELECT "
                  "later.lineage FROM lineages old JOIN lineages later ON later.number >= "
                  "old.number WHERE old.lineage = ?2)"));
  const ResetGuard guard(*row);
  row->bind(1, workspace.get()).bind_blob(2, lineage.view());
  SL_TRY(const bool found, row->step());
  if (!found || row->column(0).is_null()) {
    return std::optional<ServerVersion>();
  }
  return std::optional<ServerVersion>(ServerVersion(from_sql(row->column_int(0))));
}

Result<void> SqliteLogStore::begin() { return database_->execute("BEGIN IMMEDIATE"); }

Result<void> SqliteLogStore::commit() {
  auto done = database_->execute("COMMIT");
  if (!done) {
    rollback();
  }
  return done;
}

void SqliteLogStore::rollback() {
  if (!database_->autocommit()) {
    // SQLite may have rolled back by itself; then there is nothing to do and nothing to report.
    (void)database_->execute("ROLLBACK");
  }
}

Result<void> SqliteLogStore::attempt(FunctionRef<Result<void>()> work) {
  SL_TRY(database_->execute("SAVEPOINT attempt"));
  auto done = work();
  if (done) {
    return database_->execute("RELEASE attempt");
  }
  // Of some errors SQLite itself takes everything back, the savepoint with it.
  if (database_->autocommit() ||
      !database_->execute("ROLLBACK TO attempt; RELEASE attempt").has_value()) {
    return Error(ErrorCode::cancelled, done.error().message());
  }
  return done;
}

Result<std::optional<WorkspaceRecord>> SqliteLogStore::find_workspace(const std::string& name) {
  SL_TRY(Statement * row,
         prepared("SELECT id, head, fence, fence_time, mark, schema FROM workspaces WHERE name "
                  "= ?1"));
  const ResetGuard guard(*row);
  row->bind_text(1, name);
  SL_TRY(const bool found, row->step());
  if (!found) {
    return std::optional<WorkspaceRecord>();
  }
  return std::optional<WorkspaceRecord>(read_workspace(*row));
}

Result<WorkspaceRecord> SqliteLogStore::create_workspace(const std::string& name) {
  SL_TRY(Statement * row, prepared("INSERT INTO workspaces(name) VALUES(?1)"));
  row->bind_text(1, name);
  SL_TRY(row->run());
  WorkspaceRecord record;
  record.id = WorkspaceId(database_->last_insert_rowid());
  return record;
}

Result<void> SqliteLogStore::save_workspace(const WorkspaceRecord& record) {
  SL_TRY(Statement * row, prepared("UPDATE workspaces SET head = ?2, fence = ?3, fence_time = ?4, "
                                   "schema = ?5, mark = ?6 WHERE id = ?1"));
  row->bind(1, record.id.get())
      .bind(2, to_sql(record.head.get()))
      .bind(3, to_sql(record.fence.get()))
      .bind(4, to_sql(record.fence_time))
      .bind_blob(5, record.schema)
      .bind(6, to_sql(record.mark));
  return row->run();
}

Result<std::vector<std::pair<std::string, TableTotals>>> SqliteLogStore::totals(
    WorkspaceId workspace) {
  SL_TRY(Statement * row, prepared("SELECT tbl, digest, rows, bytes FROM totals WHERE workspace = "
                                   "?1 ORDER BY tbl"));
  const ResetGuard guard(*row);
  row->bind(1, workspace.get());
  std::vector<std::pair<std::string, TableTotals>> out;
  for (;;) {
    SL_TRY(const bool found, row->step());
    if (!found) {
      return out;
    }
    TableTotals totals;
    Reader in(row->column_blob(1));
    SL_TRY(totals.digest, read_digest(in));
    totals.rows = from_sql(row->column_int(2));
    totals.bytes = from_sql(row->column_int(3));
    out.emplace_back(row->column_text(0), totals);
  }
}

Result<void> SqliteLogStore::save_totals(WorkspaceId workspace, const std::string& table,
                                         const TableTotals& totals) {
  SL_TRY(Statement * row,
         prepared("INSERT OR REPLACE INTO totals(workspace, tbl, digest, rows, bytes) "
                  "VALUES(?1, ?2, ?3, ?4, ?5)"));
  Writer digest;
  write_digest(digest, totals.digest);
  row->bind(1, workspace.get())
      .bind_text(2, table)
      .bind_blob(3, digest.bytes())
      .bind(4, to_sql(totals.rows))
      .bind(5, to_sql(totals.bytes));
  return row->run();
}

Result<std::optional<ServerRow>> SqliteLogStore::find_row(WorkspaceId workspace,
                                                          const std::string& table, Bytes key) {
  SL_TRY(Statement * row,
         prepared("SELECT state, version FROM state_rows WHERE workspace = ?1 AND tbl = ?2 AND "
                  "key = ?3"));
  const ResetGuard guard(*row);
  row->bind(1, workspace.get()).bind_text(2, table).bind_blob(3, key);
  SL_TRY(const bool found, row->step());
  if (!found) {
    return std::optional<ServerRow>();
  }
  SL_TRY(ServerRow stored, read_row(table, key, row->column_blob(0)));
  stored.version = ServerVersion(from_sql(row->column_int(1)));
  return std::optional<ServerRow>(std::move(stored));
}

Result<void> SqliteLogStore::save_row(WorkspaceId workspace, const ServerRow& stored,
                                      ServerVersion version) {
  SL_TRY(Statement * row,
         prepared("INSERT OR REPLACE INTO state_rows(workspace, tbl, key, alive, version, state) "
                  "VALUES(?1, ?2, ?3, ?4, ?5, ?6)"));
  const ByteVector state = encode_row_state(stored.state);
  row->bind(1, workspace.get())
      .bind_text(2, stored.table)
      .bind_blob(3, stored.key.view())
      .bind(4, stored.state.alive ? 1 : 0)
      .bind(5, to_sql(version.get()))
      .bind_blob(6, state);
  return row->run();
}

Result<void> SqliteLogStore::for_each_row(WorkspaceId workspace, const std::string& table,
                                          Bytes after, Bytes through, const RowVisit& visit) {
  SL_TRY(
      Statement * row,
      prepared("SELECT key, state FROM state_rows WHERE workspace = ?1 AND tbl = ?2 AND key > ?3 "
               "AND (?4 = x'' OR key <= ?4) ORDER BY key"));
  const ResetGuard guard(*row);
  row->bind(1, workspace.get()).bind_text(2, table).bind_blob(3, after).bind_blob(4, through);
  for (;;) {
    SL_TRY(const bool found, row->step());
    if (!found) {
      return {};
    }
    SL_TRY(const ServerRow stored, read_row(table, row->column_blob(0), row->column_blob(1)));
    SL_TRY(const bool more, visit(stored));
    if (!more) {
      return {};
    }
  }
}

Result<void> SqliteLogStore::append(WorkspaceId workspace, const LogEntry& entry,
                                    const std::vector<AuditRow>& audit) {
  SL_CHECK(!entry.parts.empty());
  SL_TRY(Statement * row, prepared("INSERT INTO log(workspace, version, replica, sequence, time, "
                                   "hash, user, at_ms, parts, body, mark) VALUES(?1, ?2, ?3, ?4, "
                                   "?5, ?6, ?7, ?8, ?9, ?10, ?11)"));
  row->bind(1, workspace.get())
      .bind(2, to_sql(entry.version.get()))
      .bind_blob(3, entry.stamp.replica.view())
      .bind(4, to_sql(entry.sequence.get()))
      .bind(5, to_sql(entry.stamp.time))
      .bind(6, to_sql(entry.hash))
      .bind_text(7, entry.user)
      .bind(8, entry.at_ms)
      .bind(9, static_cast<std::int64_t>(entry.parts.size()))
      .bind_blob(10, entry.parts[0])
      .bind(11, to_sql(entry.mark));
  SL_TRY(row->run());
  for (std::size_t i = 1; i < entry.parts.size(); ++i) {
    SL_TRY(Statement * part, prepared("INSERT INTO log_parts(workspace, version, part, body) "
                                      "VALUES(?1, ?2, ?3, ?4)"));
    part->bind(1, workspace.get())
        .bind(2, to_sql(entry.version.get()))
        .bind(3, static_cast<std::int64_t>(i))
        .bind_blob(4, entry.parts[i]);
    SL_TRY(part->run());
  }
  if (!options_.audit) {
    return {};
  }
  const std::string device = entry.stamp.replica.hex();
  for (const AuditRow& line : audit) {
    SL_TRY(Statement * out, prepared("INSERT INTO audit_rows(workspace, version, device, user, "
                                     "type, entity_type, entity_id, data, at_ms) VALUES(?1, ?2, "
                                     "?3, ?4, ?5, ?6, ?7, ?8, ?9)"));
    out->bind(1, workspace.get())
        .bind(2, to_sql(entry.version.get()))
        .bind_text(3, device)
        .bind_text(4, entry.user)
        .bind_text(5, line.type)
        .bind_text(6, line.table)
        .bind_text(7, line.entity)
        .bind_text(8, line.data)
        .bind(9, entry.at_ms);
    SL_TRY(out->run());
  }
  return {};
}

Result<void> SqliteLogStore::append_rejected(WorkspaceId workspace, const ReplicaId& replica,
                                             ChangeSequence sequence,
                                             const ChangeIdentity& identity) {
  SL_TRY(Statement * row, prepared("INSERT INTO rejected(workspace, replica, sequence, time, hash, "
                                   "code, message) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)"));
  row->bind(1, workspace.get())
      .bind_blob(2, replica.view())
      .bind(3, to_sql(sequence.get()))
      .bind(4, to_sql(identity.time))
      .bind(5, to_sql(identity.hash))
      .bind_text(6, identity.rejected_code)
      .bind_text(7, identity.rejected_message);
  return row->run();
}

Result<ByteVector> SqliteLogStore::read_part(WorkspaceId workspace, ServerVersion version,
                                             std::uint64_t part) {
  SL_TRY(Statement * row, prepared("SELECT body FROM log_parts WHERE workspace = ?1 AND version "
                                   "= ?2 AND part = ?3"));
  const ResetGuard guard(*row);
  row->bind(1, workspace.get()).bind(2, to_sql(version.get())).bind(3, to_sql(part));
  SL_TRY(const bool there, row->step());
  if (!there) {
    return Error(ErrorCode::corrupt, "a part of a change is missing in the log");
  }
  return to_vector(row->column_blob(0));
}

Result<void> SqliteLogStore::for_each_part(WorkspaceId workspace, ServerVersion after,
                                           std::uint64_t begun, ServerVersion through,
                                           const PartVisit& visit) {
  SL_TRY(
      Statement * row,
      prepared("SELECT version, replica, sequence, time, hash, user, at_ms, parts, mark, body FROM "
               "log WHERE workspace = ?1 AND version > ?2 AND version <= ?3 ORDER BY version"));
  const ResetGuard guard(*row);
  row->bind(1, workspace.get()).bind(2, to_sql(after.get())).bind(3, to_sql(through.get()));
  for (std::uint64_t first = begun;; first = 0) {
    SL_TRY(const bool found, row->step());
    if (!found) {
      return {};
    }
    LogEntry entry;
    entry.version = ServerVersion(from_sql(row->column_int(0)));
    SL_TRY(entry.stamp.replica, ReplicaId::from_bytes(row->column_blob(1)));
    entry.sequence = ChangeSequence(from_sql(row->column_int(2)));
    entry.stamp.time = from_sql(row->column_int(3));
    entry.hash = from_sql(row->column_int(4));
    entry.user = row->column_text(5);
    entry.at_ms = row->column_int(6);
    entry.mark = from_sql(row->column_int(8));
    const std::uint64_t parts = from_sql(row->column_int(7));
    for (std::uint64_t i = first; i < parts; ++i) {
      entry.parts.clear();
      if (i == 0) {
        // The last column: SQLite reads its pages only for who asks.
        entry.parts.push_back(to_vector(row->column_blob(9)));
      } else {
        SL_TRY(entry.parts.emplace_back(), read_part(workspace, entry.version, i));
      }
      SL_TRY(const bool more, visit(entry, i + 1 == parts));
      if (!more) {
        return {};
      }
    }
  }
}

Result<void> SqliteLogStore::for_each_entry(WorkspaceId workspace, ServerVersion after,
                                            ServerVersion through, const EntryVisit& visit) {
  std::vector<ByteVector> parts;
  return for_each_part(workspace, after, 0, through,
                       [&](LogEntry& entry, bool is_last) -> Result<bool> {
                         parts.push_back(std::move(entry.parts[0]));
                         if (!is_last) {
                           return true;
                         }
                         entry.parts = std::exchange(parts, {});
                         return visit(entry);
                       });
}

Result<std::optional<ChangeIdentity>> SqliteLogStore::find_change(WorkspaceId workspace,
                                                                  const ReplicaId& replica,
                                                                  ChangeSequence sequence) {
  SL_TRY(
      Statement * row,
      prepared(
          "SELECT time, hash, '', '' FROM log WHERE workspace = ?1 AND replica = ?2 AND "
          "sequence = ?3 UNION ALL SELECT time, hash, code, message FROM rejected WHERE "
          "workspace = ?1 AND replica = ?2 AND sequence = ?3 UNION ALL SELECT time, hash, '', '' "
          "FROM identities WHERE workspace = ?1 AND replica = ?2 AND sequence = ?3"));
  const ResetGuard guard(*row);
  row->bind(1, workspace.get()).bind_blob(2, replica.view()).bind(3, to_sql(sequence.get()));
  SL_TRY(const bool found, row->step());
  if (!found) {
    return std::optional<ChangeIdentity>();
  }
  ChangeIdentity identity;
  identity.time = from_sql(row->column_int(0));
  identity.hash = from_sql(row->column_int(1));
  identity.rejected_code = row->column_text(2);
  identity.rejected_message = row->column_text(3);
  return std::optional<ChangeIdentity>(std::move(identity));
}

Result<std::optional<ReplicaRecord>> SqliteLogStore::find_replica(WorkspaceId workspace,
                                                                  const ReplicaId& replica) {
  SL_TRY(Statement * row,
         prepared("SELECT epoch, last_sequence, last_time, cursor, seen_ms, user, "
                  "confirmed FROM replicas WHERE workspace = ?1 AND replica = ?2"));
  const ResetGuard guard(*row);
  row->bind(1, workspace.get()).bind_blob(2, replica.view());
  SL_TRY(const bool found, row->step());
  if (!found) {
    return std::optional<ReplicaRecord>();
  }
  ReplicaRecord record;
  SL_TRY(record.epoch, EpochId::from_bytes(row->column_blob(0)));
  record.last_sequence = ChangeSequence(from_sql(row->column_int(1)));
  record.last_time = from_sql(row->column_int(2));
  record.cursor = ServerVersion(from_sql(row->column_int(3)));
  record.seen_ms = row->column_int(4);
  record.user = row->column_text(5);
  record.confirmed = ChangeSequence(from_sql(row->column_int(6)));
  return std::optional<ReplicaRecord>(std::move(record));
}

Result<void> SqliteLogStore::save_replica(WorkspaceId workspace, const ReplicaId& replica,
                                          const ReplicaRecord& record) {
  SL_TRY(Statement * row,
         prepared("INSERT OR REPLACE INTO replicas(workspace, replica, epoch, last_sequence, "
                  "last_time, cursor, seen_ms, user, confirmed) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, "
                  "?8, ?9)"));
  row->bind(1, workspace.get())
      .bind_blob(2, replica.view())
      .bind_blob(3, record.epoch.view())
      .bind(4, to_sql(record.last_sequence.get()))
      .bind(5, to_sql(record.last_time))
      .bind(6, to_sql(record.cursor.get()))
      .bind(7, record.seen_ms)
      .bind_text(8, record.user)
      .bind(9, to_sql(record.confirmed.get()));
  return row->run();
}

Result<std::vector<ReplicaId>> SqliteLogStore::replicas_of(WorkspaceId workspace,
                                                           const std::string& user) {
  SL_TRY(Statement * row, prepared("SELECT replica FROM replicas WHERE workspace = ?1 AND user = "
                                   "?2 ORDER BY replica"));
  const ResetGuard guard(*row);
  row->bind(1, workspace.get()).bind_text(2, user);
  std::vector<ReplicaId> out;
  for (;;) {
    SL_TRY(const bool found, row->step());
    if (!found) {
      return out;
    }
    SL_TRY(const ReplicaId one, ReplicaId::from_bytes(row->column_blob(0)));
    out.push_back(one);
  }
}

Result<std::optional<ServerVersion>> SqliteLogStore::least_cursor(WorkspaceId workspace,
                                                                  std::int64_t seen_since_ms) {
  SL_TRY(Statement * row,
         prepared("SELECT min(cursor) FROM replicas WHERE workspace = ?1 AND seen_ms >= ?2"));
  const ResetGuard guard(*row);
  row->bind(1, workspace.get()).bind(2, seen_since_ms);
  SL_TRY(const bool found, row->step());
  if (!found || row->column(0).is_null()) {
    return std::optional<ServerVersion>();
  }
  return std::optional<ServerVersion>(ServerVersion(from_sql(row->column_int(0))));
}

Result<ServerVersion> SqliteLogStore::version_before(WorkspaceId workspace, std::int64_t at_ms) {
  SL_TRY(Statement * row,
         prepared("SELECT max(version) FROM log WHERE workspace = ?1 AND at_ms < ?2"));
  const ResetGuard guard(*row);
  row->bind(1, workspace.get()).bind(2, at_ms);
  SL_TRY(const bool found, row->step());
  return ServerVersion(found ? from_sql(row->column_int(0)) : 0);
}

Result<void> SqliteLogStore::forget_identities(WorkspaceId workspace, const ReplicaId& replica,
                                               ChangeSequence through) {
  for (const char* sql :
       {"DELETE FROM identities WHERE workspace = ?1 AND replica = ?2 AND sequence <= ?3",
        "DELETE FROM rejected WHERE workspace = ?1 AND replica = ?2 AND sequence <= ?3 AND "
        "sequence "
        "<= (SELECT sequence FROM rejected WHERE workspace = ?1 AND replica = ?2 ORDER BY sequence "
        "DESC LIMIT 1 OFFSET ?4)"}) {
    SL_TRY(Statement * row, prepared(sql));
    row->bind(1, workspace.get()).bind_blob(2, replica.view()).bind(3, to_sql(through.get()));
    if (row->parameter_count() == 4) {
      row->bind(4, static_cast<std::int64_t>(refusals_kept));
    }
    SL_TRY(row->run());
  }
  return {};
}

Result<void> SqliteLogStore::trim(WorkspaceId workspace, ServerVersion through) {
  for (const char* sql :
       {"UPDATE totals SET rows = rows - (SELECT count(*) FROM state_rows r WHERE "
        "r.workspace = ?1 AND r.tbl = totals.tbl AND version <= ?2 AND alive = 0), "
        "bytes = bytes - (SELECT ifnull(sum(length(key) + length(state)), 0) FROM "
        "state_rows r WHERE r.workspace = ?1 AND r.tbl = totals.tbl AND version <= "
        "?2 AND alive = 0) WHERE workspace = ?1",
        "INSERT OR IGNORE INTO identities(workspace, replica, sequence, time, hash) SELECT "
        "l.workspace, l.replica, l.sequence, l.time, l.hash FROM log l JOIN replicas r ON "
        "r.workspace = l.workspace AND r.replica = l.replica WHERE l.workspace = ?1 AND l.version "
        "<= "
        "?2 AND l.sequence > r.confirmed",
        "DELETE FROM log_parts WHERE workspace = ?1 AND version <= ?2",
        "DELETE FROM log WHERE workspace = ?1 AND version <= ?2",
        "DELETE FROM state_rows WHERE workspace = ?1 AND version <= ?2 AND alive "
        "= 0"}) {
    SL_TRY(Statement statement, database_->prepare(sql));
    statement.bind(1, workspace.get()).bind(2, to_sql(through.get()));
    SL_TRY(statement.run());
  }
  return {};
}

Result<void> SqliteLogStore::backup(const std::string& path) {
  {
    SL_TRY(Statement statement, database_->prepare("VACUUM INTO ?1"));
    statement.bind_text(1, path);
    SL_TRY(statement.run());
  }
  // The mark is part of the file, so that nobody can forget the new lineage when putting it back.
  SL_TRY(Database copy, Database::open(path, options_.open));
  SL_TRY(copy->execute("INSERT OR REPLACE INTO backup_mark(one) VALUES(1)"));
  // One file, with nothing left in a log beside it.
  return copy->execute("PRAGMA journal_mode = DELETE");
}

Result<void> SqliteLogStore::restore(const std::string& backup, const std::string& path,
                                     const OpenOptions& options) {
  OpenOptions reading = options;
  reading.create = false;
  SL_TRY(const Database from, Database::open(backup, reading));
  SL_TRY(const auto marked, from->query_int("SELECT count(*) FROM backup_mark"));
  if (marked.value_or(0) == 0) {
    return Error(ErrorCode::invalid_argument, backup + " is no finished backup");
  }
  SL_TRY(Statement statement, from->prepare("VACUUM INTO ?1"));
  statement.bind_text(1, path);
  return statement.run();
}

Result<void> SqliteLogStore::begin_lineage(const LineageId& lineage) {
  return start_lineage(lineage, "head");
}

Result<void> SqliteLogStore::lose_lineage(const LineageId& lineage) {
  return start_lineage(lineage, "0");
}

Result<void> SqliteLogStore::start_lineage(const LineageId& lineage, const char* ends) {
  SL_TRY(begin());
  const auto run = [&]() -> Result<void> {
    SL_TRY(database_->execute(
        std::string("INSERT INTO lineage_ends(lineage, workspace, head) SELECT (SELECT lineage "
                    "FROM lineages ORDER BY number DESC LIMIT 1), id, ") +
        ends +
        " FROM workspaces; UPDATE replicas SET epoch = zeroblob(16); DELETE FROM backup_mark"));
    SL_TRY(Statement row, database_->prepare("INSERT INTO lineages(lineage) VALUES(?1)"));
    row.bind_blob(1, lineage.view());
    return row.run();
  };
  auto done = run();
  if (!done) {
    rollback();
    return done;
  }
  return commit();
}

Result<void> SqliteLogStore::forget_workspace(WorkspaceId workspace) {
  const std::string id = std::to_string(workspace.get());
  for (const char* table :
       {"totals", "state_rows", "log", "log_parts", "rejected", "identities", "replicas",
        "audit_rows", "lineage_ends", "named_changes", "named_devices", "makers"}) {
    SL_TRY(database_->execute(std::string("DELETE FROM ") + table + " WHERE workspace = " + id));
  }
  return database_->execute("DELETE FROM workspaces WHERE id = " + id);
}

}  // namespace syncline
