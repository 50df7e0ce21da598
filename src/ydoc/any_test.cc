#include "ydoc/any.h"

#include <doctest/doctest.h>

#include <cmath>

#include "ydoc/limits.h"

namespace syncline::ydoc {

namespace {

ByteVector encoded(const Any& value) {
  Encoder out;
  write_any(out, value);
  return out.take();
}

}  // namespace

TEST_CASE("every kind of value reads back as it was written") {
  const Any value =
      Any::object({{"n", Any::null()},
                   {"u", Any{}},
                   {"list", Any::array({Any::number(1), Any::number(-0.5), Any::number(1e300)})},
                   {"flags", Any::array({Any::boolean(true), Any::boolean(false)})},
                   {"big", Any::bigint(-5)},
                   {"bytes", Any::bytes({1, 2, 255})},
                   {"text", Any::string("\xc3\xa9")}});
  const ByteVector bytes = encoded(value);
  Decoder in(bytes);
  CHECK(Any::deep_equal(read_any(in), value));
  CHECK(in.at_end());
  Decoder scanned(bytes);
  CHECK(scan_any(scanned) == Scan::canonical);
}

TEST_CASE("numbers are written in the shortest form that holds them") {
  CHECK(encoded(Any::number(-1)) == ByteVector{125, 0x41});
  CHECK(encoded(Any::number(2147483647)).front() == 125);
  CHECK(encoded(Any::number(2147483648.0)).front() == 124);
  CHECK(encoded(Any::number(0.1)).front() == 123);
}

TEST_CASE("object keys that are array indexes come first, by number") {
  const Any value = Any::object(
      {{"b", Any::number(1)}, {"10", Any::number(2)}, {"9", Any::number(3)}, {"b", Any::null()}});
  CHECK(to_json(value) == R"({"9":3,"10":2,"b":null})");
}

TEST_CASE("bytes that Yjs would write differently are told apart") {
  const ByteVector padded = {125, 0x81, 0x00};
  Decoder in(padded);
  CHECK(scan_any(in) == Scan::other);
  const ByteVector wide = {123, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0};
  Decoder in_wide(wide);
  CHECK(scan_any(in_wide) == Scan::other);
}

TEST_CASE("a value that nests too deep is refused, not followed") {
  ByteVector bytes;
  for (int i = 0; i < 100000; ++i) {
    bytes.push_back(117);
    bytes.push_back(1);
  }
  bytes.push_back(126);
  Decoder in(bytes);
  CHECK(scan_any(in) == Scan::malformed);
  Decoder again(bytes);
  read_any(again);
  CHECK_FALSE(again.ok());
  CHECK_FALSE(from_json(std::string(100000, '[')));
}

TEST_CASE("numbers are printed as JavaScript prints them") {
  CHECK(number_to_text(0.1) == "0.1");
  CHECK(number_to_text(1e21) == "1e+21");
  CHECK(number_to_text(123456789012345680000.0) == "123456789012345680000");
  CHECK(number_to_text(1e-7) == "1e-7");
  CHECK(number_to_text(1.5e-9) == "1.5e-9");
  CHECK(number_to_text(0.000001) == "0.000001");
  CHECK(number_to_text(-0.0) == "0");
  CHECK(number_to_text(5e-324) == "5e-324");
  CHECK(number_to_text(-123456789.25) == "-123456789.25");
}

TEST_CASE("JSON text survives parsing and printing") {
  for (const std::string_view text :
       {R"({"a":[1,2.5,-3e-9],"b":{"c":null,"d":true}})", R"("\u0001\n\"\\")", R"("\ud83d")",
        R"([])", R"({})", R"("é😀")"}) {
    const Result<Any> value = from_json(text);
    REQUIRE(value);
    CHECK(to_json(*value) == text);
    CHECK(scan_json(text) == Scan::canonical);
  }
}

TEST_CASE("malformed JSON is refused") {
  for (const std::string_view text : {"", "nul", "[1,]", "{\"a\"}", "01", "1.", "\"\\x\"", "\"a",
                                      "[1] 2", "-", "1e", "{\"a\":1,}", "\"\x01\""}) {
    CHECK_FALSE(from_json(text));
    CHECK(scan_json(text) == Scan::malformed);
  }
}

}  // namespace syncline::ydoc
