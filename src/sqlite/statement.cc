#include "sqlite/statement.h"

#include "sqlite/api.h"
#include "sqlite/connection.h"

namespace syncline {
namespace {

thread_local int steps_under_way = 0;

}  // namespace

Statement& Statement::operator=(Statement&& other) noexcept {
  if (this != &other) {
    sqlite3_finalize(handle_);
    handle_ = other.handle_;
    bind_result_ = other.bind_result_;
    other.handle_ = nullptr;
  }
  return *this;
}

Statement::~Statement() { sqlite3_finalize(handle_); }

Statement& Statement::bind(int index, const ValueView& value) {
  int result = SQLITE_OK;
  switch (value.type) {
    case ValueType::null:
      result = sqlite3_bind_null(handle_, index);
      break;
    case ValueType::integer:
      result = sqlite3_bind_int64(handle_, index, value.integer);
      break;
    case ValueType::real:
      result = sqlite3_bind_double(handle_, index, value.real);
      break;
    case ValueType::text:
      // A null pointer would bind NULL; an empty text must stay a text.
      result = sqlite3_bind_text64(
          handle_, index,
          value.data.empty() ? "" : reinterpret_cast<const char*>(value.data.data()),
          value.data.size(), SQLITE_STATIC, SQLITE_UTF8);
      break;
    case ValueType::blob:
      result = value.data.empty() ? sqlite3_bind_zeroblob(handle_, index, 0)
                                  : sqlite3_bind_blob64(handle_, index, value.data.data(),
                                                        value.data.size(), SQLITE_STATIC);
      break;
  }
  if (result != SQLITE_OK) {
    bind_result_ = result;
  }
  return *this;
}

Statement& Statement::bind(int index, std::int64_t value) {
  const int result = sqlite3_bind_int64(handle_, index, value);
  if (result != SQLITE_OK) {
    bind_result_ = result;
  }
  return *this;
}

int Statement::parameter_count() const { return sqlite3_bind_parameter_count(handle_); }

bool Statement::is_any_stepping() { return steps_under_way > 0; }

Result<bool> Statement::step() {
  if (bind_result_ != SQLITE_OK) {
    const int failed = bind_result_;
    bind_result_ = SQLITE_OK;
    return sqlite_error(sqlite3_db_handle(handle_), failed);
  }
  ++steps_under_way;
  const int result = sqlite3_step(handle_);
  --steps_under_way;
  if (result == SQLITE_ROW) {
    return true;
  }
  if (result == SQLITE_DONE) {
    return false;
  }
  Error error = sqlite_error(sqlite3_db_handle(handle_), result);
  sqlite3_reset(handle_);
  return error;
}

Result<void> Statement::run() {
  auto stepped = step();
  sqlite3_reset(handle_);
  if (!stepped) {
    return std::move(stepped).error();
  }
  return {};
}

void Statement::reset() {
  if (handle_ != nullptr) {
    sqlite3_reset(handle_);
  }
}

ValueView Statement::column(int index) const {
  return read_value(sqlite3_column_value(handle_, index));
}

std::int64_t Statement::column_int(int index) const { return sqlite3_column_int64(handle_, index); }

std::string_view Statement::column_text(int index) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(handle_, index));
  return text == nullptr
             ? std::string_view()
             : std::string_view(text,
                                static_cast<std::size_t>(sqlite3_column_bytes(handle_, index)));
}

Bytes Statement::column_blob(int index) const {
  const auto* data = static_cast<const std::uint8_t*>(sqlite3_column_blob(handle_, index));
  return data == nullptr
             ? Bytes()
             : Bytes(data, static_cast<std::size_t>(sqlite3_column_bytes(handle_, index)));
}

int Statement::column_count() const { return sqlite3_column_count(handle_); }

std::string Statement::column_name(int index) const {
  const char* name = sqlite3_column_name(handle_, index);
  return name == nullptr ? "" : name;
}

bool Statement::read_only() const { return sqlite3_stmt_readonly(handle_) != 0; }

}  // namespace syncline
