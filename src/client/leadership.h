#pragma once

#include <optional>
#include <string>

#include "sqlite/database.h"

namespace syncline {

// Which of the connections and processes on one database file has the conversation with the server.
// There is one conversation a file: two would take each other for copies of it.
//
// Whoever leads holds an exclusive lock on an empty database beside the file, through the file's
// own VFS. A lock, and nothing that is written down: it ends with its process, however that ends,
// and a copy of the lock's file says nothing. It may lie there for ever; nobody deletes it, because
// two could then hold two files of one name.
//
// One owner a connection; not thread-safe.
class Leadership {
 public:
  // Leads for the main database of `connection`, which is open. What SQLite calls that file counts:
  // links by name lead to one lock, hard links do not (nor to one journal: SQLite forbids them).
  explicit Leadership(Connection connection);

  // True when it leads now. Never waits. A database in memory has nobody to share with. Fails when
  // the lock's file cannot be opened.
  Result<bool> take();
  bool leads() const { return leads_; }
  // Somebody else may.
  void resign();
  // The lock's file; empty when none is needed.
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  std::string vfs_;
  std::optional<Database> lock_;
  bool leads_ = false;
};

}  // namespace syncline
