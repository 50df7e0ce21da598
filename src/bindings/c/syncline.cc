// Opening, errors and SQL; sync.cc has the rest of include/syncline.h.
#include "syncline.h"

#include <cstdlib>
#include <cstring>

#include "bindings/c/handle.h"

namespace syncline {

syncline_code public_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::invalid_argument:
      return SYNCLINE_INVALID_ARGUMENT;
    case ErrorCode::malformed:
      return SYNCLINE_MALFORMED;
    case ErrorCode::too_large:
      return SYNCLINE_TOO_LARGE;
    case ErrorCode::unsupported:
      return SYNCLINE_UNSUPPORTED;
    case ErrorCode::not_found:
      return SYNCLINE_NOT_FOUND;
    case ErrorCode::already_exists:
      return SYNCLINE_ALREADY_EXISTS;
    case ErrorCode::not_allowed:
      return SYNCLINE_NOT_ALLOWED;
    case ErrorCode::constraint:
      return SYNCLINE_CONSTRAINT;
    case ErrorCode::schema_mismatch:
      return SYNCLINE_SCHEMA_MISMATCH;
    case ErrorCode::clock_skew:
      return SYNCLINE_CLOCK_SKEW;
    case ErrorCode::out_of_order:
      return SYNCLINE_OUT_OF_ORDER;
    case ErrorCode::diverged:
      return SYNCLINE_DIVERGED;
    case ErrorCode::storage:
      return SYNCLINE_STORAGE;
    case ErrorCode::full:
      return SYNCLINE_FULL;
    case ErrorCode::busy:
      return SYNCLINE_BUSY;
    case ErrorCode::corrupt:
      return SYNCLINE_CORRUPT;
    case ErrorCode::out_of_memory:
      return SYNCLINE_OUT_OF_MEMORY;
    case ErrorCode::unreachable:
      return SYNCLINE_UNREACHABLE;
    case ErrorCode::timed_out:
      return SYNCLINE_TIMED_OUT;
    case ErrorCode::cancelled:
      return SYNCLINE_CANCELLED;
    case ErrorCode::internal:
      return SYNCLINE_INTERNAL;
  }
  return SYNCLINE_INTERNAL;
}

syncline_code failed(syncline_db* db, const Error& error) {
  db->code = public_code(error.code());
  db->retryable = error.retryable();
  db->text = error.message();
  return db->code;
}

syncline_code failed(syncline_db* db, ErrorCode code, const char* text) {
  return failed(db, Error(code, text));
}

bool is_open(syncline_db* db) {
  if (db != nullptr && db->engine == nullptr) {
    failed(db, ErrorCode::invalid_argument, "the database was not opened");
  }
  return db != nullptr && db->engine != nullptr;
}

ValueView view_of(const syncline_value& value) {
  const Bytes data(static_cast<const std::uint8_t*>(value.data), value.size);
  switch (value.type) {
    case SYNCLINE_NULL:
      return ValueView::null();
    case SYNCLINE_INTEGER:
      return ValueView::of(value.integer);
    case SYNCLINE_REAL:
      return ValueView::of(value.real);
    case SYNCLINE_TEXT:
      return ValueView::of(as_text(data));
    case SYNCLINE_BLOB:
      return ValueView::blob(data);
  }
  return ValueView::null();
}

syncline_value value_of(const ValueView& view) {
  syncline_value out{};
  switch (view.type) {
    case ValueType::null:
      out.type = SYNCLINE_NULL;
      break;
    case ValueType::integer:
      out.type = SYNCLINE_INTEGER;
      break;
    case ValueType::real:
      out.type = SYNCLINE_REAL;
      break;
    case ValueType::text:
      out.type = SYNCLINE_TEXT;
      break;
    case ValueType::blob:
      out.type = SYNCLINE_BLOB;
      break;
  }
  out.integer = view.integer;
  out.real = view.real;
  out.data = view.data.data();
  out.size = view.data.size();
  return out;
}

char* copy_out(Bytes bytes) {
  char* out = static_cast<char*>(std::malloc(bytes.size() + 1));
  SL_CHECK(out != nullptr);
  if (!bytes.empty()) {
    std::memcpy(out, bytes.data(), bytes.size());
  }
  out[bytes.size()] = '\0';
  return out;
}

syncline_code open_rows(syncline_db* db, const char* sql, syncline_rows** out) {
  *out = nullptr;
  // What another connection did to the schema is seen by whoever reads, and a statement's columns
  // are those of the schema that it was prepared with.
  if (const auto seen =
          db->engine->connection().query_int("SELECT 1 FROM main.sqlite_schema LIMIT 1");
      !seen) {
    return failed(db, seen.error());
  }
  auto statement = db->engine->connection().prepare(sql);
  if (!statement) {
    return failed(db, statement.error());
  }
  auto rows = std::make_unique<syncline_rows>();
  rows->db = db;
  rows->own = *std::move(statement);
  db->open_rows.insert(rows.get());
  *out = rows.release();
  return SYNCLINE_OK;
}

namespace {

Result<void> open(syncline_db& db, const char* path, const syncline_options& options) {
  OpenOptions how;
  how.create = options.must_exist == 0;
  if (options.busy_timeout_ms > 0) {
    how.busy_timeout_ms = options.busy_timeout_ms;
  }
  SL_TRY(Database database, Database::open(path, how));
  db.database = std::make_unique<Database>(std::move(database));
  db.clock = std::make_unique<HostClock>(options);
  db.random = std::make_unique<HostRandom>(options, *db.database);
  SL_TRY(db.engine,
         Engine::attach({db.database->connection(), db.clock.get(), db.random.get(), true}));
  db.live = std::make_unique<LiveQueries>(db.database->connection());
  return {};
}

Result<void> run_one(Connection connection, const char* sql, const syncline_value* values,
                     std::size_t count) {
  SL_TRY(Statement statement, connection.prepare(sql));
  if (static_cast<std::size_t>(statement.parameter_count()) != count) {
    return Error(ErrorCode::invalid_argument, "the statement takes " +
                                                  std::to_string(statement.parameter_count()) +
                                                  " values, not " + std::to_string(count));
  }
  for (std::size_t i = 0; i < count; ++i) {
    statement.bind(static_cast<int>(i) + 1, view_of(values[i]));
  }
  for (;;) {
    SL_TRY(const bool more, statement.step());
    if (!more) {
      return {};
    }
  }
}

}  // namespace
}  // namespace syncline

using syncline::ErrorCode;
using syncline::failed;
using syncline::finished;
using syncline::is_open;

extern "C" {

const char* syncline_version(void) { return SYNCLINE_VERSION; }

const char* syncline_code_name(syncline_code code) {
  if (code == SYNCLINE_OK || code == SYNCLINE_ROW) {
    return code == SYNCLINE_OK ? "ok" : "row";
  }
  for (int i = 0; i <= static_cast<int>(ErrorCode::internal); ++i) {
    if (syncline::public_code(static_cast<ErrorCode>(i)) == code) {
      // Names are literals, and so end with a zero.
      return syncline::error_code_name(static_cast<ErrorCode>(i)).data();
    }
  }
  return "unknown";
}

syncline_code syncline_error_code(const syncline_db* db) {
  return db == nullptr ? SYNCLINE_INVALID_ARGUMENT : db->code;
}
const char* syncline_error_text(const syncline_db* db) {
  return db == nullptr ? "no database" : db->text.c_str();
}
int syncline_error_is_retryable(const syncline_db* db) {
  return db != nullptr && db->retryable ? 1 : 0;
}

syncline_code syncline_open(const char* path, const syncline_options* options, syncline_db** out) {
  if (out == nullptr) {
    return SYNCLINE_INVALID_ARGUMENT;
  }
  auto db = std::make_unique<syncline_db>();
  syncline_code code = SYNCLINE_OK;
  if (path == nullptr || *path == '\0') {
    code = failed(db.get(), ErrorCode::invalid_argument, "a database needs a path");
  } else {
    code = finished(db.get(),
                    syncline::open(*db, path, options == nullptr ? syncline_options{} : *options));
  }
  *out = db.release();
  return code;
}

void syncline_close(syncline_db* db) {
  if (db == nullptr) {
    return;
  }
  for (syncline_rows* rows : db->open_rows) {
    rows->own = syncline::Statement();
    rows->db = nullptr;
  }
  db->live.reset();
  if (db->engine != nullptr) {
    db->engine->release();
  }
  db->database.reset();
  delete db;
}

void syncline_free(void* memory) { std::free(memory); }

syncline_code syncline_exec(syncline_db* db, const char* sql, const syncline_value* values,
                            size_t count) {
  if (!is_open(db) || sql == nullptr || (values == nullptr && count > 0)) {
    return SYNCLINE_INVALID_ARGUMENT;
  }
  const syncline::Connection connection = db->engine->connection();
  return finished(db, values == nullptr ? connection.execute(sql)
                                        : syncline::run_one(connection, sql, values, count));
}

syncline_code syncline_prepare(syncline_db* db, const char* sql, syncline_rows** out) {
  if (!is_open(db) || sql == nullptr || out == nullptr) {
    return SYNCLINE_INVALID_ARGUMENT;
  }
  return syncline::open_rows(db, sql, out);
}

syncline_code syncline_bind(syncline_rows* rows, int index, const syncline_value* value) {
  if (rows == nullptr || rows->db == nullptr || rows->lent != nullptr || value == nullptr) {
    return SYNCLINE_INVALID_ARGUMENT;
  }
  const int count = rows->own.parameter_count();
  if (index < 1 || index > count) {
    return failed(rows->db, ErrorCode::invalid_argument, "there is no such parameter");
  }
  rows->bound.resize(static_cast<std::size_t>(count));
  syncline::Value& kept = rows->bound[static_cast<std::size_t>(index) - 1];
  rows->own.reset();
  kept = syncline::Value(syncline::view_of(*value));
  return SYNCLINE_OK;
}

syncline_code syncline_step(syncline_rows* rows) {
  if (rows == nullptr || rows->db == nullptr) {
    return SYNCLINE_INVALID_ARGUMENT;
  }
  if (!rows->is_running && rows->lent == nullptr) {
    for (std::size_t i = 0; i < rows->bound.size(); ++i) {
      rows->own.bind(static_cast<int>(i) + 1, rows->bound[i].view());
    }
  }
  const auto more = rows->statement().step();
  rows->is_running = more && *more;
  if (!more) {
    rows->statement().reset();
    return failed(rows->db, more.error());
  }
  return *more ? SYNCLINE_ROW : SYNCLINE_OK;
}

void syncline_reset(syncline_rows* rows) {
  if (rows != nullptr && rows->db != nullptr && rows->lent == nullptr) {
    rows->own.reset();
    rows->is_running = false;
  }
}

int syncline_column_count(const syncline_rows* rows) {
  return rows == nullptr || rows->db == nullptr ? 0 : rows->statement().column_count();
}

const char* syncline_column_name(syncline_rows* rows, int column) {
  if (column < 0 || column >= syncline_column_count(rows)) {
    return "";
  }
  rows->name = rows->statement().column_name(column);
  return rows->name.c_str();
}

syncline_value syncline_column(const syncline_rows* rows, int column) {
  if (column < 0 || column >= syncline_column_count(rows) || !rows->is_running) {
    return syncline_value{};
  }
  return syncline::value_of(rows->statement().column(column));
}

void syncline_finish(syncline_rows* rows) {
  if (rows == nullptr || rows->lent != nullptr) {
    return;
  }
  if (rows->db != nullptr) {
    rows->db->open_rows.erase(rows);
  }
  delete rows;
}

}  // extern "C"
