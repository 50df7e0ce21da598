#pragma once

#include <cstddef>
#include <cstdint>

namespace syncline::limits {

// Every bound on size, count and depth in one place (P10). A peer may offer less in its welcome,
// never more.

// One row as it travels: its key and all its cells.
inline constexpr std::size_t row_bytes_max = std::size_t{64} << 20U;
// A part of a change is closed once it has grown this large; a single larger row makes it larger.
inline constexpr std::size_t part_bytes_target = std::size_t{256} << 10U;
// One part with its header, and so the largest frame that carries a change.
inline constexpr std::size_t part_bytes_max = row_bytes_max + (std::size_t{1} << 20U);
// Parts of one transaction.
inline constexpr std::uint64_t parts_max = 1U << 20U;
// Names of tables and columns, in bytes.
inline constexpr std::size_t name_bytes_max = 1024;
// SQLite's own default limit for columns is 2000.
inline constexpr std::size_t columns_max = 2000;
inline constexpr std::size_t key_columns_max = 64;
// Different stamps and replicas that one part may name.
inline constexpr std::size_t stamps_max = 1U << 22U;
inline constexpr std::size_t replicas_max = 1U << 16U;

}  // namespace syncline::limits
