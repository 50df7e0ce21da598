#pragma once

#include <map>
#include <unordered_map>

#include "client/cached_statement.h"
#include "client/local_log.h"
#include "model/ids.h"
#include "model/stamp.h"

namespace syncline {

// A stamp with the replica as this file's small number.
struct ClockTime {
  std::uint64_t time = 0;
  OriginId origin = 0;

  bool is_zero() const { return time == 0; }
  friend bool operator==(const ClockTime&, const ClockTime&) = default;
};

// The replicas that this file has heard of. Numbers are given once and never change; 1 is the
// file's own.
class Origins {
 public:
  explicit Origins(Connection connection) : connection_(connection) {}

  // The number of a replica; a new one is given when `replica` was never heard of.
  Result<OriginId> id_of(const ReplicaId& replica);
  // Fails with `corrupt` for a number that was never given.
  Result<ReplicaId> replica_of(OriginId id);

  Result<Stamp> stamp_of(const ClockTime& clock);
  Result<ClockTime> clock_of(const Stamp& stamp);
  // Greater as stamps are: by time, and between replicas by their ids, not by our numbers.
  Result<bool> is_newer(const ClockTime& a, const ClockTime& b);

  // After a rollback numbers that were given in it may be given again.
  void forget();
  void release();

 private:
  Connection connection_;
  std::unordered_map<ReplicaId, OriginId> ids_;
  std::map<OriginId, ReplicaId> replicas_;
  CachedStatement find_{"SELECT id FROM syncline_replicas WHERE replica = ?1"};
  CachedStatement insert_{"INSERT INTO syncline_replicas(replica) VALUES(?1)"};
  CachedStatement read_{"SELECT replica FROM syncline_replicas WHERE id = ?1"};
};

}  // namespace syncline
