#include "server/sqlite_log_store.h"

#include <doctest/doctest.h>

#include "server/log_store_contract.h"

using namespace syncline;

namespace {

std::unique_ptr<SqliteLogStore> empty_store() {
  SeededRandom random(1);
  auto store = SqliteLogStore::open(":memory:", random, {});
  SL_CHECK(store.has_value());
  return std::move(*store);
}

}  // namespace

TEST_CASE("the SQLite log keeps the log store's contract") {
  contract::log_store_contract(empty_store);
}
