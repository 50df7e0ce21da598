#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/random.h"
#include "server/log_store.h"
#include "sqlite/database.h"

namespace syncline {

// The log in one SQLite file; docs/storage.md describes its tables. The audit is the table `audit`,
// to be read by any SQLite program.
class SqliteLogStore final : public LogStore {
 public:
  struct Options {
    OpenOptions open;
    bool audit = true;
  };
  // Draws a lineage when the file is new; `random` is not kept.
  static Result<std::unique_ptr<SqliteLogStore>> open(const std::string& path, Random& random,
                                                      const Options& options);
  // Puts a backup where no file is. The server that opens it begins a new lineage. Fails with
  // `invalid_argument` when `backup` is none that backup() finished.
  static Result<void> restore(const std::string& backup, const std::string& path,
                              const OpenOptions& options);
  ~SqliteLogStore() override;

  Result<LineageId> lineage() override;
  Result<std::optional<ServerVersion>> ancestor(WorkspaceId workspace,
                                                const LineageId& lineage) override;
  Result<SealKey> seal_key() override;
  Result<std::optional<std::uint64_t>> mark_at(WorkspaceId workspace,
                                               ServerVersion version) override;
  Result<StorePlace> place() override;
  Result<void> begin_opening(const OpeningId& opening) override;
  Result<bool> was_at(const LineageId& lineage, const OpeningId& opening) override;
  Result<void> begin() override;
  Result<void> commit() override;
  void rollback() override;
  Result<void> attempt(FunctionRef<Result<void>()> work) override;
  Result<void> touch(std::int64_t now_ms) override;
  Result<std::optional<WorkspaceRecord>> find_workspace(const std::string& name) override;
  Result<WorkspaceRecord> create_workspace(const std::string& name) override;
  Result<void> save_workspace(const WorkspaceRecord& record) override;
  Result<std::vector<std::pair<std::string, TableTotals>>> totals(WorkspaceId workspace) override;
  Result<void> save_totals(WorkspaceId workspace, const std::string& table,
                           const TableTotals& totals) override;
  Result<std::optional<ServerRow>> find_row(WorkspaceId workspace, const std::string& table,
                                            Bytes key) override;
  Result<void> save_row(WorkspaceId workspace, const ServerRow& row,
                        ServerVersion version) override;
  Result<void> for_each_row(WorkspaceId workspace, const std::string& table, Bytes after,
                            Bytes through, const RowVisit& visit) override;
  Result<void> append(WorkspaceId workspace, const LogEntry& entry,
                      const std::vector<AuditRow>& audit) override;
  Result<void> append_rejected(WorkspaceId workspace, const ReplicaId& replica,
                               ChangeSequence sequence, const ChangeIdentity& identity) override;
  Result<void> for_each_entry(WorkspaceId workspace, ServerVersion after, ServerVersion through,
                              const EntryVisit& visit) override;
  Result<void> for_each_part(WorkspaceId workspace, ServerVersion after, std::uint64_t begun,
                             ServerVersion through, const PartVisit& visit) override;
  Result<std::optional<ChangeIdentity>> find_change(WorkspaceId workspace, const ReplicaId& replica,
                                                    ChangeSequence sequence) override;
  Result<std::optional<ReplicaRecord>> find_replica(WorkspaceId workspace,
                                                    const ReplicaId& replica) override;
  Result<void> save_replica(WorkspaceId workspace, const ReplicaId& replica,
                            const ReplicaRecord& record) override;
  Result<std::vector<ReplicaId>> replicas_of(WorkspaceId workspace,
                                             const std::string& user) override;
  Result<std::optional<ServerVersion>> least_cursor(WorkspaceId workspace,
                                                    std::int64_t seen_since_ms) override;
  Result<ServerVersion> version_before(WorkspaceId workspace, std::int64_t at_ms) override;
  Result<void> forget_identities(WorkspaceId workspace, const ReplicaId& replica,
                                 ChangeSequence through) override;
  Result<void> trim(WorkspaceId workspace, ServerVersion through) override;
  Result<std::optional<NamedChange>> find_named(WorkspaceId workspace, const std::string& user,
                                                const std::string& id) override;
  Result<void> save_named(WorkspaceId workspace, const std::string& user, const std::string& id,
                          const NamedChange& change) override;
  Result<void> give_names(WorkspaceId workspace, const std::string& from,
                          const std::string& to) override;
  Result<std::uint64_t> devices_beside(WorkspaceId workspace, const std::string& user,
                                       const std::string& name) override;
  Result<void> save_maker(WorkspaceId workspace, const std::string& user) override;
  Result<std::uint64_t> workspaces_by(const std::string& user) override;
  Result<ByteVector> secret() override;
  Result<void> save_device(WorkspaceId workspace, const ReplicaId& replica,
                           const NamedDevice& device) override;
  Result<std::optional<NamedDevice>> find_device(WorkspaceId workspace,
                                                 const ReplicaId& replica) override;
  Result<std::optional<ServerVersion>> version_of(WorkspaceId workspace,
                                                  const Stamp& stamp) override;
  Result<void> backup(const std::string& path) override;
  Result<void> begin_lineage(const LineageId& lineage) override;
  Result<void> lose_lineage(const LineageId& lineage) override;
  Result<void> forget_workspace(WorkspaceId workspace) override;

 private:
  SqliteLogStore(Database database, const Options& options)
      : database_(std::move(database)), options_(options) {}
  // `ends` is an expression over a workspace: up to where the lineage before this one is known.
  Result<void> start_lineage(const LineageId& lineage, const char* ends);
  Result<ByteVector> read_part(WorkspaceId workspace, ServerVersion version, std::uint64_t part);
  // Prepared once; `sql` is a literal, so that its address names it.
  Result<Statement*> prepared(const char* sql);

  Database database_;
  Options options_;
  std::map<const char*, Statement> statements_;
};

}  // namespace syncline
