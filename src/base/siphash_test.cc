#include "base/siphash.h"

#include <doctest/doctest.h>

using namespace syncline;

TEST_CASE("the keyed hash is SipHash-2-4") {
  SipKey key{};
  ByteVector bytes;
  for (std::uint8_t i = 0; i < 16; ++i) {
    key[i] = i;
  }
  // The authors' own table.
  CHECK(siphash(key, bytes) == 0x726fdb47dd0e0e31U);
  for (std::uint8_t i = 0; i < 8; ++i) {
    bytes.push_back(i);
  }
  CHECK(siphash(key, bytes) == 0x93f5f5799a932462U);
  for (std::uint8_t i = 8; i < 15; ++i) {
    bytes.push_back(i);
  }
  CHECK(siphash(key, bytes) == 0xa129ca6149be45e5U);
}
