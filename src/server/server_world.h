#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "server/hub.h"
#include "server/sqlite_log_store.h"
#include "wire/change_codec.h"
#include "wire/codec.h"
#include "wire/wire_samples.h"

namespace syncline {

// What tests of the server's core share: a clock that stands, a store that fails when told, changes
// and hellos of replicas that exist only as frames.

struct StandingClock final : WallClock {
  std::int64_t ms = 1'000'000;
  std::int64_t now_ms() override { return ms; }
};

inline std::unique_ptr<SqliteLogStore> memory_store() {
  SeededRandom random(1);
  auto store = SqliteLogStore::open(":memory:", random, {});
  SL_CHECK(store.has_value());
  return std::move(*store);
}

inline ByteVector sample_schema() {
  Schema schema;
  schema.version = 1;
  TableSchema table;
  table.name = "notes";
  table.columns = {{"body", "TEXT", false, false, MergeRule::lww},
                   {"id", "INTEGER", true, false, MergeRule::lww}};
  table.key = {"id"};
  schema.tables = {table};
  Writer out;
  encode_schema(out, canonical_schema(schema));
  return out.take();
}

inline Hello sample_hello(int replica, const std::string& workspace = "team") {
  Hello hello;
  hello.protocol = protocol_spoken;
  hello.workspace = workspace;
  hello.replica = sample_replica(replica);
  hello.epoch.bytes.fill(static_cast<std::uint8_t>(100 + replica));
  hello.schema_version = 1;
  hello.schema = sample_schema();
  hello.catch_up = CatchUp::bootstrap;
  return hello;
}

struct SampleEdit {
  EditKind kind = EditKind::put;
  std::int64_t id = 1;
  std::string body = "text";
  Stamp replaced = {};
  std::string table = "notes";
};

inline Change change_of(int replica, std::uint64_t sequence, std::uint64_t ms,
                        const SampleEdit& what = {}) {
  Change change;
  change.sequence = ChangeSequence(sequence);
  change.stamp = sample_stamp(ms, replica);
  change.schema_version = 1;
  RowEdit edit{what.kind, what.table, sample_key(what.id), {}, {}};
  if (what.kind != EditKind::set) {
    edit.replaced = what.replaced;
  }
  if (what.kind != EditKind::erase) {
    edit.cells = {{"body", CellForm::plain, Value::text(what.body), {}}};
  }
  change.edits = {edit};
  return change;
}

// So much may be read at once that nothing is cut short.
inline WorkMeter plenty() { return WorkMeter(std::size_t{1} << 40U); }

// Hands everything on to a store in memory, and fails where it is told to.
class FailingStore final : public LogStore {
 public:
  std::unique_ptr<SqliteLogStore> store = memory_store();
  bool commits_fail = false;
  // Appends to this workspace fail, those of one author alone when there is one.
  WorkspaceId broken{-1};
  ReplicaId broken_author;
  bool appends_fail = true;
  // Nobody can tell whether this replica was ever there.
  ReplicaId unknown;
  std::uint64_t commits = 0;

  Result<LineageId> lineage() override { return store->lineage(); }
  Result<std::optional<ServerVersion>> ancestor(WorkspaceId w, const LineageId& l) override {
    return store->ancestor(w, l);
  }
  Result<SealKey> seal_key() override { return store->seal_key(); }
  Result<std::optional<std::uint64_t>> mark_at(WorkspaceId w, ServerVersion v) override {
    return store->mark_at(w, v);
  }
  Result<StorePlace> place() override { return store->place(); }
  Result<void> begin_opening(const OpeningId& o) override { return store->begin_opening(o); }
  Result<bool> was_at(const LineageId& l, const OpeningId& o) override {
    return store->was_at(l, o);
  }
  Result<void> begin() override { return store->begin(); }
  Result<void> commit() override {
    if (commits_fail) {
      store->rollback();
      return Error(ErrorCode::full, "the disk is full");
    }
    ++commits;
    return store->commit();
  }
  void rollback() override { store->rollback(); }
  Result<void> attempt(FunctionRef<Result<void>()> work) override { return store->attempt(work); }
  Result<void> touch(std::int64_t now_ms) override { return store->touch(now_ms); }
  Result<std::optional<WorkspaceRecord>> find_workspace(const std::string& name) override {
    return store->find_workspace(name);
  }
  Result<WorkspaceRecord> create_workspace(const std::string& name) override {
    return store->create_workspace(name);
  }
  Result<void> save_workspace(const WorkspaceRecord& r) override {
    return store->save_workspace(r);
  }
  Result<std::vector<std::pair<std::string, TableTotals>>> totals(WorkspaceId w) override {
    return store->totals(w);
  }
  Result<void> save_totals(WorkspaceId w, const std::string& t, const TableTotals& s) override {
    return store->save_totals(w, t, s);
  }
  Result<std::optional<ServerRow>> find_row(WorkspaceId w, const std::string& t, Bytes k) override {
    return store->find_row(w, t, k);
  }
  Result<void> save_row(WorkspaceId w, const ServerRow& r, ServerVersion v) override {
    return store->save_row(w, r, v);
  }
  Result<void> for_each_row(WorkspaceId w, const std::string& t, Bytes a, Bytes b,
                            const RowVisit& v) override {
    return store->for_each_row(w, t, a, b, v);
  }
  Result<void> append(WorkspaceId w, const LogEntry& e, const std::vector<AuditRow>& a) override {
    const bool is_author = broken_author.is_zero() || e.stamp.replica == broken_author;
    if (appends_fail && w == broken && is_author) {
      return Error(ErrorCode::storage, "this workspace's pages are damaged");
    }
    return store->append(w, e, a);
  }
  Result<void> append_rejected(WorkspaceId w, const ReplicaId& r, ChangeSequence s,
                               const ChangeIdentity& i) override {
    return store->append_rejected(w, r, s, i);
  }
  Result<void> for_each_entry(WorkspaceId w, ServerVersion a, ServerVersion b,
                              const EntryVisit& v) override {
    return store->for_each_entry(w, a, b, v);
  }
  Result<void> for_each_part(WorkspaceId w, ServerVersion a, std::uint64_t n, ServerVersion b,
                             const PartVisit& v) override {
    return store->for_each_part(w, a, n, b, v);
  }
  Result<std::optional<ChangeIdentity>> find_change(WorkspaceId w, const ReplicaId& r,
                                                    ChangeSequence s) override {
    return store->find_change(w, r, s);
  }
  Result<std::optional<ReplicaRecord>> find_replica(WorkspaceId w, const ReplicaId& r) override {
    if (!unknown.is_zero() && r == unknown) {
      return Error(ErrorCode::storage, "a page is damaged");
    }
    return store->find_replica(w, r);
  }
  Result<void> save_replica(WorkspaceId w, const ReplicaId& r, const ReplicaRecord& s) override {
    return store->save_replica(w, r, s);
  }
  Result<std::vector<ReplicaId>> replicas_of(WorkspaceId w, const std::string& u) override {
    return store->replicas_of(w, u);
  }
  Result<std::optional<ServerVersion>> least_cursor(WorkspaceId w, std::int64_t s) override {
    return store->least_cursor(w, s);
  }
  Result<ServerVersion> version_before(WorkspaceId w, std::int64_t a) override {
    return store->version_before(w, a);
  }
  Result<void> forget_identities(WorkspaceId w, const ReplicaId& r, ChangeSequence t) override {
    return store->forget_identities(w, r, t);
  }
  Result<void> trim(WorkspaceId w, ServerVersion t) override { return store->trim(w, t); }
  Result<void> backup(const std::string& path) override { return store->backup(path); }
  Result<void> begin_lineage(const LineageId& l) override { return store->begin_lineage(l); }
  Result<void> lose_lineage(const LineageId& l) override { return store->lose_lineage(l); }
  Result<void> forget_workspace(WorkspaceId w) override { return store->forget_workspace(w); }
};

}  // namespace syncline
