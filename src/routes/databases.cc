#include "routes/databases.h"

#include <set>

#include "base/base64.h"
#include "base/text.h"
#include "server/workspace_file.h"
#include "sqlite/confine.h"

namespace syncline {
namespace {

constexpr std::size_t rows_max = 10'000;
constexpr std::size_t query_bytes_max = std::size_t{16} << 20U;

struct Target {
  std::string workspace;
  std::string what;
};

std::optional<Target> target_of(const Request& request) {
  const std::size_t slash = request.path.find('/', 1);
  if (slash == std::string::npos || slash == 1) {
    return std::nullopt;
  }
  Target out{request.path.substr(1, slash - 1), request.path.substr(slash + 1)};
  static const std::set<std::string, std::less<>> taken = {"admin", "api", "v1", "yjs",
                                                           "signaling"};
  const bool is_ours =
      out.what == "meta" || out.what == "file" || out.what == "exec" || out.what == "reset";
  if (!is_ours || out.workspace[0] == '_' || taken.count(out.workspace) != 0) {
    return std::nullopt;
  }
  return out;
}

Reply failed(const Error& error) {
  switch (error.code()) {
    case ErrorCode::not_found:
      return not_found_reply();
    case ErrorCode::too_large:
      return error_reply(413, "too_large", error.message());
    case ErrorCode::cancelled:
      return error_reply(400, "too_large", "the query takes too long");
    case ErrorCode::not_allowed:
    case ErrorCode::invalid_argument:
    case ErrorCode::malformed:
      return error_reply(400, "invalid_argument", error.message());
    default:
      return error_reply(503, error_code_name(error.code()), error.message());
  }
}

Json shown(const ValueView& value) {
  switch (value.type) {
    case ValueType::null:
      return Json();
    case ValueType::integer:
      return Json::integer(value.integer);
    case ValueType::real:
      if (auto number = read_json(format_js_number(value.real))) {
        return std::move(*number);
      }
      return Json(format_js_number(value.real));
    case ValueType::text:
      return Json(to_valid_utf8(value.text()));
    case ValueType::blob: {
      Json out;
      out.set("base64", Json(to_base64(value.data)));
      return out;
    }
  }
  return Json();
}

Result<void> bind_args(Statement& statement, const Json* args) {
  static const Json::Array none;
  const Json::Array& list = args == nullptr || args->array() == nullptr ? none : *args->array();
  if (statement.parameter_count() != static_cast<int>(list.size())) {
    return Error(ErrorCode::invalid_argument,
                 "the statement takes " + std::to_string(statement.parameter_count()) + " args");
  }
  for (std::size_t i = 0; i < list.size(); ++i) {
    const int at = static_cast<int>(i) + 1;
    if (const auto whole = list[i].as_int64()) {
      statement.bind(at, *whole);
    } else if (list[i].string() != nullptr) {
      statement.bind_text(at, *list[i].string());
    } else if (const auto number = list[i].as_double()) {
      statement.bind(at, ValueView::of(*number));
    } else {
      statement.bind(at, ValueView());
    }
  }
  return {};
}

Result<Json> query(const Database& database, const Request& request) {
  SL_TRY(const Json order, read_json(request.body));
  const Json* sql = order.find("sql");
  if (sql == nullptr || sql->string() == nullptr) {
    return Error(ErrorCode::invalid_argument, "send {\"sql\":\"SELECT ...\",\"args\":[]}");
  }
  const Confinement held(database.connection(),
                         {.reach = Reach::read, .value_bytes_max = int{query_bytes_max}});
  SL_TRY(Statement statement, database->prepare(*sql->string()));
  if (!statement) {
    return Error(ErrorCode::invalid_argument, "there is no statement");
  }
  SL_TRY(bind_args(statement, order.find("args")));
  Json::Array rows;
  std::size_t bytes = 0;
  for (;;) {
    SL_TRY(const bool found, statement.step());
    if (!found) {
      break;
    }
    Json row{Json::Object{}};
    for (int i = 0; i < statement.column_count(); ++i) {
      bytes += statement.column(i).data.size() + 16;
      row.set(statement.column_name(i), shown(statement.column(i)));
    }
    rows.push_back(std::move(row));
    if (rows.size() > rows_max || bytes > query_bytes_max) {
      return Error(ErrorCode::too_large, "too many rows; add a LIMIT");
    }
  }
  Json out;
  out.set("rows", Json(std::move(rows)));
  return out;
}

Result<Reply> answer(const Request& request, const Target& target, const LogReader& reader,
                     std::size_t file_bytes_max) {
  Reply reply;
  if (target.what == "meta") {
    SL_TRY(const Json json, reader.meta(target.workspace));
    reply.body = write_json(json) + "\n";
    return reply;
  }
  auto made = workspace_database(reader, target.workspace, file_bytes_max);
  if (!made) {
    return made.error();
  }
  if (target.what == "file") {
    ByteVector bytes;
    {
      // It is not kept beside the answer.
      const Database database = std::move(*made);
      SL_TRY(bytes, database->serialize());
    }
    reply.content_type = "application/vnd.sqlite3";
    reply.body = std::string(as_text(bytes));
    return reply;
  }
  SL_TRY(const Json json, query(*made, request));
  reply.body = write_json(json) + "\n";
  return reply;
}

}  // namespace

std::optional<std::string> workspace_to_reset(const Request& request, const Auth& auth) {
  const auto target = target_of(request);
  if (!target || target->what != "reset" || request.method != "POST" || !auth.is_open()) {
    return std::nullopt;
  }
  return target->workspace;
}

std::optional<std::variant<Reply, DatabaseLook>> database_answer(const Request& request,
                                                                 const Auth& auth,
                                                                 const LogReader* reader,
                                                                 std::int64_t now_ms,
                                                                 std::size_t file_bytes_max) {
  const auto target = target_of(request);
  if (!target || reader == nullptr || target->what == "reset") {
    return std::nullopt;
  }
  const bool is_exec = target->what == "exec";
  const bool is_read = request.method == "GET" || request.method == "HEAD";
  if (is_exec && !auth.is_open()) {
    return std::nullopt;
  }
  if (is_exec ? request.method != "POST" : !is_read) {
    return error_reply(405, "invalid_argument", is_exec ? "send it by POST" : "only GET");
  }
  const auto known = auth.identify(request.bearer(), now_ms);
  if (!known) {
    Reply reply = error_reply(401, "not_allowed", known.error().message());
    reply.headers.push_back({"WWW-Authenticate", "Bearer"});
    return reply;
  }
  if (!auth.authorise(request.bearer(), target->workspace, now_ms).may_read) {
    return not_found_reply();
  }
  return DatabaseLook{known->subject,
                      [request, target = *target, reader, file_bytes_max]() -> Reply {
                        auto made = answer(request, target, *reader, file_bytes_max);
                        return made ? std::move(*made) : failed(made.error());
                      }};
}

}  // namespace syncline
