#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "client/catalog.h"
#include "sqlite/connection.h"

namespace syncline {

// How large a row is that an application writes, found out in its own statement: capture refuses
// what could not be told to others (wire/limits.h).

// An SQL function for capture's triggers: how many of its first arguments, of which there is one
// more, are the key; then the row's values, or those that one call had no room for. What it returns
// is measure_row()'s.
inline constexpr const char* row_bytes_function = "syncline_extension_row_bytes";
std::int64_t measure_row(std::span<sqlite3_value* const> arguments);
// The sum of such calls over a row; `source` is "new." or an alias.
std::string row_bytes_sql(const TrackedTable& table, const std::string& source);

// What measure_row() found, as bytes. Fails with `constraint` when the key holds a NULL, and with
// `too_large` when the row or its key is larger than any may be.
Result<std::uint64_t> row_bytes(const TrackedTable& table, std::int64_t measured);

// At most what a value takes as it travels.
std::uint64_t value_bytes(const ValueView& value);

// What travels beside values: a row's place in its run, and what each cell or row replaced.
inline constexpr std::uint64_t row_overhead_bytes = 4;
inline constexpr std::uint64_t stamp_bytes = 14;

Error null_in_key(const TrackedTable& table, std::size_t place);
Error key_too_large(const TrackedTable& table);
Error row_too_large(const TrackedTable& table, std::uint64_t bytes);
// A change of so many bytes, or parts of it.
Error change_too_large(std::uint64_t bytes);

}  // namespace syncline
