#pragma once

#include <doctest/doctest.h>

#include "server/log_store.h"

// What every log store must keep, as a suite: a store's own test includes this and calls
// log_store_contract() with an empty store, once for each check.
namespace syncline::contract {

inline ReplicaId replica(int number) {
  ReplicaId id;
  id.bytes.fill(static_cast<std::uint8_t>(number));
  return id;
}

inline LogEntry entry(std::uint64_t version, int author, std::uint64_t sequence) {
  LogEntry out;
  out.version = ServerVersion(version);
  out.stamp = {version << Stamp::counter_bits, replica(author)};
  out.sequence = ChangeSequence(sequence);
  out.hash = ~version;  // uses the highest bit
  out.user = "ann";
  out.at_ms = static_cast<std::int64_t>(1000 * version);
  out.parts = {{1, 2, 3}};
  return out;
}

inline ServerRow row(const std::string& table, std::int64_t id, bool alive) {
  const ValueView key[] = {ValueView::of(id)};
  ServerRow out;
  out.table = table;
  out.key = make_key(key);
  out.state.life = {77, replica(1)};
  out.state.alive = alive;
  if (alive) {
    out.state.cells.push_back(
        {"body", CellForm::plain, {99, replica(2)}, Value::text("x"), Stamp()});
  }
  return out;
}

inline std::vector<std::uint64_t> versions(LogStore& store, WorkspaceId workspace,
                                           std::uint64_t after, std::uint64_t through) {
  std::vector<std::uint64_t> out;
  CHECK(store
            .for_each_entry(workspace, ServerVersion(after), ServerVersion(through),
                            [&](LogEntry& one) -> Result<bool> {
                              out.push_back(one.version.get());
                              return true;
                            })
            .has_value());
  return out;
}

inline void workspaces(LogStore& store) {
  CHECK_FALSE(store.find_workspace("a")->has_value());
  REQUIRE(store.begin().has_value());
  auto a = store.create_workspace("a");
  const auto b = store.create_workspace("b");
  REQUIRE((a.has_value() && b.has_value()));
  CHECK(a->id != b->id);
  a->head = ServerVersion(5);
  a->fence_time = ~std::uint64_t{0} - 1;
  a->schema = {1, 2};
  CHECK(store.save_workspace(*a).has_value());
  CHECK(store.commit().has_value());
  const auto found = store.find_workspace("a");
  REQUIRE(found->has_value());
  CHECK((*found)->head == ServerVersion(5));
  CHECK((*found)->fence_time == ~std::uint64_t{0} - 1);
  CHECK((*found)->schema == ByteVector{1, 2});
  CHECK((*store.find_workspace("b"))->head == ServerVersion(0));
}

inline void log_order(LogStore& store) {
  REQUIRE(store.begin().has_value());
  const WorkspaceId a = store.create_workspace("a")->id;
  const WorkspaceId b = store.create_workspace("b")->id;
  LogEntry large = entry(2, 2, 1);
  large.parts = {{1}, {2, 2}, {3, 3, 3}};
  CHECK(store.append(a, entry(1, 1, 1), {}).has_value());
  CHECK(store.append(a, large, {}).has_value());
  CHECK(store.append(a, entry(3, 1, 2), {}).has_value());
  CHECK(store.append(b, entry(1, 1, 1), {}).has_value());
  CHECK(store.commit().has_value());
  CHECK(versions(store, a, 0, 9) == std::vector<std::uint64_t>{1, 2, 3});
  CHECK(versions(store, a, 1, 2) == std::vector<std::uint64_t>{2});
  CHECK(versions(store, b, 0, 9) == std::vector<std::uint64_t>{1});
  CHECK(store
            .for_each_entry(a, ServerVersion(1), ServerVersion(2),
                            [&](LogEntry& one) -> Result<bool> {
                              CHECK(one.parts == large.parts);
                              CHECK(one.stamp == large.stamp);
                              CHECK(one.hash == large.hash);
                              return true;
                            })
            .has_value());
}

inline void identity(LogStore& store) {
  REQUIRE(store.begin().has_value());
  const WorkspaceId a = store.create_workspace("a")->id;
  CHECK(store.append(a, entry(1, 1, 1), {}).has_value());
  CHECK(store.append_rejected(a, replica(1), ChangeSequence(2), {5, 6, "not_allowed", "no"})
            .has_value());
  const auto known = store.find_change(a, replica(1), ChangeSequence(1));
  REQUIRE(known->has_value());
  CHECK((*known)->hash == ~std::uint64_t{1});
  CHECK((*known)->rejected_code.empty());
  const auto rejected = store.find_change(a, replica(1), ChangeSequence(2));
  REQUIRE(rejected->has_value());
  CHECK((*rejected)->rejected_code == "not_allowed");
  CHECK_FALSE(store.find_change(a, replica(2), ChangeSequence(1))->has_value());
  // The same identity twice, and the same version twice, are refused by the store itself.
  CHECK_FALSE(store.append(a, entry(2, 1, 1), {}).has_value());
  CHECK_FALSE(store.append(a, entry(1, 3, 1), {}).has_value());
  store.rollback();
}

inline void attempts(LogStore& store) {
  REQUIRE(store.begin().has_value());
  const WorkspaceId workspace = store.create_workspace("a")->id;
  const auto append = [&](std::uint64_t version, int author) {
    return store.append(workspace, entry(version, author, version), {});
  };
  REQUIRE(append(1, 1).has_value());
  const auto failed = store.attempt([&]() -> Result<void> {
    SL_TRY(append(2, 1));
    SL_TRY(store.create_workspace("b"));
    return Error(ErrorCode::too_large, "on purpose");
  });
  CHECK(failed.error().code() == ErrorCode::too_large);
  REQUIRE(store.attempt([&] { return append(2, 2); }).has_value());
  REQUIRE(store.commit().has_value());
  CHECK(versions(store, workspace, 0, 9) == std::vector<std::uint64_t>{1, 2});
  CHECK(store.find_change(workspace, replica(2), ChangeSequence(2))->has_value());
  CHECK_FALSE(store.find_workspace("b")->has_value());
}

inline void rollback(LogStore& store) {
  REQUIRE(store.begin().has_value());
  const WorkspaceId a = store.create_workspace("a")->id;
  CHECK(store.commit().has_value());
  REQUIRE(store.begin().has_value());
  CHECK(store.append(a, entry(1, 1, 1), {}).has_value());
  CHECK(store.save_row(a, row("t", 1, true), ServerVersion(1)).has_value());
  CHECK(store.save_replica(a, replica(1), {}).has_value());
  store.rollback();
  CHECK(versions(store, a, 0, 9).empty());
  CHECK_FALSE(store.find_row(a, "t", row("t", 1, true).key.view())->has_value());
  CHECK_FALSE(store.find_replica(a, replica(1))->has_value());
}

inline void rows(LogStore& store) {
  REQUIRE(store.begin().has_value());
  const WorkspaceId a = store.create_workspace("a")->id;
  for (std::int64_t id = 1; id <= 5; ++id) {
    CHECK(store.save_row(a, row("t", id, true), ServerVersion(1)).has_value());
  }
  CHECK(store.save_row(a, row("u", 1, true), ServerVersion(1)).has_value());
  CHECK(store.commit().has_value());
  const auto found = store.find_row(a, "t", row("t", 3, true).key.view());
  REQUIRE(found->has_value());
  CHECK((*found)->state == row("t", 3, true).state);
  std::size_t count = 0;
  const auto counting = [&](const ServerRow&) -> Result<bool> {
    ++count;
    return true;
  };
  CHECK(store.for_each_row(a, "t", {}, {}, counting).has_value());
  CHECK(count == 5);
  count = 0;
  CHECK(store
            .for_each_row(a, "t", row("t", 2, true).key.view(), row("t", 4, true).key.view(),
                          counting)
            .has_value());
  CHECK(count == 2);
}

inline void trimming(LogStore& store) {
  REQUIRE(store.begin().has_value());
  const WorkspaceId a = store.create_workspace("a")->id;
  for (std::uint64_t version = 1; version <= 4; ++version) {
    CHECK(store.append(a, entry(version, 1, version), {}).has_value());
  }
  CHECK(store.save_row(a, row("t", 1, true), ServerVersion(1)).has_value());
  CHECK(store.save_row(a, row("t", 2, false), ServerVersion(2)).has_value());
  CHECK(store.save_row(a, row("t", 3, false), ServerVersion(4)).has_value());
  CHECK(*store.version_before(a, 3000) == ServerVersion(2));
  CHECK(store.trim(a, ServerVersion(2)).has_value());
  CHECK(store.commit().has_value());
  CHECK(versions(store, a, 0, 9) == std::vector<std::uint64_t>{3, 4});
  // Living rows stay whatever their age; so do younger tombstones.
  CHECK(store.find_row(a, "t", row("t", 1, true).key.view())->has_value());
  CHECK_FALSE(store.find_row(a, "t", row("t", 2, true).key.view())->has_value());
  CHECK(store.find_row(a, "t", row("t", 3, true).key.view())->has_value());
}

inline void replicas(LogStore& store) {
  REQUIRE(store.begin().has_value());
  const WorkspaceId a = store.create_workspace("a")->id;
  ReplicaRecord record;
  record.epoch.bytes.fill(4);
  record.last_sequence = ChangeSequence(9);
  record.last_time = ~std::uint64_t{0};
  record.cursor = ServerVersion(7);
  record.seen_ms = 1000;
  record.user = "ann";
  CHECK(store.save_replica(a, replica(1), record).has_value());
  record.cursor = ServerVersion(3);
  record.seen_ms = 100;
  CHECK(store.save_replica(a, replica(2), record).has_value());
  CHECK(store.commit().has_value());
  const auto found = store.find_replica(a, replica(1));
  REQUIRE(found->has_value());
  CHECK((*found)->last_time == ~std::uint64_t{0});
  CHECK((*found)->epoch == record.epoch);
  CHECK((*found)->user == "ann");
  CHECK(store.replicas_of(a, "ann")->size() == 2);
  CHECK(store.replicas_of(a, "bob")->empty());
  CHECK(**store.least_cursor(a, 0) == ServerVersion(3));
  CHECK(**store.least_cursor(a, 500) == ServerVersion(7));
  CHECK_FALSE(store.least_cursor(a, 5000)->has_value());
}

inline void lineages(LogStore& store) {
  const LineageId first = *store.lineage();
  CHECK_FALSE(first.is_zero());
  REQUIRE(store.begin().has_value());
  auto a = store.create_workspace("a");
  a->head = ServerVersion(12);
  CHECK(store.save_workspace(*a).has_value());
  ReplicaRecord record;
  record.epoch.bytes.fill(4);
  CHECK(store.save_replica(a->id, replica(1), record).has_value());
  CHECK(store.commit().has_value());
  LineageId second;
  second.bytes.fill(8);
  CHECK(store.begin_lineage(second).has_value());
  CHECK(*store.lineage() == second);
  CHECK(**store.ancestor(a->id, first) == ServerVersion(12));
  LineageId foreign;
  foreign.bytes.fill(9);
  CHECK_FALSE(store.ancestor(a->id, foreign)->has_value());
  // A restored server cannot know which opening of a replica was the last.
  CHECK((*store.find_replica(a->id, replica(1)))->epoch.is_zero());
}

// Many workspaces' appends share one transaction, and each counts its versions by itself.
inline void many_workspaces(LogStore& store) {
  REQUIRE(store.begin().has_value());
  std::vector<WorkspaceId> ids;
  ids.reserve(20);
  for (int i = 0; i < 20; ++i) {
    ids.push_back(store.create_workspace("w" + std::to_string(i))->id);
  }
  CHECK(store.commit().has_value());
  REQUIRE(store.begin().has_value());
  for (std::uint64_t version = 1; version <= 3; ++version) {
    for (const WorkspaceId id : ids) {
      CHECK(store.append(id, entry(version, 1, version), {}).has_value());
    }
  }
  CHECK(store.commit().has_value());
  for (const WorkspaceId id : ids) {
    CHECK(versions(store, id, 0, 9) == std::vector<std::uint64_t>{1, 2, 3});
  }
  // One transaction back is all of them back.
  REQUIRE(store.begin().has_value());
  for (const WorkspaceId id : ids) {
    CHECK(store.append(id, entry(4, 1, 4), {}).has_value());
  }
  store.rollback();
  for (const WorkspaceId id : ids) {
    CHECK(versions(store, id, 3, 9).empty());
  }
}

// The identity of a change outlives its log entry until its replica has confirmed it.
inline void identities_after_trim(LogStore& store) {
  REQUIRE(store.begin().has_value());
  const WorkspaceId a = store.create_workspace("a")->id;
  ReplicaRecord record;
  record.last_sequence = ChangeSequence(3);
  record.confirmed = ChangeSequence(1);
  CHECK(store.save_replica(a, replica(1), record).has_value());
  for (std::uint64_t version = 1; version <= 3; ++version) {
    CHECK(store.append(a, entry(version, 1, version), {}).has_value());
  }
  CHECK(store.append_rejected(a, replica(1), ChangeSequence(4), {5, 6, "not_allowed", "no"})
            .has_value());
  CHECK(store.trim(a, ServerVersion(3)).has_value());
  CHECK(store.find_replica(a, replica(1))->value().confirmed == ChangeSequence(1));
  CHECK_FALSE(store.find_change(a, replica(1), ChangeSequence(1))->has_value());
  CHECK(store.find_change(a, replica(1), ChangeSequence(2))->value().hash == ~std::uint64_t{2});
  CHECK(store.find_change(a, replica(1), ChangeSequence(3))->has_value());
  CHECK(store.forget_identities(a, replica(1), ChangeSequence(2)).has_value());
  CHECK_FALSE(store.find_change(a, replica(1), ChangeSequence(2))->has_value());
  CHECK(store.find_change(a, replica(1), ChangeSequence(3))->has_value());
  CHECK(store.find_change(a, replica(1), ChangeSequence(4))->has_value());
  // A copy may tell what was refused once more.
  const std::uint64_t last = 4 + LogStore::refusals_kept;
  for (std::uint64_t sequence = 5; sequence <= last; ++sequence) {
    CHECK(store.append_rejected(a, replica(1), ChangeSequence(sequence), {5, 6, "not_allowed", ""})
              .has_value());
  }
  CHECK(store.forget_identities(a, replica(1), ChangeSequence(last)).has_value());
  CHECK_FALSE(store.find_change(a, replica(1), ChangeSequence(4))->has_value());
  CHECK(store.find_change(a, replica(1), ChangeSequence(5))->has_value());
  CHECK(store.commit().has_value());
}

// NOLINTNEXTLINE(readability-function-size): CHECK and REQUIRE are many statements
inline void names(LogStore& store) {
  REQUIRE(store.begin().has_value());
  const WorkspaceId a = store.create_workspace("a")->id;
  const WorkspaceId b = store.create_workspace("b")->id;
  CHECK(store.save_named(a, "ann", "id", {~std::uint64_t{0}, ServerVersion(7), -5, "{}"})
            .has_value());
  // The same name again is an error, never a second change.
  CHECK_FALSE(store.save_named(a, "ann", "id", {1, ServerVersion(8), 0, ""}).has_value());
  const auto found = store.find_named(a, "ann", "id");
  REQUIRE((found.has_value() && found->has_value()));
  CHECK((*found)->hash == ~std::uint64_t{0});
  CHECK((*found)->version == ServerVersion(7));
  CHECK((*found)->author_ms == -5);
  CHECK((*found)->conflict == "{}");
  CHECK_FALSE(store.find_named(a, "ben", "id")->has_value());
  CHECK_FALSE(store.find_named(b, "ann", "id")->has_value());
  CHECK(store.save_device(a, replica(3), {"ann", "phone"}).has_value());
  CHECK(store.save_device(a, replica(3), {"ann", "phone"}).has_value());
  CHECK((*store.find_device(a, replica(3)))->name == "phone");
  CHECK_FALSE(store.find_device(a, replica(4))->has_value());
  // Versions by stamps, also where sequences have gaps.
  for (const std::uint64_t version : {1, 2, 4, 9}) {
    CHECK(store.append(a, entry(version, 1, version), {}).has_value());
  }
  CHECK(store.append(a, entry(3, 2, 1), {}).has_value());
  for (const std::uint64_t version : {1, 2, 4, 9}) {
    const Stamp stamp{version << Stamp::counter_bits, replica(1)};
    CHECK(*store.version_of(a, stamp) == std::optional<ServerVersion>(ServerVersion(version)));
  }
  for (const std::uint64_t time : {0, 3, 5, 10}) {
    CHECK_FALSE(store.version_of(a, {time << Stamp::counter_bits, replica(1)})->has_value());
  }
  CHECK_FALSE(store.version_of(a, {1U << Stamp::counter_bits, replica(9)})->has_value());
  // What was trimmed keeps its name.
  CHECK(store.trim(a, ServerVersion(9)).has_value());
  CHECK(store.find_named(a, "ann", "id")->has_value());
  CHECK_FALSE(store.version_of(a, {4U << Stamp::counter_bits, replica(1)})->has_value());
  CHECK(store.commit().has_value());
}

// Each check gets a store of its own from `make`.
template <typename Make>
void log_store_contract(const Make& make) {
  for (void (*check)(LogStore&) :
       {workspaces, log_order, identity, attempts, rollback, rows, trimming, replicas, lineages,
        many_workspaces, identities_after_trim, names}) {
    const auto store = make();
    check(*store);
  }
}

}  // namespace syncline::contract
