#pragma once

#include "base/bytes.h"
#include "ydoc/limits.h"

// The second update format of Yjs: the same structs, taken apart into columns that are compressed
// one by one. Documents and merging work on the first format; these two translate.

namespace syncline::ydoc {

// Run lengths can make a small update huge, so what comes out is bounded by
// limits.update_bytes_max.
Result<ByteVector> convert_v2_to_v1(Bytes update, const Limits& limits = {});

// Whether an item that inherits its key still says that it has one. Yjs says so for what it takes
// from a document, and not for what it takes from an update.
enum class InheritedKeys : std::uint8_t { marked, unmarked };
Result<ByteVector> convert_v1_to_v2(Bytes update, InheritedKeys keys = InheritedKeys::unmarked);

}  // namespace syncline::ydoc
