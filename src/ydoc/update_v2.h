#pragma once

#include "base/bytes.h"
#include "ydoc/limits.h"

// The second update format of Yjs: the same structs, taken apart into columns that are compressed
// one by one. Documents and merging work on the first format; these two translate.

namespace syncline::ydoc {

Result<ByteVector> convert_v2_to_v1(Bytes update, const Limits& limits = {});
Result<ByteVector> convert_v1_to_v2(Bytes update);

}  // namespace syncline::ydoc
