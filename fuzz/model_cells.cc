#include "base/check.h"
#include "model/cell_content.h"
#include "model/counter.h"
#include "model/json_cell.h"

using namespace syncline;

// Edits and contents of counters and documents: what decodes encodes again alike, shows a value,
// and joining it with itself changes nothing.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const Bytes bytes(data + 1, size - 1);
  const Value blob = Value::blob(bytes);
  if (const auto counted = decode_counter_edit(blob.view())) {
    SL_CHECK(encode_counter_edit(*counted) == blob);
  }
  if (const auto fields = decode_json_edit(blob.view())) {
    SL_CHECK(encode_json_edit(*fields) == blob);
  }
  CellState cell;
  cell.column = "c";
  cell.form = data[0] % 2 == 0 ? CellForm::counter : CellForm::json;
  cell.stamp.time = std::uint64_t{1} << 60U;
  cell.value = blob;
  if (!check_cell(cell)) {
    return 0;
  }
  SL_CHECK(cell_value(cell).has_value());
  auto content = content_of(cell);
  SL_CHECK(content.has_value());
  CellContent joined = *content;
  join_content(joined, *content);
  CellContent twice = joined;
  join_content(twice, joined);
  SL_CHECK(twice == joined);
  return 0;
}
