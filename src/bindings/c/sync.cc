// What syncs and where it stands: the part of include/syncline.h above SQL.
#include <cstring>

#include "base/json.h"
#include "bindings/c/handle.h"
#include "client/collections.h"
#include "client/dump.h"
#include "client/verify.h"

namespace {

using syncline::as_bytes;
using syncline::Bytes;
using syncline::ErrorCode;
using syncline::failed;
using syncline::finished;
using syncline::is_open;
using syncline::Result;

Bytes bytes_of(const void* data, std::size_t size) {
  return {static_cast<const std::uint8_t*>(data), size};
}

syncline_code give_report(syncline_db* db, const Result<syncline::ApplyReport>& done,
                          syncline_report* report) {
  if (done && report != nullptr) {
    *report = {done->changes, done->repeated, done->rows, done->held, done->conflicts.size()};
  }
  return finished(db, done);
}

syncline_code give_bytes(syncline_db* db, const Result<syncline::ByteVector>& bytes, void** out,
                         std::size_t* size) {
  if (bytes) {
    *out = syncline::copy_out(*bytes);
    *size = bytes->size();
  }
  return finished(db, bytes);
}

syncline_code give_count(syncline_db* db, const Result<std::uint64_t>& count, std::uint64_t* out) {
  if (count && out != nullptr) {
    *out = *count;
  }
  return finished(db, count);
}

void give_event(const syncline::Event& event, syncline_event_callback callback, void* context) {
  const std::string name(event.name);
  const syncline_event given{name.c_str(), event.at_ms, event.payload.c_str()};
  callback(context, &given);
}

}  // namespace

extern "C" {

syncline_code syncline_track(syncline_db* db, const char* table, const char* const* rules,
                             size_t count) {
  if (!is_open(db) || table == nullptr || (rules == nullptr && count > 0)) {
    return SYNCLINE_INVALID_ARGUMENT;
  }
  const std::vector<std::string> texts(rules, rules + count);
  const auto options = syncline::parse_track_options(texts);
  return options ? finished(db, db->engine->track(table, *options)) : failed(db, options.error());
}

syncline_code syncline_untrack(syncline_db* db, const char* table) {
  if (!is_open(db) || table == nullptr) {
    return SYNCLINE_INVALID_ARGUMENT;
  }
  return finished(db, db->engine->untrack(table));
}

syncline_code syncline_collection(syncline_db* db, const char* name) {
  if (!is_open(db) || name == nullptr) {
    return SYNCLINE_INVALID_ARGUMENT;
  }
  return finished(db, syncline::make_collection(*db->engine, name));
}

syncline_code syncline_alter_begin(syncline_db* db) {
  return is_open(db) ? finished(db, db->engine->alter_begin()) : SYNCLINE_INVALID_ARGUMENT;
}

syncline_code syncline_alter_commit(syncline_db* db) {
  return is_open(db) ? finished(db, db->engine->alter_commit()) : SYNCLINE_INVALID_ARGUMENT;
}

syncline_code syncline_log_version(syncline_db* db, uint64_t* out) {
  if (!is_open(db) || out == nullptr) {
    return SYNCLINE_INVALID_ARGUMENT;
  }
  const auto version = db->engine->version();
  *out = version ? version->get() : 0;
  return finished(db, version);
}

syncline_code syncline_changes(syncline_db* db, uint64_t since, void** out, size_t* size) {
  if (!is_open(db) || out == nullptr || size == nullptr) {
    return SYNCLINE_INVALID_ARGUMENT;
  }
  *out = nullptr;
  return give_bytes(db, db->engine->changes_since(syncline::LocalVersion(since)), out, size);
}

syncline_code syncline_apply(syncline_db* db, const void* changes, size_t size,
                             syncline_report* report) {
  if (!is_open(db) || (changes == nullptr && size > 0)) {
    return SYNCLINE_INVALID_ARGUMENT;
  }
  return give_report(db, db->engine->apply_file(bytes_of(changes, size)), report);
}

syncline_code syncline_export_pending(syncline_db* db, void** out, size_t* size) {
  if (!is_open(db) || out == nullptr || size == nullptr) {
    return SYNCLINE_INVALID_ARGUMENT;
  }
  *out = nullptr;
  return give_bytes(db, db->engine->export_pending(), out, size);
}

syncline_code syncline_import_pending(syncline_db* db, const void* changes, size_t size,
                                      syncline_report* report) {
  if (!is_open(db) || (changes == nullptr && size > 0)) {
    return SYNCLINE_INVALID_ARGUMENT;
  }
  return give_report(db, db->engine->import_pending(bytes_of(changes, size)), report);
}

syncline_code syncline_count(syncline_db* db, syncline_counts* out) {
  if (!is_open(db) || out == nullptr) {
    return SYNCLINE_INVALID_ARGUMENT;
  }
  const auto counts = db->engine->counts();
  if (counts) {
    *out = {counts->pending, counts->rejected, counts->held, counts->conflicts};
  }
  return finished(db, counts);
}

syncline_code syncline_status(syncline_db* db, char** json) {
  if (!is_open(db) || json == nullptr) {
    return SYNCLINE_INVALID_ARGUMENT;
  }
  const auto status = db->engine->status_json();
  *json = status ? syncline::copy_out(as_bytes(*status)) : nullptr;
  return finished(db, status);
}

syncline_code syncline_replica_id(syncline_db* db, char out[33]) {
  if (!is_open(db) || out == nullptr) {
    return SYNCLINE_INVALID_ARGUMENT;
  }
  const auto ready = db->engine->initialise();
  if (!ready) {
    return failed(db, ready.error());
  }
  const auto replica = db->engine->replica();
  if (replica) {
    std::memcpy(out, replica->hex().c_str(), 33);
  }
  return finished(db, replica);
}

syncline_code syncline_conflicts(syncline_db* db, syncline_rows** out) {
  return syncline_prepare(db, "SELECT * FROM syncline_conflicts ORDER BY id", out);
}

syncline_code syncline_held(syncline_db* db, syncline_rows** out) {
  return syncline_prepare(db, "SELECT * FROM syncline_held ORDER BY id", out);
}

syncline_code syncline_rejected(syncline_db* db, syncline_rows** out) {
  return syncline_prepare(db, "SELECT * FROM syncline_rejected ORDER BY id", out);
}

syncline_code syncline_resolve(syncline_db* db, const char* conflict, const char* how,
                               const syncline_value* value) {
  if (!is_open(db) || conflict == nullptr || how == nullptr) {
    return SYNCLINE_INVALID_ARGUMENT;
  }
  const auto resolution = syncline::resolution_from_name(how);
  if (!resolution) {
    return failed(db, resolution.error());
  }
  if ((*resolution == syncline::Resolution::value) != (value != nullptr)) {
    return failed(db, ErrorCode::invalid_argument,
                  "a value comes with \"value\", and only with it");
  }
  return finished(db, db->engine->resolve(conflict, *resolution,
                                          value != nullptr ? syncline::view_of(*value)
                                                           : syncline::ValueView::null()));
}

syncline_code syncline_retry_held(syncline_db* db, uint64_t* installed) {
  return is_open(db) ? give_count(db, db->engine->retry_held(), installed)
                     : SYNCLINE_INVALID_ARGUMENT;
}

syncline_code syncline_retry_rejected(syncline_db* db, int64_t id) {
  return is_open(db) ? finished(db, db->engine->rejected().retry(id)) : SYNCLINE_INVALID_ARGUMENT;
}

syncline_code syncline_discard_rejected(syncline_db* db, int64_t id) {
  return is_open(db) ? finished(db, db->engine->rejected().discard(id)) : SYNCLINE_INVALID_ARGUMENT;
}

void syncline_on_event(syncline_db* db, syncline_event_callback callback, void* context) {
  if (!is_open(db)) {
    return;
  }
  if (callback == nullptr) {
    db->engine->events().listen(nullptr);
    return;
  }
  db->engine->events().listen(
      [callback, context](const syncline::Event& event) { give_event(event, callback, context); });
}

size_t syncline_drain_events(syncline_db* db, size_t count_max, syncline_event_callback callback,
                             void* context) {
  if (!is_open(db) || callback == nullptr) {
    return 0;
  }
  const std::vector<syncline::Event> events = db->engine->events().drain(count_max);
  for (const syncline::Event& event : events) {
    give_event(event, callback, context);
  }
  return events.size();
}

syncline_code syncline_subscribe(syncline_db* db, const char* sql, const syncline_value* values,
                                 size_t count, syncline_live_callback callback, void* context,
                                 uint64_t* id) {
  if (!is_open(db) || sql == nullptr || callback == nullptr || id == nullptr ||
      (values == nullptr && count > 0)) {
    return SYNCLINE_INVALID_ARGUMENT;
  }
  std::vector<syncline::Value> parameters;
  for (size_t i = 0; i < count; ++i) {
    parameters.emplace_back(syncline::view_of(values[i]));
  }
  const auto subscribed = db->live->subscribe(
      sql, std::move(parameters), [db, callback, context](syncline::Statement& statement) {
        syncline_rows rows;
        rows.db = db;
        rows.lent = &statement;
        callback(context, &rows);
      });
  *id = subscribed ? *subscribed : 0;
  return finished(db, subscribed);
}

void syncline_unsubscribe(syncline_db* db, uint64_t id) {
  if (is_open(db)) {
    db->live->unsubscribe(id);
  }
}

syncline_code syncline_poll(syncline_db* db, size_t* told) {
  if (!is_open(db)) {
    return SYNCLINE_INVALID_ARGUMENT;
  }
  const auto count = db->live->poll();
  if (told != nullptr) {
    *told = count ? *count : 0;
  }
  return finished(db, count);
}

syncline_code syncline_outbox(syncline_db* db, uint64_t after, size_t bytes_max,
                              syncline_outbox_callback callback, void* context) {
  if (!is_open(db) || callback == nullptr) {
    return SYNCLINE_INVALID_ARGUMENT;
  }
  const auto changes = db->engine->outbox(syncline::LocalVersion(after), bytes_max);
  if (!changes) {
    return failed(db, changes.error());
  }
  for (const syncline::OutboxChange& change : *changes) {
    std::vector<syncline_bytes> parts;
    for (const syncline::ByteVector& part : change.parts) {
      parts.push_back({part.data(), part.size()});
    }
    callback(context, change.version.get(), change.sequence.get(), parts.data(), parts.size());
  }
  return SYNCLINE_OK;
}

syncline_code syncline_acknowledge(syncline_db* db, uint64_t through) {
  return is_open(db) ? finished(db, db->engine->acknowledge(syncline::LocalVersion(through)))
                     : SYNCLINE_INVALID_ARGUMENT;
}

syncline_code syncline_receive(syncline_db* db, const syncline_bytes* parts, size_t count,
                               uint64_t cursor, syncline_report* report) {
  if (!is_open(db) || (parts == nullptr && count > 0)) {
    return SYNCLINE_INVALID_ARGUMENT;
  }
  std::vector<Bytes> views;
  for (size_t i = 0; i < count; ++i) {
    views.push_back(bytes_of(parts[i].data, parts[i].size));
  }
  return give_report(db, db->engine->apply_remote(views, syncline::ServerVersion(cursor)), report);
}

syncline_code syncline_dump(syncline_db* db, const char* table, syncline_line_callback callback,
                            void* context) {
  if (!is_open(db) || callback == nullptr) {
    return SYNCLINE_INVALID_ARGUMENT;
  }
  return finished(
      db, syncline::dump(db->engine->connection(), db->engine->catalog(),
                         table == nullptr ? "" : table, [&](std::string_view line) -> Result<void> {
                           if (callback(context, line.data(), line.size()) != 0) {
                             return syncline::Error(ErrorCode::cancelled, "the dump was ended");
                           }
                           return {};
                         }));
}

syncline_code syncline_digest(syncline_db* db, char out[65]) {
  if (!is_open(db) || out == nullptr) {
    return SYNCLINE_INVALID_ARGUMENT;
  }
  const auto digest = syncline::dump_digest(db->engine->connection(), db->engine->catalog());
  if (digest) {
    std::memcpy(out, syncline::to_hex(*digest).c_str(), 65);
  }
  return finished(db, digest);
}

syncline_code syncline_verify(syncline_db* db, char** json) {
  if (!is_open(db) || json == nullptr) {
    return SYNCLINE_INVALID_ARGUMENT;
  }
  *json = nullptr;
  const auto problems = syncline::verify(*db->engine);
  if (problems) {
    syncline::Json::Array items;
    for (const std::string& problem : *problems) {
      items.emplace_back(problem);
    }
    *json = syncline::copy_out(as_bytes(syncline::write_json(syncline::Json(std::move(items)))));
  }
  return finished(db, problems);
}

syncline_code syncline_rescan(syncline_db* db, uint64_t* found) {
  return is_open(db) ? give_count(db, db->engine->rescan(), found) : SYNCLINE_INVALID_ARGUMENT;
}

syncline_code syncline_collect_garbage(syncline_db* db, int64_t horizon_ms) {
  return is_open(db) ? finished(db, db->engine->collect_garbage(horizon_ms))
                     : SYNCLINE_INVALID_ARGUMENT;
}

}  // extern "C"
