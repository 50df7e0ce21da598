#include "client/log_tables.h"

#include "wire/change_codec.h"

namespace syncline {
namespace {

Result<void> add_runs(Bytes part, LogTables& out) {
  LogBodyReader reader(part);
  LogRun run;
  for (;;) {
    SL_TRY(const bool more, reader.next(run));
    if (!more) {
      return {};
    }
    out.ids.insert(reader.table());
  }
}

Result<void> add_frozen(Bytes part, LogTables& out) {
  Reader in(part);
  SL_TRY(const PartHeader header, read_part_header(in));
  RowReader rows(in.rest(), header.stamp.replica);
  for (;;) {
    SL_TRY(const bool more, rows.next_table());
    if (!more) {
      return {};
    }
    out.names.insert(rows.table());
  }
}

}  // namespace

Result<void> add_log_tables(LogForm form, Bytes part, LogTables& out) {
  switch (form) {
    case LogForm::runs:
    case LogForm::runs_parts:
      return add_runs(part, out);
    case LogForm::frozen:
    case LogForm::frozen_parts:
      return add_frozen(part, out);
  }
  return Error(ErrorCode::corrupt, "a log row has a form that this version does not know");
}

}  // namespace syncline
