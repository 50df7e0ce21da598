#include "model/value.h"

#include <cmath>

namespace syncline {
namespace {

int rank(ValueType type) {
  switch (type) {
    case ValueType::null:
      return 0;
    case ValueType::integer:
    case ValueType::real:
      return 1;
    case ValueType::text:
      return 2;
    case ValueType::blob:
      return 3;
  }
  return 4;
}

template <typename T>
int three_way(T a, T b) {
  return a < b ? -1 : (a > b ? 1 : 0);
}

// Exact: no rounding of a 64-bit integer to a double on the way.
int compare_integer_real(std::int64_t integer, double real) {
  if (std::isnan(real)) {
    return 1;
  }
  if (real >= 9223372036854775808.0) {
    return -1;
  }
  if (real < -9223372036854775808.0) {
    return 1;
  }
  const auto whole = static_cast<std::int64_t>(real);
  if (integer != whole) {
    return three_way(integer, whole);
  }
  const double fraction = real - static_cast<double>(whole);
  return fraction > 0 ? -1 : (fraction < 0 ? 1 : 0);
}

int compare_reals(double a, double b) {
  if (a < b) {
    return -1;
  }
  if (a > b) {
    return 1;
  }
  // Equal, zeros of both signs, or not numbers: the bits decide.
  std::uint64_t a_bits = 0;
  std::uint64_t b_bits = 0;
  std::memcpy(&a_bits, &a, sizeof a);
  std::memcpy(&b_bits, &b, sizeof b);
  if (std::isnan(a) != std::isnan(b)) {
    return std::isnan(a) ? -1 : 1;
  }
  return three_way(b_bits, a_bits);
}

int compare_numbers(const ValueView& a, const ValueView& b) {
  if (a.type == ValueType::integer && b.type == ValueType::integer) {
    return three_way(a.integer, b.integer);
  }
  if (a.type == ValueType::real && b.type == ValueType::real) {
    return compare_reals(a.real, b.real);
  }
  if (a.type == ValueType::integer) {
    const int order = compare_integer_real(a.integer, b.real);
    return order != 0 ? order : -1;
  }
  const int order = -compare_integer_real(b.integer, a.real);
  return order != 0 ? order : 1;
}

}  // namespace

int compare_values(const ValueView& a, const ValueView& b) {
  const int by_type = three_way(rank(a.type), rank(b.type));
  if (by_type != 0) {
    return by_type;
  }
  switch (a.type) {
    case ValueType::null:
      return 0;
    case ValueType::integer:
    case ValueType::real:
      return compare_numbers(a, b);
    case ValueType::text:
    case ValueType::blob:
      return compare_bytes(a.data, b.data);
  }
  return 0;
}

}  // namespace syncline
