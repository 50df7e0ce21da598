#include "base/decimal.h"

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
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

TEST_CASE("with and without the library the digits and the doubles are the same") {
  SeededRandom random(8);
  for (int round = 0; round < 200'000; ++round) {
    std::uint64_t bits = random.next() & 0x7FFFFFFFFFFFFFFFULL;
    if (round % 4 == 1) {
      bits &= 0xFFF0000000000000ULL;  // a power of two
    } else if (round % 4 == 2) {
      bits = (bits & 0x000FFFFFFFFFFFFFULL) | ((1003 + random.below(40)) << 52U);
    } else if (round % 4 == 3) {
      bits >>= 12U + random.below(52);  // small, with few digits
    }
    double value = 0;
    std::memcpy(&value, &bits, sizeof value);
    if (!std::isfinite(value)) {
      continue;
    }
    const Decimal decimal = shortest_decimal(value);
    const Decimal by_hand = shortest_decimal_by_hand(value);
    REQUIRE(decimal.digits == by_hand.digits);
    REQUIRE(decimal.exponent == by_hand.exponent);
    REQUIRE(nearest_double(decimal) == value);
    // Digits in the middle between two doubles, or nearly so.
    Decimal near = decimal;
    near.digits += std::to_string(random.below(1000));
    near.exponent += static_cast<std::int64_t>(random.below(3)) - 1;
    REQUIRE(nearest_double(near) == nearest_double_by_hand(near));
  }
  for (const std::int64_t exponent : {-100'000, -400, -324, -323, 308, 309, 310, 100'000}) {
    const Decimal edge{"17976931348623157", exponent};
    CHECK(nearest_double(edge) == nearest_double_by_hand(edge));
  }
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
