#include "base/check.h"
#include "wire/change_codec.h"

using namespace syncline;

// A change that is accepted survives being written and read again.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto change = decode_change(Bytes(data, size));
  if (!change.has_value()) {
    return 0;
  }
  const auto again = decode_change(encode_change(*change));
  SL_CHECK(again.has_value());
  SL_CHECK(again->stamp == change->stamp && again->sequence == change->sequence);
  SL_CHECK(again->edits.size() == change->edits.size());
  return 0;
}
