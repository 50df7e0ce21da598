#include "ydoc/lib0.h"

#include <doctest/doctest.h>

#include "ydoc/utf.h"

namespace syncline::ydoc {

TEST_CASE("a number up to the largest safe integer reads back as it was written") {
  for (const std::uint64_t value : {0ULL, 127ULL, 128ULL, 16384ULL, 1ULL << 40U,
                                    static_cast<unsigned long long>(safe_integer_max)}) {
    Encoder out;
    out.var_uint(value);
    Decoder in(out.bytes());
    CHECK(in.var_uint() == value);
    CHECK(in.ok());
    CHECK(in.at_end());
  }
}

TEST_CASE("a number beyond the largest safe integer is refused") {
  Encoder out;
  out.var_uint(safe_integer_max + 1);
  Decoder in(out.bytes());
  in.var_uint();
  CHECK_FALSE(in.ok());
}

TEST_CASE("minus zero keeps its sign") {
  Encoder out;
  out.var_int(Encoder::Sign::minus, 0);
  Decoder in(out.bytes());
  const Decoder::Signed value = in.var_int();
  CHECK(value.negative);
  CHECK(value.magnitude == 0);
}

TEST_CASE("a failed read fails every later one") {
  const std::uint8_t bytes[] = {5, 'a', 'b'};
  Decoder in(bytes);
  CHECK(in.string().empty());
  CHECK_FALSE(in.ok());
  CHECK(in.u8() == 0);
  CHECK_FALSE(in.ok());
}

TEST_CASE("a number that never ends is refused") {
  const ByteVector bytes(100, 0x80);
  Decoder in(bytes);
  in.var_uint();
  CHECK_FALSE(in.ok());
  Decoder negative(bytes);
  negative.var_int();
  CHECK_FALSE(negative.ok());
}

TEST_CASE("a string of malformed UTF-8 is refused") {
  for (const std::string_view text :
       {"\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x82", "\x80", "\xff"}) {
    CHECK_FALSE(utf16_length(as_bytes(text)));
  }
}

TEST_CASE("text crosses between UTF-8 and UTF-16 unchanged") {
  const std::string_view text = "plain, \xc3\xa9, \xe4\xb8\xad, \xf0\x9f\x98\x80 and more plain";
  CHECK(utf16_length(as_bytes(text)) == to_utf16(text).size());
  CHECK(to_utf8(to_utf16(text)) == text);
}

TEST_CASE("a lone surrogate is written as the replacement character and kept inside values") {
  const std::u16string lone = {u'a', char16_t{0xd83d}, u'b'};
  CHECK(to_utf8(lone) ==
        "a\xef\xbf\xbd"
        "b");
  CHECK(to_utf16(to_wtf8(lone)) == lone);
}

}  // namespace syncline::ydoc
