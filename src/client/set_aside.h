#pragma once

#include <optional>
#include <string>

#include "base/function_ref.h"
#include "client/outbox.h"
#include "client/rejected.h"
#include "client/schema_change.h"

namespace syncline {

// Own changes that cannot be sent (larger than any may be, or of a device that may only read)
// become rejected ones, and keep nobody behind them waiting (P9).
//
// Invariants:
// 1. Where such a change stood, a change of nothing stands in the outbox under the same sequence
// and
//    stamp: a server that hears of it later misses none, and it is told the same for ever.
// 2. What such a change overwrote is written down first: every own change before it is encoded.
class SetAside {
 public:
  SetAside(Connection connection, Outbox& outbox, SchemaChange& schema, RejectedChanges& rejected)
      : connection_(connection), outbox_(outbox), schema_(schema), rejected_(rejected) {}

  struct Reason {
    std::string code;
    std::string message;
  };
  // Why a change cannot be sent; nothing when it can.
  using Judge = FunctionRef<std::optional<Reason>(const OutboxChange& change)>;
  // Judges every unsent change through this version that changes anything and was made under this
  // id; returns how many were set aside. In the caller's transaction. Their rows stay as they are:
  // compare them with the server's.
  Result<std::uint64_t> changes(const ReplicaId& own, LocalVersion through, std::int64_t now_ms,
                                Judge judge);

  // Unsent changes of nothing.
  Result<std::uint64_t> count();
  // Makes a change of nothing of the one in this log row, under the header's sequence and stamp.
  Result<void> empty(LocalVersion version, PartHeader header);

 private:
  Result<void> keep(const OutboxChange& change, const Reason& reason, std::int64_t now_ms);

  Connection connection_;
  Outbox& outbox_;
  SchemaChange& schema_;
  RejectedChanges& rejected_;
};

// Why no transport could carry the change; nothing when all can.
std::optional<SetAside::Reason> too_large_to_send(const OutboxChange& change);

}  // namespace syncline
