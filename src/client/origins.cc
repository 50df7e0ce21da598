#include "client/origins.h"

namespace syncline {

Result<OriginId> Origins::id_of(const ReplicaId& replica) {
  const auto known = ids_.find(replica);
  if (known != ids_.end()) {
    return known->second;
  }
  SL_TRY(Statement * find, find_.get(connection_));
  OriginId id = 0;
  {
    const ResetGuard guard(*find);
    find->bind_blob(1, replica.view());
    SL_TRY(const bool row, find->step());
    if (row) {
      id = find->column_int(0);
    }
  }
  if (id == 0) {
    const std::int64_t last_rowid = connection_.last_insert_rowid();
    SL_TRY(Statement * insert, insert_.get(connection_));
    insert->bind_blob(1, replica.view());
    SL_TRY(insert->run());
    id = connection_.last_insert_rowid();
    connection_.set_last_insert_rowid(last_rowid);
  }
  ids_[replica] = id;
  replicas_[id] = replica;
  return id;
}

Result<ReplicaId> Origins::replica_of(OriginId id) {
  const auto known = replicas_.find(id);
  if (known != replicas_.end()) {
    return known->second;
  }
  SL_TRY(Statement * read, read_.get(connection_));
  const ResetGuard guard(*read);
  read->bind(1, id);
  SL_TRY(const bool row, read->step());
  if (!row) {
    return Error(ErrorCode::corrupt, "the log names a replica that is not in syncline_replicas");
  }
  SL_TRY(const ReplicaId replica, ReplicaId::from_bytes(read->column_blob(0)));
  replicas_[id] = replica;
  ids_[replica] = id;
  return replica;
}

Result<Stamp> Origins::stamp_of(const ClockTime& clock) {
  if (clock.is_zero()) {
    return Stamp();
  }
  SL_TRY(const ReplicaId replica, replica_of(clock.origin));
  return Stamp{clock.time, replica};
}

Result<ClockTime> Origins::clock_of(const Stamp& stamp) {
  if (stamp.is_zero()) {
    return ClockTime();
  }
  SL_TRY(const OriginId origin, id_of(stamp.replica));
  return ClockTime{stamp.time, origin};
}

Result<bool> Origins::is_newer(const ClockTime& a, const ClockTime& b) {
  if (a.time != b.time || a.origin == b.origin) {
    return a.time > b.time;
  }
  SL_TRY(const Stamp first, stamp_of(a));
  SL_TRY(const Stamp second, stamp_of(b));
  return first > second;
}

void Origins::forget() {
  ids_.clear();
  replicas_.clear();
}

void Origins::release() {
  find_.release();
  insert_.release();
  read_.release();
}

}  // namespace syncline
