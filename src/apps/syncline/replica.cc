#include "apps/syncline/replica.h"

#include <unistd.h>

#include <algorithm>
#include <limits>

#include "base/base64.h"
#include "base/text.h"
#include "base/value_json.h"

namespace syncline::cli {

Result<std::unique_ptr<Replica>> Replica::open(const std::string& path, Missing missing) {
  if (missing == Missing::refuse && ::access(path.c_str(), F_OK) != 0) {
    return Error(ErrorCode::not_found,
                 "there is no database " + path + "; syncline init --db " + path + " makes one");
  }
  std::unique_ptr<Replica> out(new Replica());
  OpenOptions options;
  options.create = missing == Missing::create;
  SL_TRY(Database database, Database::open(path, options));
  // Rows arrive in the order in which they were written, not in that of their keys: 16 MiB at most.
  SL_TRY(database->execute("PRAGMA foreign_keys=on; PRAGMA cache_size=-16384"));
  out->database_ = std::make_unique<Database>(std::move(database));
  SL_TRY(out->engine_,
         Engine::attach({out->database_->connection(), &out->clock_, &out->random_, true}));
  return out;
}

Result<std::unique_ptr<Replica>> Replica::open_initialised(const std::string& path) {
  SL_TRY(auto out, open(path, Missing::refuse));
  SL_TRY(const bool is_replica, out->engine_->catalog().is_initialised());
  if (!is_replica) {
    return Error(ErrorCode::not_found, path + " is no replica yet; syncline init --db " + path +
                                           " --workspace NAME makes it one");
  }
  // Settles who writes, so that the first write's name is known.
  SL_TRY(out->engine_->replica());
  return out;
}

Replica::~Replica() {
  if (engine_) {
    engine_->release();
  }
  database_.reset();
}

Result<Json> row_json(const Statement& row, const std::vector<std::string>& json_columns) {
  Json out{Json::Object{}};
  for (int i = 0; i < row.column_count(); ++i) {
    const std::string name = row.column_name(i);
    const ValueView value = row.column(i);
    const bool is_json =
        std::find(json_columns.begin(), json_columns.end(), name) != json_columns.end() &&
        value.type == ValueType::text;
    SL_TRY(Json one, read_json(is_json ? std::string(value.text()) : value_json(value)));
    out.set(name, std::move(one));
  }
  return out;
}

Result<int> print_rows(Connection connection, const std::string& sql, Output& out,
                       const std::vector<std::string>& json_columns) {
  SL_TRY(Statement rows, connection.prepare(sql));
  for (;;) {
    SL_TRY(const bool found, rows.step());
    if (!found) {
      return exit_ok;
    }
    SL_TRY(const Json row, row_json(rows, json_columns));
    out.row(row);
  }
}

Result<Value> value_of(const Json& json) {
  switch (json.kind()) {
    case Json::Kind::null:
      return Value();
    case Json::Kind::boolean:
      return Value::integer(*json.boolean() ? 1 : 0);
    case Json::Kind::number:
      if (const auto whole = json.as_int64()) {
        return Value::integer(*whole);
      }
      return Value::real(json.as_double().value_or(0));
    case Json::Kind::string:
      return Value::text(*json.string());
    case Json::Kind::array:
      return Value::text(write_json(json));
    case Json::Kind::object:
      break;
  }
  const Json::Object& members = *json.object();
  if (members.size() == 1 && members[0].value.string() != nullptr) {
    const std::string& text = *members[0].value.string();
    if (members[0].name == "base64") {
      SL_TRY(const ByteVector bytes, from_base64(text));
      return Value::blob(bytes);
    }
    if (members[0].name == "text_base64") {
      SL_TRY(const ByteVector bytes, from_base64(text));
      return Value::text(as_text(bytes));
    }
    if (members[0].name == "real") {
      constexpr double infinity = std::numeric_limits<double>::infinity();
      if (text == "inf" || text == "-inf") {
        return Value::real(text == "inf" ? infinity : -infinity);
      }
    }
  }
  return Value::text(write_json(json));
}

}  // namespace syncline::cli
