/* include/syncline.h from plain C11: every function of it, as a host would call them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "syncline.h"

static int failures = 0;

#define CHECK(condition)                                              \
  do {                                                                \
    if (!(condition)) {                                               \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      failures++;                                                     \
    }                                                                 \
  } while (0)

#define OK(db, call)                                                                               \
  do {                                                                                             \
    const syncline_code code_ = (call);                                                            \
    if (code_ != SYNCLINE_OK) {                                                                    \
      fprintf(stderr, "%s:%d: %s: %s: %s\n", __FILE__, __LINE__, #call, syncline_code_name(code_), \
              syncline_error_text(db));                                                            \
      failures++;                                                                                  \
    }                                                                                              \
  } while (0)

static int64_t fixed_now(void* context) { return *(int64_t*)context; }

static uint64_t seed = 1;
static void counting_random(void* context, void* out, size_t size) {
  unsigned char* bytes = out;
  (void)context;
  for (size_t i = 0; i < size; i++) {
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    bytes[i] = (unsigned char)(seed >> 56);
  }
}

static syncline_value text(const char* value) {
  syncline_value out = {SYNCLINE_TEXT, 0, 0, value, strlen(value)};
  return out;
}

static syncline_value integer(int64_t value) {
  syncline_value out = {SYNCLINE_INTEGER, value, 0, NULL, 0};
  return out;
}

/* The first column of the first row as text, for comparing. */
static int first_is(syncline_db* db, const char* sql, const char* expected) {
  syncline_rows* rows = NULL;
  int same = 0;
  OK(db, syncline_prepare(db, sql, &rows));
  if (rows != NULL && syncline_step(rows) == SYNCLINE_ROW) {
    const syncline_value value = syncline_column(rows, 0);
    same = value.type == SYNCLINE_TEXT && value.size == strlen(expected) &&
           memcmp(value.data, expected, value.size) == 0;
    if (!same) {
      fprintf(stderr, "%s: '%.*s'\n", sql, (int)value.size,
              value.data == NULL ? "" : (const char*)value.data);
    }
  }
  syncline_finish(rows);
  return same;
}

static syncline_db* open_replica(const syncline_options* options) {
  static const char* const rules[] = {"manual", "n=counter"};
  syncline_db* db = NULL;
  OK(db, syncline_open(":memory:", options, &db));
  OK(db, syncline_exec(db, "CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, v, n INTEGER DEFAULT 0)",
                       NULL, 0));
  OK(db, syncline_track(db, "t", rules, 2));
  return db;
}

static void test_version_and_errors(void) {
  syncline_db* db = NULL;
  syncline_options options = {0};
  CHECK(strcmp(syncline_version(), SYNCLINE_VERSION) == 0);
  CHECK(SYNCLINE_VERSION_MAJOR == 0 && SYNCLINE_VERSION_MINOR == 1 && SYNCLINE_VERSION_PATCH == 0);
  CHECK(strcmp(syncline_code_name(SYNCLINE_TOO_LARGE), "too_large") == 0);
  CHECK(strcmp(syncline_code_name(SYNCLINE_OK), "ok") == 0);
  CHECK(strcmp(syncline_code_name((syncline_code)77), "unknown") == 0);
  options.must_exist = 1;
  options.busy_timeout_ms = 10;
  CHECK(syncline_open("no/such/folder/x.db", &options, &db) != SYNCLINE_OK);
  CHECK(db != NULL && strlen(syncline_error_text(db)) > 0);
  CHECK(syncline_error_code(db) != SYNCLINE_OK);
  CHECK(syncline_exec(db, "SELECT 1", NULL, 0) == SYNCLINE_INVALID_ARGUMENT);
  syncline_close(db);
  syncline_close(NULL);
  syncline_free(NULL);

  db = open_replica(NULL);
  CHECK(syncline_exec(db, "SELECT * FROM nowhere", NULL, 0) == SYNCLINE_INVALID_ARGUMENT);
  CHECK(strstr(syncline_error_text(db), "nowhere") != NULL);
  CHECK(syncline_error_is_retryable(db) == 0);
  CHECK(syncline_apply(db, "nonsense", 8, NULL) == SYNCLINE_MALFORMED);
  CHECK(syncline_track(db, "nowhere", NULL, 0) == SYNCLINE_NOT_FOUND);
  syncline_close(db);
}

static void test_rows(void) {
  syncline_db* db = open_replica(NULL);
  syncline_rows* rows = NULL;
  syncline_value values[3];
  const unsigned char blob[] = {0, 1, 2};
  values[0] = text("k");
  values[1].type = SYNCLINE_BLOB;
  values[1].data = blob;
  values[1].size = sizeof blob;
  values[2] = integer(5);
  OK(db, syncline_exec(db, "INSERT INTO t VALUES(?1, ?2, ?3)", values, 3));
  CHECK(syncline_exec(db, "INSERT INTO t VALUES(?1, ?2, ?3)", values, 2) ==
        SYNCLINE_INVALID_ARGUMENT);
  CHECK(syncline_exec(db, "INSERT INTO t VALUES(?1, ?2, ?3)", values, 3) == SYNCLINE_CONSTRAINT);

  OK(db, syncline_prepare(db, "SELECT v, n, 1.5, NULL FROM t WHERE id = ?1", &rows));
  OK(db, syncline_bind(rows, 1, &values[0]));
  CHECK(syncline_bind(rows, 2, &values[0]) == SYNCLINE_INVALID_ARGUMENT);
  CHECK(syncline_column_count(rows) == 4);
  CHECK(strcmp(syncline_column_name(rows, 1), "n") == 0);
  for (int round = 0; round < 2; round++) {
    CHECK(syncline_step(rows) == SYNCLINE_ROW);
    CHECK(syncline_column(rows, 0).type == SYNCLINE_BLOB && syncline_column(rows, 0).size == 3);
    CHECK(memcmp(syncline_column(rows, 0).data, blob, 3) == 0);
    CHECK(syncline_column(rows, 1).integer == 5);
    CHECK(syncline_column(rows, 2).type == SYNCLINE_REAL && syncline_column(rows, 2).real == 1.5);
    CHECK(syncline_column(rows, 3).type == SYNCLINE_NULL);
    CHECK(syncline_column(rows, 9).type == SYNCLINE_NULL);
    CHECK(syncline_step(rows) == SYNCLINE_OK);
    syncline_reset(rows);
  }
  /* Rows that outlive their database are useless, not dangerous. */
  syncline_close(db);
  CHECK(syncline_step(rows) == SYNCLINE_INVALID_ARGUMENT);
  syncline_finish(rows);
  syncline_finish(NULL);
}

static void exchange(syncline_db* from, syncline_db* to, syncline_report* report) {
  void* changes = NULL;
  size_t size = 0;
  OK(from, syncline_changes(from, 0, &changes, &size));
  OK(to, syncline_apply(to, changes, size, report));
  syncline_free(changes);
}

static void test_sync_and_conflicts(void) {
  int64_t now = 1600000000000;
  syncline_options options = {0};
  syncline_db *one, *two;
  syncline_report report = {0};
  syncline_counts counts = {0};
  syncline_rows* rows = NULL;
  syncline_value value = text("both");
  char id[64] = "";
  char digests[2][65];
  char replica[33] = "";
  uint64_t version = 0;
  options.now_ms = fixed_now;
  options.random = counting_random;
  options.context = &now;
  one = open_replica(&options);
  two = open_replica(&options);
  OK(one, syncline_replica_id(one, replica));
  CHECK(strlen(replica) == 32);
  OK(one, syncline_exec(one, "INSERT INTO t(id, v) VALUES('x', 'base'), ('y', 1)", NULL, 0));
  OK(one, syncline_log_version(one, &version));
  CHECK(version == 1);
  exchange(one, two, &report);
  CHECK(report.changes == 1 && report.rows == 2 && report.repeated == 0 && report.held == 0);
  exchange(one, two, &report);
  CHECK(report.changes == 0 && report.repeated == 1);

  now += 10;
  OK(one, syncline_exec(one, "UPDATE t SET v = 'one', n = n + 2 WHERE id = 'x'", NULL, 0));
  OK(two, syncline_exec(two, "UPDATE t SET v = 'two', n = n + 3 WHERE id = 'x'", NULL, 0));
  exchange(one, two, &report);
  exchange(two, one, &report);
  CHECK(first_is(one, "SELECT CAST(n AS TEXT) FROM t WHERE id = 'x'", "5"));
  OK(one, syncline_count(one, &counts));
  CHECK(counts.conflicts == 1 && counts.held == 0 && counts.rejected == 0);
  OK(one, syncline_conflicts(one, &rows));
  CHECK(syncline_step(rows) == SYNCLINE_ROW);
  CHECK(strcmp(syncline_column_name(rows, 0), "id") == 0);
  if (syncline_column(rows, 0).size < sizeof id) {
    memcpy(id, syncline_column(rows, 0).data, syncline_column(rows, 0).size);
  }
  syncline_finish(rows);
  CHECK(syncline_resolve(one, id, "nonsense", NULL) == SYNCLINE_INVALID_ARGUMENT);
  CHECK(syncline_resolve(one, id, "mine", &value) == SYNCLINE_INVALID_ARGUMENT);
  CHECK(syncline_resolve(one, "0", "mine", NULL) == SYNCLINE_NOT_FOUND);
  OK(one, syncline_resolve(one, id, "value", &value));
  exchange(one, two, &report);
  OK(two, syncline_count(two, &counts));
  CHECK(counts.conflicts == 0);
  CHECK(first_is(two, "SELECT v FROM t WHERE id = 'x'", "both"));
  OK(one, syncline_digest(one, digests[0]));
  OK(two, syncline_digest(two, digests[1]));
  CHECK(strlen(digests[0]) == 64 && strcmp(digests[0], digests[1]) == 0);
  syncline_close(one);
  syncline_close(two);
}

struct told {
  int times;
  char last[64];
};

static void on_event(void* context, const syncline_event* event) {
  struct told* told = context;
  told->times++;
  snprintf(told->last, sizeof told->last, "%s", event->name);
  CHECK(event->at_ms > 0 && event->payload[0] == '{');
}

static void on_rows(void* context, syncline_rows* rows) {
  struct told* told = context;
  told->times++;
  told->last[0] = '\0';
  CHECK(syncline_column_count(rows) == 1);
  while (syncline_step(rows) == SYNCLINE_ROW) {
    const syncline_value value = syncline_column(rows, 0);
    const size_t length = strlen(told->last);
    snprintf(told->last + length, sizeof told->last - length, "%.*s,", (int)value.size,
             (const char*)value.data);
  }
}

static void test_events_and_live_queries(void) {
  syncline_db* db = open_replica(NULL);
  struct told heard = {0, ""}, drained = {0, ""}, live = {0, ""};
  syncline_value from = text("b");
  uint64_t id = 0;
  size_t told = 0;
  syncline_on_event(db, on_event, &heard);
  CHECK(syncline_drain_events(db, 10, on_event, &drained) == 0);
  CHECK(syncline_subscribe(db, "DELETE FROM t", NULL, 0, on_rows, &live, &id) ==
        SYNCLINE_INVALID_ARGUMENT);
  OK(db, syncline_subscribe(db, "SELECT id FROM t WHERE id >= ?1 ORDER BY id", &from, 1, on_rows,
                            &live, &id));
  OK(db, syncline_poll(db, &told));
  CHECK(told == 1 && live.times == 1 && live.last[0] == '\0');
  OK(db, syncline_exec(db, "INSERT INTO t(id) VALUES('c'), ('b')", NULL, 0));
  CHECK(heard.times == 1 && strcmp(heard.last, "sync.op:action:captured") == 0);
  CHECK(syncline_drain_events(db, 10, on_event, &drained) == 1);
  CHECK(strcmp(drained.last, heard.last) == 0);
  OK(db, syncline_poll(db, NULL));
  CHECK(live.times == 2 && strcmp(live.last, "b,c,") == 0);
  OK(db, syncline_exec(db, "INSERT INTO t(id) VALUES('a')", NULL, 0));
  OK(db, syncline_poll(db, &told));
  CHECK(told == 0 && live.times == 2);
  syncline_unsubscribe(db, id);
  syncline_on_event(db, NULL, NULL);
  OK(db, syncline_exec(db, "INSERT INTO t(id) VALUES('d')", NULL, 0));
  OK(db, syncline_poll(db, &told));
  CHECK(told == 0 && heard.times == 2);
  syncline_close(db);
}

struct wire {
  syncline_db* to;
  uint64_t version;
  int changes;
};

static void deliver(void* context, uint64_t version, uint64_t sequence, const syncline_bytes* parts,
                    size_t count) {
  struct wire* wire = context;
  syncline_report report = {0};
  OK(wire->to, syncline_receive(wire->to, parts, count, version, &report));
  CHECK(sequence > 0 && report.changes == 1);
  wire->version = version;
  wire->changes++;
}

static void test_transport(void) {
  syncline_db *one = open_replica(NULL), *two = open_replica(NULL);
  struct wire wire = {two, 0, 0};
  syncline_counts counts = {0};
  OK(one,
     syncline_exec(one, "INSERT INTO t(id) VALUES('a'); INSERT INTO t(id) VALUES('b')", NULL, 0));
  OK(one, syncline_count(one, &counts));
  CHECK(counts.pending == 2);
  OK(one, syncline_outbox(one, 0, 1 << 20, deliver, &wire));
  CHECK(wire.changes == 2);
  OK(one, syncline_acknowledge(one, wire.version));
  OK(one, syncline_count(one, &counts));
  CHECK(counts.pending == 0);
  CHECK(first_is(two, "SELECT group_concat(id) FROM t", "a,b"));
  syncline_close(one);
  syncline_close(two);
}

static int count_line(void* context, const char* line, size_t size) {
  CHECK(size > 2 && line[0] == '{');
  return ++*(int*)context == 2 ? 1 : 0;
}

static void test_care(void) {
  syncline_db *db = open_replica(NULL), *other = open_replica(NULL);
  syncline_report report = {0};
  syncline_rows* rows = NULL;
  void* pending = NULL;
  char* json = NULL;
  size_t size = 0;
  uint64_t count = 9;
  int lines = 0;
  OK(db, syncline_exec(db, "INSERT INTO t(id) VALUES('a')", NULL, 0));
  OK(db, syncline_export_pending(db, &pending, &size));
  OK(other, syncline_import_pending(other, pending, size, &report));
  CHECK(report.changes == 1);
  syncline_free(pending);

  OK(db, syncline_dump(db, NULL, count_line, &lines));
  CHECK(lines == 1);
  OK(db, syncline_exec(db, "INSERT INTO t(id) VALUES('b'), ('c')", NULL, 0));
  lines = 0;
  CHECK(syncline_dump(db, "t", count_line, &lines) == SYNCLINE_CANCELLED && lines == 2);

  OK(db, syncline_alter_begin(db));
  OK(db, syncline_exec(db, "ALTER TABLE t ADD COLUMN extra DEFAULT 'new'", NULL, 0));
  OK(db, syncline_alter_commit(db));
  CHECK(first_is(db, "SELECT extra FROM t WHERE id = 'a'", "new"));
  OK(db, syncline_collection(db, "notes"));
  OK(db, syncline_exec(db, "INSERT INTO notes VALUES('n', '{}')", NULL, 0));

  OK(db, syncline_rescan(db, &count));
  CHECK(count == 0);
  count = 9;
  OK(db, syncline_retry_held(db, &count));
  CHECK(count == 0);
  OK(db, syncline_held(db, &rows));
  CHECK(syncline_step(rows) == SYNCLINE_OK);
  syncline_finish(rows);
  OK(db, syncline_rejected(db, &rows));
  CHECK(syncline_step(rows) == SYNCLINE_OK);
  syncline_finish(rows);
  CHECK(syncline_retry_rejected(db, 1) == SYNCLINE_NOT_FOUND);
  CHECK(syncline_discard_rejected(db, 1) == SYNCLINE_NOT_FOUND);
  OK(db, syncline_collect_garbage(db, 0));
  OK(db, syncline_verify(db, &json));
  CHECK(json != NULL && strcmp(json, "[]") == 0);
  syncline_free(json);
  OK(db, syncline_status(db, &json));
  CHECK(json != NULL && strstr(json, "\"pending\":") != NULL);
  syncline_free(json);
  OK(db, syncline_untrack(db, "t"));
  CHECK(syncline_untrack(db, "t") == SYNCLINE_NOT_FOUND);
  syncline_close(db);
  syncline_close(other);
}

static syncline_db* open_notes(uint64_t first_random) {
  static const char* const rules[] = {"body=text", "page=doc"};
  syncline_options options = {0};
  syncline_db* db = NULL;
  seed = first_random;
  options.random = counting_random;
  OK(db, syncline_open(":memory:", &options, &db));
  OK(db, syncline_exec(db,
                       "CREATE TABLE notes(a TEXT, b INTEGER, body TEXT, page BLOB, "
                       "PRIMARY KEY(a, b))",
                       NULL, 0));
  OK(db, syncline_track(db, "notes", rules, 2));
  return db;
}

static void pull(syncline_db* into, syncline_db* from) {
  void* changes = NULL;
  size_t size = 0;
  OK(from, syncline_changes(from, 0, &changes, &size));
  OK(into, syncline_apply(into, changes, size, NULL));
  syncline_free(changes);
}

static void count_document_events(void* context, const syncline_event* event) {
  *(int*)context += strcmp(event->name, "sync.document:action:changed") == 0;
}

static void test_documents(void) {
  syncline_db* one = open_notes(1);
  syncline_db* two = open_notes(1000);
  const syncline_value key[] = {text("k"), integer(1)};
  const syncline_place body = {"notes", key, 2, "body"};
  const syncline_place page = {"notes", key, 2, "page"};
  const syncline_place nowhere = {"notes", key, 1, "body"};
  char* json = NULL;
  char* name = NULL;
  void* bytes = NULL;
  size_t size = 0;
  void* state = NULL;
  size_t state_size = 0;
  int told = 0;
  OK(one, syncline_exec(one, "INSERT INTO notes VALUES('k', 1, 'hello', NULL)", NULL, 0));
  pull(two, one);
  syncline_on_event(two, count_document_events, &told);
  OK(one, syncline_text_insert(one, &body, 5, " world"));
  OK(two, syncline_text_delete(two, &body, 0, 1));
  OK(two, syncline_text_insert(two, &body, 0, "J"));
  OK(two, syncline_text_format(two, &body, 0, 4, "{\"bold\":true}"));
  pull(two, one);
  pull(one, two);
  CHECK(told == 1);
  CHECK(first_is(one, "SELECT body FROM notes", "Jello world"));
  CHECK(first_is(two, "SELECT body FROM notes", "Jello world"));
  OK(one, syncline_text_delta(one, &body, &json));
  CHECK(json != NULL && strcmp(json,
                               "[{\"insert\":\"Jell\",\"attributes\":{\"bold\":true}},"
                               "{\"insert\":\"o world\"}]") == 0);
  syncline_free(json);

  /* What one document holds goes into another, as between a page and the database. */
  OK(one, syncline_doc_state_vector(one, &page, &state, &state_size));
  OK(one, syncline_doc_diff(one, &body, NULL, 0, &bytes, &size));
  CHECK(state_size == 1 && size > 20);
  OK(one, syncline_doc_apply(one, &page, bytes, size));
  syncline_free(bytes);
  OK(one, syncline_doc_diff(one, &page, state, state_size, &bytes, &size));
  CHECK(size > 20);
  syncline_free(bytes);
  syncline_free(state);
  OK(one, syncline_doc_json(one, &page, &json));
  CHECK(json != NULL && strcmp(json, "{\"text\":\"Jello world\"}") == 0);
  syncline_free(json);
  OK(one, syncline_doc_name(one, &body, &name));
  CHECK(name != NULL && strlen(name) > 20);
  syncline_free(name);

  CHECK(syncline_doc_apply(one, &page, "x", 1) == SYNCLINE_MALFORMED);
  CHECK(syncline_text_insert(one, &nowhere, 0, "x") == SYNCLINE_INVALID_ARGUMENT);
  CHECK(syncline_text_insert(one, &page, 0, "x") == SYNCLINE_INVALID_ARGUMENT);
  CHECK(syncline_text_insert(one, &body, 99, "x") == SYNCLINE_INVALID_ARGUMENT);
  CHECK(syncline_text_insert(one, NULL, 0, "x") == SYNCLINE_INVALID_ARGUMENT);
  CHECK(syncline_text_insert(one, &body, 0, NULL) == SYNCLINE_INVALID_ARGUMENT);
  syncline_close(one);
  syncline_close(two);
}

int main(void) {
  test_version_and_errors();
  test_rows();
  test_sync_and_conflicts();
  test_events_and_live_queries();
  test_transport();
  test_care();
  test_documents();
  if (failures > 0) {
    fprintf(stderr, "%d failed\n", failures);
  }
  return failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
