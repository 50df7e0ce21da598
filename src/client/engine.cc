#include "client/engine.h"

#include "client/change_file.h"
#include "client/view_functions.h"
#include "sqlite/savepoint.h"

namespace syncline {

Engine::Engine(const Parts& parts)
    : parts_(parts),
      clock_(*parts.clock),
      catalog_(parts.connection),
      log_(parts.connection),
      origins_(parts.connection),
      clocks_(parts.connection, log_, origins_),
      capture_(parts.connection, catalog_, log_, clock_),
      tables_(parts.connection, catalog_),
      rows_(parts.connection, clocks_, origins_, capture_),
      held_(parts.connection),
      seen_(parts.connection),
      extract_(parts.connection, catalog_, log_, clocks_, origins_, tables_, rows_),
      apply_({parts.connection, catalog_, log_, clocks_, origins_, capture_, tables_, extract_,
              rows_, held_, seen_, clock_}) {
  capture_.set_listener(this);
}

Engine::~Engine() {
  capture_.set_listener(nullptr);
  release();
}

Result<std::unique_ptr<Engine>> Engine::attach(const Parts& parts) {
  std::unique_ptr<Engine> engine(new Engine(parts));
  SL_TRY(register_view_functions(parts.connection));
  SL_TRY(register_sink_module(parts.connection, capture_module, &engine->capture_, nullptr));
  return engine;
}

Result<void> Engine::initialise() {
  SL_TRY(Savepoint savepoint, Savepoint::open(parts_.connection));
  SL_TRY(catalog_.create_own_tables());
  SL_TRY(const auto own,
         parts_.connection.query_int("SELECT 1 FROM syncline_replicas WHERE id = 1"));
  if (!own.has_value()) {
    const ReplicaId drawn = ReplicaId::draw(*parts_.random);
    SL_TRY(Statement insert, parts_.connection.prepare("INSERT INTO syncline_replicas(id, replica, "
                                                       "own) VALUES(1, ?1, 1)"));
    insert.bind_blob(1, drawn.view());
    SL_TRY(insert.run());
  }
  SL_TRY(savepoint.release());
  return load_identity();
}

Result<void> Engine::load_identity() {
  SL_TRY(replica_, origins_.replica_of(first_own_origin));
  capture_.set_replica(replica_);
  return {};
}

Result<ReplicaId> Engine::replica() {
  if (replica_.is_zero()) {
    SL_TRY(load_identity());
  }
  return replica_;
}

Result<void> Engine::track(const std::string& name, const TrackOptions& options) {
  SL_TRY(initialise());
  SL_TRY(Savepoint savepoint, Savepoint::open(parts_.connection));
  SL_TRY(const TrackedTable* known, catalog_.find(name));
  const bool is_new = known == nullptr;
  SL_TRY(const TableId id, catalog_.track(name, options));
  if (is_new) {
    SL_TRY(const TrackedTable* table, catalog_.table(id));
    SL_TRY(parts_.connection.execute(adopt_rows_sql(*table)));
  }
  return savepoint.release();
}

Result<void> Engine::untrack(const std::string& table) {
  SL_TRY(Savepoint savepoint, Savepoint::open(parts_.connection));
  SL_TRY(catalog_.untrack(table));
  clocks_.forget();
  return savepoint.release();
}

Result<void> Engine::require_replica() {
  SL_TRY(const bool initialised, catalog_.is_initialised());
  if (!initialised) {
    return Error(ErrorCode::not_found,
                 "this database does not sync yet: SELECT syncline_track('your_table') first");
  }
  SL_TRY(replica());
  return {};
}

Result<LocalVersion> Engine::version() {
  SL_TRY(require_replica());
  SL_TRY(const LogHead head, log_.head());
  return head.version;
}

Result<ByteVector> Engine::changes_since(LocalVersion since) {
  SL_TRY(require_replica());
  // One snapshot for log, clocks and tables.
  SL_TRY(Savepoint savepoint, Savepoint::open(parts_.connection));
  SL_TRY(clocks_.catch_up());
  SL_TRY(const LogHead head, log_.head());
  Extract::Range range;
  range.after = since;
  range.through = head.version;
  ChangeFileWriter file;
  SL_TRY(extract_.changes(range, [&](const LogRow&, const PartHeader&, Bytes part) -> Result<bool> {
    file.part(part);
    return true;
  }));
  SL_TRY(savepoint.release());
  end_call();
  return file.finish();
}

Result<ApplyReport> Engine::apply_file(Bytes file) {
  SL_TRY(require_replica());
  const bool nested = !parts_.connection.autocommit();
  ApplyReport report;
  const auto run = [&]() -> Result<void> {
    SL_TRY(Savepoint savepoint, Savepoint::open(parts_.connection));
    SL_TRY(apply_.begin(file.size()));
    SL_TRY(read_change_file(file,
                            [&](Bytes part) -> Result<void> { return apply_.part(part, report); }));
    SL_TRY(apply_.finish(report));
    return savepoint.release();
  };
  auto done = run();
  end_call();
  if (!done) {
    apply_.abandon();
    forget_all();
    return std::move(done).error();
  }
  if (nested) {
    // The application may still roll its transaction back.
    forget_all();
  }
  return report;
}

void Engine::forget_all() {
  clocks_.forget();
  origins_.forget();
  extract_.forget();
  seen_.forget();
  held_.forget();
  log_.forget();
}

void Engine::end_call() {
  if (!parts_.keep_statements) {
    tables_.release();
    if (!capture_.has_sinks()) {
      release();
    }
  }
}

void Engine::release() {
  tables_.release();
  rows_.release();
  held_.release();
  seen_.release();
  capture_.release();
  origins_.release();
  clocks_.release();
}

void Engine::on_captured(LocalVersion /*version*/, ChangeSequence /*sequence*/,
                         std::span<const TableId> /*tables*/) {}

void Engine::on_rolled_back() { forget_all(); }

Result<void> Engine::describe_rich(const TrackedTable& /*table*/, const LogRun& /*run*/,
                                   const Stamp& /*stamp*/, LogBodyWriter& /*out*/) {
  return {};
}

void Engine::on_disconnected() { release(); }

}  // namespace syncline
