#include "base/json.h"

#include <doctest/doctest.h>

#include <limits>

using namespace syncline;

namespace {

Json read(std::string_view text) {
  auto value = read_json(text);
  CAPTURE(text);
  REQUIRE(value);
  return *std::move(value);
}

ErrorCode refusal(std::string_view text, const JsonLimits& limits = {}) {
  const auto value = read_json(text, limits);
  CAPTURE(text.substr(0, 100));
  REQUIRE(!value);
  return value.error().code();
}

std::string nested(std::size_t depth) { return std::string(depth, '[') + std::string(depth, ']'); }

}  // namespace

TEST_CASE("what was read is written again byte for byte") {
  for (const char* text : {"null",
                           "true",
                           "false",
                           "0",
                           "-0",
                           "1.0",
                           "1e0",
                           "1E+2",
                           "123456789012345678901234567890",
                           "0.1000",
                           R"("")",
                           R"("a\"b\\c\n\u0001")",
                           "[]",
                           "{}",
                           "[1,[2,[]],{}]",
                           R"({"b":1,"a":{"d":null,"c":[true,false]}})",
                           "\"\u00E9\U0001F600\"",
                           R"("\ud83d")",
                           R"("\ude00\ud83d")",
                           R"("\ud83d-\ude00")"}) {
    CHECK(write_json(read(text)) == text);
  }
}

TEST_CASE("white space around every part is allowed and dropped") {
  CHECK(write_json(read(" \t\r\n{ \"a\" : [ 1 , 2 ] } ")) == R"({"a":[1,2]})");
}

TEST_CASE("escapes mean the characters they name") {
  CHECK(*read(R"("\u0041\/\b\f\n\r\t\"\\")").string() == "A/\b\f\n\r\t\"\\");
  CHECK(*read(R"("\ud83d\ude00\uD83D\uDE00")").string() == "\U0001F600\U0001F600");
  CHECK(read(R"("\u0000")").string()->size() == 1);
}

TEST_CASE("half a surrogate pair is kept and goes out as it came in") {
  const Json value = read(R"("x\ud83dy")");
  CHECK(*value.string() == "x\xED\xA0\xBDy");
  CHECK(write_json(value) == R"("x\ud83dy")");
  CHECK(write_json(read(R"("\ud83d\u0041")")) == R"("\ud83dA")");
}

TEST_CASE("a byte that is not text goes out as a replacement character") {
  std::string out;
  append_json_string(out, "a\xFF");
  CHECK(out == "\"a\uFFFD\"");
}

TEST_CASE("text that is not JSON is malformed") {
  for (const char* text : {"",
                           " ",
                           "nul",
                           "nullx",
                           "tru",
                           "01",
                           "+1",
                           ".5",
                           "1.",
                           "1e",
                           "--1",
                           "NaN",
                           "Infinity",
                           "'a'",
                           "\"a",
                           "\"\\",
                           "\"\\x\"",
                           "\"\\u12\"",
                           "\"\\u12G4\"",
                           "\"\\ud83d\\u00\"",
                           "\"a\nb\"",
                           "[",
                           "[1",
                           "[1,",
                           "[1,]",
                           "[,1]",
                           "[1 2]",
                           "]",
                           "{",
                           "{\"a\"",
                           "{\"a\":",
                           "{\"a\":1",
                           "{\"a\":1,}",
                           "{a:1}",
                           "{1:1}",
                           "{\"a\" 1}",
                           "{\"a\":1 \"b\":2}",
                           "1 2",
                           "[] []",
                           "// x\n1",
                           "\xEF\xBB\xBF 1",
                           "\"\x80\"",
                           "\"\xED\xA0\x80\"",
                           "\"\xC3\""}) {
    CHECK(refusal(text) == ErrorCode::malformed);
  }
  CHECK(refusal(std::string_view("1\0", 2)) == ErrorCode::malformed);
  CHECK(refusal(std::string_view("\"\0\"", 3)) == ErrorCode::malformed);
}

TEST_CASE("an error says where") {
  const auto value = read_json("[1,x]");
  REQUIRE(!value);
  CHECK(value.error().message() == "JSON: not a value at byte 3");
}

TEST_CASE("a name may stand only once in an object") {
  CHECK(refusal(R"({"a":1,"b":2,"a":3})") == ErrorCode::malformed);
  CHECK(refusal(R"({"a":1,"\u0061":2})") == ErrorCode::malformed);
  CHECK(read(R"({"a":{"a":1},"b":{"a":1}})").object()->size() == 2);
}

TEST_CASE("size, depth and count have limits") {
  CHECK(refusal("[1,2,3]", {.bytes_max = 6}) == ErrorCode::too_large);
  CHECK(refusal("[1,2,3]", {.values_max = 3}) == ErrorCode::too_large);
  CHECK(read_json("[1,2,3]", {.bytes_max = 7, .depth_max = 1, .values_max = 4}));
  CHECK(read_json(nested(5), {.depth_max = 5}));
  CHECK(refusal(nested(6), {.depth_max = 5}) == ErrorCode::too_large);
  CHECK(refusal(R"({"a":[]})", {.depth_max = 1}) == ErrorCode::too_large);
}

TEST_CASE("no limit handed in may endanger the stack") {
  CHECK(refusal(nested(1'000'000), {.depth_max = 10'000'000}) == ErrorCode::too_large);
  CHECK(read_json(nested(json_depth_max), {.depth_max = 10'000'000}));
}

TEST_CASE("the canonical form sorts names by their bytes at every depth") {
  CHECK(write_canonical_json(read(R"({"b":[{"z":1,"Z":2}],"a":1.0,"\u00e9":3,"aa":2,"":0})")) ==
        "{\"\":0,\"a\":1.0,\"aa\":2,\"b\":[{\"Z\":2,\"z\":1}],\"\u00E9\":3}");
}

TEST_CASE("numbers keep their text and have a value") {
  CHECK(read("9007199254740993").as_int64() == 9007199254740993);
  CHECK(read("9223372036854775808").as_int64() == std::nullopt);
  CHECK(read("9223372036854775808").as_double() == 9223372036854775808.0);
  CHECK(read("1.0").as_int64() == std::nullopt);
  CHECK(read("-2.5e1").as_double() == -25.0);
  CHECK(read("\"1\"").as_double() == std::nullopt);
  CHECK(write_json(Json::integer(INT64_MIN)) == "-9223372036854775808");
  CHECK(write_json(Json::real(3)) == "3.0");
  CHECK(Json::real(std::numeric_limits<double>::infinity()).is_null());
  CHECK(!Json::number("1,5"));
}

TEST_CASE("members are found, replaced in their place and added at the end") {
  Json value = read(R"({"a":1,"b":2})");
  value.set("a", Json("x"));
  value.set("c", Json(true));
  CHECK(write_json(value) == R"({"a":"x","b":2,"c":true})");
  CHECK(value.find("d") == nullptr);
  CHECK(Json(false).find("a") == nullptr);
  Json fresh;
  fresh.set("k", Json(Json::Array{Json::integer(1)}));
  CHECK(write_json(fresh) == R"({"k":[1]})");
}

TEST_CASE("equality tells 1 from 1.0 and one order of members from another") {
  CHECK(read("[1,{\"a\":null}]") == read(" [ 1 , {\"a\":null} ] "));
  CHECK_FALSE(read("1") == read("1.0"));
  CHECK_FALSE(read(R"({"a":1,"b":2})") == read(R"({"b":2,"a":1})"));
  CHECK_FALSE(read("\"1\"") == read("1"));
}
