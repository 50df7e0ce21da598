#include "sim/desk.h"

namespace syncline::sim {
namespace {

constexpr const char* tables[] = {"notes", "tags", "forbidden"};

}  // namespace

Desk::Desk(std::string process, WallClock& clock, Random& random, bool has_ledger)
    : process_(std::move(process)), clock_(&clock), random_(&random), has_ledger_(has_ledger) {}

Result<void> Desk::open(const char* file) {
  OpenOptions options;
  options.vfs = process_;
  SL_TRY(Database opened, Database::open(file, options));
  database_.emplace(std::move(opened));
  SL_TRY(engine_, Engine::attach({database_->connection(), clock_, random_, true}));
  SL_TRY(engine_->initialise());
  for (const char* table : tables) {
    const std::string name(table);
    SL_TRY(database_->connection().execute("CREATE TABLE IF NOT EXISTS " + name +
                                           "(id INTEGER PRIMARY KEY, body TEXT, rank INTEGER)"));
    SL_TRY(const TrackOptions rules,
           parse_track_options(name == "tags" ? std::vector<std::string>{"body=manual"}
                                              : std::vector<std::string>()));
    SL_TRY(engine_->track(name, rules));
  }
  return has_ledger_ ? open_ledger(*engine_) : Result<void>();
}

void Desk::close() {
  if (engine_) {
    engine_->release();
  }
  database_.reset();
  engine_.reset();
  holds_ = false;
}

Result<void> Desk::edit(const ModelReplica::Write& write, std::uint32_t columns) const {
  const std::string id = std::to_string(write.id);
  const std::string value = std::to_string(write.value);
  std::string sql = "DELETE FROM " + write.table + " WHERE id = " + id;
  if (write.kind != EditKind::erase) {
    const std::string rank = write.value % 3 == 0 ? ", rank = " + value : "";
    sql = "INSERT INTO " + write.table + "(id, body) VALUES(" + id + ", '" + value +
          "') ON CONFLICT(id) DO UPDATE SET body = excluded.body" + rank;
  }
  SL_TRY(connection().execute(sql));
  if (columns > 0 && write.kind == EditKind::set && write.table == "notes") {
    SL_TRY(connection().execute("UPDATE notes SET extra" + std::to_string(columns) + " = " + value +
                                " WHERE id = " + id));
  }
  return {};
}

Result<void> Desk::begin(const PeopleWrites& writes, std::uint32_t columns) {
  const auto run = [&]() -> Result<void> {
    SL_TRY(connection().execute("BEGIN IMMEDIATE"));
    for (const ModelReplica::Write& write : writes.plain) {
      SL_TRY(edit(write, columns));
    }
    for (const LedgerWrite& write : writes.ledger) {
      SL_TRY(write_ledger(connection(), write));
    }
    return {};
  };
  auto done = run();
  if (!done) {
    if (!connection().autocommit()) {
      (void)connection().execute("ROLLBACK");
    }
    return done;
  }
  holds_ = true;
  held_ = writes;
  return {};
}

Result<void> Desk::commit() {
  holds_ = false;
  auto done = connection().execute("COMMIT");
  if (!done && !connection().autocommit()) {
    (void)connection().execute("ROLLBACK");
  }
  return done;
}

Result<void> Desk::write(const PeopleWrites& writes, std::uint32_t columns) {
  SL_TRY(begin(writes, columns));
  return commit();
}

}  // namespace syncline::sim
