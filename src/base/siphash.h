#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"

namespace syncline {

using SipKey = std::array<std::uint8_t, 16>;

// SipHash-2-4: whoever does not know the key can neither foretell nor make it. For seals on short
// things that come back to us.
std::uint64_t siphash(const SipKey& key, Bytes bytes);

}  // namespace syncline
