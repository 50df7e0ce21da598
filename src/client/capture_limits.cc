// What a transaction may change at the most (wire/limits.h), asked once in its commit.
#include "client/capture.h"
#include "client/row_measure.h"
#include "model/value_codec.h"
#include "wire/limits.h"

namespace syncline {

// How much of a run will travel, read back from the table.
Result<std::uint64_t> Capture::told_of_run(const TrackedTable& table, const LogRun& run) {
  if (run.kind == OpKind::erase) {
    return run.key.size() + row_overhead_bytes + stamp_bytes;
  }
  std::uint64_t told = 0;
  for (std::uint64_t i = 0; i < run.count; ++i) {
    const auto row = static_cast<RowId>(static_cast<std::uint64_t>(run.first) + i);
    SL_TRY(const bool found, load_row(table, row));
    if (!found) {
      continue;
    }
    told += key_.size() + row_overhead_bytes + stamp_bytes;
    if (run.kind != OpKind::set) {
      told += old_.size();
      continue;
    }
    // load_row() gives the columns that there are, by their ids.
    Reader values(old_.bytes());
    for (std::size_t id = 0; id < table.positions.size(); ++id) {
      if (table.positions[id] < 0) {
        continue;
      }
      const std::size_t start = values.position();
      SL_TRY(skip_value(values));
      told += run.columns.contains(id) ? values.position() - start + stamp_bytes : 0;
    }
  }
  return told;
}

// What was added up while the transaction ran counts a row as often as it was written; only when
// that is too much is it worth reading every row again.
Result<void> Capture::check_change() {
  told_bytes_ = buffer_.told_bytes();
  if (told_bytes_ <= limits::written_change_bytes_max) {
    return {};
  }
  std::uint64_t told = 0;
  for (const TableId id : written_tables_) {
    SL_TRY(const TrackedTable* table, catalog_.table(id));
    if (table->without_rowid) {
      return change_too_large(told_bytes_);  // its rows have no rowids to be read by
    }
    SL_TRY(buffer_.for_each_run(
        id, [&](RowId row) { return key_of_row(*table, row); },
        [&](RowId row) { return state_of_row(*table, row); },
        [&](const LogRun& run) -> Result<void> {
          SL_TRY(const std::uint64_t more, told_of_run(*table, run));
          told += more;
          return {};
        }));
  }
  told_bytes_ = told;
  return told > limits::written_change_bytes_max ? Result<void>(change_too_large(told))
                                                 : Result<void>();
}

Result<void> Capture::split_adopted() {
  if (buffer_.told_bytes() < limits::adopted_change_bytes || !buffer_.marks_are_empty()) {
    return {};
  }
  return flush();
}

}  // namespace syncline
