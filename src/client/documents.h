#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/function_ref.h"
#include "base/random.h"
#include "client/capture.h"
#include "client/clocks.h"
#include "client/extract.h"
#include "client/row_store.h"
#include "model/cell_content.h"

namespace syncline {

// What others are told of a document that a transaction changed.
struct DocumentChange {
  CellEdit edit;
  // What the column must show then; no change is told when it shows something else.
  Value shown;
};

// Reads and edits the documents of columns with rule `text` or `doc`.
//
// Edits write the application's table, as SQL would, and leave what they did with the running
// transaction, whose commit tells it (client/rich). Positions in a text count characters as SQLite
// does; an embedded object counts as one.
class Documents {
 public:
  struct Parts {
    Connection connection;
    Catalog& catalog;
    Clocks& clocks;
    Capture& capture;
    TableSet& tables;
    RowStore& rows;
    Random& random;
  };
  explicit Documents(const Parts& parts) : parts_(parts) {}

  // A cell: a key of several columns is their values in the key's order.
  struct Place {
    std::string table;
    std::vector<Value> key;
    std::string column;
  };

  Result<void> insert_text(const Place& place, std::uint64_t index, std::string_view text);
  Result<void> delete_text(const Place& place, std::uint64_t index, std::uint64_t count);
  // `attributes`: a JSON object; a member that is null ends that attribute.
  Result<void> format_text(const Place& place, std::uint64_t index, std::uint64_t count,
                           std::string_view attributes);
  // Takes in a Yjs update, such as a live Y.Doc emits.
  Result<void> apply(const Place& place, Bytes update);

  // The document's text with its attributes and embeds, as Yjs' delta in JSON.
  Result<std::string> text_delta(const Place& place);
  // All roots as plain data.
  Result<std::string> json(const Place& place);
  Result<ByteVector> state_vector(const Place& place);
  // What somebody who has that state lacks; all for an empty one.
  Result<ByteVector> diff(const Place& place, Bytes state_vector);
  // Names the document while edits join it: another name means that it was begun anew, and that
  // whoever holds a copy must drop it.
  Result<std::string> name(const Place& place);
  // Another one whenever the document, or its name, is another. Says nothing else.
  Result<std::string> mark(const Place& place);

  // What a commit did to a cell of a row.
  struct Done {
    const RowState& row;  // before it
    const TrackedColumn& column;
    const std::vector<Bytes>& staged;
    const Value& after;  // what stands in the table
    Stamp stamp;
  };
  struct Described {
    CellEdit edit;
    // The cell with that edit, where it could be told without a merge.
    std::optional<CellState> cell;
  };
  // The edit that turns a cell's document into what stands in the table, by way of what the running
  // transaction staged. Nothing when the value is no document: then it is set whole.
  Result<std::optional<Described>> describe(const Done& done);

  // How often a document was made of its bytes, rather than found as it was left.
  std::uint64_t loads() const { return parts_.rows.documents().loads(); }

  // What was written under the client id so far may be taken back: the next edit draws another.
  void end_session() { client_ = 0; }

 private:
  struct Opened;
  Result<Opened> open(const Place& place);
  Result<void> edit(const Place& place, DocKind kind,
                    FunctionRef<Result<void>(DocRecorder& recorder)> work);
  Result<void> write(Opened& opened, Bytes update);
  Result<void> load(OpenDocument& document, const std::vector<Bytes>& staged, Value& shown);
  void keep(Opened& opened);
  ydoc::ClientId client();

  Parts parts_;
  // One writing session of Yjs; never in two copies of a file, since each connection draws its own.
  ydoc::ClientId client_ = 0;
};

// What a document's column becomes when SQL sets it; see joined_document_function.
Value joined_document(const ValueView& before, const ValueView& after);

}  // namespace syncline
