#include "base/base64.h"

#include <doctest/doctest.h>

#include "base/random.h"

using namespace syncline;

TEST_CASE("base64 agrees with the vectors of RFC 4648") {
  const struct {
    const char* plain;
    const char* text;
  } cases[] = {{"", ""},
               {"f", "Zg=="},
               {"fo", "Zm8="},
               {"foo", "Zm9v"},
               {"foob", "Zm9vYg=="},
               {"fooba", "Zm9vYmE="},
               {"foobar", "Zm9vYmFy"}};
  for (const auto& it : cases) {
    CHECK(to_base64(as_bytes(it.plain)) == it.text);
    const auto back = from_base64(it.text);
    REQUIRE(back);
    CHECK(as_text(*back) == it.plain);
  }
}

TEST_CASE("the two alphabets differ in two letters and in padding") {
  const ByteVector bytes{0xFB, 0xEF, 0xFF, 0xFE};
  CHECK(to_base64(bytes) == "++///g==");
  CHECK(to_base64url(bytes) == "--___g");
  CHECK(!from_base64("--___g=="));
  CHECK(!from_base64url("++///g"));
}

TEST_CASE("any bytes survive both ways") {
  SeededRandom random(2);
  for (std::size_t size = 0; size < 100; ++size) {
    ByteVector bytes(size);
    random.fill(bytes);
    const auto plain = from_base64(to_base64(bytes));
    const auto url = from_base64url(to_base64url(bytes));
    REQUIRE(plain);
    REQUIRE(url);
    CHECK(*plain == bytes);
    CHECK(*url == bytes);
  }
}

TEST_CASE("text that another writer could not have made is refused") {
  for (const char* text : {"A", "AA", "AAA", "AA=", "A===", "====", "=", "==", "AA==AA==", "A=AA",
                           "AA\n=", " AAAA", "AAA*", "AB==", "AAB=", "AA=A"}) {
    CAPTURE(text);
    CHECK(!from_base64(text));
  }
  for (const char* text : {"A", "AAAAA", "AA==", "AB", "AAB", "AA A"}) {
    CAPTURE(text);
    CHECK(!from_base64url(text));
  }
}
