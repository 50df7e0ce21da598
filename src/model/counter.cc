#include "model/counter.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <tuple>
#include <utility>

#include "model/stamp_codec.h"
#include "model/value_codec.h"

namespace syncline {
namespace {

constexpr std::uint8_t counter_format = 1;
constexpr double two_to_64 = 18446744073709551616.0;

bool is_number(const ValueView& value) {
  return value.type == ValueType::integer || value.type == ValueType::real;
}

bool add_overflows(std::int64_t a, std::int64_t b) {
  return b > 0 ? a > std::numeric_limits<std::int64_t>::max() - b
               : a < std::numeric_limits<std::int64_t>::min() - b;
}

// The sum of many 64-bit integers, in 128 bits of two's complement: more terms than memory holds
// fit.
class WideSum {
 public:
  void add(std::int64_t term) {
    const auto word = static_cast<std::uint64_t>(term);
    low_ += word;
    high_ += (term < 0 ? ~std::uint64_t{0} : 0U) + (low_ < word ? 1U : 0U);
  }
  bool fits() const { return high_ == (low_ >> 63U == 0 ? 0U : ~std::uint64_t{0}); }
  std::int64_t integer() const { return static_cast<std::int64_t>(low_); }
  // One rounding for the low half and one for the sum: the same bits on every machine.
  double real() const {
    if (fits()) {
      return static_cast<double>(integer());
    }
    return static_cast<double>(static_cast<std::int64_t>(high_)) * two_to_64 +
           static_cast<double>(low_);
  }

 private:
  std::uint64_t high_ = 0;
  std::uint64_t low_ = 0;
};

bool is_entry_above(const CounterEntry& a, const CounterEntry& b) {
  if (a.base != b.base || a.stamp != b.stamp) {
    return std::tie(a.base, a.stamp) > std::tie(b.base, b.stamp);
  }
  return compare_values(a.total.view(), b.total.view()) > 0;
}

Result<Value> read_total(Reader& in) {
  DecodedValue total;
  SL_TRY(total.read(in));
  if (!is_number(total.view())) {
    return Error(ErrorCode::malformed, "a counter's total is no number");
  }
  return Value(total.view());
}

}  // namespace

void join_counter(CounterEntries& into, CounterEntry entry) {
  const auto at = std::lower_bound(into.begin(), into.end(), entry.stamp.replica,
                                   [](const CounterEntry& present, const ReplicaId& replica) {
                                     return present.stamp.replica < replica;
                                   });
  if (at == into.end() || at->stamp.replica != entry.stamp.replica) {
    into.insert(at, std::move(entry));
  } else if (is_entry_above(entry, *at)) {
    *at = std::move(entry);
  }
}

void join_counters(CounterEntries& into, CounterEntries from) {
  if (from.size() <= 1) {
    for (CounterEntry& entry : from) {
      join_counter(into, std::move(entry));
    }
    return;
  }
  CounterEntries out;
  out.reserve(into.size() + from.size());
  auto a = into.begin();
  auto b = from.begin();
  while (a != into.end() || b != from.end()) {
    if (b == from.end() || (a != into.end() && a->stamp.replica < b->stamp.replica)) {
      out.push_back(std::move(*a++));
    } else if (a == into.end() || b->stamp.replica < a->stamp.replica) {
      out.push_back(std::move(*b++));
    } else {
      out.push_back(std::move(is_entry_above(*b, *a) ? *b : *a));
      ++a;
      ++b;
    }
  }
  into = std::move(out);
}

void drop_counts_before(CounterEntries& entries, const Stamp& base) {
  entries.erase(std::remove_if(entries.begin(), entries.end(),
                               [&base](const CounterEntry& entry) { return entry.base < base; }),
                entries.end());
}

Value counter_sum(const Stamp& base, const ValueView& base_value, const CounterEntries& entries) {
  Stamp counted = base;
  if (base.is_zero()) {
    for (const CounterEntry& entry : entries) {
      counted = std::max(counted, entry.base);
    }
  }
  WideSum integers;
  std::vector<double> reals;
  const auto add = [&](const ValueView& part) {
    if (part.type == ValueType::integer) {
      integers.add(part.integer);
    } else if (part.type == ValueType::real) {
      reals.push_back(part.real);
    }
  };
  add(base_value);
  bool is_counted = false;
  for (const CounterEntry& entry : entries) {
    if (entry.base == counted) {
      is_counted = true;
      add(entry.total.view());
    }
  }
  if (!is_counted) {
    return Value(base_value);
  }
  if (reals.empty()) {
    return integers.fits() ? Value::integer(integers.integer()) : Value::real(integers.real());
  }
  double sum = integers.real();
  for (const double part : reals) {
    sum += part;
  }
  return std::isnan(sum) ? Value() : Value::real(sum);
}

Value add_numbers(const ValueView& a, const ValueView& b) {
  if (a.type == ValueType::integer && b.type == ValueType::integer) {
    WideSum sum;
    sum.add(a.integer);
    sum.add(b.integer);
    return sum.fits() ? Value::integer(sum.integer()) : Value::real(sum.real());
  }
  const double left = a.type == ValueType::integer ? static_cast<double>(a.integer) : a.real;
  const double right = b.type == ValueType::integer ? static_cast<double>(b.integer) : b.real;
  return Value::real(left + right);
}

Result<Value> counter_step(const ValueView& before, const ValueView& after) {
  const ValueView from = before.is_null() ? ValueView::of(std::int64_t{0}) : before;
  if (!is_number(from) || !is_number(after)) {
    return Error(ErrorCode::invalid_argument, "only numbers can be counted");
  }
  if (from.type == ValueType::integer && after.type == ValueType::integer) {
    const bool is_least = from.integer == std::numeric_limits<std::int64_t>::min();
    if (is_least || add_overflows(after.integer, -from.integer)) {
      return Error(ErrorCode::invalid_argument, "the step of a counter exceeds 64 bits");
    }
    return Value::integer(after.integer - from.integer);
  }
  const double left =
      from.type == ValueType::integer ? static_cast<double>(from.integer) : from.real;
  const double right =
      after.type == ValueType::integer ? static_cast<double>(after.integer) : after.real;
  const double step = right - left;
  if (!std::isfinite(step)) {
    return Error(ErrorCode::invalid_argument, "the step of a counter is not finite");
  }
  return Value::real(step);
}

Value encode_counter_edit(const CounterEdit& edit) {
  Writer out;
  out.u8(counter_format);
  write_stamp(out, edit.base);
  write_value(out, edit.total.view());
  return Value::blob(out.bytes());
}

Result<CounterEdit> decode_counter_edit(const ValueView& value) {
  if (value.type != ValueType::blob) {
    return Error(ErrorCode::malformed, "a counter's edit is a blob");
  }
  Reader in(value.data);
  SL_TRY(const std::uint8_t format, in.u8());
  if (format != counter_format) {
    return Error(ErrorCode::unsupported, "unknown counter format " + std::to_string(format));
  }
  CounterEdit edit;
  SL_TRY(edit.base, read_stamp(in));
  SL_TRY(edit.total, read_total(in));
  if (edit.base.is_zero()) {
    return Error(ErrorCode::malformed, "a counter's edit without a base");
  }
  SL_TRY(in.expect_end("a counter's edit"));
  return edit;
}

void write_counter_entries(Writer& out, const CounterEntries& entries) {
  out.varint(entries.size());
  for (const CounterEntry& entry : entries) {
    write_stamp(out, entry.base);
    write_stamp(out, entry.stamp);
    write_value(out, entry.total.view());
  }
}

Result<CounterEntries> read_counter_entries(Reader& in) {
  SL_TRY(const std::uint64_t count, in.varint_at_most(counter_replicas_max));
  CounterEntries entries;
  for (std::uint64_t i = 0; i < count; ++i) {
    CounterEntry entry;
    SL_TRY(entry.base, read_stamp(in));
    SL_TRY(entry.stamp, read_stamp(in));
    SL_TRY(entry.total, read_total(in));
    const bool rises = entries.empty() || entries.back().stamp.replica < entry.stamp.replica;
    if (!rises || !(entry.base < entry.stamp)) {
      return Error(ErrorCode::malformed, "a counter's entries are out of order");
    }
    entries.push_back(std::move(entry));
  }
  return entries;
}

}  // namespace syncline
