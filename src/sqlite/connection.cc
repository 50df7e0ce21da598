#include "sqlite/connection.h"

#include <cctype>
#include <cstring>

#include "sqlite/api.h"

namespace syncline {
namespace {

ErrorCode code_of(int result) {
  switch (result & 0xFF) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    // Lost races for the WAL's locks, and against others' changes of the schema, too often in a
    // row: the same weather.
    case SQLITE_PROTOCOL:
    case SQLITE_SCHEMA:
      return ErrorCode::busy;
    case SQLITE_FULL:
      return ErrorCode::full;
    case SQLITE_NOMEM:
      return ErrorCode::out_of_memory;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return ErrorCode::corrupt;
    case SQLITE_CONSTRAINT:
      return ErrorCode::constraint;
    case SQLITE_TOOBIG:
      return ErrorCode::too_large;
    case SQLITE_INTERRUPT:
      return ErrorCode::cancelled;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return ErrorCode::not_allowed;
    case SQLITE_ERROR:
    case SQLITE_RANGE:
    case SQLITE_MISMATCH:
      return ErrorCode::invalid_argument;
    default:
      return ErrorCode::storage;
  }
}

Result<Statement> prepare_with(sqlite3* handle, std::string_view sql, unsigned flags) {
  sqlite3_stmt* statement = nullptr;
  const int result = sqlite3_prepare_v3(handle, sql.data(), static_cast<int>(sql.size()), flags,
                                        &statement, nullptr);
  if (result != SQLITE_OK) {
    return sqlite_error(handle, result);
  }
  if (statement == nullptr) {
    return Error(ErrorCode::invalid_argument, "the SQL text holds no statement");
  }
  return Statement(statement);
}

}  // namespace

Error sqlite_error(sqlite3* handle, int result) {
  // The connection remembers the last error only; when it is about something else, the code's own
  // text is the truth.
  const char* message = handle != nullptr && (sqlite3_errcode(handle) & 0xFF) == (result & 0xFF)
                            ? sqlite3_errmsg(handle)
                            : sqlite3_errstr(result);
  return Error(code_of(result), message == nullptr ? "unknown SQLite error" : message);
}

ValueView read_value(sqlite3_value* value) {
  ValueView out;
  switch (sqlite3_value_type(value)) {
    case SQLITE_INTEGER:
      out.type = ValueType::integer;
      out.integer = sqlite3_value_int64(value);
      break;
    case SQLITE_FLOAT:
      out.type = ValueType::real;
      out.real = sqlite3_value_double(value);
      break;
    case SQLITE_TEXT: {
      out.type = ValueType::text;
#ifndef SYNCLINE_SQLITE_EXTENSION
      // Asking for text would copy what is not zero-terminated, as most values inside triggers are.
      if (sqlite3_value_encoding(value) == SQLITE_UTF8) {
        const auto* raw = static_cast<const std::uint8_t*>(sqlite3_value_blob(value));
        out.data = Bytes(raw, static_cast<std::size_t>(sqlite3_value_bytes(value)));
        break;
      }
#endif
      const auto* text = static_cast<const std::uint8_t*>(sqlite3_value_text(value));
      out.data = Bytes(text, static_cast<std::size_t>(sqlite3_value_bytes(value)));
      break;
    }
    case SQLITE_BLOB: {
      out.type = ValueType::blob;
      const auto* blob = static_cast<const std::uint8_t*>(sqlite3_value_blob(value));
      out.data = Bytes(blob, static_cast<std::size_t>(sqlite3_value_bytes(value)));
      break;
    }
    default:
      break;
  }
  return out;
}

Result<Statement> Connection::prepare(std::string_view sql) const {
  return prepare_with(handle_, sql, 0);
}

Result<Statement> Connection::prepare_kept(std::string_view sql) const {
  return prepare_with(handle_, sql, SQLITE_PREPARE_PERSISTENT);
}

Result<void> Connection::execute(std::string_view sql) const {
  const std::string terminated(sql);
  const char* rest = terminated.c_str();
  while (*rest != '\0') {
    sqlite3_stmt* raw = nullptr;
    const char* tail = nullptr;
    const int prepared = sqlite3_prepare_v2(handle_, rest, -1, &raw, &tail);
    if (prepared != SQLITE_OK) {
      return sqlite_error(handle_, prepared);
    }
    rest = tail;
    if (raw == nullptr) {
      continue;
    }
    Statement statement(raw);
    for (;;) {
      SL_TRY(const bool row, statement.step());
      if (!row) {
        break;
      }
    }
  }
  return {};
}

Result<std::optional<std::int64_t>> Connection::query_int(std::string_view sql) const {
  SL_TRY(Statement statement, prepare(sql));
  SL_TRY(const bool row, statement.step());
  if (!row) {
    return std::optional<std::int64_t>();
  }
  return std::optional<std::int64_t>(statement.column_int(0));
}

Result<std::optional<std::string>> Connection::query_text(std::string_view sql) const {
  SL_TRY(Statement statement, prepare(sql));
  SL_TRY(const bool row, statement.step());
  if (!row) {
    return std::optional<std::string>();
  }
  return std::optional<std::string>(std::string(statement.column_text(0)));
}

std::int64_t Connection::last_insert_rowid() const { return sqlite3_last_insert_rowid(handle_); }
void Connection::set_last_insert_rowid(std::int64_t rowid) const {
  sqlite3_set_last_insert_rowid(handle_, rowid);
}
std::int64_t Connection::changes() const { return sqlite3_changes(handle_); }
bool Connection::autocommit() const { return sqlite3_get_autocommit(handle_) != 0; }
bool Connection::in_write_transaction() const {
  return sqlite3_txn_state(handle_, "main") == SQLITE_TXN_WRITE;
}

std::uint32_t Connection::data_version() const {
  unsigned version = 0;
  sqlite3_file_control(handle_, "main", SQLITE_FCNTL_DATA_VERSION, &version);
  return version;
}

bool Connection::deferred_violations() const {
  int current = 0;
  int high = 0;
  sqlite3_db_status(handle_, SQLITE_DBSTATUS_DEFERRED_FKS, &current, &high, 0);
  return current != 0;
}

std::string Connection::path() const {
  const char* path = sqlite3_db_filename(handle_, "main");
  return path == nullptr ? "" : path;
}

namespace {

bool is_word_letter(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '$' ||
         static_cast<unsigned char>(c) >= 0x80;
}

bool mentions(const char* sql, std::string_view word) {
  for (const char* at = sql; *at != '\0'; ++at) {
    // Almost every place is ruled out by its first letter.
    if ((*at | 0x20) == word[0] && (at == sql || !is_word_letter(at[-1])) &&
        sqlite3_strnicmp(at, word.data(), static_cast<int>(word.size())) == 0 &&
        !is_word_letter(at[word.size()])) {
      return true;
    }
  }
  return false;
}

bool any_statement_mentions(sqlite3* handle, std::string_view word, bool only_running) {
  SL_CHECK(!word.empty() && word[0] >= 'a' && word[0] <= 'z');
  for (sqlite3_stmt* statement = sqlite3_next_stmt(handle, nullptr); statement != nullptr;
       statement = sqlite3_next_stmt(handle, statement)) {
    if ((only_running && sqlite3_stmt_busy(statement) == 0) ||
        sqlite3_stmt_readonly(statement) != 0) {
      continue;
    }
    const char* sql = sqlite3_sql(statement);
    if (sql == nullptr || mentions(sql, word)) {
      return true;
    }
  }
  return false;
}

}  // namespace

bool Connection::running_sql_mentions(std::string_view word) const {
  return any_statement_mentions(handle_, word, true);
}

bool Connection::prepared_sql_mentions(std::string_view word) const {
  return any_statement_mentions(handle_, word, false);
}

namespace {

bool switch_setting(sqlite3* handle, int setting, bool enabled) {
  int before = 1;
  sqlite3_db_config(handle, setting, -1, &before);
  if ((before != 0) != enabled) {
    sqlite3_db_config(handle, setting, enabled ? 1 : 0, static_cast<int*>(nullptr));
  }
  return before != 0;
}

}  // namespace

bool Connection::set_triggers(bool enabled) const {
  return switch_setting(handle_, SQLITE_DBCONFIG_ENABLE_TRIGGER, enabled);
}

bool Connection::set_foreign_keys(bool enabled) const {
  return switch_setting(handle_, SQLITE_DBCONFIG_ENABLE_FKEY, enabled);
}

Result<ByteVector> Connection::serialize() const {
  sqlite3_int64 size = 0;
  unsigned char* const bytes = sqlite3_serialize(handle_, "main", &size, 0);
  if (bytes == nullptr) {
    return size == 0 ? Result<ByteVector>(ByteVector())
                     : Error(ErrorCode::out_of_memory, "the database does not fit into memory");
  }
  ByteVector out(bytes, bytes + size);
  sqlite3_free(bytes);
  return out;
}

void Connection::limit_steps(int steps) const {
  sqlite3_progress_handler(
      handle_, steps, [](void*) { return 1; }, nullptr);
}

void Connection::interrupt() const { sqlite3_interrupt(handle_); }

std::string quote_identifier(std::string_view name) {
  std::string out = "\"";
  for (const char c : name) {
    out.push_back(c);
    if (c == '"') {
      out.push_back('"');
    }
  }
  out.push_back('"');
  return out;
}

std::string quote_literal(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    out.push_back(c);
    if (c == '\'') {
      out.push_back('\'');
    }
  }
  out.push_back('\'');
  return out;
}

}  // namespace syncline
