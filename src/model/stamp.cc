#include "model/stamp.h"

namespace syncline {

std::string to_text(const Stamp& stamp) {
  std::array<std::uint8_t, 8> big_endian{};
  for (unsigned i = 0; i < 8; ++i) {
    big_endian[i] = static_cast<std::uint8_t>(stamp.time >> (56U - 8U * i));
  }
  return to_hex(big_endian) + "@" + stamp.replica.hex();
}

Result<Stamp> stamp_from_text(std::string_view text) {
  if (text.size() != 49 || text[16] != '@') {
    return Error(ErrorCode::malformed, "not a stamp: " + std::string(text.substr(0, 60)));
  }
  SL_TRY(const ByteVector time, from_hex(text.substr(0, 16)));
  Stamp stamp;
  for (const std::uint8_t byte : time) {
    stamp.time = (stamp.time << 8U) | byte;
  }
  SL_TRY(stamp.replica, ReplicaId::from_hex(text.substr(17)));
  return stamp;
}

}  // namespace syncline
