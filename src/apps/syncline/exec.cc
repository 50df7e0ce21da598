// A replica that does what it is told, line by line.
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "apps/syncline/commands.h"

namespace syncline::cli {
namespace {

constexpr std::size_t line_bytes_max = std::size_t{64} << 20U;
constexpr std::size_t rows_max = 1'000'000;

Error wrong(const std::string& what) { return Error(ErrorCode::invalid_argument, what); }

Result<const std::string*> text_member(const Json& json, const char* name) {
  const Json* found = json.find(name);
  if (found == nullptr || found->string() == nullptr) {
    return wrong(std::string("\"") + name + "\" must be a text");
  }
  return found->string();
}

// Lines of standard input, with a bound.
class Lines {
 public:
  // Nothing at the end.
  Result<std::optional<std::string>> next() {
    for (;;) {
      const std::size_t end = buffer_.find('\n', searched_);
      if (end != std::string::npos) {
        std::string line = buffer_.substr(0, end);
        buffer_.erase(0, end + 1);
        searched_ = 0;
        return std::optional<std::string>(std::move(line));
      }
      searched_ = buffer_.size();
      if (buffer_.size() > line_bytes_max) {
        return Error(ErrorCode::too_large, "a line may have 64 MiB");
      }
      char bytes[65536];
      const ssize_t got = ::read(STDIN_FILENO, bytes, sizeof bytes);
      if (got < 0 && errno == EINTR) {
        continue;
      }
      if (got <= 0) {
        // What stands behind the last line feed was cut off, and is not done.
        return std::optional<std::string>();
      }
      buffer_.append(bytes, static_cast<std::size_t>(got));
    }
  }

 private:
  std::string buffer_;
  std::size_t searched_ = 0;
};

class Executor {
 public:
  explicit Executor(Replica& replica) : replica_(replica) {
    replica_.engine().events().listen([this](const Event& event) {
      if (event.name == event_name::op_captured) {
        if (const auto payload = read_json(event.payload)) {
          const Json* sequence = payload->find("sequence");
          const Json* by = payload->find("replica");
          captured_.reset();
          if (sequence != nullptr && by != nullptr && by->string() != nullptr) {
            captured_ = *by->string() + ":" + std::to_string(sequence->as_int64().value_or(0));
          }
        }
      }
    });
  }
  ~Executor() { replica_.engine().events().listen(nullptr); }
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // The answer's members beside id and ok.
  Result<Json> run(const Json& order) {
    SL_TRY(const std::string* what, text_member(order, "do"));
    Json answer{Json::Object{}};
    captured_.reset();
    if (*what == "txn") {
      const Json* ops = order.find("ops");
      if (ops == nullptr || ops->array() == nullptr) {
        return wrong("\"ops\" must be a list");
      }
      SL_TRY(transact([&]() -> Result<void> {
        for (const Json& op : *ops->array()) {
          SL_TRY(const std::string* one, text_member(op, "do"));
          SL_TRY(edit(*one, op, answer));
        }
        return {};
      }));
    } else {
      SL_TRY(transact([&]() -> Result<void> { return edit(*what, order, answer); }));
    }
    if (captured_) {
      answer.set("op", Json(*captured_));
    } else if (answer.find("rows") == nullptr) {
      answer.set("op", Json());
    }
    return answer;
  }

 private:
  Result<void> transact(const std::function<Result<void>()>& work) {
    const Connection connection = replica_.connection();
    SL_TRY(connection.execute("BEGIN IMMEDIATE"));
    auto done = work();
    if (done) {
      done = connection.execute("COMMIT");
    }
    if (!done) {
      captured_.reset();
      if (!connection.autocommit()) {
        (void)connection.execute("ROLLBACK");
      }
    }
    return done;
  }

  Result<void> edit(const std::string& what, const Json& order, Json& answer) {
    if (what == "put") {
      return put(order);
    }
    if (what == "del") {
      return erase(order);
    }
    if (what == "incr") {
      return increment(order);
    }
    if (what == "sql") {
      return sql(order, answer);
    }
    return wrong("\"do\" is put, del, incr, txn or sql, not \"" + what + "\"");
  }

  struct Target {
    const TrackedTable* table = nullptr;
    std::vector<Value> key;
    std::string where;
  };
  Result<Target> target(const Json& order) {
    SL_TRY(const std::string* name, text_member(order, "table"));
    Target out;
    SL_TRY(out.table, replica_.engine().catalog().find(*name));
    if (out.table == nullptr) {
      return Error(ErrorCode::not_found,
                   "the table \"" + *name + "\" is not tracked; syncline track --db ... " + *name);
    }
    const Json* key = order.find("key");
    if (key == nullptr) {
      return wrong("\"key\" is missing");
    }
    const Json::Array single{*key};
    for (const Json& part : key->array() == nullptr ? single : *key->array()) {
      SL_TRY(out.key.emplace_back(), value_of(part));
    }
    if (out.key.size() != out.table->key.size()) {
      return wrong("the key of \"" + *name + "\" has " + std::to_string(out.table->key.size()) +
                   " columns");
    }
    for (std::size_t i = 0; i < out.key.size(); ++i) {
      out.where += (i == 0 ? " WHERE " : " AND ") + quote_identifier(out.table->key[i]) + " = ?" +
                   std::to_string(i + 1);
    }
    return out;
  }

  Result<void> run_bound(const std::string& sql_text, const std::vector<Value>& values) {
    SL_TRY(Statement statement, replica_.connection().prepare(sql_text));
    for (std::size_t i = 0; i < values.size(); ++i) {
      statement.bind(static_cast<int>(i) + 1, values[i].view());
    }
    return statement.run();
  }

  Result<void> put(const Json& order) {
    SL_TRY(Target to, target(order));
    const Json* value = order.find("value");
    if (value == nullptr || value->object() == nullptr) {
      return wrong("\"value\" must be an object of columns");
    }
    std::string columns;
    std::string marks;
    std::string sets;
    std::vector<Value> values = to.key;
    const auto add = [&](const std::string& column) {
      columns += (columns.empty() ? "" : ", ") + quote_identifier(column);
      marks += (marks.empty() ? "?" : ", ?") + std::to_string(columns_++ + 1);
    };
    columns_ = 0;
    for (const std::string& column : to.table->key) {
      add(column);
    }
    for (const Json::Member& cell : *value->object()) {
      if (to.table->position_of(cell.name) < 0) {
        return Error(ErrorCode::not_found,
                     "the table \"" + to.table->name + "\" has no column \"" + cell.name + "\"");
      }
      add(cell.name);
      sets += (sets.empty() ? "" : ", ") + quote_identifier(cell.name) + " = excluded." +
              quote_identifier(cell.name);
      SL_TRY(values.emplace_back(), value_of(cell.value));
    }
    std::string keys;
    for (const std::string& column : to.table->key) {
      keys += (keys.empty() ? "" : ", ") + quote_identifier(column);
    }
    return run_bound("INSERT INTO " + quote_identifier(to.table->name) + "(" + columns +
                         ") VALUES(" + marks + ") ON CONFLICT(" + keys + ") DO " +
                         (sets.empty() ? "NOTHING" : "UPDATE SET " + sets),
                     values);
  }

  Result<void> erase(const Json& order) {
    SL_TRY(Target to, target(order));
    return run_bound("DELETE FROM " + quote_identifier(to.table->name) + to.where, to.key);
  }

  Result<void> increment(const Json& order) {
    SL_TRY(Target to, target(order));
    SL_TRY(const std::string* column, text_member(order, "column"));
    const Json* by = order.find("by");
    if (to.table->position_of(*column) < 0) {
      return Error(ErrorCode::not_found,
                   "the table \"" + to.table->name + "\" has no column \"" + *column + "\"");
    }
    if (by == nullptr || !by->is_number()) {
      return wrong("\"by\" must be a number");
    }
    std::vector<Value> values = to.key;
    SL_TRY(values.emplace_back(), value_of(*by));
    const std::string name = quote_identifier(*column);
    SL_TRY(run_bound("UPDATE " + quote_identifier(to.table->name) + " SET " + name +
                         " = coalesce(" + name + ", 0) + ?" + std::to_string(values.size()) +
                         to.where,
                     values));
    if (replica_.connection().changes() == 0) {
      return Error(ErrorCode::not_found, "there is no such row to increment");
    }
    return {};
  }

  Result<void> sql(const Json& order, Json& answer) {
    SL_TRY(const std::string* text, text_member(order, "sql"));
    SL_TRY(Statement statement, replica_.connection().prepare(*text));
    if (!statement) {
      return wrong("there is no statement");
    }
    std::vector<Value> values;
    if (const Json* args = order.find("args"); args != nullptr && args->array() != nullptr) {
      for (const Json& one : *args->array()) {
        SL_TRY(values.emplace_back(), value_of(one));
      }
    }
    if (statement.parameter_count() != static_cast<int>(values.size())) {
      return wrong("the statement takes " + std::to_string(statement.parameter_count()) + " args");
    }
    for (std::size_t i = 0; i < values.size(); ++i) {
      statement.bind(static_cast<int>(i) + 1, values[i].view());
    }
    const bool answers = statement.column_count() > 0;
    Json::Array rows;
    for (;;) {
      SL_TRY(const bool found, statement.step());
      if (!found) {
        break;
      }
      if (rows.size() >= rows_max) {
        return Error(ErrorCode::too_large, "more than a million rows; add a LIMIT");
      }
      SL_TRY(rows.emplace_back(), row_json(statement));
    }
    if (answers) {
      answer.set("rows", Json(std::move(rows)));
    }
    return {};
  }

  Replica& replica_;
  std::optional<std::string> captured_;  // the op, as it was named when it was committed
  std::size_t columns_ = 0;
};

}  // namespace

Result<int> run_exec(const Arguments& arguments, Output& out) {
  SL_TRY(const auto replica, Replica::open_initialised(arguments.get("db")));
  Executor executor(*replica);
  Lines lines;
  for (;;) {
    SL_TRY(const auto line, lines.next());
    if (!line) {
      return exit_ok;
    }
    if (line->find_first_not_of(" \t\r") == std::string::npos) {
      continue;
    }
    Json answer;
    const auto order = read_json(*line);
    const Json* id = order ? order->find("id") : nullptr;
    answer.set("id", id == nullptr ? Json() : *id);
    const Result<Json> done = order ? executor.run(*order) : Result<Json>(order.error());
    answer.set("ok", Json(done.has_value()));
    if (done) {
      for (const Json::Member& member : *done->object()) {
        answer.set(member.name, member.value);
      }
    } else {
      answer.set("error", json_error(done.error()));
    }
    out.raw(write_json(answer));
  }
}

}  // namespace syncline::cli
