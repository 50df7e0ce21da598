#pragma once

#include <string>
#include <string_view>

namespace syncline::cli {

// Text of others (rows, tokens, what servers say) as a terminal may have it: control characters,
// marks that turn the direction of text, and bytes that are no UTF-8 would let it speak for us, and
// are spelled out: "\x1b", "\u{202e}".
std::string shown_text(std::string_view text);
// The same for a line of JSON, which stays JSON: "\u001b", "\u202e".
std::string shown_json(std::string_view json);

}  // namespace syncline::cli
