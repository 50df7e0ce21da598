#include "base/decimal.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "base/random.h"

using namespace syncline;

TEST_CASE("the shortest digits are also the nearest ones") {
  // 2^-44: below a power of two the doubles lie twice as dense.
  CHECK(shortest_decimal(std::ldexp(1.0, -44)).digits == "5684341886080802");
  CHECK(shortest_decimal(5e-324).digits == "5");
  CHECK(shortest_decimal(std::numeric_limits<double>::max()).digits == "17976931348623157");
  CHECK(shortest_decimal(0).digits.empty());
}

TEST_CASE("digits carry no zeros at either end") {
  SeededRandom random(3);
  for (int round = 0; round < 2000; ++round) {
    const double value = std::ldexp(static_cast<double>(1 + random.below(1'000'000)),
                                    static_cast<int>(random.below(200)) - 100);
    const Decimal decimal = shortest_decimal(value);
    REQUIRE(!decimal.digits.empty());
    CHECK(decimal.digits.front() != '0');
    CHECK(decimal.digits.back() != '0');
    CHECK(nearest_double(decimal) == value);
  }
}

TEST_CASE("zeros around the digits do not change the value") {
  CHECK(nearest_double({"000150000", 4}) == 1.5);
  CHECK(nearest_double({"15", 1}) == 1.5);
  CHECK(nearest_double({"0000", 5}) == 0);
}
