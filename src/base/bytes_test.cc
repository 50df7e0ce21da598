#include "base/bytes.h"

#include <doctest/doctest.h>

#include <cstdint>

using namespace syncline;

TEST_CASE("a varint reads back as it was written, at every width") {
  for (unsigned bits = 0; bits < 64; ++bits) {
    for (const std::uint64_t value :
         {(std::uint64_t{1} << bits) - 1, std::uint64_t{1} << bits, ~std::uint64_t{0} >> bits}) {
      Writer writer;
      writer.varint(value);
      Reader reader(writer.bytes());
      const auto back = reader.varint();
      REQUIRE(back);
      CHECK(*back == value);
      CHECK(reader.at_end());
    }
  }
}

TEST_CASE("a varint that ends early, runs too long or is padded is malformed") {
  for (const ByteVector& bytes :
       {ByteVector{}, ByteVector{0x80}, ByteVector{0x80, 0x00}, ByteVector(11, 0xFF),
        ByteVector{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x02}}) {
    Reader reader(bytes);
    const auto value = reader.varint();
    REQUIRE(!value);
    CHECK(value.error().code() == ErrorCode::malformed);
  }
}

TEST_CASE("signed varints keep the extremes") {
  for (const std::int64_t value : {std::int64_t{0}, std::int64_t{-1}, INT64_MIN, INT64_MAX}) {
    Writer writer;
    writer.signed_varint(value);
    Reader reader(writer.bytes());
    const auto back = reader.signed_varint();
    REQUIRE(back);
    CHECK(*back == value);
  }
}

TEST_CASE("a length beyond the bytes at hand is refused before anything is allocated") {
  Writer writer;
  writer.varint(UINT64_MAX);
  Reader reader(writer.bytes());
  CHECK(!reader.blob());
}

TEST_CASE("hexadecimal text goes both ways and refuses what it is not") {
  const ByteVector bytes{0x00, 0x7F, 0xFF};
  CHECK(to_hex(bytes) == "007fff");
  const auto back = from_hex("007FfF");
  REQUIRE(back);
  CHECK(*back == bytes);
  CHECK(!from_hex("abc"));
  CHECK(!from_hex("zz"));
}
