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

// Rows that this replica holds and that a server of another lineage does not know, or not all of:
// the server that told them is no more, and whoever wrote them may never come back. They are told
// to the new one as states, one part after the other, and named here until it has answered.
class Keepsakes {
 public:
  struct Row {
    std::string table;
    ByteVector key;
  };

  explicit Keepsakes(Connection connection, Meta& meta) : connection_(connection), meta_(meta) {}

  Result<bool> any();
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
  Connection connection_;
  Meta& meta_;
  Row at_;
  ReplicaId name_;  // zero while nothing is on its way
  CachedStatement add_{"INSERT OR IGNORE INTO syncline_keepsakes(tbl, key) VALUES(?1, ?2)"};
  CachedStatement next_{
      "SELECT tbl, key FROM syncline_keepsakes WHERE (tbl, key) > (?1, ?2) ORDER BY tbl, key LIMIT "
      "1"};
  CachedStatement drop_{"DELETE FROM syncline_keepsakes WHERE (tbl, key) <= (?1, ?2)"};
};

}  // namespace syncline
