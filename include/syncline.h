/* Syncline: offline-first sync for SQLite. This header is the library's one stable surface, and its
 * comments are the manual; docs/api/c.md begins with an example.
 *
 * A `syncline_db` is one open database. Your tables stay yours: write them with SQL, here or from
 * any program that has the loadable extension; syncline_track() makes a table sync.
 *
 * Threads. A handle, and everything made from it, belongs to one thread at a time: calls on one
 * handle must not overlap. Different handles are independent, also on the same file, and may be
 * used by different threads at the same time. The library starts no threads.
 *
 * Errors. Functions that can fail return a syncline_code; zero is success. The handle keeps the
 * code and a sentence about the last call that failed. Nothing is left half done by a call that
 * failed.
 *
 * Text is UTF-8. Pointers that are handed in are read during the call only. Pointers that are
 * handed out live as long as the function says; those to be freed are freed with syncline_free().
 */
#ifndef SYNCLINE_H
#define SYNCLINE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32)
#define SL_API
#else
#define SL_API __attribute__((visibility("default")))
#endif

/* The version of this header; syncline_version() is the library's. Before 1.0 a minor version may
 * change the ABI; from then on only a major one may. */
#define SYNCLINE_VERSION "0.1.0"
#define SYNCLINE_VERSION_MAJOR 0
#define SYNCLINE_VERSION_MINOR 1
#define SYNCLINE_VERSION_PATCH 0
/* "0.1.0" */
SL_API const char* syncline_version(void);

/* ---- Errors ------------------------------------------------------------------------------------
 */

/* Numbers never change; new ones may be added. */
typedef enum syncline_code {
  SYNCLINE_OK = 0,
  SYNCLINE_INVALID_ARGUMENT = 1, /* the call makes no sense; SQL errors too */
  SYNCLINE_MALFORMED = 2,        /* bytes that do not decode */
  SYNCLINE_TOO_LARGE = 3,        /* a limit was reached */
  SYNCLINE_UNSUPPORTED = 4,      /* this build or version cannot do it */
  SYNCLINE_NOT_FOUND = 5,
  SYNCLINE_ALREADY_EXISTS = 6,
  SYNCLINE_NOT_ALLOWED = 7,
  SYNCLINE_CONSTRAINT = 8, /* the schema refuses the row */
  SYNCLINE_SCHEMA_MISMATCH = 9,
  SYNCLINE_CLOCK_SKEW = 10, /* a change from too far in the future */
  SYNCLINE_OUT_OF_ORDER = 11,
  SYNCLINE_DIVERGED = 12,
  SYNCLINE_STORAGE = 13,
  SYNCLINE_FULL = 14,
  SYNCLINE_BUSY = 15, /* locked by another writer: try again */
  SYNCLINE_CORRUPT = 16,
  SYNCLINE_OUT_OF_MEMORY = 17,
  SYNCLINE_UNREACHABLE = 18,
  SYNCLINE_TIMED_OUT = 19,
  SYNCLINE_CANCELLED = 20,
  SYNCLINE_INTERNAL = 21,
  SYNCLINE_ROW = 100 /* no error: syncline_step() has a row */
} syncline_code;

/* A stable name such as "too_large"; "ok", "row" and "unknown" for what is no error. */
SL_API const char* syncline_code_name(syncline_code code);

typedef struct syncline_db syncline_db;
typedef struct syncline_rows syncline_rows;

/* About the last call on this handle that failed. The text lives until the next call. */
SL_API syncline_code syncline_error_code(const syncline_db* db);
SL_API const char* syncline_error_text(const syncline_db* db);
/* 1 when trying the same call later may work. */
SL_API int syncline_error_is_retryable(const syncline_db* db);

/* ---- Opening -----------------------------------------------------------------------------------
 */

/* Set every member you do not need to zero: `syncline_options options = {0};`. */
typedef struct syncline_options {
  int must_exist;      /* 1: do not create the file */
  int busy_timeout_ms; /* how long to wait for other writers; 0 means 5000 */
  /* Milliseconds since 1970; NULL means the system's clock. For hosts with a clock of their own. */
  int64_t (*now_ms)(void* context);
  /* Fills `out` with random bytes; NULL means the system's randomness. */
  void (*random)(void* context, void* out, size_t size);
  void* context; /* handed to both */
} syncline_options;

/* Opens or creates a database; ":memory:" is one in memory. `options` may be NULL. `*out` is set
 * also when opening fails, so that the error can be read: close it in either case. */
SL_API syncline_code syncline_open(const char* path, const syncline_options* options,
                                   syncline_db** out);
/* Rolls back an open transaction and closes. Rows that are still open become useless and must still
 * be given to syncline_finish(). NULL is ignored. */
SL_API void syncline_close(syncline_db* db);
/* Frees what a function gave out to be freed. NULL is ignored. */
SL_API void syncline_free(void* memory);

/* ---- SQL ---------------------------------------------------------------------------------------
 */

typedef enum syncline_type {
  SYNCLINE_NULL = 0,
  SYNCLINE_INTEGER = 1,
  SYNCLINE_REAL = 2,
  SYNCLINE_TEXT = 3,
  SYNCLINE_BLOB = 4
} syncline_type;

/* One SQL value. `data` and `size` are for text and blobs; text from the library ends with a zero
 * that `size` does not count. */
typedef struct syncline_value {
  syncline_type type;
  int64_t integer;
  double real;
  const void* data;
  size_t size;
} syncline_value;

/* Runs SQL and ignores its rows. With values it runs one statement, whose ?1, ?2, ... they are;
 * with `values` NULL and `count` zero it runs all statements of the text, in order, until one
 * fails. */
SL_API syncline_code syncline_exec(syncline_db* db, const char* sql, const syncline_value* values,
                                   size_t count);

/* Prepares one statement. On success `*out` must be given to syncline_finish(). */
SL_API syncline_code syncline_prepare(syncline_db* db, const char* sql, syncline_rows** out);
/* Parameters count from 1. The value is copied. */
SL_API syncline_code syncline_bind(syncline_rows* rows, int index, const syncline_value* value);
/* SYNCLINE_ROW with a row, SYNCLINE_OK at the end, else an error (in the database's handle). */
SL_API syncline_code syncline_step(syncline_rows* rows);
/* Back before the first row; bound values stay. */
SL_API void syncline_reset(syncline_rows* rows);
SL_API int syncline_column_count(const syncline_rows* rows);
/* Lives until the next call on these rows. */
SL_API const char* syncline_column_name(syncline_rows* rows, int column);
/* Columns count from 0. What the value points to lives until the next step, reset or finish. */
SL_API syncline_value syncline_column(const syncline_rows* rows, int column);
SL_API void syncline_finish(syncline_rows* rows);

/* ---- What syncs --------------------------------------------------------------------------------
 */

/* Starts syncing a table, with the rows that it has. Each rule is "lww", "row" or "manual" for the
 * table, or "column=counter", "column=text" ... for a column (docs/api/sql.md lists them). Doing it
 * again changes the rules. */
SL_API syncline_code syncline_track(syncline_db* db, const char* table, const char* const* rules,
                                    size_t count);
SL_API syncline_code syncline_untrack(syncline_db* db, const char* table);
/* A tracked table (id, doc) of JSON documents that merge field by field. */
SL_API syncline_code syncline_collection(syncline_db* db, const char* name);
/* Your own DDL goes between the two; they are one transaction. */
SL_API syncline_code syncline_alter_begin(syncline_db* db);
SL_API syncline_code syncline_alter_commit(syncline_db* db);

/* ---- Documents ---------------------------------------------------------------------------------
 */

/* A cell of a column with rule "text" or "doc": the key is the values of the primary key's columns,
 * in the key's order. */
typedef struct syncline_place {
  const char* table;
  const syncline_value* key;
  size_t key_count;
  const char* column;
} syncline_place;

/* Edits merge with what others do to the same text at the same time. Positions and counts are in
 * characters, as SQLite's length() counts them, from 0; an embedded object counts as one. Each call
 * is a transaction of its own unless one is open. */
SL_API syncline_code syncline_text_insert(syncline_db* db, const syncline_place* place,
                                          uint64_t index, const char* text);
SL_API syncline_code syncline_text_delete(syncline_db* db, const syncline_place* place,
                                          uint64_t index, uint64_t count);
/* `attributes` is a JSON object such as {"bold":true}; a null member ends that attribute. */
SL_API syncline_code syncline_text_format(syncline_db* db, const syncline_place* place,
                                          uint64_t index, uint64_t count, const char* attributes);
/* The text with its attributes, as a Yjs delta in JSON; free with syncline_free(). */
SL_API syncline_code syncline_text_delta(syncline_db* db, const syncline_place* place, char** json);

/* For live documents: an update (version 1) that a Y.Doc emitted goes in, what the Y.Doc lacks
 * comes out. A document of rule "text" is the Y.Text of the root "text". */
SL_API syncline_code syncline_doc_apply(syncline_db* db, const syncline_place* place,
                                        const void* update, size_t size);
/* All roots as plain data; free with syncline_free(). */
SL_API syncline_code syncline_doc_json(syncline_db* db, const syncline_place* place, char** json);
/* What the document has, encoded as Yjs does; free `*out` with syncline_free(). */
SL_API syncline_code syncline_doc_state_vector(syncline_db* db, const syncline_place* place,
                                               void** out, size_t* size);
/* An update with what somebody of that state vector lacks: everything if `state_size` is 0. Free
 * `*out` with syncline_free(). The event "sync.document:action:changed" tells when to ask. */
SL_API syncline_code syncline_doc_diff(syncline_db* db, const syncline_place* place,
                                       const void* state, size_t state_size, void** out,
                                       size_t* size);
/* Names the document for as long as edits join it. When the name is another than before, the
 * document was begun anew (the row was deleted and put again, or the value set whole): drop the
 * Y.Doc and make another. Free with syncline_free(). */
SL_API syncline_code syncline_doc_name(syncline_db* db, const syncline_place* place, char** name);

/* ---- Changes as bytes --------------------------------------------------------------------------
 */

/* The newest version of this database's own log. Versions mean nothing to another database. */
SL_API syncline_code syncline_log_version(syncline_db* db, uint64_t* out);
/* All that this database came to hold after that version (0: everything), to be applied elsewhere.
 * Free `*out` with syncline_free(). */
SL_API syncline_code syncline_changes(syncline_db* db, uint64_t since, void** out, size_t* size);

typedef struct syncline_report {
  uint64_t changes;   /* that were new here */
  uint64_t repeated;  /* that were here already */
  uint64_t rows;      /* that they touched */
  uint64_t held;      /* rows that the schema cannot take yet */
  uint64_t conflicts; /* writes of two people who had not seen each other's */
} syncline_report;

/* Merges changes: all or nothing, and doing it again changes nothing. `report` may be NULL. */
SL_API syncline_code syncline_apply(syncline_db* db, const void* changes, size_t size,
                                    syncline_report* report);
/* Unsent changes as bytes, and back under their identities, to be sent from here. */
SL_API syncline_code syncline_export_pending(syncline_db* db, void** out, size_t* size);
SL_API syncline_code syncline_import_pending(syncline_db* db, const void* changes, size_t size,
                                             syncline_report* report);

/* ---- Where things stand ------------------------------------------------------------------------
 */

typedef struct syncline_counts {
  uint64_t pending;
  uint64_t rejected;
  uint64_t held;
  uint64_t conflicts;
} syncline_counts;
SL_API syncline_code syncline_count(syncline_db* db, syncline_counts* out);
/* Counts and more as a JSON object; free with syncline_free(). */
SL_API syncline_code syncline_status(syncline_db* db, char** json);
/* The replica's id as 32 hexadecimal digits and a zero. Makes the database a replica if it is none.
 */
SL_API syncline_code syncline_replica_id(syncline_db* db, char out[33]);

/* Lists as rows; the columns are those of the SQL views of the same names (docs/api/sql.md). Give
 * `*out` to syncline_finish(). */
SL_API syncline_code syncline_conflicts(syncline_db* db, syncline_rows** out);
SL_API syncline_code syncline_held(syncline_db* db, syncline_rows** out);
SL_API syncline_code syncline_rejected(syncline_db* db, syncline_rows** out);

/* `how` is "mine", "theirs", "merged" or "value"; `value` goes with "value" and is else NULL. */
SL_API syncline_code syncline_resolve(syncline_db* db, const char* conflict, const char* how,
                                      const syncline_value* value);
/* Tries held rows again; `*installed` (may be NULL) tells how many fitted. */
SL_API syncline_code syncline_retry_held(syncline_db* db, uint64_t* installed);
/* Does a refused change again as a new one; or forgets it. */
SL_API syncline_code syncline_retry_rejected(syncline_db* db, int64_t id);
SL_API syncline_code syncline_discard_rejected(syncline_db* db, int64_t id);

/* ---- Being told --------------------------------------------------------------------------------
 */

typedef struct syncline_event {
  const char* name;    /* such as "sync.op:action:captured" */
  int64_t at_ms;       /* milliseconds since 1970 */
  const char* payload; /* a JSON object */
} syncline_event;

/* Called for each event, inside the call that caused it; must not call the library. NULL ends it.
 */
typedef void (*syncline_event_callback)(void* context, const syncline_event* event);
SL_API void syncline_on_event(syncline_db* db, syncline_event_callback callback, void* context);
/* Or ask: hands the oldest events that wait to the callback, at most `count_max`, and returns how
 * many there were. Events are kept from the first call on. The callback may call the library. */
SL_API size_t syncline_drain_events(syncline_db* db, size_t count_max,
                                    syncline_event_callback callback, void* context);

/* A live query. The callback gets the result, before its first row, once at the next
 * syncline_poll() and then whenever it has changed. It may call syncline_step() and
 * syncline_column*() on `rows`, and must not keep them, nor finish them. */
typedef void (*syncline_live_callback)(void* context, syncline_rows* rows);
SL_API syncline_code syncline_subscribe(syncline_db* db, const char* sql,
                                        const syncline_value* values, size_t count,
                                        syncline_live_callback callback, void* context,
                                        uint64_t* id);
SL_API void syncline_unsubscribe(syncline_db* db, uint64_t id);
/* Runs live queries that changes may have touched, whoever made them: this handle, another one,
 * another process. `*told` (may be NULL) is how many callbacks ran. Call it after your writes, and
 * now and then for those of others. Does nothing inside a transaction. */
SL_API syncline_code syncline_poll(syncline_db* db, size_t* told);

/* ---- A transport of your own -------------------------------------------------------------------
 */

typedef struct syncline_bytes {
  const void* data;
  size_t size;
} syncline_bytes;

/* Gives each unsent change above version `after`, oldest first, to the callback, until they exceed
 * `bytes_max`. A change is one or more parts, to be delivered together and in order. */
typedef void (*syncline_outbox_callback)(void* context, uint64_t version, uint64_t sequence,
                                         const syncline_bytes* parts, size_t count);
SL_API syncline_code syncline_outbox(syncline_db* db, uint64_t after, size_t bytes_max,
                                     syncline_outbox_callback callback, void* context);
/* Every change through this version is durable elsewhere and need not be sent again. */
SL_API syncline_code syncline_acknowledge(syncline_db* db, uint64_t through);
/* Parts from elsewhere, whole changes only, and the position in the sender's log that they lead to:
 * both are kept in one transaction. */
SL_API syncline_code syncline_receive(syncline_db* db, const syncline_bytes* parts, size_t count,
                                      uint64_t cursor, syncline_report* report);

/* ---- Care --------------------------------------------------------------------------------------
 */

/* Every synced row as a line of JSON, without its line feed; the same rows give the same lines. A
 * callback that returns anything but zero ends the dump with SYNCLINE_CANCELLED. `table` may be
 * NULL: all. */
typedef int (*syncline_line_callback)(void* context, const char* line, size_t size);
SL_API syncline_code syncline_dump(syncline_db* db, const char* table,
                                   syncline_line_callback callback, void* context);
/* SHA-256 of the dump, each line with its line feed, as 64 hexadecimal digits and a zero. */
SL_API syncline_code syncline_digest(syncline_db* db, char out[65]);
/* What is wrong with the database, as a JSON array of sentences; "[]" when nothing is. */
SL_API syncline_code syncline_verify(syncline_db* db, char** json);
/* Finds rows that were written behind the engine's back and makes them changes. */
SL_API syncline_code syncline_rescan(syncline_db* db, uint64_t* found);
/* Forgets what nobody needs any more: deletions older than `horizon_ms` (since 1970), which every
 * replica must have seen, and acknowledged changes older than a week. Nothing unsent goes. */
SL_API syncline_code syncline_collect_garbage(syncline_db* db, int64_t horizon_ms);

#ifdef __cplusplus
}
#endif

#endif
