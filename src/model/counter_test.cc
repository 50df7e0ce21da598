#include "model/counter.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>

using namespace syncline;

namespace {

constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t least = std::numeric_limits<std::int64_t>::min();

Stamp at(std::uint64_t time, char replica = 'a') {
  Stamp stamp;
  stamp.time = time;
  stamp.replica.bytes[0] = static_cast<std::uint8_t>(replica);
  return stamp;
}

CounterEntry entry(const Stamp& base, const Stamp& stamp, std::int64_t total) {
  return {base, stamp, Value::integer(total)};
}

CounterEntries joined(std::initializer_list<CounterEntry> all) {
  CounterEntries out;
  for (const CounterEntry& one : all) {
    join_counter(out, one);
  }
  return out;
}

Value sum(const Value& base, std::initializer_list<Value> totals) {
  CounterEntries entries;
  char replica = 'a';
  for (const Value& total : totals) {
    join_counter(entries, {at(1), at(2, replica++), total});
  }
  return counter_sum(at(1), base.view(), entries);
}

}  // namespace

TEST_CASE("a counter is its base and what each replica counted since") {
  CHECK(sum(Value::integer(10), {Value::integer(3), Value::integer(-1)}) == Value::integer(12));
  CHECK(sum(Value::integer(10), {}) == Value::integer(10));
}

TEST_CASE("a replica's running total replaces its earlier ones, in any order") {
  const CounterEntry early = entry(at(1), at(2), 1);
  const CounterEntry late = entry(at(1), at(5), 4);
  CHECK(joined({early, late}) == joined({late, early}));
  CHECK(joined({late, early, late}) == CounterEntries{late});
}

TEST_CASE("a total counted from a newer base replaces one from an older base") {
  const CounterEntry older = entry(at(1), at(9), 50);
  const CounterEntry newer = entry(at(3), at(8), 1);
  CHECK(joined({older, newer}) == CounterEntries{newer});
}

TEST_CASE("totals counted from an older base are void, from a base to come they wait") {
  CounterEntries entries = joined(
      {entry(at(1), at(5, 'a'), 7), entry(at(3), at(6, 'b'), 2), entry(at(4), at(7, 'c'), 100)});
  drop_counts_before(entries, at(3));
  CHECK(entries.size() == 2);
  CHECK(counter_sum(at(3), ValueView::of(std::int64_t{1}), entries) == Value::integer(3));
  drop_counts_before(entries, at(4));
  CHECK(counter_sum(at(4), ValueView::of(std::int64_t{0}), entries) == Value::integer(100));
}

TEST_CASE("totals of many replicas join as they do one by one") {
  const CounterEntries ours = joined({entry(at(1), at(2, 'a'), 1), entry(at(1), at(2, 'c'), 2),
                                      entry(at(1), at(5, 'd'), 3), entry(at(1), at(2, 'f'), 4)});
  const CounterEntries theirs = joined({entry(at(1), at(2, 'b'), 5), entry(at(1), at(3, 'c'), 6),
                                        entry(at(1), at(4, 'd'), 7), entry(at(1), at(2, 'f'), 8)});
  CounterEntries expected = ours;
  for (const CounterEntry& one : theirs) {
    join_counter(expected, one);
  }
  CounterEntries left = ours;
  join_counters(left, theirs);
  CounterEntries right = theirs;
  join_counters(right, ours);
  CHECK(left == expected);
  CHECK(right == expected);
  join_counters(left, {});
  CHECK(left == expected);
}

TEST_CASE("integers never wrap: a sum beyond 64 bits is the nearest double") {
  CHECK(sum(Value::integer(most), {Value::integer(1)}) == Value::real(9223372036854775808.0));
  CHECK(sum(Value::integer(least), {Value::integer(-1)}) == Value::real(-9223372036854775808.0));
  CHECK(sum(Value::integer(most), {Value::integer(most), Value::integer(most)}) ==
        Value::real(3.0 * 9223372036854775808.0));
  CHECK(add_numbers(ValueView::of(most), ValueView::of(std::int64_t{1})) ==
        Value::real(9223372036854775808.0));
}

TEST_CASE("a sum that passes 64 bits on the way and comes back is exact") {
  CHECK(sum(Value::integer(most), {Value::integer(most), Value::integer(-most)}) ==
        Value::integer(most));
  CHECK(sum(Value::integer(least), {Value::integer(least), Value::integer(most)}) ==
        Value::real(-9223372036854775809.0));
  CHECK(sum(Value::integer(least), {Value::integer(-1), Value::integer(1)}) ==
        Value::integer(least));
}

TEST_CASE("one real part makes the sum real") {
  CHECK(sum(Value::integer(1), {Value::real(0.5)}) == Value::real(1.5));
  CHECK(sum(Value::real(2), {Value::integer(1)}) == Value::real(3));
  CHECK(sum(Value::real(std::numeric_limits<double>::infinity()),
            {Value::real(-std::numeric_limits<double>::infinity())}) == Value());
}

TEST_CASE("a base that is no number counts as zero once something was counted") {
  CHECK(sum(Value(), {}) == Value());
  CHECK(sum(Value(), {Value::integer(2)}) == Value::integer(2));
  CHECK(sum(Value::text("old"), {}) == Value::text("old"));
  CHECK(sum(Value::text("old"), {Value::integer(2)}) == Value::integer(2));
}

TEST_CASE("a step leads from the old number to the new one") {
  const auto step = [](const Value& before, const Value& after) {
    return counter_step(before.view(), after.view());
  };
  CHECK(*step(Value::integer(5), Value::integer(3)) == Value::integer(-2));
  CHECK(*step(Value(), Value::integer(3)) == Value::integer(3));
  CHECK(*step(Value::integer(1), Value::real(1.5)) == Value::real(0.5));
  CHECK(*step(Value::integer(-1), Value::integer(most - 1)) == Value::integer(most));
  CHECK(!step(Value::integer(least), Value::integer(most)));
  CHECK(!step(Value::integer(least), Value::integer(0)));
  CHECK(!step(Value::text("1"), Value::integer(2)));
  CHECK(!step(Value::integer(1), Value()));
  CHECK(!step(Value::integer(1), Value::real(std::numeric_limits<double>::infinity())));
}

TEST_CASE("a counter's edit reads back as it was written, and its bytes are pinned") {
  const CounterEdit edit{at(1), Value::integer(-2)};
  const Value value = encode_counter_edit(edit);
  CHECK(to_hex(value.view().data) == "010100000000000000610000000000000000000000000000000103");
  const auto back = decode_counter_edit(value.view());
  REQUIRE(back);
  CHECK(*back == edit);
}

TEST_CASE("a counter's edit that is cut, long, of no number or no base is refused") {
  const Value good = encode_counter_edit({at(1), Value::integer(100)});
  const Bytes bytes = good.view().data;
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    CHECK(!decode_counter_edit(ValueView::blob(bytes.first(size))));
  }
  ByteVector longer = to_vector(bytes);
  longer.push_back(0);
  CHECK(!decode_counter_edit(ValueView::blob(longer)));
  longer = to_vector(bytes);
  longer[0] = 2;
  CHECK(!decode_counter_edit(ValueView::blob(longer)));
  CHECK(!decode_counter_edit(ValueView::of("text")));
  CHECK(!decode_counter_edit(encode_counter_edit({at(1), Value::text("1")}).view()));
  CHECK(!decode_counter_edit(encode_counter_edit({Stamp(), Value::integer(1)}).view()));
}

TEST_CASE("entries read back as they were written and refuse any other order") {
  const CounterEntries good = joined({entry(at(1), at(2, 'b'), 1), entry(at(1), at(2, 'a'), 2)});
  const auto read = [](const CounterEntries& entries) {
    Writer out;
    write_counter_entries(out, entries);
    Reader in(out.bytes());
    return read_counter_entries(in);
  };
  REQUIRE(read(good));
  CHECK(*read(good) == good);
  CHECK(!read({good[1], good[0]}));
  CHECK(!read({good[0], good[0]}));
  CHECK(!read({entry(at(2), at(2), 1)}));
}
