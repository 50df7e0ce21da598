#include "bindings/wasm/replica.h"

#include "base/json.h"
#include "bindings/wasm/packing.h"
#include "client/sql_functions.h"
#include "client/view_functions.h"

namespace syncline {
namespace {

constexpr std::size_t kept_max = 64;
// Longer statements are made by programs, and never twice.
constexpr std::size_t kept_sql_bytes_max = 4096;
constexpr std::size_t parts_max = 100'000;

std::string quoted(std::string_view text) { return write_json(Json(std::string(text))); }

std::string_view activity_name(Activity activity) {
  switch (activity) {
    case Activity::idle:
      return "idle";
    case Activity::pushing:
      return "pushing";
    case Activity::pulling:
      return "pulling";
    case Activity::bootstrap:
      return "bootstrap";
    case Activity::rescan:
      return "rescan";
  }
  return "";
}

std::string report_json(const StatusReport& report) {
  const Progress& progress = report.progress;
  return "{\"status\":" + quoted(status_name(report.status)) +
         ",\"activity\":" + quoted(activity_name(report.activity)) +
         ",\"cause\":" + quoted(trouble_name(report.trouble)) +
         ",\"message\":" + quoted(report.message) + ",\"advice\":" + quoted(report.advice) +
         ",\"unsent\":" + std::to_string(report.pending) +
         ",\"progress\":{\"rows\":" + std::to_string(progress.rows_done) +
         ",\"rowsTotal\":" + std::to_string(progress.rows_total) +
         ",\"bytes\":" + std::to_string(progress.bytes_done) +
         ",\"bytesTotal\":" + std::to_string(progress.bytes_total) +
         ",\"bytesPerSecond\":" + std::to_string(progress.bytes_per_second) +
         ",\"leftMs\":" + std::to_string(progress.left.ms) + "}}";
}

}  // namespace

PageReplica::~PageReplica() {
  host_.reset();
  by_sql_.clear();
  kept_.clear();
  live_.reset();
  if (engine_ != nullptr) {
    engine_->release();
  }
  // Before the engine, which its destructors call.
  database_.reset();
}

Result<void> PageReplica::open(const std::string& name) {
  OpenOptions how;
  how.exclusive = true;
  SL_TRY(Database database, Database::open(name, how));
  database_ = std::make_unique<Database>(std::move(database));
  SL_TRY(auto engine, Engine::attach({database_->connection(), &clock_, &random_, true}));
  SL_TRY(register_functions(*engine));
  SL_TRY(engine->initialise());
  live_ = std::make_unique<LiveQueries>(database_->connection());
  engine->events().start_queue();
  engine_ = std::move(engine);
  return {};
}

Result<Statement*> PageReplica::prepared(const std::string& sql) {
  if (const auto at = by_sql_.find(sql); at != by_sql_.end()) {
    kept_.splice(kept_.begin(), kept_, at->second);
    return &kept_.front().statement;
  }
  SL_TRY(Statement statement, database_->connection().prepare_kept(sql));
  kept_.push_front({sql, std::move(statement)});
  by_sql_.emplace(kept_.front().sql, kept_.begin());
  if (kept_.size() > kept_max) {
    by_sql_.erase(kept_.back().sql);
    kept_.pop_back();
  }
  return &kept_.front().statement;
}

Result<void> PageReplica::query(const std::string& sql, Bytes values) {
  SL_TRY(const std::vector<ValueView> parameters, unpack_values(values));
  Statement own;
  Statement* statement = &own;
  if (sql.size() > kept_sql_bytes_max) {
    SL_TRY(own, database_->connection().prepare(sql));
  } else {
    SL_TRY(statement, prepared(sql));
  }
  const ResetGuard guard(*statement);
  if (static_cast<std::size_t>(statement->parameter_count()) != parameters.size()) {
    return Error(ErrorCode::invalid_argument,
                 "the statement takes " + std::to_string(statement->parameter_count()) +
                     " values, not " + std::to_string(parameters.size()));
  }
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    statement->bind(static_cast<int>(i) + 1, parameters[i]);
  }
  SL_TRY(pack_rows(out_, *statement));
  const bool wrote = !statement->read_only();
  out_.f64(wrote ? static_cast<double>(database_->connection().changes()) : 0);
  out_.u64(static_cast<std::uint64_t>(database_->connection().last_insert_rowid()));
  return {};
}

Result<void> PageReplica::script(const std::string& sql) {
  return database_->connection().execute(sql);
}

Result<void> PageReplica::subscribe(const std::string& sql, Bytes values) {
  SL_TRY(const std::vector<ValueView> views, unpack_values(values));
  std::vector<Value> parameters;
  for (const ValueView& view : views) {
    parameters.emplace_back(view);
  }
  const std::uint64_t number = ++subscriptions_;
  // Runs inside poll(), which began the answer.
  const auto fail = [this, number](const Error& error) {
    out_.f64(static_cast<double>(number));
    out_.u8(1);
    pack_text(out_, error_code_name(error.code()));
    pack_text(out_, error.message());
  };
  const auto tell = [this, number, fail](Statement& rows) {
    const std::size_t before = out_.size();
    out_.f64(static_cast<double>(number));
    out_.u8(0);
    if (const auto packed = pack_rows(out_, rows); !packed) {
      out_.truncate(before);
      fail(packed.error());
    }
  };
  SL_TRY(subscribed_[number], live_->subscribe(sql, std::move(parameters), tell, fail));
  out_.f64(static_cast<double>(number));
  return {};
}

void PageReplica::unsubscribe(std::uint64_t number) {
  if (const auto at = subscribed_.find(number); at != subscribed_.end()) {
    live_->unsubscribe(at->second);
    subscribed_.erase(at);
  }
}

Result<void> PageReplica::poll() {
  SL_TRY(live_->poll());
  return {};
}

void PageReplica::events(std::size_t count_max) {
  out_.raw(as_bytes(events_json(engine_->events().drain(count_max))));
}

Result<void> PageReplica::status(Instant now) {
  SL_TRY(const std::string counts, engine_->status_json());
  StatusReport report;
  if (host_ != nullptr) {
    report = host_->status(now);
  }
  out_.raw(as_bytes("{\"session\":" + report_json(report) + ",\"engine\":" + counts + "}"));
  return {};
}

Result<void> PageReplica::outbox(std::uint64_t after, std::size_t bytes_max) {
  SL_TRY(const auto changes, engine_->outbox(LocalVersion(after), bytes_max));
  for (const OutboxChange& change : changes) {
    out_.f64(static_cast<double>(change.version.get()));
    out_.f64(static_cast<double>(change.sequence.get()));
    out_.u32(static_cast<std::uint32_t>(change.parts.size()));
    for (const ByteVector& part : change.parts) {
      pack_text(out_, as_text(part));
    }
  }
  return {};
}

Result<void> PageReplica::acknowledge(std::uint64_t through) {
  return engine_->acknowledge(LocalVersion(through));
}

Result<void> PageReplica::receive(std::uint64_t cursor, Bytes bytes) {
  Reader in(bytes);
  std::vector<Bytes> parts;
  while (!in.at_end()) {
    if (parts.size() == parts_max) {
      return Error(ErrorCode::too_large, "more parts than can be taken at once");
    }
    SL_TRY(const std::uint32_t size, in.u32());
    SL_TRY(parts.emplace_back(), in.raw(size));
  }
  SL_TRY(const ApplyReport report, engine_->apply_remote(parts, ServerVersion(cursor)));
  out_.raw(as_bytes("{\"changes\":" + std::to_string(report.changes) + ",\"rows\":" +
                    std::to_string(report.rows) + ",\"held\":" + std::to_string(report.held) +
                    ",\"conflicts\":" + std::to_string(report.conflicts.size()) + "}"));
  return {};
}

Result<void> PageReplica::start(Instant now, const std::string& workspace, std::string token) {
  if (host_ == nullptr) {
    ReplicaHost::Parts parts;
    parts.engine = engine_.get();
    parts.clock = &clock_;
    parts.random = &random_;
    parts.link = &link_;
    host_ = std::make_unique<ReplicaHost>(parts, ClientOptions{});
  }
  return host_->start(now, workspace, std::move(token));
}

void PageReplica::stop(Instant now) {
  if (host_ != nullptr) {
    host_->stop(now);
    host_.reset();
  }
}

}  // namespace syncline
