// What capture notes of rows whose writes it may hear of out of order: their contents, as numbers.
#include "client/capture.h"
#include "client/row_measure.h"
#include "model/value_codec.h"

namespace syncline {

std::int64_t Capture::measure(std::span<sqlite3_value* const> values) {
  if (!unordered_.empty() && !values.empty()) {
    // A wide row comes in several calls, of which the first says how many values its key has.
    if (read_value(values[0]).integer != 0) {
      measured_ = RowContent();
      measured_count_ = 0;
    }
    for (sqlite3_value* value : values.subspan(1)) {
      measured_.add(measured_count_++, read_value(value));
    }
  }
  return measure_row(values);
}

std::uint64_t Capture::take_measured(const TrackedTable& table) {
  const bool is_whole = measured_count_ == table.key.size() + table.columns.size();
  measured_count_ = 0;
  return is_whole && unordered_.count(table.id) != 0 ? measured_.get() : 0;
}

CaptureBuffer::Between Capture::states_of_update(const TrackedTable& table,
                                                 std::span<sqlite3_value* const> values) {
  RowContent before;
  RowContent after;
  for (std::size_t i = 0; i < table.key.size() + table.columns.size(); ++i) {
    before.add(i, read_value(values[tap_old_column(i)]));
    after.add(i, read_value(values[tap_new_column(i)]));
  }
  return {before.get(), after.get()};
}

std::uint64_t Capture::state_of(const TrackedTable& table, Bytes key, Bytes values) {
  RowContent state;
  Reader key_in(key);
  for (std::size_t i = 0; i < table.key.size(); ++i) {
    const std::size_t start = key_in.position();
    SL_CHECK(skip_value(key_in).has_value());
    state.add_encoded(i, key_in.since(start));
  }
  Reader in(values);
  for (const int position : table.positions) {
    if (position >= 0) {
      const std::size_t start = in.position();
      SL_CHECK(skip_value(in).has_value());
      state.add_encoded(table.key.size() + static_cast<std::size_t>(position), in.since(start));
    }
  }
  return state.get();
}

Result<std::uint64_t> Capture::state_of_row(const TrackedTable& table, RowId row) {
  SL_TRY(const ByteVector key, key_of_row(table, row));
  if (key.empty()) {
    return std::uint64_t{0};
  }
  SL_TRY(const ByteVector values, values_of_row(table, row));
  return state_of(table, key, values);
}

}  // namespace syncline
