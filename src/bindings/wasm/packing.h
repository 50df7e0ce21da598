#pragma once

#include <vector>

#include "base/bytes.h"
#include "model/value.h"
#include "sqlite/statement.h"

namespace syncline {

// Values as they cross between JavaScript and the engine (js/src/values.ts). All numbers are little
// endian and of fixed size, which is what a DataView reads quickest:
//
//   value := 0 | 1 integer:u64 | 2 real:f64 | 3 size:u32 text | 4 size:u32 blob
//   rows  := columns:u32 { size:u32 name } { 1 {value} } 0
void pack_text(Writer& out, std::string_view text);
void pack_value(Writer& out, const ValueView& value);
// Steps to the end.
Result<void> pack_rows(Writer& out, Statement& statement);
// Values that borrow `bytes`; nothing else may follow them.
Result<std::vector<ValueView>> unpack_values(Bytes bytes);

}  // namespace syncline
