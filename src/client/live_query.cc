#include "client/live_query.h"

#include <algorithm>

#include "base/digest.h"
#include "client/log_tables.h"
#include "model/value_codec.h"
#include "sqlite/savepoint.h"

namespace syncline {
namespace {

// Every row into one hash; the number of columns and rows with it, so that no two results run into
// each other.
Result<std::uint64_t> hash_result(Statement& statement) {
  std::uint64_t hash = static_cast<std::uint64_t>(statement.column_count());
  Writer row;
  for (;;) {
    SL_TRY(const bool more, statement.step());
    if (!more) {
      return hash;
    }
    row.clear();
    for (int i = 0; i < statement.column_count(); ++i) {
      write_value(row, statement.column(i));
    }
    hash = hash64(row.bytes(), hash);
  }
}

}  // namespace

Result<LiveQueryId> LiveQueries::subscribe(const std::string& sql, std::vector<Value> parameters,
                                           Told told, Failed failed) {
  SL_TRY(Statement statement, connection_.prepare(sql));
  if (!statement.read_only() || statement.column_count() == 0) {
    return Error(ErrorCode::invalid_argument, "a live query must be a SELECT");
  }
  if (static_cast<std::size_t>(statement.parameter_count()) != parameters.size()) {
    return Error(ErrorCode::invalid_argument,
                 "the live query takes " + std::to_string(statement.parameter_count()) +
                     " values, not " + std::to_string(parameters.size()));
  }
  Query query;
  query.id = next_id_++;
  query.sql = sql;
  query.parameters = std::move(parameters);
  query.told = std::move(told);
  query.failed = std::move(failed);
  SL_TRY(query.tracked, tracked_tables(sql));
  queries_.push_back(std::move(query));
  return queries_.back().id;
}

void LiveQueries::unsubscribe(LiveQueryId id) {
  if (is_polling_) {
    for (Query& query : queries_) {
      query.is_dropped = query.is_dropped || query.id == id;
    }
    return;
  }
  queries_.remove_if([id](const Query& query) { return query.id == id; });
}

// SQLite's own program for the query says which b-trees it opens: those of tables and of indexes.
// Whatever cannot be found among the main database's tracked tables (virtual tables, our own,
// attached ones) makes the set unknown.
Result<std::optional<std::set<std::string>>> LiveQueries::tracked_tables(const std::string& sql) {
  using Tables = std::optional<std::set<std::string>>;
  std::set<std::int64_t> roots;
  SL_TRY(Statement program, connection_.prepare("EXPLAIN " + sql));
  for (;;) {
    SL_TRY(const bool more, program.step());
    if (!more) {
      break;
    }
    const std::string_view opcode = program.column_text(1);
    if (opcode == "VOpen" || opcode == "OpenWrite") {
      return Tables();
    }
    if (opcode == "OpenRead" || opcode == "ReopenIdx") {
      if (program.column_int(4) != 0) {
        return Tables();
      }
      roots.insert(program.column_int(3));
    }
  }
  SL_TRY(const auto replica, connection_.query_int("SELECT 1 FROM main.sqlite_schema WHERE name = "
                                                   "'syncline_tables'"));
  if (!replica.has_value()) {
    return Tables();
  }
  SL_TRY(Statement name,
         connection_.prepare("SELECT t.name FROM main.sqlite_schema s JOIN syncline_tables t ON "
                             "t.name = s.tbl_name WHERE s.rootpage = ?1 AND s.tbl_name NOT LIKE "
                             "'syncline\\_%' ESCAPE '\\'"));
  std::set<std::string> tables;
  for (const std::int64_t root : roots) {
    name.bind(1, root);
    SL_TRY(const bool found, name.step());
    if (!found) {
      return Tables();
    }
    tables.insert(std::string(name.column_text(0)));
    name.reset();
  }
  return Tables(std::move(tables));
}

Result<LiveQueries::News> LiveQueries::look() {
  News news;
  // Reading brings other connections' commits into view, and only then data_version() moves.
  SL_TRY(const auto schema, connection_.query_int("PRAGMA main.schema_version"));
  const std::uint32_t data = connection_.data_version();
  if (has_looked_ && data == data_version_) {
    return news;
  }
  news.any = true;
  news.everything = !has_looked_ || schema.value_or(0) != schema_version_;
  std::int64_t newest = 0;
  SL_TRY(const auto replica, connection_.query_int("SELECT 1 FROM main.sqlite_schema WHERE name = "
                                                   "'syncline_log'"));
  if (replica.has_value()) {
    SL_TRY(const auto version, connection_.query_int("SELECT max(version) FROM syncline_log"));
    newest = version.value_or(0);
    if (!news.everything && newest < log_version_) {
      news.everything = true;
    } else if (!news.everything) {
      SL_TRY(add_logged_tables(log_version_, news));
    }
  }
  if (news.everything) {
    for (Query& query : queries_) {
      auto tables = tracked_tables(query.sql);
      // A query that cannot be prepared now fails when it is run, and says why there.
      query.tracked = tables ? std::move(*tables) : std::optional<std::set<std::string>>();
    }
  }
  has_looked_ = true;
  data_version_ = data;
  schema_version_ = schema.value_or(0);
  log_version_ = newest;
  return news;
}

Result<void> LiveQueries::add_logged_tables(std::int64_t after, News& news) {
  LogTables tables;
  SL_TRY(Statement rows,
         connection_.prepare("SELECT form, body FROM syncline_log WHERE version > ?1 UNION ALL "
                             "SELECT l.form, p.body FROM syncline_log l JOIN syncline_log_parts p "
                             "ON p.version = l.version WHERE l.version > ?1"));
  rows.bind(1, after);
  for (;;) {
    SL_TRY(const bool more, rows.step());
    if (!more) {
      break;
    }
    SL_TRY(add_log_tables(static_cast<LogForm>(rows.column_int(0)), rows.column_blob(1), tables));
  }
  news.tables = std::move(tables.names);
  SL_TRY(Statement name, connection_.prepare("SELECT name FROM syncline_tables WHERE id = ?1"));
  for (const TableId id : tables.ids) {
    name.bind(1, id);
    SL_TRY(const bool found, name.step());
    if (found) {
      news.tables.insert(std::string(name.column_text(0)));
    }
    name.reset();
  }
  return {};
}

void LiveQueries::bind(Statement& statement, const Query& query) {
  for (std::size_t i = 0; i < query.parameters.size(); ++i) {
    statement.bind(static_cast<int>(i) + 1, query.parameters[i].view());
  }
}

// True when the result was told.
Result<bool> LiveQueries::run(Query& query) {
  // The rows that are hashed and those that are told are one snapshot.
  SL_TRY(Savepoint savepoint, Savepoint::open(connection_));
  bool is_told = false;
  {
    SL_TRY(Statement statement, connection_.prepare(query.sql));
    bind(statement, query);
    SL_TRY(const std::uint64_t hash, hash_result(statement));
    if (query.is_new || hash != query.hash) {
      query.is_new = false;
      query.hash = hash;
      is_told = true;
      statement.reset();
      bind(statement, query);
      query.told(statement);
    }
  }
  SL_TRY(savepoint.release());
  return is_told;
}

Result<std::size_t> LiveQueries::poll() {
  if (is_polling_ || queries_.empty() || !connection_.autocommit()) {
    return std::size_t{0};
  }
  SL_TRY(const News news, look());
  std::size_t told = 0;
  std::optional<Error> first;
  is_polling_ = true;
  for (Query& query : queries_) {
    const auto is_touched = [&] {
      return !query.tracked.has_value() ||
             std::any_of(query.tracked->begin(), query.tracked->end(),
                         [&](const std::string& table) { return news.tables.count(table) != 0; });
    };
    if (query.is_dropped || !(query.is_new || news.everything || (news.any && is_touched()))) {
      continue;
    }
    const auto done = run(query);
    if (done) {
      told += *done ? 1 : 0;
      query.failure.clear();
    } else {
      // Tried again at the next poll.
      query.is_new = true;
      if (query.failed) {
        if (query.failure != done.error().message()) {
          query.failure = done.error().message();
          query.failed(done.error());
        }
      } else if (!first.has_value()) {
        first = done.error();
      }
    }
  }
  is_polling_ = false;
  queries_.remove_if([](const Query& query) { return query.is_dropped; });
  if (first.has_value()) {
    return *std::move(first);
  }
  return told;
}

}  // namespace syncline
