#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.h"

namespace syncline {

// A request's body without its Content-Encoding: none, "identity", "gzip" or "zstd". Fails with
// `unsupported` for any other, `malformed` when it does not read, and `too_large` beyond
// `bytes_max` or a hundred times the size it came in: a small bomb must not become large.
Result<std::string> inflate_body(std::string_view encoding, const std::string& body,
                                 std::size_t bytes_max);

}  // namespace syncline
