#pragma once

#include <string>
#include <vector>

#include "client/catalog.h"

namespace syncline {

// Which rows of the application's tables point to which: for whoever takes rows out of their tables
// though nobody deleted them.
class ForeignKeys {
 public:
  ForeignKeys(Connection connection, Catalog& catalog)
      : connection_(connection), catalog_(catalog) {}

  struct Row {
    TableId table = 0;
    ByteVector key;  // encoded values
    friend bool operator==(const Row&, const Row&) = default;
    // Emscripten's library cannot compare vectors three ways.
    friend bool operator<(const Row& a, const Row& b) {
      return a.table != b.table ? a.table < b.table : a.key < b.key;
    }
  };
  // Rows of tracked tables that point to this row, which must stand; at most `count_max`.
  Result<std::vector<Row>> children(const TrackedTable& parent, Bytes key, std::size_t count_max);
  // Whether a table that is not tracked has a foreign key to this one.
  Result<bool> has_untracked_children(const TrackedTable& parent);
  // Rows of tracked tables that point nowhere; at most `count_max`.
  Result<std::vector<Row>> dangling(std::size_t count_max);

  // The schema may have changed.
  void forget() { loaded_ = false; }

 private:
  struct Reference {
    std::string child;
    std::string parent;
    std::vector<std::string> from;
    std::vector<std::string> to;
  };
  Result<void> load();
  Result<void> load_parent_keys();
  static Result<void> collect(Statement& rows, const TrackedTable& table, std::size_t count_max,
                              std::vector<Row>& out);

  Connection connection_;
  Catalog& catalog_;
  bool loaded_ = false;
  std::vector<Reference> references_;
};

}  // namespace syncline
