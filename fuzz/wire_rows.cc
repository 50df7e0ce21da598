#include "base/check.h"
#include "wire/row_codec.h"
#include "wire/state_part.h"

using namespace syncline;

namespace {

// Whatever the bytes are, reading them ends, and every row has a key and known columns.
void read_rows(Bytes bytes) {
  RowReader rows(bytes, ReplicaId());
  for (;;) {
    const auto table = rows.next_table();
    if (!table.has_value() || !*table) {
      return;
    }
    for (;;) {
      const auto row = rows.next_row();
      if (!row.has_value()) {
        return;
      }
      if (!*row) {
        break;
      }
      SL_CHECK(!rows.key().empty());
      for (std::size_t i = 0; i < rows.cell_count(); ++i) {
        SL_CHECK(rows.cell(i).column < rows.columns().size());
      }
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes bytes(data, size);
  read_rows(bytes);
  StatePartWriter writer(ReplicaId{});
  const auto read = read_state_part(
      bytes, [&](const std::string& table, Bytes key, const RowState& state) -> Result<void> {
        writer.row(table, key, state);
        return {};
      });
  (void)read;
  return 0;
}
