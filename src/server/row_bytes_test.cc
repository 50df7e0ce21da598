#include "server/row_bytes.h"

#include <doctest/doctest.h>

#include "wire/wire_samples.h"

using namespace syncline;

TEST_CASE("a stored row comes back as it was") {
  const auto back = decode_row_state(encode_row_state(sample_state()));
  REQUIRE(back.has_value());
  CHECK(*back == sample_state());
}

TEST_CASE("a stored row cut anywhere is noticed") {
  const ByteVector bytes = encode_row_state(sample_state());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    CHECK_FALSE(decode_row_state(Bytes(bytes).first(size)).has_value());
  }
}
