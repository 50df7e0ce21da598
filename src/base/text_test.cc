#include "base/text.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "base/random.h"

using namespace syncline;

namespace {

double double_of_bits(std::uint64_t bits) {
  double value = 0;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

double parsed(std::string_view text) {
  const auto value = parse_double(text);
  REQUIRE(value);
  return *value;
}

std::string bytes(std::initializer_list<int> values) {
  std::string out;
  for (const int value : values) {
    out.push_back(static_cast<char>(value));
  }
  return out;
}

}  // namespace

TEST_CASE("valid UTF-8 of every width is accepted") {
  CHECK(is_utf8(""));
  CHECK(is_utf8("plain"));
  CHECK(is_utf8("\x7F\u0080\u07FF\u0800\uD7FF\uE000\uFFFF\U00010000\U0010FFFF"));
  CHECK(is_utf8(std::string_view("a\0b", 3)));
}

TEST_CASE("bytes that are not UTF-8 are refused") {
  for (const std::string& text :
       {bytes({0x80}), bytes({0xC0, 0x80}), bytes({0xC1, 0xBF}), bytes({0xC2}),
        bytes({0xE0, 0x9F, 0xBF}), bytes({0xED, 0xA0, 0x80}), bytes({0xF0, 0x8F, 0xBF, 0xBF}),
        bytes({0xF4, 0x90, 0x80, 0x80}), bytes({0xF5, 0x80, 0x80, 0x80}), bytes({0xE2, 0x82}),
        bytes({0xC3, 0x28}), bytes({0xFF})}) {
    CAPTURE(text.size());
    CHECK_FALSE(is_utf8(text));
    CHECK_FALSE(is_utf8("x" + text + "y"));
  }
}

TEST_CASE("WTF-8 takes a lone surrogate, and refuses a pair written as two") {
  const std::string high = bytes({0xED, 0xA0, 0xBD});
  const std::string low = bytes({0xED, 0xB8, 0x80});
  CHECK(is_wtf8(high));
  CHECK(is_wtf8(low));
  CHECK(is_wtf8(low + high));
  CHECK(is_wtf8(high + "-" + low));
  CHECK_FALSE(is_wtf8(high + low));
  CHECK_FALSE(is_wtf8(bytes({0x80})));
}

TEST_CASE("every sequence of UTF-16 units survives the way through WTF-8") {
  SeededRandom random(1);
  const char16_t pool[] = {u'a', 0x7F, 0x80, 0x7FF, 0x800, 0xD800, 0xDBFF, 0xDC00, 0xDFFF, 0xFFFF};
  for (int round = 0; round < 20000; ++round) {
    std::u16string units;
    for (std::uint64_t left = random.below(8); left > 0; --left) {
      units.push_back(pool[random.below(std::size(pool))]);
    }
    const std::string text = utf16_to_utf8(units);
    REQUIRE(is_wtf8(text));
    REQUIRE(utf16_length(text) == units.size());
    const auto back = utf8_to_utf16(text);
    REQUIRE(back);
    REQUIRE(*back == units);
  }
}

TEST_CASE("text that is not WTF-8 does not become UTF-16") {
  const auto units = utf8_to_utf16(bytes({'a', 0xFF}));
  REQUIRE(!units);
  CHECK(units.error().code() == ErrorCode::malformed);
  CHECK(units.error().message() == "text is not valid UTF-8 at byte 1");
}

TEST_CASE("replacing what is invalid gives valid text and leaves the rest") {
  CHECK(to_valid_utf8(bytes({'a', 0xFF, 'b', 0xED, 0xA0, 0x80, 'c'})) == "a\uFFFDb\uFFFDc");
  CHECK(to_valid_utf8("\U0001F600 ok") == "\U0001F600 ok");
}

TEST_CASE("a double is written in its shortest form, with a point or an exponent") {
  const struct {
    double value;
    const char* text;
    const char* js;
  } cases[] = {
      {0.0, "0.0", "0"},
      {-0.0, "-0.0", "0"},
      {1.0, "1.0", "1"},
      {-1.5, "-1.5", "-1.5"},
      {0.1, "0.1", "0.1"},
      {0.1 + 0.2, "0.30000000000000004", "0.30000000000000004"},
      {100.0, "100.0", "100"},
      {123456789012345680.0, "123456789012345680.0", "123456789012345680"},
      {1e20, "100000000000000000000.0", "100000000000000000000"},
      {1e21, "1e+21", "1e+21"},
      {1.5e300, "1.5e+300", "1.5e+300"},
      {1e-6, "0.000001", "0.000001"},
      {1e-7, "1e-7", "1e-7"},
      {1.25e-7, "1.25e-7", "1.25e-7"},
      {5e-324, "5e-324", "5e-324"},
      {2.2250738585072014e-308, "2.2250738585072014e-308", "2.2250738585072014e-308"},
      {1.7976931348623157e308, "1.7976931348623157e+308", "1.7976931348623157e+308"},
      {9007199254740993.0, "9007199254740992.0", "9007199254740992"},
      {4.35, "4.35", "4.35"},
      {5.684341886080802e-14, "5.684341886080802e-14", "5.684341886080802e-14"},
      {9.5367431640625e-7, "9.5367431640625e-7", "9.5367431640625e-7"},
      {2e-44, "2e-44", "2e-44"},
      {1e23, "1e+23", "1e+23"},
      {8.41e21, "8.41e+21", "8.41e+21"},
  };
  for (const auto& it : cases) {
    CHECK(format_double(it.value) == it.text);
    CHECK(format_js_number(it.value) == it.js);
  }
}

TEST_CASE("infinities and NaN have a text of their own") {
  const double infinity = std::numeric_limits<double>::infinity();
  CHECK(format_double(infinity) == "inf");
  CHECK(format_double(-infinity) == "-inf");
  CHECK(format_double(std::nan("")) == "nan");
  CHECK(format_js_number(infinity) == "null");
}

TEST_CASE("any double survives the way through text, and the C library agrees") {
  SeededRandom random(7);
  for (int round = 0; round < 20000; ++round) {
    double value = double_of_bits(random.next());
    if (round % 3 == 1) {
      value = static_cast<double>(random.below(1'000'000'000)) / 1000;
    } else if (round % 3 == 2) {
      value = std::ldexp(1.0, static_cast<int>(random.below(2098)) - 1074);
    }
    if (!std::isfinite(value)) {
      continue;
    }
    const std::string text = format_double(value);
    CAPTURE(text);
    REQUIRE(parsed(text) == value);
    REQUIRE(std::strtod(text.c_str(), nullptr) == value);
    REQUIRE(text.size() <= 25);
  }
}

TEST_CASE("decimal text of any length is rounded to the nearest double, ties to even") {
  CHECK(parsed("9007199254740993") == 9007199254740992.0);
  CHECK(parsed("9007199254740995") == 9007199254740996.0);
  CHECK(parsed("9007199254740993.00000000000000000000000000000001") == 9007199254740994.0);
  CHECK(parsed("2.4703282292062327e-324") == 0.0);
  CHECK(parsed("2.4703282292062328e-324") == 5e-324);
  CHECK(parsed("1.7976931348623158e308") == std::numeric_limits<double>::max());
  CHECK(std::isinf(parsed("1.7976931348623159e308")));
  CHECK(std::isinf(parsed("1e999999999999999999999")));
  CHECK(parsed("-1e999999999999999999999") < 0);
  CHECK(parsed("1e-999999999999999999999") == 0.0);
  CHECK(std::signbit(parsed("-0")));
  CHECK(std::signbit(parsed("-1e-400")));
  CHECK(parsed("0." + std::string(400, '0') + "1e401") == 1.0);
  CHECK(parsed("1" + std::string(2000, '0') + "e-2000") == 1.0);
  // One half above the last bit, decided by a digit far beyond what fits.
  CHECK(parsed("9007199254740993." + std::string(3000, '0') + "1") == 9007199254740994.0);
}

TEST_CASE("the C library agrees on the value of random decimal text") {
  SeededRandom random(11);
  for (int round = 0; round < 20000; ++round) {
    std::string text = "1.";
    for (std::uint64_t left = 1 + random.below(25); left > 0; --left) {
      text.push_back(static_cast<char>('0' + random.below(10)));
    }
    text.append("e" + std::to_string(static_cast<int>(random.below(660)) - 340));
    CAPTURE(text);
    REQUIRE(parsed(text) == std::strtod(text.c_str(), nullptr));
  }
}

TEST_CASE("what is no number by JSON's grammar is refused") {
  for (const char* text : {"", "-", "+1", "01", ".5", "5.", "1e", "1e+", "0x10", " 1", "1 ", "inf",
                           "nan", "1_000", "--1", "1,5"}) {
    CAPTURE(text);
    CHECK_FALSE(is_json_number(text));
    CHECK(!parse_double(text));
  }
  for (const char* text : {"0", "-0", "10", "0.5", "1e5", "1E-5", "-1.25e+10"}) {
    CAPTURE(text);
    CHECK(is_json_number(text));
  }
}

TEST_CASE("an integer is read whole or not at all") {
  CHECK(parse_int64("0") == 0);
  CHECK(parse_int64("-9223372036854775808") == INT64_MIN);
  CHECK(parse_int64("9223372036854775807") == INT64_MAX);
  for (const char* text : {"", "-", "+1", " 1", "1 ", "1.0", "9223372036854775808"}) {
    CAPTURE(text);
    CHECK(parse_int64(text) == std::nullopt);
  }
}
