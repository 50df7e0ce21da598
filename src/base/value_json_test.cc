#include "base/value_json.h"

#include <doctest/doctest.h>

#include <limits>

namespace syncline {
namespace {

TEST_CASE("every storage class has a JSON form of its own") {
  const std::uint8_t bytes[] = {0, 1};
  CHECK(value_json(ValueView::null()) == "null");
  CHECK(value_json(ValueView::of(std::int64_t{1})) == "1");
  CHECK(value_json(ValueView::of(INT64_MIN)) == "-9223372036854775808");
  CHECK(value_json(ValueView::of(1.0)) == "1.0");
  CHECK(value_json(ValueView::of(-0.0)) == "-0.0");
  CHECK(value_json(ValueView::of(0.1)) == "0.1");
  CHECK(value_json(ValueView::of("a\"b")) == "\"a\\\"b\"");
  CHECK(value_json(ValueView::blob(bytes)) == "{\"base64\":\"AAE=\"}");
  CHECK(value_json(ValueView::blob({})) == "{\"base64\":\"\"}");
}

TEST_CASE("what JSON lacks becomes an object that no other value becomes") {
  CHECK(value_json(ValueView::of(std::numeric_limits<double>::infinity())) == "{\"real\":\"inf\"}");
  CHECK(value_json(ValueView::of(-std::numeric_limits<double>::infinity())) ==
        "{\"real\":\"-inf\"}");
  CHECK(value_json(ValueView::of("\xFF")) == "{\"text_base64\":\"/w==\"}");
  CHECK(value_json(ValueView::of(std::string_view("a\0b", 3))) == "\"a\\u0000b\"");
}

}  // namespace
}  // namespace syncline
