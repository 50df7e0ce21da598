#pragma once

#include <cstddef>

#include "server/log_reader.h"
#include "sqlite/database.h"

namespace syncline {

inline constexpr std::size_t workspace_file_bytes_max = std::size_t{256} << 20U;

// A workspace's rows as they are now, in ordinary tables of a database in memory: what its
// applications would see, with their columns and keys and without their other constraints. For
// downloads and for people who look. Fails with `not_found`, or `too_large` beyond the bound.
Result<Database> workspace_database(const LogReader& reader, const std::string& workspace,
                                    std::size_t bytes_max = workspace_file_bytes_max);

}  // namespace syncline
