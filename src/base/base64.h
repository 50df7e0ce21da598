#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace syncline {

// RFC 4648. Reading is strict: no white space, no foreign characters, padding exactly as written by
// the same kind, and no bits set that carry nothing; so each sequence of bytes has one text.
//   base64     A-Z a-z 0-9 + /, padded with =
//   base64url  A-Z a-z 0-9 - _, without padding (as in JWT)
std::string to_base64(Bytes bytes);
Result<ByteVector> from_base64(std::string_view text);
std::string to_base64url(Bytes bytes);
Result<ByteVector> from_base64url(std::string_view text);

}  // namespace syncline
