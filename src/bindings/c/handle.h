#pragma once

#include <chrono>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "client/engine.h"
#include "client/live_query.h"
#include "sqlite/database.h"
#include "syncline.h"

namespace syncline {

// The host's clock, or the system's.
class HostClock final : public WallClock {
 public:
  explicit HostClock(const syncline_options& options) : options_(options) {}
  std::int64_t now_ms() override {
    if (options_.now_ms != nullptr) {
      return options_.now_ms(options_.context);
    }
    const auto since_1970 = std::chrono::system_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::milliseconds>(since_1970).count();
  }

 private:
  syncline_options options_;
};

// The host's randomness, or SQLite's, which the system seeds.
class HostRandom final : public Random {
 public:
  HostRandom(const syncline_options& options, const Database& database)
      : options_(options), database_(database) {}
  std::uint64_t next() override {
    if (options_.random != nullptr) {
      std::uint64_t out = 0;
      options_.random(options_.context, &out, sizeof out);
      return out;
    }
    const auto drawn = database_->query_int("SELECT random()");
    // Fails only without memory; ids that are not random would be worse than none.
    SL_CHECK(drawn.has_value() && drawn->has_value());
    return static_cast<std::uint64_t>(**drawn);
  }

 private:
  syncline_options options_;
  const Database& database_;
};

}  // namespace syncline

// One statement handed out, or lent to a live query's callback.
struct syncline_rows {
  syncline_db* db = nullptr;  // null once the database was closed
  syncline::Statement own;
  syncline::Statement* lent = nullptr;
  std::vector<syncline::Value> bound;
  bool is_running = false;  // stands on a row
  std::string name;

  syncline::Statement& statement() { return lent != nullptr ? *lent : own; }
  const syncline::Statement& statement() const { return lent != nullptr ? *lent : own; }
};

struct syncline_db {
  // Destroyed from the last to the first: the connection closes before the engine goes.
  std::unique_ptr<syncline::HostClock> clock;
  std::unique_ptr<syncline::HostRandom> random;
  std::unique_ptr<syncline::Engine> engine;
  std::unique_ptr<syncline::Database> database;
  std::unique_ptr<syncline::LiveQueries> live;
  std::set<syncline_rows*> open_rows;

  syncline_code code = SYNCLINE_OK;
  bool retryable = false;
  std::string text;
};

namespace syncline {

syncline_code public_code(ErrorCode code);
// Keeps the error in the handle and returns its code.
syncline_code failed(syncline_db* db, const Error& error);
syncline_code failed(syncline_db* db, ErrorCode code, const char* text);
template <typename T>
syncline_code finished(syncline_db* db, const Result<T>& result) {
  return result ? SYNCLINE_OK : failed(db, result.error());
}
// False, with the handle's error set, when the handle never opened.
bool is_open(syncline_db* db);

ValueView view_of(const syncline_value& value);
syncline_value value_of(const ValueView& view);
// Copies for the caller, to be freed with syncline_free(); text gets a zero behind it.
char* copy_out(Bytes bytes);
syncline_code open_rows(syncline_db* db, const char* sql, syncline_rows** out);

}  // namespace syncline
