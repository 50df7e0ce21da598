#pragma once

#include <cstdint>
#include <optional>
#include <string>

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
  // A new connection: nothing is on its way, and the first row is next.
  void rewind();
  // The next row for the part that is being made; nothing when there is none, or while another part
  // is on its way.
  Result<std::optional<Row>> next();
  // What next() gave is on its way under this name.
  void told(const ReplicaId& name) { name_ = name; }
  // The server has it, or will not take it. False when that is not its name.
  Result<bool> settled(const ReplicaId& name);

  void release();

 private:
  Result<bool> any_named();

  Connection connection_;
  Meta& meta_;
  Row at_;
  ReplicaId name_;  // zero while nothing is on its way
  CachedStatement add_{"INSERT OR IGNORE INTO syncline_keepsakes(tbl, key) VALUES(?1, ?2)"};
  CachedStatement next_{
      "SELECT tbl, key FROM syncline_keepsakes WHERE (tbl, key) > (?1, ?2) ORDER BY tbl, key LIMIT "
      "1"};
  CachedStatement has_{"SELECT 1 FROM syncline_keepsakes WHERE tbl = ?1 AND key = ?2"};
  CachedStatement drop_{"DELETE FROM syncline_keepsakes WHERE (tbl, key) <= (?1, ?2)"};
};

}  // namespace syncline
