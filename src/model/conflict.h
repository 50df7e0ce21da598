#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "model/ids.h"
#include "model/merge.h"
#include "model/value_codec.h"

namespace syncline {

inline constexpr std::size_t conflict_name_bytes_max = 1024;
inline constexpr std::size_t conflict_bytes_max = std::size_t{64} << 20U;

// 128 bits of a SHA-256 over table, key, column and the two stamps: every replica that notices the
// pair gives it the same id, so noticing it twice makes one conflict.
using ConflictId = RandomId<struct ConflictIdTag>;

// What two people wrote without having seen each other, kept until somebody decides. It is data:
// it travels, and it shows the same on every replica.
struct Conflict {
  Concurrency::Kind kind = Concurrency::Kind::cell;
  std::string table;
  RowKey key;
  std::string column;  // empty when the conflict is the row's
  Stamp loser;
  Stamp winner;
  Value loser_value;
  Value winner_value;
  // What both had started from, where it is still known.
  std::optional<Value> base_value;

  friend bool operator==(const Conflict&, const Conflict&) = default;
};

ConflictId conflict_id(const Conflict& conflict);

// docs/storage.md, "Conflicts".
void encode_conflict(Writer& out, const Conflict& conflict);
Result<Conflict> decode_conflict(Reader& in);

}  // namespace syncline
