#include "model/value_codec.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

using namespace syncline;

namespace {

std::string hex_of(const Value& value) {
  Writer out;
  write_value(out, value.view());
  return to_hex(out.bytes());
}

bool refused(std::string_view hex) {
  const auto bytes = from_hex(hex);
  REQUIRE(bytes);
  Reader in(*bytes);
  DecodedValue value;
  return !value.read(in).has_value();
}

constexpr const char* uuid = "01234567-89ab-cdef-0123-456789abcdef";

std::vector<Value> edge_values() {
  std::vector<Value> values{Value(),
                            Value::real(-0.0),
                            Value::real(0.0),
                            Value::real(std::numeric_limits<double>::infinity()),
                            Value::real(-std::numeric_limits<double>::infinity()),
                            Value::real(5e-324),
                            Value::text(uuid),
                            Value::text("01234567-89AB-cdef-0123-456789abcdef"),
                            Value::text("01234567-89ab-cdef-0123-456789abcdeg"),
                            Value::text("01234567089ab-cdef-0123-456789abcdef"),
                            Value::text("01234567-89ab-cdef-0123-4567-9abcdef"),
                            Value::text(std::string_view("a\0b", 3)),
                            Value::text("\xed\xa0\x80"),
                            Value::blob(as_bytes(uuid)),
                            Value::blob({})};
  for (const std::int64_t i :
       {std::int64_t{0}, std::int64_t{63}, std::int64_t{64}, std::int64_t{-1},
        std::numeric_limits<std::int64_t>::max(), std::numeric_limits<std::int64_t>::min()}) {
    values.push_back(Value::integer(i));
  }
  for (const std::size_t size : {0U, 1U, 36U, 127U, 128U, 70'000U}) {
    values.push_back(Value::text(std::string(size, '-')));
  }
  return values;
}

}  // namespace

TEST_CASE("the bytes of values are pinned") {
  CHECK(hex_of(Value()) == "00");
  CHECK(hex_of(Value::integer(0)) == "40");
  CHECK(hex_of(Value::integer(63)) == "7f");
  CHECK(hex_of(Value::integer(64)) == "018001");
  CHECK(hex_of(Value::integer(-1)) == "0101");
  CHECK(hex_of(Value::real(-0.0)) == "020000000000000080");
  CHECK(hex_of(Value::text("")) == "80");
  CHECK(hex_of(Value::text("hi")) == "826869");
  CHECK(hex_of(Value::blob(as_bytes("hi"))) == "04026869");
  CHECK(hex_of(Value::text(uuid)) == "050123456789abcdef0123456789abcdef");
}

TEST_CASE("every value reads back exactly, and by its own bytes only") {
  for (const Value& value : edge_values()) {
    Writer out;
    write_value(out, value.view());
    CAPTURE(to_hex(out.bytes().first(std::min<std::size_t>(out.size(), 40))));
    Reader in(out.bytes());
    DecodedValue back;
    REQUIRE(back.read(in));
    CHECK(in.at_end());
    CHECK(same_value(back.view(), value.view()));
    Reader skipping(out.bytes());
    CHECK(skip_value(skipping));
    CHECK(skipping.at_end());
    if (out.size() < 200) {
      for (std::size_t size = 0; size < out.size(); ++size) {
        Reader cut(out.bytes().first(size));
        CHECK(!back.read(cut));
      }
    }
  }
}

TEST_CASE("a value in another encoding than its shortest is refused") {
  CHECK(refused("0102"));                         // 1, which fits the tag
  CHECK(refused("017e"));                         // 63
  CHECK(refused("03026869"));                     // a short text with a length
  CHECK(refused("a4" + to_hex(as_bytes(uuid))));  // a UUID as text
  CHECK(refused("01808000"));                     // a padded varint
  for (int tag = 0x06; tag < 0x40; ++tag) {
    CHECK(refused(to_hex(ByteVector{static_cast<std::uint8_t>(tag), 0, 0, 0})));
  }
}

TEST_CASE("a key reads back as its values and refuses too many") {
  const ValueView values[] = {ValueView::of("a"), ValueView::of(std::int64_t{7}),
                              ValueView::of(uuid)};
  const RowKey key = make_key(values);
  const auto back = key_values(key.view());
  REQUIRE(back);
  REQUIRE(back->size() == 3);
  CHECK(same_value((*back)[2].view(), values[2]));
  CHECK(!key_values(key.view(), 2));
  CHECK(key_values(key.view(), 3));
  CHECK(!key_values(key.view().first(key.bytes.size() - 1)));
}
