#include "sqlite/function.h"

#include <array>
#include <vector>

#include "sqlite/api.h"

namespace syncline {
namespace {

using Body = std::function<Result<SqlValue>(std::span<const ValueView>)>;

void return_value(sqlite3_context* context, const SqlValue& value) {
  if (const auto* integer = std::get_if<std::int64_t>(&value)) {
    sqlite3_result_int64(context, *integer);
  } else if (const auto* real = std::get_if<double>(&value)) {
    sqlite3_result_double(context, *real);
  } else if (const auto* text = std::get_if<std::string>(&value)) {
    sqlite3_result_text64(context, text->data(), text->size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  } else if (const auto* blob = std::get_if<ByteVector>(&value)) {
    // An empty vector has no address, and a null pointer would become NULL.
    if (blob->empty()) {
      sqlite3_result_zeroblob(context, 0);
    } else {
      sqlite3_result_blob64(context, blob->data(), blob->size(), SQLITE_TRANSIENT);
    }
  } else {
    sqlite3_result_null(context);
  }
}

void call(sqlite3_context* context, int count, sqlite3_value** values) {
  const auto& body = *static_cast<const Body*>(sqlite3_user_data(context));
  std::vector<ValueView> arguments;
  arguments.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) {
    arguments.push_back(read_value(values[i]));
  }
  const Result<SqlValue> result = body(arguments);
  if (!result) {
    sqlite3_result_error(context, result.error().message().c_str(), -1);
    if (result.error().code() == ErrorCode::out_of_memory) {
      sqlite3_result_error_nomem(context);
    } else if (result.error().code() == ErrorCode::busy) {
      sqlite3_result_error_code(context, SQLITE_BUSY);
    }
    return;
  }
  return_value(context, *result);
}

void destroy(void* body) { delete static_cast<Body*>(body); }

struct Asked {
  Question question;
  void* context;
};

void ask(sqlite3_context* context, int /*count*/, sqlite3_value** /*values*/) {
  const auto* asked = static_cast<const Asked*>(sqlite3_user_data(context));
  const Result<bool> answer = asked->question(asked->context);
  if (answer) {
    sqlite3_result_int(context, *answer ? 1 : 0);
    return;
  }
  sqlite3_result_error(context, answer.error().message().c_str(), -1);
  if (answer.error().code() == ErrorCode::out_of_memory) {
    sqlite3_result_error_nomem(context);
  }
}

struct Measured {
  Measure measure;
  void* context;
};

void measure_arguments(sqlite3_context* context, int count, sqlite3_value** values) {
  const auto* measured = static_cast<const Measured*>(sqlite3_user_data(context));
  sqlite3_result_int64(
      context, measured->measure(measured->context, {values, static_cast<std::size_t>(count)}));
}

void forget_measure(void* measured) { delete static_cast<Measured*>(measured); }

void forget_question(void* asked) { delete static_cast<Asked*>(asked); }

}  // namespace

Result<void> register_function(Connection connection, const char* name, int argument_count,
                               Purity purity, Body body) {
  int flags = SQLITE_UTF8;
  switch (purity) {
    case Purity::pure:
      flags |= SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS;
      break;
    case Purity::observing:
      flags |= SQLITE_INNOCUOUS;
      break;
    case Purity::effects:
      flags |= SQLITE_DIRECTONLY;
      break;
  }
  const int result =
      sqlite3_create_function_v2(connection.handle(), name, argument_count, flags,
                                 new Body(std::move(body)), call, nullptr, nullptr, destroy);
  if (result != SQLITE_OK) {
    return sqlite_error(connection.handle(), result);
  }
  return {};
}

Result<void> register_question(Connection connection, const char* name, Question question,
                               void* context) {
  const int result = sqlite3_create_function_v2(
      connection.handle(), name, 0, SQLITE_UTF8 | SQLITE_INNOCUOUS, new Asked{question, context},
      ask, nullptr, nullptr, forget_question);
  return result == SQLITE_OK ? Result<void>() : sqlite_error(connection.handle(), result);
}

Result<void> register_measure(Connection connection, const char* name, Measure measure,
                              void* context) {
  const int result = sqlite3_create_function_v2(
      connection.handle(), name, -1, SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS,
      new Measured{measure, context}, measure_arguments, nullptr, nullptr, forget_measure);
  return result == SQLITE_OK ? Result<void>() : sqlite_error(connection.handle(), result);
}

}  // namespace syncline
