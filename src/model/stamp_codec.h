#pragma once

#include "base/bytes.h"
#include "model/stamp.h"

namespace syncline {

// A stamp in 24 bytes: the time, least byte first, then the replica. For values that hold few
// stamps; changes and states name theirs by reference.
inline void write_stamp(Writer& out, const Stamp& stamp) {
  out.u64(stamp.time);
  out.raw(stamp.replica.view());
}

inline Result<Stamp> read_stamp(Reader& in) {
  Stamp stamp;
  SL_TRY(stamp.time, in.u64());
  SL_TRY(const Bytes replica, in.raw(16));
  SL_TRY(stamp.replica, ReplicaId::from_bytes(replica));
  return stamp;
}

}  // namespace syncline
