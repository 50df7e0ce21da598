#pragma once

#include <memory>
#include <string>

#include "apps/syncline/cli.h"
#include "client/engine.h"
#include "net/system.h"
#include "sqlite/database.h"

namespace syncline::cli {

// The database named by --db with the engine behind it.
class Replica {
 public:
  enum class Missing { refuse, create };
  // Fails with `not_found` when there is no such file and it may not be made.
  static Result<std::unique_ptr<Replica>> open(const std::string& path, Missing missing);
  // The same, and it must be a replica already.
  static Result<std::unique_ptr<Replica>> open_initialised(const std::string& path);
  ~Replica();

  Engine& engine() { return *engine_; }
  Connection connection() const { return database_->connection(); }
  WallClock& clock() { return clock_; }
  Random& random() { return random_; }

 private:
  Replica() = default;
  SystemClock clock_;
  SystemRandom random_;
  // Destroyed from the last to the first: the connection closes before the engine goes.
  std::unique_ptr<Engine> engine_;
  std::unique_ptr<Database> database_;
};

// A row of a statement as an object; values as base/value_json writes them. Columns named in
// `json_columns` hold JSON already.
Result<Json> row_json(const Statement& row, const std::vector<std::string>& json_columns = {});
// Prints every row that the SQL gives.
Result<int> print_rows(Connection connection, const std::string& sql, Output& out,
                       const std::vector<std::string>& json_columns = {});
// A JSON value as one of SQLite's: numbers by their form, booleans as 0 and 1, {"base64"},
// {"real"} and {"text_base64"} as base/value_json writes them, other objects and lists as text.
Result<Value> value_of(const Json& json);

}  // namespace syncline::cli
