#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/ids.h"
#include "model/stamp.h"
#include "model/value.h"
#include "model/value_codec.h"

namespace syncline {

// How concurrent edits of a column come together; chosen when a table is tracked.
enum class MergeRule : std::uint8_t {
  lww,      // per column, the greatest stamp wins
  row,      // the whole row is one value: every update is a put
  manual,   // as lww for the moment, and the loser is kept as a conflict
  counter,  // edits are increments; concurrent ones add up
  json,     // a JSON document merges field by field
  text,     // a Yjs-compatible document holding one text
  doc,      // a Yjs-compatible document
};
// Edits of such columns say more than the new value does.
inline bool is_rich(MergeRule rule) { return rule >= MergeRule::counter; }
inline bool is_document(MergeRule rule) {
  return rule == MergeRule::text || rule == MergeRule::doc;
}
std::string_view merge_rule_name(MergeRule rule);
Result<MergeRule> merge_rule_from_name(std::string_view name);

// What the value of a cell in an edit or a row state is.
enum class CellForm : std::uint8_t {
  plain,    // an SQLite value; replaces what was there
  counter,  // a blob: see model/counter.h
  json,     // a blob: see model/json_cell.h
  doc,      // a blob: see model/doc_cell.h; rules text and doc alike
};

enum class EditKind : std::uint8_t {
  put = 1,    // the row begins a life, with every cell that is named
  set = 2,    // some cells of a living row change
  erase = 3,  // the row's life ends
};

struct CellEdit {
  std::string column;
  CellForm form = CellForm::plain;
  Value value;
  // The stamp of the cell that the writer saw and replaced; zero when there was none. This is what
  // lets every replica tell a concurrent edit from a later one.
  Stamp replaced;

  friend bool operator==(const CellEdit&, const CellEdit&) = default;
};

// The edit of one row.
struct RowEdit {
  EditKind kind = EditKind::put;
  std::string table;
  RowKey key;
  // put and erase: the newest stamp anywhere in the row that the writer saw; zero when it saw none.
  Stamp replaced;
  // Sorted by column, each column once; empty for erase.
  std::vector<CellEdit> cells;

  friend bool operator==(const RowEdit&, const RowEdit&) = default;
};

// One transaction of one replica: applied whole or not at all (P6), identified for ever by
// (replica, sequence) and by its stamp (P2). Each row stands in it at most once.
struct Change {
  ChangeSequence sequence;
  Stamp stamp;
  std::uint32_t schema_version = 0;
  std::vector<RowEdit> edits;

  friend bool operator==(const Change&, const Change&) = default;
};

}  // namespace syncline
