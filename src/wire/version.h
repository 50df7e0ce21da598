#pragma once

#include <cstdint>

#include "base/result.h"
#include "wire/message.h"

namespace syncline {

// The protocol's versions, one line each; golden bytes in codec_test.cc lock every one of them, so
// that none changes by accident.
//   1  the first
//   2  receipts, and the refusal cannot_store
//   3  bequests
inline constexpr ProtocolRange protocol_spoken{1, 3};
// A replica's hello is written in the second, which a server of the first cannot read.
inline constexpr ProtocolRange protocol_of_hello{2, 3};
// The first version that knows receipts and cannot_store.
inline constexpr std::uint32_t receipts_since = 2;
// The first version that knows CatchUp::bequest.
inline constexpr std::uint32_t bequests_since = 3;

// What the server offers beyond a protocol version; a bit each.
namespace features {
inline constexpr std::uint64_t presence = 1U << 0U;
inline constexpr std::uint64_t table_subscriptions = 1U << 1U;
inline constexpr std::uint64_t rescan = 1U << 2U;
inline constexpr std::uint64_t all = presence | table_subscriptions | rescan;
}  // namespace features

// The highest version that both sides speak. Fails with `unsupported` when there is none.
Result<std::uint32_t> negotiate(const ProtocolRange& ours, const ProtocolRange& theirs);

}  // namespace syncline
