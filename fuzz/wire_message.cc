#include "base/check.h"
#include "wire/codec.h"

using namespace syncline;

// What is accepted has one form only: written again, it is the bytes it was read from.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes frame(data, size);
  const auto message = decode_message(frame);
  if (message.has_value()) {
    SL_CHECK(equal_bytes(*encode_message(*message), frame));
  }
  if (const auto range = read_hello_range(frame); range.has_value()) {
    (void)negotiate(protocol_spoken, *range);
  }
  return 0;
}
