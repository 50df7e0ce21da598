#pragma once

#include <optional>
#include <vector>

#include "base/function_ref.h"
#include "client/cached_statement.h"
#include "model/ids.h"
#include "model/stamp.h"
#include "sqlite/connection.h"

namespace syncline {

// Which replica wrote something, as a small number of this file's: syncline_replicas.id.
using OriginId = std::int64_t;
inline constexpr OriginId first_own_origin = 1;

// How a log row keeps its change.
enum class LogForm : std::int64_t {
  runs = 0,        // client/log_body; new values stand in the tables
  runs_parts = 1,  // the same, continued in syncline_log_parts
  frozen = 2,      // whole encoded parts (wire/change_codec), for changes that must not depend on
                   // the tables any more
  frozen_parts = 3,
};

struct LogRow {
  LocalVersion version;
  OriginId origin = first_own_origin;
  ChangeSequence sequence;
  std::uint64_t time = 0;
  LogForm form = LogForm::runs;
};

struct LogHead {
  LocalVersion version;
  // The greatest time in any stamp that this replica has made or applied.
  std::uint64_t hlc = 0;
  ChangeSequence own_sequence;
  // How often all that connections knew of this file became void: it goes by another id, its
  // changes got other stamps, or it began anew.
  std::int64_t renewals = 0;
};

// The replica's log: one row for each transaction, own or received, in the order in which this
// database came to hold them.
//
// Invariants:
// 1. A row is written in the SQLite transaction whose rows it describes.
// 2. The newest row always stays: it carries the counters.
class LocalLog {
 public:
  explicit LocalLog(Connection connection) : connection_(connection) {}

  // Whoever keeps in memory what a renewal makes void.
  class Watcher {
   public:
    virtual ~Watcher() = default;
    // Called by head(), at first and whenever it finds the file renewed. Inside a transaction that
    // is the first time that anybody asks.
    virtual Result<void> on_renewed(const LogHead& head) = 0;
  };
  void set_watcher(Watcher* watcher) { watcher_ = watcher; }

  // What the next row follows. Cheap while nobody else writes.
  Result<LogHead> head();
  // Appends a row behind `head`, which it moves on: row.version is head.version.next(). A body of
  // several parts comes in several calls: append() takes the first, append_part() the others, which
  // count from 1.
  Result<void> append(LogHead& head, const LogRow& row, Bytes first_part, Bytes replaced);
  Result<void> append_part(LocalVersion version, std::uint64_t part, Bytes body);

  // The transaction that append() ran in has been committed. Without this call head() simply asks
  // the database again.
  void committed();
  void forget() { clean_ = false; }
  void release();

  // Rows after `after`, in order, each with its parts; stops at the first error or when `visit`
  // returns false.
  using Visit =
      FunctionRef<Result<bool>(const LogRow& row, std::span<const Bytes> parts, Bytes replaced)>;
  Result<void> for_each(LocalVersion after, LocalVersion through, Visit visit);

 private:
  Connection connection_;
  Watcher* watcher_ = nullptr;
  std::optional<std::int64_t> renewals_;  // as the watcher knows them
  bool clean_ = false;
  std::uint32_t data_version_ = 0;
  LogHead head_;
  CachedStatement read_head_{
      "SELECT version, hlc, own_sequence, renewals.value FROM (SELECT 1) LEFT JOIN (SELECT "
      "version, hlc, own_sequence FROM syncline_log ORDER BY version DESC LIMIT 1) LEFT JOIN "
      "syncline_meta renewals ON renewals.name = 'renewals'"};
  CachedStatement insert_{
      "INSERT INTO syncline_log(version, origin, sequence, time, hlc, own_sequence, form, body, "
      "replaced) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"};
  CachedStatement insert_part_{
      "INSERT INTO syncline_log_parts(version, part, body) VALUES(?1, ?2, ?3)"};
  CachedStatement read_rows_{
      "SELECT version, origin, sequence, time, form, body, replaced FROM syncline_log WHERE "
      "version "
      "> ?1 AND version <= ?2 ORDER BY version"};
  CachedStatement read_parts_{
      "SELECT body FROM syncline_log_parts WHERE version = ?1 ORDER BY part"};
};

}  // namespace syncline
