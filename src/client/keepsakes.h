#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "client/cached_statement.h"
#include "client/meta.h"
#include "model/ids.h"

namespace syncline {

// Rows that this replica holds and that its server may not know, or not all of: because the server
// that told them is no more, or because a file of changes brought them, and whoever wrote them may
// never come. They are told to the server as states, one part after the other, and named here until
// it has answered.
class Keepsakes {
 public:
  struct Row {
    std::string table;
    ByteVector key;
  };

  explicit Keepsakes(Connection connection, Meta& meta) : connection_(connection), meta_(meta) {}

  Result<bool> any();
  // Rows of the log from `version` on came by a file of changes. They are named when somebody asks
  // for keepsakes, which without a server nobody does.
  Result<void> hear(LocalVersion version);
  // Where those begin; nothing when all are named.
  Result<std::optional<LocalVersion>> heard();
  Result<void> heard_is_named();
  Result<bool> has(const std::string& table, Bytes key);
  // Naming a row twice is naming it once.
  Result<void> add(const std::string& table, Bytes key);
  Result<void> clear();
  // Nothing is on its way, and the first row is next: a new connection, or a part is settled.
  void rewind();
  // The next row for the part that is being made; nothing when there is none.
  Result<std::optional<Row>> next();
  // What is told of a row: it may change, or be named anew, before the server has answered.
  struct Told {
    Row row;
    std::uint64_t hash = 0;  // of its state
  };
  // What next() gave is in the part that is being made.
  void take(Told row) { told_.push_back(std::move(row)); }
  // The part is on its way under this name.
  void send_as(const ReplicaId& name) { name_ = name; }
  bool is_on_its_way() const { return !name_.is_zero(); }
  const ReplicaId& name() const { return name_; }
  const std::vector<Told>& on_its_way() const { return told_; }
  // The server has the row, or will not take it.
  Result<void> drop(const Row& row);

  void release();

 private:
  Result<bool> any_named();

  Connection connection_;
  Meta& meta_;
  Row at_;
  ReplicaId name_;  // zero while nothing is on its way
  std::vector<Told> told_;
  CachedStatement add_{"INSERT OR IGNORE INTO syncline_keepsakes(tbl, key) VALUES(?1, ?2)"};
  CachedStatement next_{
      "SELECT tbl, key FROM syncline_keepsakes WHERE (tbl, key) > (?1, ?2) ORDER BY tbl, key LIMIT "
      "1"};
  CachedStatement has_{"SELECT 1 FROM syncline_keepsakes WHERE tbl = ?1 AND key = ?2"};
  CachedStatement drop_{"DELETE FROM syncline_keepsakes WHERE tbl = ?1 AND key = ?2"};
  CachedStatement any_{"SELECT 1 FROM syncline_keepsakes LIMIT 1"};
};

}  // namespace syncline
