#include "base/decimal.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>
#include <vector>

namespace syncline {
namespace {

// Powers of ten that a double holds exactly.
constexpr double exact_powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
constexpr int exact_power_max = 22;
// Any decimal of so many digits survives the way through a double, so among those at most one reads
// back as a given double.
constexpr double fifteen_digits_end = 1e15;
constexpr int mantissa_bits = 53;
// The exponent of the last mantissa bit of the smallest double: 2^-1074.
constexpr int exponent_min = -1074;
constexpr int exponent_max = 971;
// No double's exact decimal form, nor the middle between two, has more significant digits; what
// follows only matters by being zero or not.
constexpr std::size_t digits_kept_max = 800;
// Far outside what a double can be.
[[maybe_unused]] constexpr std::int64_t exponents_end = 400;

// An integer of any size, not negative; 32-bit limbs, least first, none of them zero at the top.
class Natural {
 public:
  explicit Natural(std::uint64_t value) {
    for (; value != 0; value >>= 32U) {
      limbs_.push_back(static_cast<std::uint32_t>(value));
    }
  }

  bool is_zero() const { return limbs_.empty(); }

  std::int64_t bit_length() const {
    if (limbs_.empty()) {
      return 0;
    }
    return static_cast<std::int64_t>(limbs_.size()) * 32 - std::countl_zero(limbs_.back());
  }

  void multiply_add(std::uint32_t factor, std::uint32_t addend) {
    std::uint64_t carry = addend;
    for (std::uint32_t& limb : limbs_) {
      carry += std::uint64_t{limb} * factor;
      limb = static_cast<std::uint32_t>(carry);
      carry >>= 32U;
    }
    if (carry != 0) {
      limbs_.push_back(static_cast<std::uint32_t>(carry));
    }
  }

  void multiply_power_of_ten(std::int64_t power) {
    for (; power >= 9; power -= 9) {
      multiply_add(1'000'000'000, 0);
    }
    for (; power > 0; --power) {
      multiply_add(10, 0);
    }
  }

  void shift_left(std::int64_t bits) {
    if (is_zero() || bits <= 0) {
      return;
    }
    const auto small = static_cast<unsigned>(bits % 32);
    if (small != 0) {
      std::uint32_t carry = 0;
      for (std::uint32_t& limb : limbs_) {
        const std::uint32_t above = limb >> (32U - small);
        limb = (limb << small) | carry;
        carry = above;
      }
      if (carry != 0) {
        limbs_.push_back(carry);
      }
    }
    limbs_.insert(limbs_.begin(), static_cast<std::size_t>(bits / 32), 0);
  }

  // `other` must not be larger.
  void subtract(const Natural& other) {
    std::uint64_t borrow = 0;
    for (std::size_t i = 0; i < limbs_.size(); ++i) {
      const std::uint64_t taken = borrow + (i < other.limbs_.size() ? other.limbs_[i] : 0);
      borrow = limbs_[i] < taken ? 1 : 0;
      limbs_[i] = static_cast<std::uint32_t>(limbs_[i] - taken);
    }
    while (!limbs_.empty() && limbs_.back() == 0) {
      limbs_.pop_back();
    }
  }

  void add(const Natural& other) {
    limbs_.resize(std::max(limbs_.size(), other.limbs_.size()), 0);
    std::uint64_t carry = 0;
    for (std::size_t i = 0; i < limbs_.size(); ++i) {
      carry += std::uint64_t{limbs_[i]} + (i < other.limbs_.size() ? other.limbs_[i] : 0);
      limbs_[i] = static_cast<std::uint32_t>(carry);
      carry >>= 32U;
    }
    if (carry != 0) {
      limbs_.push_back(static_cast<std::uint32_t>(carry));
    }
  }

  // Negative, zero or positive.
  friend int compare(const Natural& a, const Natural& b) {
    if (a.limbs_.size() != b.limbs_.size()) {
      return a.limbs_.size() < b.limbs_.size() ? -1 : 1;
    }
    for (std::size_t i = a.limbs_.size(); i-- > 0;) {
      if (a.limbs_[i] != b.limbs_[i]) {
        return a.limbs_[i] < b.limbs_[i] ? -1 : 1;
      }
    }
    return 0;
  }

 private:
  std::vector<std::uint32_t> limbs_;
};

int compare_sum(const Natural& a, const Natural& b, const Natural& c) {
  Natural sum = a;
  sum.add(b);
  return compare(sum, c);
}

// value = mantissa x 2^exponent.
struct Parts {
  std::uint64_t mantissa = 0;
  int exponent = 0;
};

Parts take_apart(double value) {
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  const std::uint64_t fraction = bits & ((std::uint64_t{1} << 52U) - 1);
  const int biased = static_cast<int>((bits >> 52U) & 0x7FFU);
  if (biased == 0) {
    return {fraction, exponent_min};
  }
  return {fraction | (std::uint64_t{1} << 52U), biased - 1075};
}

void strip_zeros(Decimal& decimal) {
  while (!decimal.digits.empty() && decimal.digits.back() == '0') {
    decimal.digits.pop_back();
  }
}

// The short way: if value x 10^k is close to an integer of at most fifteen digits, and that integer
// divided by 10^k (one correctly rounded operation on exact operands) is the value again, then
// those digits read back as the value, and no other such digits do.
bool short_decimal(double value, Decimal& out) {
  for (int k = 0; k <= exact_power_max; ++k) {
    const double scaled = value * exact_powers[k];
    if (scaled >= fifteen_digits_end) {
      return false;
    }
    const double whole = std::floor(scaled + 0.5);
    if (whole > 0 && whole < fifteen_digits_end && whole / exact_powers[k] == value) {
      out.digits = std::to_string(static_cast<std::uint64_t>(whole));
      out.exponent = static_cast<std::int64_t>(out.digits.size()) - k;
      strip_zeros(out);
      return true;
    }
  }
  return false;
}

// The long way (Steele and White, as Burger and Dybvig tell it): value = rest / unit, and half the
// distances to its two neighbours are above / unit and below / unit.
struct Scaled {
  Natural rest;
  Natural unit;
  Natural above;
  Natural below;
};

Scaled scale(Parts parts) {
  const bool lower_gap_is_half =
      parts.mantissa == (std::uint64_t{1} << 52U) && parts.exponent > exponent_min;
  const int extra = lower_gap_is_half ? 2 : 1;
  Scaled out{Natural(parts.mantissa), Natural(1), Natural(1), Natural(1)};
  out.rest.shift_left(extra);
  out.unit.shift_left(extra);
  if (parts.exponent >= 0) {
    out.rest.shift_left(parts.exponent);
    out.above.shift_left(parts.exponent + extra - 1);
    out.below.shift_left(parts.exponent);
  } else {
    out.unit.shift_left(-parts.exponent);
    out.above.shift_left(extra - 1);
  }
  return out;
}

// Brings value (with its upper half gap) into [1/10, 1) units and returns the power of ten taken
// out.
std::int64_t normalize(Scaled& s, bool even) {
  // log10(2) as 0.30103, a little above the truth and off by one at most: the loops below mend it.
  std::int64_t power = (s.rest.bit_length() - s.unit.bit_length()) * 30103 / 100000;
  if (power > 0) {
    s.unit.multiply_power_of_ten(power);
  } else {
    s.rest.multiply_power_of_ten(-power);
    s.above.multiply_power_of_ten(-power);
    s.below.multiply_power_of_ten(-power);
  }
  const auto reaches = [&](const Scaled& now) {
    const int order = compare_sum(now.rest, now.above, now.unit);
    return even ? order >= 0 : order > 0;
  };
  while (reaches(s)) {
    s.unit.multiply_add(10, 0);
    ++power;
  }
  for (;;) {
    Scaled tenfold = s;
    tenfold.rest.multiply_add(10, 0);
    tenfold.above.multiply_add(10, 0);
    tenfold.below.multiply_add(10, 0);
    if (reaches(tenfold)) {
      return power;
    }
    s = tenfold;
    --power;
  }
}

char next_digit(Scaled& s) {
  s.rest.multiply_add(10, 0);
  s.above.multiply_add(10, 0);
  s.below.multiply_add(10, 0);
  char digit = '0';
  while (compare(s.rest, s.unit) >= 0) {
    s.rest.subtract(s.unit);
    ++digit;
  }
  return digit;
}

Decimal long_decimal(double value) {
  const Parts parts = take_apart(value);
  const bool even = parts.mantissa % 2 == 0;
  Scaled s = scale(parts);
  Decimal out;
  out.exponent = normalize(s, even);
  for (;;) {
    char digit = next_digit(s);
    const int low = compare(s.rest, s.below);
    const int high = compare_sum(s.rest, s.above, s.unit);
    const bool may_stop_low = even ? low <= 0 : low < 0;
    const bool may_stop_high = even ? high >= 0 : high > 0;
    if (may_stop_low || may_stop_high) {
      bool round_up = may_stop_high;
      if (may_stop_low && may_stop_high) {
        const int half = compare_sum(s.rest, s.rest, s.unit);
        round_up = half > 0 || (half == 0 && (digit - '0') % 2 == 1);
      }
      // A nine is never rounded up here: the digit before would have stopped.
      out.digits.push_back(static_cast<char>(digit + (round_up ? 1 : 0)));
      return out;
    }
    out.digits.push_back(digit);
  }
}

// The double with this mantissa (at most 2^53) and exponent; infinity above the range.
double put_together(std::uint64_t mantissa, std::int64_t exponent) {
  if (mantissa == std::uint64_t{1} << 53U) {
    mantissa >>= 1U;
    ++exponent;
  }
  if (exponent > exponent_max) {
    return std::numeric_limits<double>::infinity();
  }
  std::uint64_t bits = mantissa;
  if (mantissa >= std::uint64_t{1} << 52U) {
    bits = (mantissa & ((std::uint64_t{1} << 52U) - 1)) |
           (static_cast<std::uint64_t>(exponent + 1075) << 52U);
  }
  double value = 0;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

// over / under, correctly rounded: finds the quotient's bits one at a time.
double divide(Natural over, Natural under) {
  std::int64_t exponent = over.bit_length() - under.bit_length();
  if (exponent > 0) {
    under.shift_left(exponent);
  } else {
    over.shift_left(-exponent);
  }
  if (compare(over, under) < 0) {
    over.shift_left(1);
    --exponent;
  }
  // The quotient is now 1.xxx x 2^exponent. Small numbers have fewer bits before the last one.
  const std::int64_t last_bit =
      std::max<std::int64_t>(exponent - (mantissa_bits - 1), exponent_min);
  const std::int64_t bits = exponent - last_bit + 1;
  if (bits < 0) {
    return 0;
  }
  std::uint64_t mantissa = 0;
  for (std::int64_t i = 0; i < bits; ++i) {
    mantissa <<= 1U;
    if (compare(over, under) >= 0) {
      over.subtract(under);
      mantissa |= 1U;
    }
    over.shift_left(1);
  }
  // What is left, against one half of the last bit; `over` is already doubled, so that is 1.
  const int half = compare(over, under);
  if (half > 0 || (half == 0 && mantissa % 2 == 1)) {
    ++mantissa;
  }
  return put_together(mantissa, last_bit);
}

}  // namespace

#ifdef __cpp_lib_to_chars

Decimal shortest_decimal(double value) {
  Decimal out;
  if (value == 0) {
    return out;
  }
  char text[32];  // d.ddde-ddd
  const char* const end =
      std::to_chars(text, text + sizeof text, value, std::chars_format::scientific).ptr;
  const char* mark = text;
  for (; *mark != 'e'; ++mark) {
    if (*mark != '.') {
      out.digits.push_back(*mark);
    }
  }
  const bool is_negative = mark[1] == '-';
  for (const char* c = mark + 2; c != end; ++c) {
    out.exponent = out.exponent * 10 + (*c - '0');
  }
  out.exponent = (is_negative ? -out.exponent : out.exponent) + 1;
  strip_zeros(out);
  return out;
}

double nearest_double(const Decimal& decimal) {
  if (decimal.digits.size() > digits_kept_max || decimal.exponent > exponents_end ||
      decimal.exponent < -exponents_end) {
    return nearest_double_by_hand(decimal);  // which knows where to cut
  }
  const std::string text = "0." + decimal.digits + "e" + std::to_string(decimal.exponent);
  double value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  return read.ec == std::errc() ? value : nearest_double_by_hand(decimal);
}

#else

Decimal shortest_decimal(double value) { return shortest_decimal_by_hand(value); }
double nearest_double(const Decimal& decimal) { return nearest_double_by_hand(decimal); }

#endif

Decimal shortest_decimal_by_hand(double value) {
  Decimal out;
  if (value == 0) {
    return out;
  }
  if (value >= 1e-7 && short_decimal(value, out)) {
    return out;
  }
  return long_decimal(value);
}

double nearest_double_by_hand(const Decimal& decimal) {
  std::string_view digits = decimal.digits;
  std::int64_t exponent = decimal.exponent;
  while (!digits.empty() && digits.front() == '0') {
    digits.remove_prefix(1);
    --exponent;
  }
  while (!digits.empty() && digits.back() == '0') {
    digits.remove_suffix(1);
  }
  if (digits.empty() || exponent < -330) {
    return 0;
  }
  if (exponent > 310) {
    return std::numeric_limits<double>::infinity();
  }
  if (digits.size() <= 15) {
    std::uint64_t whole = 0;
    for (const char digit : digits) {
      whole = whole * 10 + static_cast<std::uint64_t>(digit - '0');
    }
    const std::int64_t power = exponent - static_cast<std::int64_t>(digits.size());
    if (power >= -exact_power_max && power <= exact_power_max) {
      // Both operands are exact, so the one operation rounds correctly.
      const auto exact = static_cast<double>(whole);
      return power < 0 ? exact / exact_powers[-power] : exact * exact_powers[power];
    }
  }
  const bool is_cut = digits.size() > digits_kept_max;
  digits = digits.substr(0, digits_kept_max);
  Natural over(0);
  for (const char digit : digits) {
    over.multiply_add(10, static_cast<std::uint32_t>(digit - '0'));
  }
  std::int64_t power = exponent - static_cast<std::int64_t>(digits.size());
  if (is_cut) {
    // Stands for everything that was cut off: above zero, too small to reach another digit.
    over.multiply_add(10, 1);
    --power;
  }
  Natural under(1);
  if (power >= 0) {
    over.multiply_power_of_ten(power);
  } else {
    under.multiply_power_of_ten(-power);
  }
  return divide(std::move(over), std::move(under));
}

}  // namespace syncline
