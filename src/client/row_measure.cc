#include "client/row_measure.h"

#include <algorithm>
#include <bit>
#include <vector>

#include "sqlite/value_size.h"
#include "wire/limits.h"

namespace syncline {
namespace {

// One function takes 127 arguments in most builds of SQLite.
constexpr std::size_t arguments_max = 100;
// A finding stands above every size, and below zero: sizes of further calls may be added to it.
constexpr int finding_bits = 48;
constexpr std::int64_t key_is_large = 1000;

std::int64_t finding(std::int64_t what) { return -(what << finding_bits); }

std::string limit(const char* name, std::uint64_t bytes) {
  return std::string(" (limit ") + name + ": " + std::to_string(bytes) + " bytes)";
}

std::uint64_t bytes_of(const ValueSize& size) {
  switch (size.type) {
    case ValueType::null:
      return 1;
    case ValueType::integer: {
      // Six bits in the first byte, seven in each that follows.
      const auto magnitude =
          static_cast<std::uint64_t>(size.integer < 0 ? ~size.integer : size.integer);
      return 2 + static_cast<std::uint64_t>(std::bit_width(magnitude)) / 7;
    }
    case ValueType::real:
      return 9;
    case ValueType::text:
    case ValueType::blob:
      return size.bytes + (size.bytes < 64 ? 2 : 6);
  }
  return 0;
}

}  // namespace

std::uint64_t value_bytes(const ValueView& value) {
  return bytes_of({value.type, value.integer, value.data.size()});
}

std::int64_t measure_row(std::span<sqlite3_value* const> arguments) {
  if (arguments.empty()) {
    return 0;
  }
  const std::int64_t key_count = read_value(arguments[0]).integer;
  std::uint64_t bytes = 0;
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    const ValueSize size = size_of_value(arguments[i]);
    const auto index = static_cast<std::int64_t>(i) - 1;
    if (index < key_count && size.type == ValueType::null) {
      return finding(index + 1);
    }
    bytes += bytes_of(size);
    if (index + 1 == key_count && bytes > limits::written_key_bytes_max) {
      return finding(key_is_large);
    }
  }
  return static_cast<std::int64_t>(bytes);
}

std::string row_bytes_sql(const TrackedTable& table, const std::string& source) {
  std::vector<std::string> names = table.key;
  for (const TrackedColumn& column : table.columns) {
    names.push_back(column.name);
  }
  std::string out;
  for (std::size_t from = 0; from < names.size(); from += arguments_max) {
    out += from == 0 ? "" : "+";
    out += std::string(row_bytes_function) + "(" +
           std::to_string(from == 0 ? table.key.size() : std::size_t{0});
    for (std::size_t i = from; i < std::min(names.size(), from + arguments_max); ++i) {
      out += "," + source + quote_identifier(names[i]);
    }
    out += ")";
  }
  return out;
}

Result<std::uint64_t> row_bytes(const TrackedTable& table, std::int64_t measured) {
  if (measured < 0) {
    const std::int64_t whole = (std::int64_t{1} << finding_bits) - 1;
    const std::int64_t what = (-measured + whole) >> finding_bits;
    if (what >= key_is_large) {
      return key_too_large(table);
    }
    return null_in_key(table, static_cast<std::size_t>(what - 1));
  }
  const auto bytes = static_cast<std::uint64_t>(measured);
  if (bytes > limits::written_row_bytes_max) {
    return row_too_large(table, bytes);
  }
  return bytes;
}

Error null_in_key(const TrackedTable& table, std::size_t place) {
  return Error(ErrorCode::constraint, "table '" + table.name + "': column '" +
                                          (place < table.key.size() ? table.key[place] : "?") +
                                          "' of the primary key is NULL, and a synced row needs a "
                                          "key");
}

Error key_too_large(const TrackedTable& table) {
  return Error(ErrorCode::too_large, "table '" + table.name +
                                         "': a row's primary key is too long to be synced" +
                                         limit("key_bytes_max", limits::written_key_bytes_max));
}

Error row_too_large(const TrackedTable& table, std::uint64_t bytes) {
  return Error(ErrorCode::too_large, "table '" + table.name + "': a row of " +
                                         std::to_string(bytes) +
                                         " bytes is too large to be synced" +
                                         limit("row_bytes_max", limits::written_row_bytes_max) +
                                         "; keep large files outside of rows, or in pieces");
}

Error change_too_large(std::uint64_t bytes) {
  return Error(
      ErrorCode::too_large,
      "a transaction that changes " + std::to_string(bytes) + " bytes is too large to be synced" +
          limit("change_bytes_max", limits::written_change_bytes_max) + "; commit it in several");
}

}  // namespace syncline
