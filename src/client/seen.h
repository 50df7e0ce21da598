#pragma once

#include <map>
#include <vector>

#include "client/cached_statement.h"
#include "client/origins.h"

namespace syncline {

// Which changes of which replica this database holds already (P2): sequences as intervals, because
// a file from a peer may begin anywhere. Mostly one interval a replica.
class Seen {
 public:
  explicit Seen(Connection connection) : connection_(connection) {}

  Result<bool> contains(OriginId origin, ChangeSequence sequence);
  Result<void> add(OriginId origin, ChangeSequence sequence);
  // The greatest sequence of the replica that is here; zero when none is.
  Result<ChangeSequence> greatest(OriginId origin);
  // The last sequence before which none is missing; a list that begins later began with a snapshot,
  // which holds what came before.
  Result<ChangeSequence> through(OriginId origin);
  // Writes what add() changed. Runs in the caller's transaction.
  Result<void> store();
  void forget() { sets_.clear(); }
  void release();

 private:
  struct Interval {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
  };
  struct Set {
    std::vector<Interval> intervals;
    bool changed = false;
  };
  Result<Set*> set_of(OriginId origin);

  Connection connection_;
  std::map<OriginId, Set> sets_;
  CachedStatement read_{"SELECT seen FROM syncline_replicas WHERE id = ?1"};
  CachedStatement write_{"UPDATE syncline_replicas SET seen = ?2 WHERE id = ?1"};
};

}  // namespace syncline
