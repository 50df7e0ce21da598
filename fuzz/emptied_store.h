#pragma once

#include <span>
#include <string>

#include "base/check.h"
#include "base/random.h"
#include "server/sqlite_log_store.h"

namespace syncline {

// A store in memory; one for the whole run, since most of a short conversation would be its making.
// What an input left in the workspaces is forgotten before the next.
inline SqliteLogStore& emptied_store(std::span<const char* const> workspaces) {
  static SqliteLogStore* made = [] {
    SeededRandom random(7);
    return SqliteLogStore::open(":memory:", random, {})->release();
  }();
  SL_CHECK(made->begin().has_value());
  for (const char* workspace : workspaces) {
    const auto known = made->find_workspace(workspace);
    SL_CHECK(known.has_value());
    SL_CHECK(!*known || made->forget_workspace((*known)->id).has_value());
  }
  SL_CHECK(made->commit().has_value());
  return *made;
}

}  // namespace syncline
