// What JavaScript calls (js/src/wasm.ts). Pointers are into the module's memory; text is UTF-8
// with its size. Calls that can fail return zero, or one with the error as JSON in the answer. The
// answer lives until the next call on the same database.
#include <cstdlib>
#include <memory>
#include <string>

#include "bindings/wasm/replica.h"

namespace {

using syncline::Bytes;
using syncline::Instant;
using syncline::PageReplica;
using syncline::Result;

Bytes bytes_of(const void* data, std::size_t size) {
  return {static_cast<const std::uint8_t*>(data), size};
}
std::string text_of(const char* data, std::size_t size) { return std::string(data, size); }
Instant at(double ms) { return Instant{static_cast<std::int64_t>(ms)}; }

int finished(PageReplica* db, const Result<void>& done) {
  if (done) {
    return 0;
  }
  db->out().clear();
  db->out().raw(syncline::as_bytes(syncline::error_payload(done.error())));
  return 1;
}

// Empties the answer of the call before.
PageReplica* fresh(PageReplica* db) {
  db->out().clear();
  return db;
}

}  // namespace

#define SL_EXPORT(name) extern "C" __attribute__((export_name(#name), used))

SL_EXPORT(sl_allocate) void* sl_allocate(std::size_t size) { return std::malloc(size); }
SL_EXPORT(sl_free) void sl_free(void* memory) { std::free(memory); }

SL_EXPORT(sl_new) PageReplica* sl_new(int number) { return new PageReplica(number); }
SL_EXPORT(sl_delete) void sl_delete(PageReplica* db) { delete db; }
SL_EXPORT(sl_open) int sl_open(PageReplica* db, const char* name, std::size_t size) {
  return finished(fresh(db), db->open(text_of(name, size)));
}
SL_EXPORT(sl_answer) const void* sl_answer(PageReplica* db) { return db->out().bytes().data(); }
SL_EXPORT(sl_answer_size) std::size_t sl_answer_size(PageReplica* db) { return db->out().size(); }

SL_EXPORT(sl_query)
int sl_query(PageReplica* db, const char* sql, std::size_t sql_size, const void* values,
             std::size_t size) {
  return finished(fresh(db), db->query(text_of(sql, sql_size), bytes_of(values, size)));
}
SL_EXPORT(sl_script) int sl_script(PageReplica* db, const char* sql, std::size_t sql_size) {
  return finished(fresh(db), db->script(text_of(sql, sql_size)));
}
SL_EXPORT(sl_in_transaction) int sl_in_transaction(PageReplica* db) {
  return db->in_transaction() ? 1 : 0;
}
SL_EXPORT(sl_subscribe)
int sl_subscribe(PageReplica* db, const char* sql, std::size_t sql_size, const void* values,
                 std::size_t size) {
  return finished(fresh(db), db->subscribe(text_of(sql, sql_size), bytes_of(values, size)));
}
SL_EXPORT(sl_unsubscribe) void sl_unsubscribe(PageReplica* db, double number) {
  db->unsubscribe(static_cast<std::uint64_t>(number));
}
SL_EXPORT(sl_poll) int sl_poll(PageReplica* db) { return finished(fresh(db), db->poll()); }
SL_EXPORT(sl_events) void sl_events(PageReplica* db, int count_max) {
  fresh(db)->events(static_cast<std::size_t>(count_max));
}
SL_EXPORT(sl_status) int sl_status(PageReplica* db, double now) {
  return finished(fresh(db), db->status(at(now)));
}

SL_EXPORT(sl_outbox) int sl_outbox(PageReplica* db, double after, double bytes_max) {
  return finished(fresh(db), db->outbox(static_cast<std::uint64_t>(after),
                                        static_cast<std::size_t>(bytes_max)));
}
SL_EXPORT(sl_acknowledge) int sl_acknowledge(PageReplica* db, double through) {
  return finished(fresh(db), db->acknowledge(static_cast<std::uint64_t>(through)));
}
SL_EXPORT(sl_receive)
int sl_receive(PageReplica* db, double cursor, const void* parts, std::size_t size) {
  return finished(fresh(db),
                  db->receive(static_cast<std::uint64_t>(cursor), bytes_of(parts, size)));
}

// --- The conversation; nothing happens before sl_start()
// ------------------------------------------

SL_EXPORT(sl_start)
int sl_start(PageReplica* db, double now, const char* workspace, std::size_t workspace_size,
             const char* token, std::size_t token_size) {
  return finished(fresh(db), db->start(at(now), text_of(workspace, workspace_size),
                                       text_of(token, token_size)));
}
SL_EXPORT(sl_stop) void sl_stop(PageReplica* db, double now) { db->stop(at(now)); }
SL_EXPORT(sl_connected) void sl_connected(PageReplica* db, double now) {
  if (auto* host = db->host()) {
    host->on_connected(at(now));
  }
}
SL_EXPORT(sl_disconnected)
void sl_disconnected(PageReplica* db, double now, const char* reason, std::size_t size) {
  if (auto* host = db->host()) {
    host->on_disconnected(at(now), text_of(reason, size));
  }
}
SL_EXPORT(sl_frame)
void sl_frame(PageReplica* db, double now, const void* frame, std::size_t size) {
  if (auto* host = db->host()) {
    host->on_frame(at(now), bytes_of(frame, size));
  }
}
SL_EXPORT(sl_wakeup) void sl_wakeup(PageReplica* db, double now) {
  if (auto* host = db->host()) {
    host->on_wakeup(at(now));
  }
}
SL_EXPORT(sl_sync) void sl_sync(PageReplica* db, double now) {
  if (auto* host = db->host()) {
    host->sync_now(at(now));
  }
}
SL_EXPORT(sl_resync) void sl_resync(PageReplica* db, double now) {
  if (auto* host = db->host()) {
    host->rescan_now(at(now));
  } else {
    // Not started yet, or paused: it is not forgotten.
    (void)db->engine().want_rescan();
  }
}
SL_EXPORT(sl_token)
void sl_token(PageReplica* db, double now, const char* token, std::size_t size) {
  if (auto* host = db->host()) {
    host->refresh_token(at(now), text_of(token, size));
  }
}
SL_EXPORT(sl_presence)
void sl_presence(PageReplica* db, double now, const char* key, std::size_t key_size,
                 const void* value, std::size_t size) {
  if (auto* host = db->host()) {
    const Bytes bytes = bytes_of(value, size);
    host->set_presence(at(now), text_of(key, key_size),
                       syncline::ByteVector(bytes.begin(), bytes.end()));
  }
}
