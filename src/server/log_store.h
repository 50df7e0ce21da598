#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/function_ref.h"
#include "base/result.h"
#include "model/change.h"
#include "model/digest.h"
#include "model/ids.h"
#include "model/row_state.h"

namespace syncline {

// A workspace's number in one store.
using WorkspaceId = Strong<std::int64_t, struct WorkspaceIdTag>;

struct WorkspaceRecord {
  WorkspaceId id;
  ServerVersion head;
  // Cursors below it must rescan; the log and the tombstones up to it are gone.
  ServerVersion fence;
  // No stamp above this time was forgotten.
  std::uint64_t fence_time = 0;
  ByteVector schema;  // model/schema's bytes; empty until the first replica
  // Of everything that was admitted up to the head (server/receipts).
  std::uint64_t mark = 0;
};

// Of one table's rows, dead ones included; the digest counts as model/digest does.
struct TableTotals {
  Digest digest;
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;
};

struct ReplicaRecord {
  // Zero when unknown, which every replica is to a server that was just restored.
  EpochId epoch;
  ChangeSequence last_sequence;
  std::uint64_t last_time = 0;
  // The replica itself said that it knows its changes up to here to be acknowledged. No opening of
  // it can say less later; a copy put back can.
  ChangeSequence confirmed;
  ServerVersion cursor;
  std::int64_t seen_ms = 0;
  // Whose it is; empty until somebody said hello with it, or gave it away.
  std::string user;
};

// What a (workspace, replica, sequence) stands for.
struct ChangeIdentity {
  std::uint64_t time = 0;
  std::uint64_t hash = 0;
  // Empty unless the change was rejected.
  std::string rejected_code;
  std::string rejected_message;
};

struct LogEntry {
  ServerVersion version;
  Stamp stamp;
  ChangeSequence sequence;
  std::uint64_t hash = 0;
  std::string user;
  std::int64_t at_ms = 0;
  std::vector<ByteVector> parts;
  std::uint64_t mark = 0;
};

struct ServerRow {
  std::string table;
  RowKey key;
  RowState state;
  std::uint64_t bytes = 0;
  // The last version that touched it; zero where the store does not say.
  ServerVersion version;
};

// One edit for the audit, readable by plain SQL.
struct AuditRow {
  std::string type;  // CREATED, UPDATED, DELETED
  std::string table;
  std::string entity;  // the key as text
  std::string data;    // JSON
};

// A change that came through a door whose callers name their changes themselves.
struct NamedChange {
  // Of its content: a repetition has the same.
  std::uint64_t hash = 0;
  ServerVersion version;
  // The time its author gave it, which decides nothing.
  std::int64_t author_ms = 0;
  // What its author was told of a conflict, as JSON; empty without one.
  std::string conflict;
};

// A device that is no replica: the name it gave itself.
struct NamedDevice {
  std::string user;
  std::string name;
};

// Where a store stands: what a server remembers outside of it, to notice that it was put back.
struct StorePlace {
  // The first lineage, which every copy of the store has in common.
  LineageId store;
  LineageId lineage;
  OpeningId opening;
  // The sum of all workspaces' heads; in one lineage it only grows.
  std::uint64_t heads = 0;
  friend bool operator==(const StorePlace&, const StorePlace&) = default;
};

// Where the server keeps workspaces: the one abstraction over storage. It stores and finds; what to
// admit is server/workspace's to decide. server/log_store_contract.h tests every store alike.
//
// Invariants:
// 1. What commit() reported is durable; a failed commit leaves nothing.
// 2. Versions count up by one within a workspace; there is no order between workspaces.
// 3. (workspace, replica, sequence) is unique.
class LogStore {
 public:
  virtual ~LogStore() = default;

  virtual Result<LineageId> lineage() = 0;
  // The head that the workspace had when a lineage before this one ended; nothing when that one was
  // never this store's.
  virtual Result<std::optional<ServerVersion>> ancestor(WorkspaceId workspace,
                                                        const LineageId& lineage) = 0;

  // Drawn with the store, never told to anybody.
  virtual Result<SealKey> seal_key() = 0;
  // The mark of a version that the log still has.
  virtual Result<std::optional<std::uint64_t>> mark_at(WorkspaceId workspace,
                                                       ServerVersion version) = 0;

  virtual Result<StorePlace> place() = 0;
  // A server begins to use the store.
  virtual Result<void> begin_opening(const OpeningId& opening) = 0;
  // Whether the store was ever in that lineage, and used by that opening.
  virtual Result<bool> was_at(const LineageId& lineage, const OpeningId& opening) = 0;

  // One transaction may hold many workspaces' appends: they share one sync.
  virtual Result<void> begin() = 0;
  virtual Result<void> commit() = 0;
  virtual void rollback() = 0;
  // Within a transaction, what `work` wrote is taken back when it fails, and nothing else is. Fails
  // as `work` did; with `cancelled` when the whole transaction is lost.
  virtual Result<void> attempt(FunctionRef<Result<void>()> work) = 0;
  // Writes something, in a transaction: to see whether it can.
  virtual Result<void> touch(std::int64_t now_ms) = 0;

  virtual Result<std::optional<WorkspaceRecord>> find_workspace(const std::string& name) = 0;
  virtual Result<WorkspaceRecord> create_workspace(const std::string& name) = 0;
  virtual Result<void> save_workspace(const WorkspaceRecord& record) = 0;

  // Sorted by name.
  virtual Result<std::vector<std::pair<std::string, TableTotals>>> totals(
      WorkspaceId workspace) = 0;
  virtual Result<void> save_totals(WorkspaceId workspace, const std::string& table,
                                   const TableTotals& totals) = 0;

  virtual Result<std::optional<ServerRow>> find_row(WorkspaceId workspace, const std::string& table,
                                                    Bytes key) = 0;
  virtual Result<void> save_row(WorkspaceId workspace, const ServerRow& row,
                                ServerVersion version) = 0;
  // Rows of a table with keys in (after, through], by the bytes of their keys; an empty `through`
  // has no end. Stops when `visit` returns false.
  using RowVisit = std::function<Result<bool>(const ServerRow& row)>;
  virtual Result<void> for_each_row(WorkspaceId workspace, const std::string& table, Bytes after,
                                    Bytes through, const RowVisit& visit) = 0;

  virtual Result<void> append(WorkspaceId workspace, const LogEntry& entry,
                              const std::vector<AuditRow>& audit) = 0;
  virtual Result<void> append_rejected(WorkspaceId workspace, const ReplicaId& replica,
                                       ChangeSequence sequence, const ChangeIdentity& identity) = 0;
  // Entries in (after, through], in order; stops when `visit` returns false.
  using EntryVisit = std::function<Result<bool>(LogEntry& entry)>;
  virtual Result<void> for_each_entry(WorkspaceId workspace, ServerVersion after,
                                      ServerVersion through, const EntryVisit& visit) = 0;
  // The same part by part: an entry holds one of its parts. Of the first entry, the parts before
  // `begun` are left out.
  using PartVisit = std::function<Result<bool>(LogEntry& entry, bool is_last)>;
  virtual Result<void> for_each_part(WorkspaceId workspace, ServerVersion after,
                                     std::uint64_t begun, ServerVersion through,
                                     const PartVisit& visit) = 0;
  virtual Result<std::optional<ChangeIdentity>> find_change(WorkspaceId workspace,
                                                            const ReplicaId& replica,
                                                            ChangeSequence sequence) = 0;

  virtual Result<std::optional<ReplicaRecord>> find_replica(WorkspaceId workspace,
                                                            const ReplicaId& replica) = 0;
  virtual Result<void> save_replica(WorkspaceId workspace, const ReplicaId& replica,
                                    const ReplicaRecord& record) = 0;
  // Of one user, sorted.
  virtual Result<std::vector<ReplicaId>> replicas_of(WorkspaceId workspace,
                                                     const std::string& user) = 0;
  // The least cursor of replicas seen since then; nothing when there is none.
  virtual Result<std::optional<ServerVersion>> least_cursor(WorkspaceId workspace,
                                                            std::int64_t seen_since_ms) = 0;
  // The last version that was written before that time; zero when there is none.
  virtual Result<ServerVersion> version_before(WorkspaceId workspace, std::int64_t at_ms) = 0;
  // The replica knows what became of its changes up to `through`. Identities that outlived their
  // log entries go; of refused changes the last `refusals_kept` stay, because a copy of the replica
  // may tell them once more.
  static constexpr std::size_t refusals_kept = 256;
  virtual Result<void> forget_identities(WorkspaceId workspace, const ReplicaId& replica,
                                         ChangeSequence through) = 0;
  // Forgets the log up to `through`, and dead rows that no later version touched. Identities of
  // changes that their replica has not confirmed stay.
  virtual Result<void> trim(WorkspaceId workspace, ServerVersion through) = 0;

  // Changes by the names that their authors gave them, kept for ever; names count within a
  // workspace and user. A store without them may refuse with `unsupported`.
  virtual Result<std::optional<NamedChange>> find_named(WorkspaceId workspace,
                                                        const std::string& user,
                                                        const std::string& id) {
    (void)workspace, (void)user, (void)id;
    return Error(ErrorCode::unsupported, "this store keeps no names of changes");
  }
  virtual Result<void> save_named(WorkspaceId workspace, const std::string& user,
                                  const std::string& id, const NamedChange& change) {
    (void)workspace, (void)user, (void)id, (void)change;
    return Error(ErrorCode::unsupported, "this store keeps no names of changes");
  }
  // What `from` called by name is called so by `to`; where both used a name, that of `to` stays.
  virtual Result<void> give_names(WorkspaceId workspace, const std::string& from,
                                  const std::string& to) {
    (void)workspace, (void)from, (void)to;
    return {};
  }
  // How many devices of a user a workspace knows by other names than this one.
  virtual Result<std::uint64_t> devices_beside(WorkspaceId workspace, const std::string& user,
                                               const std::string& name) {
    (void)workspace, (void)user, (void)name;
    return std::uint64_t{0};
  }
  // Who made a workspace, and how many one user made.
  virtual Result<void> save_maker(WorkspaceId workspace, const std::string& user) {
    (void)workspace, (void)user;
    return {};
  }
  virtual Result<std::uint64_t> workspaces_by(const std::string& user) {
    (void)user;
    return std::uint64_t{0};
  }
  // Drawn once and never told: what is made of it cannot be guessed from outside. Empty in a store
  // without doors.
  virtual Result<ByteVector> secret() { return ByteVector(); }
  virtual Result<void> save_device(WorkspaceId workspace, const ReplicaId& replica,
                                   const NamedDevice& device) {
    (void)workspace, (void)replica, (void)device;
    return {};
  }
  virtual Result<std::optional<NamedDevice>> find_device(WorkspaceId workspace,
                                                         const ReplicaId& replica) {
    (void)workspace, (void)replica;
    return std::optional<NamedDevice>();
  }
  // The version of the change that has this stamp; nothing when the log does not hold it.
  virtual Result<std::optional<ServerVersion>> version_of(WorkspaceId workspace,
                                                          const Stamp& stamp) {
    (void)workspace, (void)stamp;
    return std::optional<ServerVersion>();
  }

  // A copy of everything committed, while the store stays in use. Only a backup that was reported
  // done is one; whoever opens it begins a new lineage.
  virtual Result<void> backup(const std::string& path) = 0;
  // Begins a new lineage and remembers this one as its ancestor. What is restored from a backup
  // does so by itself, before anything else.
  virtual Result<void> begin_lineage(const LineageId& lineage) = 0;
  // The same when the store is an old copy of itself: nobody knows up to where what it has is what
  // the replicas of the lineage before were told.
  virtual Result<void> lose_lineage(const LineageId& lineage) = 0;
  // Everything of a workspace goes, its name too; for development. In a transaction. A store may
  // refuse with `unsupported`.
  virtual Result<void> forget_workspace(WorkspaceId workspace) {
    (void)workspace;
    return Error(ErrorCode::unsupported, "this store forgets no workspaces");
  }
};

}  // namespace syncline
