#pragma once

#include <memory>
#include <string>

#include "client/engine.h"
#include "sqlite/database.h"

namespace syncline {

// A replica in memory for tests: a clock that stands still until told, and seeded ids.
struct TestReplica {
  struct Clock final : WallClock {
    std::int64_t ms = 1'600'000'000'000;
    std::int64_t now_ms() override { return ms; }
  };

  Clock clock;
  SeededRandom random;
  // Before the database: it must outlive the connection.
  std::unique_ptr<Engine> engine;
  Database database;

  explicit TestReplica(std::uint64_t seed = 1, const std::string& path = ":memory:")
      : random(seed), database(*Database::open(path)) {
    engine = *Engine::attach({database.connection(), &clock, &random, false});
  }
  ~TestReplica() { engine->release(); }

  Result<void> execute(const std::string& sql) { return database->execute(sql); }
  // The first value as text, or the error's words.
  std::string text(const std::string& sql) {
    const auto found = database->query_text(sql);
    return found ? found->value_or("(no row)") : found.error().message();
  }
  // Everything that `other` knows, merged here.
  Result<ApplyReport> pull(TestReplica& other) {
    SL_TRY(const ByteVector file, other.engine->changes_since(LocalVersion(0)));
    return engine->apply_file(file);
  }
};

}  // namespace syncline
