#include "client/engine.h"

#include <algorithm>

#include "base/json.h"
#include "base/mutant.h"
#include "client/change_file.h"
#include "client/row_measure.h"
#include "client/view_functions.h"
#include "model/json_cell.h"
#include "sqlite/function.h"
#include "sqlite/savepoint.h"

namespace syncline {
namespace {

SqlValue owned(const ValueView& value) {
  switch (value.type) {
    case ValueType::null:
      return {};
    case ValueType::integer:
      return value.integer;
    case ValueType::real:
      return value.real;
    case ValueType::text:
      return std::string(value.text());
    case ValueType::blob:
      return to_vector(value.data);
  }
  return {};
}

// A JSON object in the one spelling that all replicas store; anything else as it is.
SqlValue canonical_document(const ValueView& value) {
  if (value.type != ValueType::text) {
    return owned(value);
  }
  const auto document = read_json(value.text(), document_limits());
  if (!document || document->kind() != Json::Kind::object) {
    return owned(value);
  }
  return write_canonical_json(*document);
}

bool is_integer(std::string_view type) {
  constexpr std::string_view name = "integer";
  return std::equal(type.begin(), type.end(), name.begin(), name.end(),
                    [](char a, char b) { return (a | 0x20) == b; });
}

}  // namespace

Engine::Engine(const Parts& parts)
    : parts_(parts),
      clock_(*parts.clock),
      catalog_(parts.connection, parts.keep_statements),
      log_(parts.connection),
      origins_(parts.connection),
      clocks_(parts.connection, log_, origins_),
      capture_(parts.connection, catalog_, log_, clock_),
      tables_(parts.connection, catalog_),
      rows_(parts.connection, clocks_, origins_, capture_),
      held_(parts.connection),
      seen_(parts.connection),
      extract_(parts.connection, catalog_, log_, clocks_, origins_, tables_, rows_, held_),
      apply_({parts.connection, catalog_, log_, clocks_, origins_, capture_, tables_, extract_,
              rows_, held_, seen_, clock_}),
      meta_(parts.connection),
      outbox_(parts.connection, meta_, log_, clocks_, extract_),
      documents_({parts.connection, catalog_, clocks_, capture_, tables_, rows_, *parts.random}),
      rich_(capture_, clocks_, tables_, rows_, documents_),
      conflicts_(parts.connection, catalog_),
      rejected_(parts.connection, catalog_, tables_),
      schema_change_(parts.connection, catalog_, clocks_, outbox_, meta_),
      set_aside_(parts.connection, outbox_, schema_change_, rejected_),
      unsent_(parts.connection, outbox_),
      keepsakes_(parts.connection, meta_),
      sums_(parts.connection, catalog_, log_, clocks_, origins_, tables_, rows_, held_, meta_) {
  capture_.set_listener(this);
  log_.set_watcher(this);
}

Engine::~Engine() {
  capture_.set_listener(nullptr);
  release();
}

Result<std::unique_ptr<Engine>> Engine::attach(const Parts& parts) {
  std::unique_ptr<Engine> engine(new Engine(parts));
  SL_TRY(register_view_functions(parts.connection, engine->events_));
  SL_TRY(register_sink_module(parts.connection, capture_module, &engine->capture_, nullptr));
  SL_TRY(register_function(parts.connection, canonical_json_function, 1, Purity::pure,
                           [](std::span<const ValueView> arguments) -> Result<SqlValue> {
                             return canonical_document(arguments[0]);
                           }));
  Engine* self = engine.get();
  SL_TRY(register_function(parts.connection, "syncline_status_json", 0, Purity::pure,
                           [self](std::span<const ValueView>) -> Result<SqlValue> {
                             SL_TRY(std::string json, self->status_json());
                             return json;
                           }));
  Capture* capture = &engine->capture_;
  SL_TRY(register_function(parts.connection, joined_document_function, 2, Purity::observing,
                           [capture](std::span<const ValueView> arguments) -> Result<SqlValue> {
                             // What the engine writes is joined already.
                             if (capture->is_engine_writing()) {
                               return owned(arguments[1]);
                             }
                             return owned(joined_document(arguments[0], arguments[1]).view());
                           }));
  SL_TRY(register_question(
      parts.connection, may_replace_function,
      [](void* context) { return static_cast<Capture*>(context)->may_replace(); }, capture));
  SL_TRY(register_function(parts.connection, in_way_function, -1, Purity::observing,
                           [capture](std::span<const ValueView> arguments) -> Result<SqlValue> {
                             SL_TRY(capture->look_in_way(arguments));
                             return SqlValue();
                           }));
  SL_TRY(register_measure(
      parts.connection, row_bytes_function,
      [](void* context, std::span<sqlite3_value* const> values) {
        return static_cast<Capture*>(context)->measure(values);
      },
      capture));
  return engine;
}

Result<void> Engine::initialise() {
  SL_TRY(const bool done, is_replica());
  if (done) {
    // Asked before much else: it must not wait for whoever writes.
    return load_identity();
  }
  SL_TRY(Savepoint savepoint, Savepoint::to_write(parts_.connection));
  SL_TRY(catalog_.create_own_tables());
  SL_TRY(const auto own,
         parts_.connection.query_int("SELECT 1 FROM syncline_replicas WHERE id = 1"));
  if (!own.has_value()) {
    const ReplicaId drawn = ReplicaId::draw(*parts_.random);
    SL_TRY(Statement insert, parts_.connection.prepare("INSERT INTO syncline_replicas(id, replica, "
                                                       "own) VALUES(1, ?1, 1)"));
    insert.bind_blob(1, drawn.view());
    SL_TRY(insert.run());
    SL_TRY(catalog_.track_own("syncline_conflict_rows"));
  }
  SL_TRY(savepoint.release());
  return load_identity();
}

Result<bool> Engine::is_replica() {
  SL_TRY(const bool exists, catalog_.is_initialised());
  if (!exists) {
    return false;
  }
  // One of a newer version is refused there, and nothing is written.
  SL_TRY(const bool complete, catalog_.is_of_this_version());
  if (!complete) {
    return false;
  }
  SL_TRY(const auto own,
         parts_.connection.query_int("SELECT 1 FROM syncline_replicas WHERE id = 1"));
  return own.has_value();
}

Result<void> Engine::load_identity() {
  SL_TRY(replica_, origins_.replica_of(first_own_origin));
  capture_.set_replica(replica_);
  return {};
}

Result<void> Engine::on_renewed(const LogHead& head) {
  clocks_.forget();
  origins_.forget();
  extract_.forget();
  seen_.forget();
  held_.forget();
  rows_.forget();
  unsent_.forget();
  sums_.forget();
  told_sequence_ = ChangeSequence(0);
  // A wrong clock's times may have been taken out of use.
  clock_.start_again_after(head.hlc);
  SL_TRY(const std::int64_t offset, meta_.integer(meta_name::clock_offset_ms));
  clock_.set_offset_ms(offset);
  return SL_MUTANT(45) ? Result<void>() : load_identity();  // goes on under the old name
}

Result<ReplicaId> Engine::replica() {
  if (replica_.is_zero()) {
    SL_TRY(load_identity());
  }
  return replica_;
}

Result<void> Engine::track(const std::string& name, const TrackOptions& options) {
  SL_TRY(initialise());
  // A tracking that failed or was rolled back may be remembered still.
  catalog_.drop_cache();
  SL_TRY(const TrackedTable* known, catalog_.find(name));
  const bool is_new = known == nullptr;
  bool is_same = true;
  if (!is_new) {
    SL_TRY(is_same, catalog_.describes(*known));
  }
  if (!is_same) {
    SL_TRY(capture_.flush());
  }
  SL_TRY(Savepoint savepoint, Savepoint::to_write(parts_.connection));
  if (!is_same) {
    // Columns came or went: what waits is told with those that it knew.
    SL_TRY(schema_change_.freeze_outbox());
    catalog_.drop_cache();
  }
  SL_TRY(const TableId id, catalog_.track(name, options));
  if (is_new) {
    SL_TRY(const TrackedTable* table, catalog_.table(id));
    capture_.set_adopting(true);
    const auto adopted = parts_.connection.execute(adopt_rows_sql(*table));
    capture_.set_adopting(false);
    SL_TRY(adopted);
  }
  SL_TRY(check_schema());
  return savepoint.release();
}

Result<std::string> Engine::tracking_warning(const std::string& name) {
  SL_TRY(const TrackedTable* table, catalog_.find(name));
  const bool chosen_here = table != nullptr && !table->without_rowid && table->key.size() == 1 &&
                           is_integer(table->key_types[0]);
  if (!chosen_here) {
    return std::string();
  }
  return "table '" + table->name + "': where SQLite chooses the key '" + table->key[0] +
         "' (INTEGER PRIMARY KEY, with AUTOINCREMENT or without), two devices choose the same, and "
         "one of their rows is lost; give every row a key of its own, such as " +
         table->key[0] + " TEXT PRIMARY KEY NOT NULL DEFAULT (lower(hex(randomblob(16))))";
}

Result<void> Engine::untrack(const std::string& table) {
  SL_TRY(capture_.flush());
  SL_TRY(Savepoint savepoint, Savepoint::to_write(parts_.connection));
  SL_TRY(const bool initialised, catalog_.is_initialised());
  if (initialised) {
    // What waits is told as it would have been.
    SL_TRY(schema_change_.freeze_outbox());
  }
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
  SL_TRY(catalog_.catch_up());
  // Another connection may have renewed the file.
  SL_TRY(log_.head());
  SL_TRY(replica());
  return {};
}

Result<LocalVersion> Engine::version() {
  SL_TRY(require_replica());
  SL_TRY(const LogHead head, log_.head());
  end_call();
  return head.version;
}

Result<ByteVector> Engine::changes_since(LocalVersion since) {
  SL_TRY(require_replica());
  const auto run = [&]() -> Result<ByteVector> {
    // One snapshot for log, clocks and tables.
    SL_TRY(Savepoint savepoint, Savepoint::open(parts_.connection));
    SL_TRY(clocks_.catch_up());
    SL_TRY(const LogHead head, log_.head());
    Stamp stamp;
    stamp.replica = replica_;
    stamp.time = std::max<std::uint64_t>(head.hlc, 1);
    ChangeFileWriter file;
    const auto write = [&](Bytes part) -> Result<bool> {
      SL_TRY(file.part(part));
      return true;
    };
    Extract::Range range;
    SL_TRY(const std::int64_t pruned, meta_.integer(meta_name::pruned_version));
    range.after = since;
    const bool snapshot = since.get() < static_cast<std::uint64_t>(pruned);
    if (snapshot) {
      SL_TRY(extract_.snapshot(stamp, write));
      SL_TRY(range.after, outbox_.acknowledged());
      range.own_only = true;
    }
    range.through = head.version;
    SL_TRY(range.acknowledged, outbox_.acknowledged());
    SL_TRY(extract_.changes(
        range, [&](const LogRow&, const PartHeader&, Bytes part) { return write(part); }));
    SL_TRY(extract_.held(stamp, snapshot, write));
    SL_TRY(savepoint.release());
    return file.finish();
  };
  auto file = run();
  end_call();
  return file;
}

Result<ApplyReport> Engine::applying(std::size_t bytes_expected,
                                     FunctionRef<Result<void>(ApplyReport& report)> work) {
  SL_TRY(require_replica());
  const bool nested = !parts_.connection.autocommit();
  ApplyReport report;
  const auto run = [&]() -> Result<void> {
    if (nested) {
      // What the application's open transaction wrote is older than what comes now.
      const Catalog::Hold hold(catalog_);
      SL_TRY(capture_.flush());
    }
    SL_TRY(Savepoint savepoint, Savepoint::to_write(parts_.connection));
    // Only now can nobody else change the schema.
    SL_TRY(catalog_.catch_up());
    const Catalog::Hold hold(catalog_);
    SL_TRY(const LogHead before, log_.head());
    SL_TRY(apply_.begin(bytes_expected));
    SL_TRY(const std::int64_t pruned, meta_.integer(meta_name::pruned_time));
    rows_.set_pruned_time(static_cast<std::uint64_t>(pruned));
    SL_TRY(work(report));
    SL_TRY(apply_.finish(report));
    for (const ConflictNote& note : report.conflicts) {
      if (note.ours && note.rule == MergeRule::manual &&
          note.conflict.kind == Concurrency::Kind::cell) {
        SL_TRY(conflicts_.record(note.conflict));
      }
    }
    SL_TRY(const LogHead after, log_.head());
    SL_TRY(savepoint.release());
    merged_through_ = before.version == merged_through_ ? after.version : merged_through_;
    return {};
  };
  auto done = run();
  end_call();
  if (!done) {
    apply_.abandon();
    forget_all();
    if (events_.wanted()) {
      const std::string payload = error_payload(done.error());
      events_.notify(event_name::pull_error, clock_.now_ms(), payload, payload);
    }
    return std::move(done).error();
  }
  if (nested) {
    // The application may still roll its transaction back.
    forget_all();
  }
  tell(report);
  return report;
}

Result<ApplyReport> Engine::applying_again(std::size_t bytes_expected,
                                           FunctionRef<Result<void>(ApplyReport& report)> work) {
  SL_TRY(const LogHead before, log_.head());
  SL_TRY(UnsyncedCommits unsynced, UnsyncedCommits::begin(parts_.connection));
  auto report = applying(bytes_expected, work);
  SL_TRY(const bool was_unsynced, unsynced.end());
  if (report && was_unsynced) {
    SL_TRY(const LogHead after, log_.head());
    if (after.own_sequence != before.own_sequence) {
      // This commit is synced, and with it all before it.
      SL_TRY(meta_.set(meta_name::synced_version,
                       ValueView::of(static_cast<std::int64_t>(after.version.get()))));
    }
  }
  return report;
}

Result<ApplyReport> Engine::apply_remote(std::span<const Bytes> parts, ServerVersion cursor) {
  std::size_t bytes = 0;
  for (const Bytes part : parts) {
    bytes += part.size();
  }
  return applying_again(bytes, [&](ApplyReport& report) -> Result<void> {
    SL_TRY(check_not_renewed());
    for (const Bytes part : parts) {
      SL_TRY(check_not_ours(part));
      SL_TRY(apply_.part(part, report));
    }
    SL_TRY(store_receipt());
    return meta_.set(meta_name::cursor, ValueView::of(static_cast<std::int64_t>(cursor.get())));
  });
}

void Engine::forget_all() {
  clocks_.forget();
  origins_.forget();
  extract_.forget();
  seen_.forget();
  held_.forget();
  log_.forget();
  unsent_.forget();
  proved_ = LocalVersion();
  catalog_.mark_stale();
  catalog_.settle();
}

void Engine::end_call() {
  catalog_.settle();
  if (!parts_.connection.autocommit() && parts_.connection.in_write_transaction()) {
    // The application may roll back, and SQLite tells nobody of it when no tracked table was
    // written.
    forget_all();
  }
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
  meta_.release();
  capture_.release();
  origins_.release();
  clocks_.release();
  outbox_.release();
  catalog_.release();
  keepsakes_.release();
  read_version_of_.release();
  read_relays_.release();
}

void Engine::on_captured(LocalVersion version, ChangeSequence sequence,
                         std::span<const TableId> tables) {
  rich_.forget();
  if (listener_ != nullptr) {
    listener_->on_commit(tables);
  }
  if (events_.wanted() && version != LocalVersion()) {
    events_.add(event_name::op_captured, clock_.now_ms(),
                "{\"version\":" + std::to_string(version.get()) +
                    ",\"sequence\":" + std::to_string(sequence.get()) + ",\"replica\":\"" +
                    replica_.hex() + "\"" + ",\"tables\":" + std::to_string(tables.size()) + "}");
  }
}

void Engine::on_rolled_back() {
  documents_.end_session();
  rich_.forget();
  forget_all();
  schema_change_.forget();
}

void Engine::on_rolled_back_to() { documents_.end_session(); }

void Engine::keep_rich() { rich_.forget(); }

Result<void> Engine::undo_rich() { return rich_.undo(); }

Result<void> Engine::describe_rich(const TrackedTable& table, const LogRun& run, const Stamp& stamp,
                                   LogBodyWriter& out) {
  return rich_.describe(table, run, stamp, out);
}

void Engine::on_disconnected() {
  // Otherwise the schema is being read anew; end_call() looks again.
  if (!Statement::is_any_stepping()) {
    release();
  }
}

}  // namespace syncline
