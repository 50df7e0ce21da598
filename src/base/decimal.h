#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace syncline {

// The arithmetic below base/text.h's number functions: doubles to decimal digits and back, exact
// and without the C library, whose answers differ by platform and locale. The C++ library does it
// where it can; the one for browsers cannot.

// 0.d1d2d3... x 10^exponent, without zeros at either end; no digits for zero.
struct Decimal {
  std::string digits;
  std::int64_t exponent = 0;
};

// The fewest digits that read back as exactly `value`, the nearest to it where there are several.
// `value` is finite and not negative.
Decimal shortest_decimal(double value);

// The double nearest to the decimal, ties to even; infinity or zero beyond the range. `digits` may
// have any length and zeros anywhere.
double nearest_double(const Decimal& decimal);

// The same two without the C++ library. Common numbers take a short way with a few floating
// operations; the rest use integers as long as they need to be.
Decimal shortest_decimal_by_hand(double value);
double nearest_double_by_hand(const Decimal& decimal);

}  // namespace syncline
