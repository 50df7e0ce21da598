#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "model/ids.h"
#include "model/value.h"
#include "sqlite/connection.h"

namespace syncline {

using LiveQueryId = std::uint64_t;

// SELECTs that are told of again when their result changed, whoever changed it: this connection,
// another one, another process, or a replica far away.
//
// Invariants:
// 1. A query whose result is not what was last told is told of by the next poll().
// 2. A result that equals the last one (columns, rows and their order) is not told twice.
//
// A query that reads only tracked tables is run again when a log row names one of them; any other
// one whenever the database changed at all. Tables of attached and temporary databases are read,
// but their changes are noticed only together with one of the main database.
class LiveQueries {
 public:
  // Called from poll() with the statement before its first row; may step it to its end, and must
  // not keep it. May subscribe and unsubscribe.
  using Told = std::function<void(Statement& rows)>;
  // Called from poll() when the query cannot be run any more (its table is gone), once for each
  // reason until it can again. Must not subscribe nor unsubscribe.
  using Failed = std::function<void(const Error& error)>;

  explicit LiveQueries(Connection connection) : connection_(connection) {}

  // The first statement of `sql`, which must only read. The first poll() tells its first result.
  Result<LiveQueryId> subscribe(const std::string& sql, std::vector<Value> parameters, Told told,
                                Failed failed = {});
  // Ids that are not there are ignored.
  void unsubscribe(LiveQueryId id);
  bool empty() const { return queries_.empty(); }

  // Tells of every result that changed; returns of how many. Cheap when nothing was committed. Does
  // nothing inside a transaction, whose writes may yet be rolled back, nor inside another poll().
  // A query that fails tells of it; poll() goes on with the others, and then returns the first
  // error of those that have nobody to tell.
  Result<std::size_t> poll();

 private:
  struct Query {
    LiveQueryId id = 0;
    std::string sql;
    std::vector<Value> parameters;
    Told told;
    Failed failed;
    std::string failure;  // that was told
    // Nothing when the query reads what the log does not speak of.
    std::optional<std::set<std::string>> tracked;
    bool is_new = true;
    bool is_dropped = false;
    std::uint64_t hash = 0;
  };
  // What happened since the last poll().
  struct News {
    bool any = false;
    bool everything = false;  // which tables is not known
    std::set<std::string> tables;
  };

  Result<News> look();
  Result<void> add_logged_tables(std::int64_t after, News& news);
  Result<bool> run(Query& query);
  Result<std::optional<std::set<std::string>>> tracked_tables(const std::string& sql);
  static void bind(Statement& statement, const Query& query);

  Connection connection_;
  // A list: callbacks may subscribe while it is walked.
  std::list<Query> queries_;
  LiveQueryId next_id_ = 1;
  bool is_polling_ = false;
  bool has_looked_ = false;
  std::uint32_t data_version_ = 0;
  std::int64_t schema_version_ = 0;
  std::int64_t log_version_ = 0;
};

}  // namespace syncline
