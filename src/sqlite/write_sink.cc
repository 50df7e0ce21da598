#include "sqlite/write_sink.h"

#include <new>

#include "sqlite/api.h"

namespace syncline {
namespace {

// SQLite sees the first member only; the rest is ours.
struct SinkTable {
  sqlite3_vtab base;
  WriteSinkFactory* factory;
  std::unique_ptr<WriteSink> sink;
};

struct EmptyCursor {
  sqlite3_vtab_cursor base;
};

SinkTable* table_of(sqlite3_vtab* base) { return reinterpret_cast<SinkTable*>(base); }

int result_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::out_of_memory:
      return SQLITE_NOMEM;
    case ErrorCode::busy:
      return SQLITE_BUSY;
    case ErrorCode::full:
      return SQLITE_FULL;
    case ErrorCode::corrupt:
      return SQLITE_CORRUPT;
    case ErrorCode::too_large:
      return SQLITE_TOOBIG;
    case ErrorCode::constraint:
      return SQLITE_CONSTRAINT;
    default:
      return SQLITE_ERROR;
  }
}

int report(sqlite3_vtab* base, const Result<void>& result) {
  if (result) {
    return SQLITE_OK;
  }
  sqlite3_free(base->zErrMsg);
  base->zErrMsg = sqlite3_mprintf("syncline: %s", result.error().message().c_str());
  return result_code(result.error().code());
}

int connect(sqlite3* handle, void* context, int count, const char* const* values,
            sqlite3_vtab** out, char** message) {
  auto* factory = static_cast<WriteSinkFactory*>(context);
  std::vector<std::string> arguments;
  for (int i = 3; i < count; ++i) {
    arguments.emplace_back(values[i]);
  }
  int column_count = 0;
  auto sink = factory->connect(arguments, column_count);
  if (!sink) {
    *message = sqlite3_mprintf("syncline: %s", sink.error().message().c_str());
    return result_code(sink.error().code());
  }
  std::string declaration = "CREATE TABLE sink(";
  for (int i = 0; i < column_count; ++i) {
    declaration += (i == 0 ? "c" : ",c") + std::to_string(i);
  }
  declaration += ")";
  const int declared = sqlite3_declare_vtab(handle, declaration.c_str());
  if (declared != SQLITE_OK) {
    return declared;
  }
  // Triggers must be able to write here even where schemas are not trusted: what the sink does is
  // the same whoever wrote the schema.
  sqlite3_vtab_config(handle, SQLITE_VTAB_INNOCUOUS);
  auto* table = new (std::nothrow) SinkTable{{}, factory, std::move(*sink)};
  if (table == nullptr) {
    return SQLITE_NOMEM;
  }
  *out = &table->base;
  return SQLITE_OK;
}

int disconnect(sqlite3_vtab* base) {
  SinkTable* table = table_of(base);
  WriteSinkFactory* factory = table->factory;
  delete table;
  factory->disconnected();
  return SQLITE_OK;
}

int best_index(sqlite3_vtab* base, sqlite3_index_info* info) {
  table_of(base)->sink->on_prepare();
  info->estimatedCost = 1;
  return SQLITE_OK;
}
int open_cursor(sqlite3_vtab* /*base*/, sqlite3_vtab_cursor** out) {
  auto* cursor = new (std::nothrow) EmptyCursor{};
  *out = reinterpret_cast<sqlite3_vtab_cursor*>(cursor);
  return cursor == nullptr ? SQLITE_NOMEM : SQLITE_OK;
}
int close_cursor(sqlite3_vtab_cursor* cursor) {
  delete reinterpret_cast<EmptyCursor*>(cursor);
  return SQLITE_OK;
}
int filter(sqlite3_vtab_cursor* /*cursor*/, int /*index*/, const char* /*text*/, int /*count*/,
           sqlite3_value** /*values*/) {
  return SQLITE_OK;
}
int next_row(sqlite3_vtab_cursor* /*cursor*/) { return SQLITE_OK; }
int at_end(sqlite3_vtab_cursor* /*cursor*/) { return 1; }
int column(sqlite3_vtab_cursor* /*cursor*/, sqlite3_context* /*context*/, int /*index*/) {
  return SQLITE_OK;
}
int rowid(sqlite3_vtab_cursor* /*cursor*/, sqlite3_int64* out) {
  *out = 0;
  return SQLITE_OK;
}

int update(sqlite3_vtab* base, int count, sqlite3_value** values, sqlite3_int64* out) {
  // The first value is NULL for an insert, the only thing that a sink takes.
  if (count < 2 || sqlite3_value_type(values[0]) != SQLITE_NULL) {
    return SQLITE_READONLY;
  }
  *out = 1;
  return report(base, table_of(base)->sink->on_row(std::span<sqlite3_value* const>(
                          values + 2, static_cast<std::size_t>(count - 2))));
}

int begin(sqlite3_vtab* base) { return report(base, table_of(base)->sink->on_begin()); }
int sync(sqlite3_vtab* base) { return report(base, table_of(base)->sink->on_sync()); }
int commit(sqlite3_vtab* base) {
  table_of(base)->sink->on_commit();
  return SQLITE_OK;
}
int rollback(sqlite3_vtab* base) {
  table_of(base)->sink->on_rollback();
  return SQLITE_OK;
}
int savepoint(sqlite3_vtab* base, int level) {
  return report(base, table_of(base)->sink->on_savepoint(level));
}
int release(sqlite3_vtab* base, int level) {
  table_of(base)->sink->on_release(level);
  return SQLITE_OK;
}
int rollback_to(sqlite3_vtab* base, int level) {
  table_of(base)->sink->on_rollback_to(level);
  return SQLITE_OK;
}
int rename_table(sqlite3_vtab* /*base*/, const char* /*name*/) { return SQLITE_OK; }

sqlite3_module make_module() {
  sqlite3_module module{};
  module.iVersion = 2;
  module.xCreate = connect;
  module.xConnect = connect;
  module.xBestIndex = best_index;
  module.xDisconnect = disconnect;
  module.xDestroy = disconnect;
  module.xOpen = open_cursor;
  module.xClose = close_cursor;
  module.xFilter = filter;
  module.xNext = next_row;
  module.xEof = at_end;
  module.xColumn = column;
  module.xRowid = rowid;
  module.xUpdate = update;
  module.xBegin = begin;
  module.xSync = sync;
  module.xCommit = commit;
  module.xRollback = rollback;
  module.xRename = rename_table;
  module.xSavepoint = savepoint;
  module.xRelease = release;
  module.xRollbackTo = rollback_to;
  return module;
}

const sqlite3_module sink_module = make_module();

}  // namespace

Result<void> register_sink_module(Connection connection, const char* module,
                                  WriteSinkFactory* factory, void (*destroy)(void*)) {
  const int result =
      sqlite3_create_module_v2(connection.handle(), module, &sink_module, factory, destroy);
  if (result != SQLITE_OK) {
    return sqlite_error(connection.handle(), result);
  }
  return {};
}

}  // namespace syncline
