#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/function_ref.h"
#include "base/result.h"
#include "model/row_state.h"
#include "wire/change_codec.h"
#include "wire/table_sections.h"

namespace syncline {

// A part of states (wire/change_codec with sequence zero): rows as somebody knows them, in
// snapshots, rescans and rejections. Its stamp is the writer's: the newest time in it.
class StatePartWriter {
 public:
  // `author` names the writer; stamps of that replica are shorter.
  explicit StatePartWriter(const ReplicaId& author) : author_(author) {}

  // The key holds whole values. Rows of one table come together.
  void row(const std::string& table, Bytes key, const RowState& state);
  std::uint64_t rows() const { return rows_.size(); }
  // Near enough to decide when a page is full.
  std::size_t size() const { return size_; }
  // The writer is empty afterwards.
  ByteVector finish();

 private:
  struct Row {
    RowKey key;
    RowState state;
  };
  void write_section(RowWriter& out, const TableSections::Section& section) const;

  ReplicaId author_;
  TableSections sections_;
  std::vector<Row> rows_;
  std::size_t size_ = 0;
  std::uint64_t newest_ = 1;
};

// Every row of a part of states, in order; stops at the first error of `visit`.
using StateVisit =
    FunctionRef<Result<void>(const std::string& table, Bytes key, const RowState& state)>;
Result<void> read_state_part(Bytes part, StateVisit visit);

// The rows of a part of states as edits that show the same: for those who only look. Cells are
// plain, and what is inside a counter or a document is not told.
Result<Change> shown_by_states(Bytes part);
// The same for a change's parts, which are decoded as they are, and a part of states alike.
Result<Change> shown_by_parts(std::span<const Bytes> parts);
// The part without the rows of tables that `wanted` denies.
Result<ByteVector> filter_states(Bytes part, FunctionRef<bool(const std::string& table)> wanted);
// The same for a part of states or of a change. What is left of a change is spelled as its writer
// did, who may have chosen the shortest way: it is never longer than it was.
Result<ByteVector> filter_part(Bytes part, FunctionRef<bool(const std::string& table)> wanted);

}  // namespace syncline
