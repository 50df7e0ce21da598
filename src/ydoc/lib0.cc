#include "ydoc/lib0.h"

#include "ydoc/utf.h"

namespace syncline::ydoc {

std::uint64_t Decoder::var_uint_slow() {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 63; shift += 7) {
    if (at_ == end_) {
      break;
    }
    const std::uint8_t byte = *at_++;
    value |= static_cast<std::uint64_t>(byte & 0x7fU) << shift;
    if (value > safe_integer_max) {
      break;
    }
    if (byte < 0x80U) {
      return value;
    }
  }
  fail();
  return 0;
}

Decoder::Signed Decoder::var_int() {
  const std::uint8_t first = u8();
  Signed out{.negative = (first & 0x40U) != 0, .magnitude = first & 0x3fU};
  bool more = (first & 0x80U) != 0;
  for (unsigned shift = 6; more && shift < 62; shift += 7) {
    const std::uint8_t byte = u8();
    out.magnitude |= static_cast<std::uint64_t>(byte & 0x7fU) << shift;
    more = (byte & 0x80U) != 0;
  }
  if (more || out.magnitude > safe_integer_max) {
    fail();
  }
  return failed_ ? Signed{} : out;
}

std::string_view Decoder::string() {
  const Bytes bytes = blob();
  if (!utf16_length(bytes)) {
    fail();
    return {};
  }
  return as_text(bytes);
}

}  // namespace syncline::ydoc
