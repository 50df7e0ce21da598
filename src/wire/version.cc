#include "wire/version.h"

#include <algorithm>
#include <string>

namespace syncline {

Result<std::uint32_t> negotiate(const ProtocolRange& ours, const ProtocolRange& theirs) {
  if (theirs.min > theirs.max || theirs.max == 0) {
    return Error(ErrorCode::malformed, "a protocol range that holds no version");
  }
  const std::uint32_t highest = std::min(ours.max, theirs.max);
  if (highest < std::max(ours.min, theirs.min)) {
    return Error(ErrorCode::unsupported,
                 "no common protocol version: we speak " + std::to_string(ours.min) + " to " +
                     std::to_string(ours.max) + ", the peer " + std::to_string(theirs.min) +
                     " to " + std::to_string(theirs.max));
  }
  return highest;
}

}  // namespace syncline
