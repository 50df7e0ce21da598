#pragma once

#include "base/function_ref.h"
#include "base/result.h"
#include "wire/row_codec.h"

namespace syncline {

// Every row that is left in `rows`, of every table, which stands at it meanwhile; stops at the
// first error of `visit`.
inline Result<void> for_each_row(RowReader& rows, FunctionRef<Result<void>()> visit) {
  for (;;) {
    SL_TRY(const bool table, rows.next_table());
    if (!table) {
      return {};
    }
    for (;;) {
      SL_TRY(const bool row, rows.next_row());
      if (!row) {
        break;
      }
      SL_TRY(visit());
    }
  }
}

}  // namespace syncline
