#include "model/value.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

using namespace syncline;

namespace {

constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t least = std::numeric_limits<std::int64_t>::min();

// In the order that every replica must agree on.
std::vector<Value> rising_values() {
  return {Value(),
          Value::real(std::nan("")),
          Value::real(-std::numeric_limits<double>::infinity()),
          Value::real(-9223372036854777856.0),
          Value::integer(least),
          Value::real(-9223372036854775808.0),
          Value::integer(least + 1),
          Value::integer(-1),
          Value::real(-1),
          Value::real(-0.5),
          Value::real(-5e-324),
          Value::integer(0),
          Value::real(-0.0),
          Value::real(0.0),
          Value::real(5e-324),
          Value::integer(1),
          Value::real(1),
          Value::real(1.5),
          Value::integer((std::int64_t{1} << 53) + 1),
          Value::real(9007199254740994.0),
          Value::integer(most - 1),
          Value::integer(most),
          Value::real(9223372036854775808.0),
          Value::real(std::numeric_limits<double>::infinity()),
          Value::text(""),
          Value::text(std::string_view("\0", 1)),
          Value::text("a"),
          Value::text(std::string_view("a\0", 2)),
          Value::text("\xff"),
          Value::blob({}),
          Value::blob(as_bytes("a")),
          Value::blob(as_bytes("b"))};
}

}  // namespace

TEST_CASE("values have one total order over all types, exact where integers meet doubles") {
  const std::vector<Value> values = rising_values();
  for (std::size_t i = 0; i < values.size(); ++i) {
    for (std::size_t j = 0; j < values.size(); ++j) {
      CAPTURE(i);
      CAPTURE(j);
      const int order = compare_values(values[i].view(), values[j].view());
      CHECK((order < 0) == (i < j));
      CHECK((order == 0) == (i == j));
      CHECK((values[i] == values[j]) == (i == j));
    }
  }
}

TEST_CASE("empty text, an empty blob and null are three values") {
  CHECK(!(Value::text("") == Value()));
  CHECK(!(Value::text("") == Value::blob({})));
  CHECK(Value::text("").type() == ValueType::text);
}

TEST_CASE("a value owns its bytes") {
  Value value;
  {
    const std::string text = "somewhere else and long enough to be allocated";
    value = Value::text(text);
  }
  CHECK(value.view().text() == "somewhere else and long enough to be allocated");
}
