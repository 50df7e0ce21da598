#include "server/sqlite_log_store.h"

#include <doctest/doctest.h>

#include <cstdio>

#include "server/log_store_contract.h"

using namespace syncline;

namespace {

std::unique_ptr<SqliteLogStore> empty_store() {
  SeededRandom random(1);
  auto store = SqliteLogStore::open(":memory:", random, {});
  SL_CHECK(store.has_value());
  return std::move(*store);
}

// A file that goes with its test.
struct Scratch {
  std::string path;
  explicit Scratch(std::string name) : path(std::move(name)) { clear(); }
  ~Scratch() { clear(); }
  void clear() const {
    for (const char* suffix : {"", "-wal", "-shm", "-journal"}) {
      std::remove((path + suffix).c_str());
    }
  }
};

}  // namespace

TEST_CASE("the SQLite log keeps the log store's contract") {
  contract::log_store_contract(empty_store);
}

TEST_CASE("a new log seals with the key that was drawn for it") {
  SeededRandom random(5);
  SeededRandom same(5);
  const auto store = SqliteLogStore::open(":memory:", random, {});
  REQUIRE(store.has_value());
  CHECK(*(*store)->seal_key() == SealKey::draw(same));
}

TEST_CASE("a backup is taken in use, restored elsewhere, and opens under a new lineage") {
  const Scratch live("log_live_test.db");
  const Scratch backup("log_backup_test.db");
  const Scratch restored("log_restored_test.db");
  SeededRandom random(1);
  auto store = std::move(*SqliteLogStore::open(live.path, random, {}));
  const LineageId first = *store->lineage();
  REQUIRE(store->begin().has_value());
  auto team = *store->create_workspace("team");
  CHECK(store->append(team.id, contract::entry(1, 1, 1), {}).has_value());
  team.head = ServerVersion(1);
  CHECK(store->save_workspace(team).has_value());
  CHECK(store->commit().has_value());
  REQUIRE(store->backup(backup.path).has_value());
  // It goes on, and what comes later is not in the backup.
  CHECK(*store->lineage() == first);
  REQUIRE(store->begin().has_value());
  CHECK(store->append(team.id, contract::entry(2, 1, 2), {}).has_value());
  CHECK(store->commit().has_value());

  CHECK_FALSE(SqliteLogStore::restore(live.path, restored.path, {}).has_value());
  REQUIRE(SqliteLogStore::restore(backup.path, restored.path, {}).has_value());
  // Nothing that stands there is overwritten.
  CHECK_FALSE(SqliteLogStore::restore(backup.path, live.path, {}).has_value());
  LineageId second;
  {
    const auto again = std::move(*SqliteLogStore::open(restored.path, random, {}));
    second = *again->lineage();
    CHECK(second != first);
    CHECK(**again->ancestor(team.id, first) == ServerVersion(1));
    CHECK(contract::versions(*again, team.id, 0, 9) == std::vector<std::uint64_t>{1});
  }
  // Once: it is a server of its own from now on.
  const auto later = std::move(*SqliteLogStore::open(restored.path, random, {}));
  CHECK(*later->lineage() == second);
  // Who copies a backup by hand gets a new lineage as well.
  const auto by_hand = std::move(*SqliteLogStore::open(backup.path, random, {}));
  CHECK(*by_hand->lineage() != first);
}

TEST_CASE("the audit is read by plain SQL") {
  const Scratch live("log_audit_test.db");
  SeededRandom random(1);
  auto store = std::move(*SqliteLogStore::open(live.path, random, {}));
  REQUIRE(store->begin().has_value());
  const WorkspaceId team = store->create_workspace("team")->id;
  const std::vector<AuditRow> audit = {{"CREATED", "notes", "7", R"({"body":"x"})"},
                                       {"DELETED", "tags", "8", "{}"}};
  CHECK(store->append(team, contract::entry(1, 1, 1), audit).has_value());
  CHECK(store->commit().has_value());
  const auto reader = Database::open(live.path);
  REQUIRE(reader.has_value());
  CHECK(
      **(*reader)->query_text(
          "SELECT group_concat(workspace || ' ' || change_id || ' ' || user || ' ' || type || ' ' "
          "|| entity_type || ' ' || entity_id || ' ' || data || ' ' || time, '; ') FROM audit") ==
      "team 1 ann CREATED notes 7 {\"body\":\"x\"} 1970-01-01T00:00:01.000Z; "
      "team 1 ann DELETED tags 8 {} 1970-01-01T00:00:01.000Z");
}
