#include "sim/real_replica.h"

namespace syncline::sim {
namespace {

constexpr const char* file_name = "app.db";
constexpr const char* copy_name = "copy.db";
constexpr const char* tables[] = {"notes", "tags", "forbidden"};

}  // namespace

RealReplica::RealReplica(std::size_t number, WallClock& clock, Random& random,
                         std::string workspace)
    : vfs_("sim-replica-" + std::to_string(number)),
      disk_(vfs_, random),
      clock_(&clock),
      random_(&random),
      workspace_(std::move(workspace)) {}

RealReplica::~RealReplica() { close(); }

bool RealReplica::failed(const Result<void>& done) {
  if (!done) {
    last_error_ = done.error().message();
  }
  return !done;
}

Result<void> RealReplica::prepare() {
  OpenOptions options;
  options.vfs = vfs_;
  SL_TRY(Database opened, Database::open(file_name, options));
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
  host_ = std::make_unique<ReplicaHost>(
      ReplicaHost::Parts{engine_.get(), clock_, random_, this, nullptr}, ClientOptions{});
  return {};
}

bool RealReplica::open(Instant now) {
  close();
  disk_.restart();
  if (failed(prepare()) || failed(host_->start(now, workspace_, "token"))) {
    close();
    return false;
  }
  return true;
}

void RealReplica::close() {
  host_.reset();
  if (engine_) {
    engine_->release();
  }
  database_.reset();
  engine_.reset();
  wishes_.clear();
  work_waits_ = false;
}

void RealReplica::crash() {
  disk_.crash();
  close();
}

bool RealReplica::write(const std::vector<ModelReplica::Write>& writes) {
  if (!host_) {
    return false;
  }
  const Connection connection = database_->connection();
  const auto run = [&]() -> Result<void> {
    SL_TRY(connection.execute("BEGIN IMMEDIATE"));
    for (const ModelReplica::Write& one : writes) {
      const std::string id = std::to_string(one.id);
      const std::string value = std::to_string(one.value);
      std::string sql = "DELETE FROM " + one.table + " WHERE id = " + id;
      if (one.kind != EditKind::erase) {
        const std::string rank = one.value % 3 == 0 ? ", rank = " + value : "";
        sql = "INSERT INTO " + one.table + "(id, body) VALUES(" + id + ", '" + value +
              "') ON CONFLICT(id) DO UPDATE SET body = excluded.body" + rank;
      }
      SL_TRY(connection.execute(sql));
      if (upgrades_ > 0 && one.kind == EditKind::set && one.table == "notes") {
        SL_TRY(connection.execute("UPDATE notes SET extra" + std::to_string(upgrades_) + " = " +
                                  value + " WHERE id = " + id));
      }
    }
    return connection.execute("COMMIT");
  };
  if (failed(run())) {
    if (!connection.autocommit()) {
      (void)connection.execute("ROLLBACK");
    }
    return false;
  }
  if (const auto now = facts()) {
    answered_ = {now->replica, now->last_sequence};
  }
  return true;
}

bool RealReplica::upgrade() {
  if (!host_) {
    return false;
  }
  const auto run = [&]() -> Result<void> {
    SL_TRY(engine_->alter_begin());
    SL_TRY(database_->connection().execute("ALTER TABLE notes ADD COLUMN extra" +
                                           std::to_string(upgrades_ + 1) + " INTEGER"));
    return engine_->alter_commit();
  };
  if (failed(run())) {
    // As an application must: the change of schema is a transaction like any other.
    if (!database_->connection().autocommit()) {
      (void)database_->connection().execute("ROLLBACK");
    }
    return false;
  }
  ++upgrades_;
  return true;
}

bool RealReplica::resync() {
  if (!host_) {
    return false;
  }
  const auto salvaged_file = engine_->resync();
  if (!salvaged_file) {
    last_error_ = salvaged_file.error().message();
    return false;
  }
  return true;
}

bool RealReplica::resolve(std::uint64_t pick) {
  if (!host_) {
    return false;
  }
  const auto conflicts = engine_->conflicts();
  if (!conflicts) {
    last_error_ = conflicts.error().message();
    return false;
  }
  std::vector<std::string> open;
  for (const ConflictRow& row : *conflicts) {
    if (row.state == "open") {
      open.push_back(row.id);
    }
  }
  return !open.empty() &&
         !failed(engine_->resolve(open[pick % open.size()],
                                  pick % 2 == 0 ? Resolution::mine : Resolution::theirs, {}));
}

void RealReplica::copy_file(const ReplicaId& known_as) {
  close();
  for (const char* suffix : {"", "-wal"}) {
    disk_.remove(std::string(copy_name) + suffix);
    if (disk_.exists(std::string(file_name) + suffix)) {
      disk_.copy(std::string(file_name) + suffix, std::string(copy_name) + suffix);
    }
  }
  has_copy_ = true;
  copy_answered_ = answered_;
  copy_known_as_ = known_as;
}

ReplicaId RealReplica::put_copy_back() {
  close();
  for (const char* suffix : {"", "-wal", "-shm", "-journal"}) {
    disk_.remove(std::string(file_name) + suffix);
    if (disk_.exists(std::string(copy_name) + suffix)) {
      disk_.copy(std::string(copy_name) + suffix, std::string(file_name) + suffix);
    }
  }
  answered_ = copy_answered_;
  return copy_known_as_;
}

void RealReplica::copy_to(RealReplica& other) {
  close();
  for (const char* suffix : {"", "-wal"}) {
    if (disk_.exists(std::string(file_name) + suffix)) {
      other.disk_.put(std::string(file_name) + suffix,
                      disk_.content(std::string(file_name) + suffix));
    }
  }
  other.upgrades_ = upgrades_;
}

StatusReport RealReplica::status(Instant now) const {
  return host_ ? host_->status(now) : StatusReport();
}

std::optional<ReplicaFacts> RealReplica::facts() {
  if (!engine_) {
    return std::nullopt;
  }
  auto facts = engine_->facts({});
  if (!facts) {
    last_error_ = facts.error().message();
    return std::nullopt;
  }
  return std::move(*facts);
}

std::optional<ReplicaId> RealReplica::identity() {
  if (!engine_) {
    return std::nullopt;
  }
  const auto id = engine_->replica();
  return id ? std::optional<ReplicaId>(*id) : std::nullopt;
}

std::string RealReplica::situation() {
  if (!host_) {
    return "not open, last error: " + last_error_;
  }
  const auto head = engine_->log_head();
  return std::string(database_->connection().autocommit() ? "no" : "a") + " transaction open, " +
         (head ? "own sequence " + std::to_string(head->own_sequence.get())
               : head.error().message()) +
         ", last error: " + last_error_;
}

std::optional<std::map<RowName, std::map<std::string, std::string>>> RealReplica::rows() {
  std::map<RowName, std::map<std::string, std::string>> out;
  for (const char* table : tables) {
    auto statement =
        database_->connection().prepare("SELECT id, body, rank FROM " + std::string(table));
    if (!statement) {
      return std::nullopt;
    }
    for (;;) {
      const auto found = statement->step();
      if (!found) {
        return std::nullopt;
      }
      if (!*found) {
        break;
      }
      const ValueView key[] = {ValueView::of(statement->column_int(0))};
      auto& row = out[{table, make_key(key)}];
      if (!statement->column(1).is_null()) {
        row["body"] = statement->column_text(1);
      }
      if (!statement->column(2).is_null()) {
        row["rank"] = statement->column_text(2);
      }
    }
  }
  return out;
}

std::optional<RealReplica::Wish> RealReplica::next_wish() {
  if (wishes_.empty()) {
    return std::nullopt;
  }
  Wish out = std::move(wishes_.front());
  wishes_.pop_front();
  return out;
}

void RealReplica::hang_up(const std::string& reason) {
  (void)reason;
  wishes_.push_back({Want::hang_up, {}, {}});
}

void RealReplica::salvaged(const std::string& reason, Bytes file) {
  (void)reason;
  salvages_ += file.empty() ? 0 : 1;
}

}  // namespace syncline::sim
