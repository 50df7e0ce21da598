#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "model/row_state.h"

namespace syncline {

// A row's state as a store keeps it. Replaced stamps are left out: they serve whoever reports
// concurrency, and the server does not.
ByteVector encode_row_state(const RowState& state);
Result<RowState> decode_row_state(Bytes bytes);

}  // namespace syncline
