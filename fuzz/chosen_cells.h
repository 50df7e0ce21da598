#pragma once

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "fuzz/choices.h"
#include "model/counter.h"
#include "model/json_cell.h"
#include "wire/limits.h"

// What cells hold, by choice: small for the most part, and at and around every limit.
namespace syncline {

// Bytes that one input may make of its few: mostly none to speak of, so that runs stay short.
struct Large {
  explicit Large(Choices& choices) : left(choices.one_in(200) ? 48U << 20U : 64U << 10U) {}
  std::size_t left;
  std::size_t used = 0;

  // At most `size`, and small once the allowance is used up.
  std::size_t take(std::size_t size) {
    const std::size_t out = size <= left ? size : std::min<std::size_t>(size, 16);
    left -= std::min(left, out);
    used += out;
    return out;
  }
};

inline ReplicaId numbered_replica(std::size_t number) {
  ReplicaId id;
  id.bytes[0] = 'r';
  for (unsigned i = 0; i < 3; ++i) {
    id.bytes[3 - i] = static_cast<std::uint8_t>(number >> (8 * i));
  }
  return id;
}

inline Stamp chosen_stamp(Choices& choices) {
  const std::uint64_t times[] = {3, 1, 2, 4, 5, 9, 0xFFFF, std::uint64_t{1} << 48U, UINT64_MAX};
  const std::uint64_t time = choices.pick(times);
  return {time, numbered_replica(choices.below(4))};
}

inline Value chosen_number(Choices& choices) {
  switch (choices.below(6)) {
    case 0:
      return Value::integer(choices.byte());
    case 1:
      return Value::integer(INT64_MAX - choices.byte());
    case 2:
      return Value::integer(INT64_MIN + choices.byte());
    case 3:
      return Value::real(static_cast<double>(choices.byte()) / 7);
    case 4:
      return Value::real(choices.one_in(2) ? 1e308 : -1e308);
    default: {
      double real = 0;
      const std::uint64_t bits = choices.u64();
      std::memcpy(&real, &bits, sizeof real);
      return Value::real(real);
    }
  }
}

inline Value chosen_value(Choices& choices, Large& large) {
  switch (choices.below(8)) {
    case 0:
      return {};
    case 1:
      return chosen_number(choices);
    case 2:
      return Value::text(choices.text(choices.below(40)));
    case 3:
      return Value::blob(choices.bytes(choices.below(40)));
    case 4:
      return Value::text(R"({"a":{"b":1},"c":[1,2]})");
    case 5:
      return Value::text(repeated(choices, large.take(choices.byte() * std::size_t{64} << 10U)));
    case 6:
      return Value::text(repeated(choices, large.take(127 + choices.below(3))));
    default:
      return Value::blob(
          as_bytes(repeated(choices, large.take(size_around(choices, limits::row_bytes_max)))));
  }
}

// How many parts a cell has: mostly few.
inline std::size_t chosen_parts(Choices& choices, Large& large, std::size_t max,
                                std::size_t bytes_each) {
  if (!choices.one_in(16)) {
    return 1 + choices.below(5);
  }
  return std::max<std::size_t>(1, large.take(size_around(choices, max) * bytes_each) / bytes_each);
}

inline CounterEntries chosen_counts(Choices& choices, Large& large) {
  const std::size_t count = chosen_parts(choices, large, counter_replicas_max, 200);
  const std::size_t first = choices.below(4);
  const std::size_t step = 1 + choices.below(2);
  const Stamp base = chosen_stamp(choices);
  CounterEntries out;
  for (std::size_t i = 0; i < count; ++i) {
    CounterEntry entry;
    entry.base = base;
    entry.stamp = {base.time == UINT64_MAX ? base.time : base.time + 1 + i % 2,
                   numbered_replica(first + i * step)};
    entry.total = i < 4 ? chosen_number(choices) : Value::integer(static_cast<std::int64_t>(i));
    if (entry.base < entry.stamp) {
      out.push_back(std::move(entry));
    }
  }
  return out;
}

inline JsonPath chosen_path(Choices& choices, Large& large, std::size_t number) {
  JsonPath path;
  const std::size_t depths[] = {1, 2, 3, 99, 100, 101};
  for (std::size_t left = choices.pick(depths); left > 0; --left) {
    path.emplace_back(path.size() < 2 ? std::string(1, static_cast<char>('a' + choices.below(3)))
                                      : "x");
  }
  if (choices.one_in(8)) {
    path.back() = choices.text(choices.below(8));
  } else if (choices.one_in(16)) {
    path.back() = repeated(choices, large.take(std::size_t{1} << 20U));
  }
  if (number > 8) {
    path = {std::to_string(10'000'000 + number)};
  }
  return path;
}

inline JsonField chosen_field(Choices& choices, Large& large, std::size_t number) {
  static constexpr const char* texts[] = {"1",    "null", "[1,[2]]", R"("s")",     "1e400",
                                          "-0.0", "true", "[]",      R"("\u0000")"};
  JsonField field{chosen_path(choices, large, number), FieldKind::value, {}};
  if (number > 8) {
    field.text = "1";
    return field;
  }
  field.kind = static_cast<FieldKind>((choices.below(3) + 1) % 3);
  if (field.kind == FieldKind::value) {
    field.text = choices.pick(texts);
    if (choices.one_in(8)) {
      const std::size_t depth = choices.below(101);
      field.text = std::string(depth, '[') + std::string(depth, ']');
    } else if (choices.one_in(16)) {
      std::string letters = repeated(choices, large.take(choices.byte() * std::size_t{64} << 10U));
      std::replace_if(
          letters.begin(), letters.end(), [](char c) { return c < 'a' || c > 'z'; }, 'a');
      field.text = '"' + letters + '"';
    }
  }
  return field;
}

inline JsonEdit chosen_fields(Choices& choices, Large& large) {
  const std::size_t count = chosen_parts(choices, large, json_fields_max, 160);
  JsonEdit fields;
  for (std::size_t i = 0; i < count; ++i) {
    fields.push_back(chosen_field(choices, large, i));
  }
  std::stable_sort(fields.begin(), fields.end(),
                   [](const JsonField& a, const JsonField& b) { return a.path < b.path; });
  fields.erase(std::unique(fields.begin(), fields.end(),
                           [](const auto& a, const auto& b) { return a.path == b.path; }),
               fields.end());
  return fields;
}

}  // namespace syncline
