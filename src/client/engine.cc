#include "client/engine.h"

#include "sqlite/savepoint.h"

namespace syncline {

Engine::Engine(const Parts& parts)
    : parts_(parts),
      clock_(*parts.clock),
      catalog_(parts.connection),
      log_(parts.connection),
      origins_(parts.connection),
      clocks_(parts.connection, log_, origins_),
      capture_(parts.connection, catalog_, log_, clock_) {
  capture_.set_listener(this);
}

Engine::~Engine() = default;

Result<std::unique_ptr<Engine>> Engine::attach(const Parts& parts) {
  std::unique_ptr<Engine> engine(new Engine(parts));
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

void Engine::release_statements() {
  capture_.release();
  origins_.release();
  clocks_.release();
}

void Engine::on_captured(LocalVersion /*version*/, ChangeSequence /*sequence*/,
                         std::span<const TableId> /*tables*/) {}

void Engine::on_rolled_back() {
  clocks_.forget();
  origins_.forget();
}

Result<void> Engine::describe_rich(const TrackedTable& /*table*/, const LogRun& /*run*/,
                                   const Stamp& /*stamp*/, LogBodyWriter& /*out*/) {
  return {};
}

void Engine::on_disconnected() { release_statements(); }

}  // namespace syncline
