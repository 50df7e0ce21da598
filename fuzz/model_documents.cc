#include "base/check.h"
#include "model/cell_content.h"
#include "model/doc_cell.h"
#include "model/merge.h"
#include "model/text_diff.h"
#include "ydoc/utf.h"

using namespace syncline;

namespace {

Stamp at(std::uint64_t time) {
  Stamp stamp;
  stamp.time = time;
  return stamp;
}

void merge_forged(const CellEdit& cell, const Value& base) {
  RowState row;
  RowEdit put;
  put.cells.push_back({"c", CellForm::plain, base, {}});
  merge_edit(row, put, at(1));
  RowEdit set;
  set.kind = EditKind::set;
  set.cells.push_back(cell);
  merge_edit(row, set, at(std::uint64_t{1} << 60U));
  SL_CHECK(row.cells.size() == 1);
  SL_CHECK(check_cell(row.cells[0]).has_value());
  SL_CHECK(cell_value(row.cells[0]).has_value());
  const RowState once = row;
  merge_edit(row, set, at(std::uint64_t{1} << 60U));
  SL_CHECK(row == once);
}

void read_cell(Bytes bytes) {
  CellState cell;
  cell.column = "c";
  cell.form = CellForm::doc;
  cell.stamp = at(std::uint64_t{1} << 60U);
  cell.value = Value::blob(bytes);
  if (!check_cell(cell)) {
    return;
  }
  SL_CHECK(cell_value(cell).has_value());
  auto content = content_of(cell);
  SL_CHECK(content.has_value());
  CellContent joined = *content;
  join_content(joined, *content);
  CellContent twice = joined;
  join_content(twice, joined);
  SL_CHECK(twice == joined);
}

void diff_halves(Bytes bytes) {
  const std::u16string before = ydoc::to_utf16(as_text(bytes.subspan(0, bytes.size() / 2)));
  const std::u16string after = ydoc::to_utf16(as_text(bytes.subspan(bytes.size() / 2)));
  const std::vector<TextChange> changes = diff_texts(before, after);
  std::u16string found = before;
  for (auto change = changes.rbegin(); change != changes.rend(); ++change) {
    found.replace(change->index, change->removed, change->inserted);
  }
  SL_CHECK(found == after);
}

}  // namespace

// The first byte picks: an edit of a document as it travels, an update as an edit of a known base,
// a document as it is stored, or two texts and what lies between them.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const Bytes bytes(data + 1, size - 1);
  switch (data[0] % 4) {
    case 0: {
      const Value blob = Value::blob(bytes);
      if (const auto edit = decode_doc_edit(blob.view())) {
        SL_CHECK(encode_doc_edit(*edit) == blob);
      }
      const CellEdit cell{"c", CellForm::doc, blob, {}};
      if (check_cell(cell)) {
        merge_forged(cell, Value());
      }
      break;
    }
    case 1: {
      const Value base = Value::text("base text");
      const DocEdit edit{data[0] % 8 < 4 ? DocKind::text : DocKind::doc,
                         {at(1), doc_base_hash(base.view())},
                         std::string(as_text(bytes))};
      const CellEdit cell{"c", CellForm::doc, encode_doc_edit(edit), {}};
      if (check_cell(cell)) {
        merge_forged(cell, base);
      }
      break;
    }
    case 2:
      read_cell(bytes);
      break;
    default:
      diff_halves(bytes);
  }
  return 0;
}
