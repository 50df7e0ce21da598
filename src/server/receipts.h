#pragma once

#include <optional>
#include <string>

#include "model/ids.h"
#include "server/log_store.h"
#include "wire/message.h"

namespace syncline {

// How a server knows again what it told. Each version has a mark: a hash of everything that was
// admitted up to it, so that two histories that parted differ in it. A receipt seals version and
// mark for a workspace and a lineage with a key that never leaves the store: whoever shows one that
// holds proves that this server had that history, and nobody can make one up.
struct ReceiptPlace {
  SealKey key;
  LineageId lineage;
  std::string workspace;
};

// The mark of the version that `entry` gets, after the mark before it.
std::uint64_t mark_after(std::uint64_t mark, const LogEntry& entry);
Receipt make_receipt(const ReceiptPlace& place, ServerVersion version, std::uint64_t mark);
// The mark under a receipt's seal; nothing when this server did not make it, there and then.
std::optional<std::uint64_t> mark_of(const ReceiptPlace& place, const Receipt& receipt);

}  // namespace syncline
