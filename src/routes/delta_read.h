#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "server/workspace.h"

namespace syncline {

// What one reader of the JSON delta door asks for.
struct DeltaAsk {
  ServerVersion known;
  // Of a page of the state, if the last answer had one.
  std::string cursor;
  std::size_t rows_max = 1000;
  std::size_t bytes_max = std::size_t{4} << 20U;
  // Changes of these authors and versions are the reader's own and are left out.
  std::set<ReplicaId> own;
  std::set<ServerVersion> own_versions;
};

struct DeltaPage {
  // The items of newChanges as JSON, with commas between them.
  std::string changes;
  std::size_t rows = 0;
  // What the reader knows once it has taken the page in.
  ServerVersion through;
  bool has_more = false;
  // The log does not reach back to what the reader knows: it must begin anew from zero.
  bool is_gone = false;
  std::string cursor;
};

// The rows that changed after `known`, each once and as it is now, in the order of their last
// change: whoever takes a page in has these rows as the server has them, whatever lost a merge on
// the way. A page holds whole versions. When the log no longer reaches back to the beginning, a
// reader who knows nothing gets the state by pages with a cursor.
Result<DeltaPage> read_delta(Workspace& workspace, const DeltaAsk& ask);

}  // namespace syncline
