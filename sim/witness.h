#pragma once

#include <set>

#include "model/ids.h"

namespace syncline::sim {

// Sees everything that happens in a world and forgets nothing: what no party of the conversation
// can know alone. The world asks it whether what was done was right.
class Witness {
 public:
  // From now on two files may speak under this name, or one that has forgotten what it said: a
  // file was copied, or an old copy of it was put back.
  void saw_copy(const ReplicaId& replica) { copied_.insert(replica); }
  bool was_copied(const ReplicaId& replica) const { return copied_.count(replica) != 0; }

 private:
  std::set<ReplicaId> copied_;
};

}  // namespace syncline::sim
