#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/change.h"
#include "model/counter.h"
#include "model/doc_cell.h"
#include "model/document_cache.h"
#include "model/json_cell.h"
#include "model/row_state.h"

namespace syncline {

// What is inside one cell, whatever its form: a base, which replaced everything before it, and what
// was counted or changed on top of that. A plain cell is a base alone.
//
// Forms meet here and nowhere else. Each part joins by itself, so the laws hold even for cells
// whose forms should never meet (a counter and a document in one column, which no schema allows).
struct CellContent {
  Stamp base;  // zero when there is none
  Value base_value;
  Stamp base_replaced;
  CounterEntries counts;
  JsonEntries fields;
  DocContent document;

  friend bool operator==(const CellContent&, const CellContent&) = default;
};

// Whether a cell of this form is a base alone.
inline bool is_base_form(CellForm form) { return form == CellForm::plain; }
// Of two bases, which stays: the newer. Forgers use a stamp twice; then a hash of the value
// decides, which is what documents know of their base.
bool is_base_above(const Stamp& a_stamp, const Value& a, const Stamp& b_stamp, const Value& b);

// Fails when the bytes of a counter or a document are not what this version writes.
Result<CellContent> content_of(const CellState& cell);
// What an edit contributes; `replaced` is what its writer had seen.
Result<CellContent> content_of(const CellEdit& edit, const Stamp& stamp, const Stamp& replaced);

// The least content above both, without what the greater base makes void.
void join_content(CellContent& into, CellContent from, DocumentCache* cache = nullptr);
// Drops what the row's life makes void.
void drop_void_content(CellContent& content, const RowState& row);
// Whether readers take so many parts, and as many again.
CellRoom room_of(const CellContent& content);
// The cell that holds the content; nothing when there is none.
std::optional<CellState> cell_of(const std::string& column, const CellContent& content);

// What the application's table shows: the value, the counter's sum, the document's text. Every
// replica stores exactly this, the writer too.
Result<Value> cell_value(const CellState& cell, DocumentCache* cache = nullptr);

// Every stamp that went into the cell and is still in it; what digests and clocks count.
std::vector<Stamp> stamps_of(const CellState& cell);

// Decoders of frames and files ask these before a merge sees a cell: merging ignores what does not
// decode.
Result<void> check_cell(const CellEdit& edit);
// The same for an edit of that stamp.
Result<void> check_cell(const CellEdit& edit, const Stamp& stamp);
Result<void> check_cell(const CellState& cell);

// The edit that adds `step`, an integer or a real, to a counter. One for each row, column and
// stamp: several steps of one transaction are one edit.
Result<CellEdit> increment(const RowState& row, const std::string& column, const Stamp& stamp,
                           const Value& step);

// The edit that turns one text into the other: field by field when both are documents, else the
// whole value. `cell` is the present cell, null when there is none.
CellEdit edit_document(const CellState* cell, const std::string& column, const ValueView& before,
                       const ValueView& after);

// The document in a cell of rule `text` or `doc`, to be read and edited; `life` is the row's.
struct OpenDocument {
  std::unique_ptr<ydoc::Doc> doc;
  DocKind kind = DocKind::text;
  DocBase base;
  Stamp replaced;
  CellContent content;         // of the cell; what the document was made of
  bool is_other_kind = false;  // the cell's edits say that it is another kind of document

  // What lies below the edits: null while that is not here, or is nothing.
  ValueView ground() const;
  DocumentCache::Key key(const std::vector<Bytes>& staged) const;
};
// Without the document itself.
Result<OpenDocument> describe_document(const CellState* cell, const Stamp& life, DocKind kind);
Result<OpenDocument> open_document(const CellState* cell, const Stamp& life, DocKind kind,
                                   ydoc::ClientId client);
// The edit that brings a cell what a DocRecorder recorded of its document.
CellEdit edit_of_document(const OpenDocument& document, const std::string& column, Bytes update);
// The same cell as merging that edit makes, without taking the document apart again. Nothing when
// only merging can tell. Takes the content out of `document`, whose doc is as the edit left it.
std::optional<CellState> edited_cell(OpenDocument& document, const std::string& column,
                                     const RowState& row, const Stamp& stamp);

}  // namespace syncline
