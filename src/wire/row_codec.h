#pragma once

#include <deque>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/bytes.h"
#include "model/change.h"
#include "model/row_state.h"

namespace syncline {

// The one encoding of rows: edits in changes, states in snapshots (docs/storage.md, "Rows"). Rows
// of a table that are alike in kind, columns and replaced stamps share a run's header, so that a
// thousand inserts cost their values and little else.

// What a row in the encoding is.
enum class RowKind : std::uint8_t { put = 1, set = 2, erase = 3, state = 4 };

// Names a stamp or a replica by the order of its first use, so that it travels once.
class StampTable {
 public:
  explicit StampTable(const ReplicaId& author) : author_(author) {}
  // Writes a reference; the stamp itself follows at its first use.
  void write(Writer& out, const Stamp& stamp);
  Result<Stamp> read(Reader& in);
  // Forgets every stamp and replica, so that what follows can be read alone.
  void clear() { *this = StampTable(ReplicaId(author_)); }

 private:
  void write_replica(Writer& out, const ReplicaId& replica);
  Result<ReplicaId> read_replica(Reader& in);

  struct Hash {
    std::size_t operator()(const Stamp& stamp) const {
      return static_cast<std::size_t>(stamp.time * 0x9E3779B97F4A7C15U) ^
             std::hash<ReplicaId>()(stamp.replica);
    }
  };

  ReplicaId author_;
  std::vector<Stamp> stamps_;
  std::unordered_map<Stamp, std::size_t, Hash> stamp_index_;
  Stamp last_written_;
  std::size_t last_written_index_ = 0;
  std::vector<ReplicaId> replicas_;
};

// Writes rows to a buffer. Within a table, rows may come in any order of kinds; runs form by
// themselves.
class RowWriter {
 public:
  explicit RowWriter(const ReplicaId& author) : stamps_(author) {}

  // Rows that follow belong to this table. `columns` are those outside the key, in the order that
  // the masks below refer to.
  void begin_table(std::string_view name, std::size_t key_columns,
                   std::span<const std::string> columns);

  // Begins one row: `columns` are indexes into the table's columns, rising; `replaced` has one
  // stamp for a put or an erase and one for each column of a set. The caller then writes the key's
  // values and the cells' values, in order, to the Writer that is returned.
  Writer& begin_row(RowKind kind, std::span<const std::uint16_t> columns,
                    std::span<const Stamp> replaced);

  // Begins a row state: cells stamped as the life in `columns`. The caller writes the key's and
  // these cells' values to the Writer and ends with end_state().
  Writer& begin_state(bool alive, const Stamp& life, std::span<const std::uint16_t> columns);
  // Cells of the state newer than its life.
  void begin_newer_cells(std::size_t count) { body_.varint(count); }
  Writer& newer_cell(std::uint16_t column, const Stamp& stamp);

  // A cell that is not plain.
  static void write_formed(Writer& out, CellForm form, Bytes value);

  // Bytes so far, near enough to decide when to close a part.
  std::size_t size() const { return out_.size() + body_.size(); }
  bool empty() const { return out_.empty() && rows_ == 0; }
  // Ends the last table; the writer is empty afterwards and has forgotten its stamps.
  ByteVector finish();

 private:
  void begin_run(RowKind kind, std::span<const std::uint16_t> columns,
                 std::span<const Stamp> stamps, bool alive);
  void flush_run();
  void end_table();

  StampTable stamps_;
  Writer out_;
  bool in_table_ = false;
  std::size_t column_count_ = 0;
  // The open run: its header is written when it ends, because only then its length is known.
  Writer head_;
  Writer body_;
  std::uint64_t rows_ = 0;
  RowKind kind_ = RowKind::put;
  bool alive_ = false;
  std::vector<std::uint16_t> columns_;
  std::vector<Stamp> run_stamps_;
};

// A cell as it was read; borrows from the frame.
struct DecodedCell {
  std::uint16_t column = 0;
  CellForm form = CellForm::plain;
  // For set: what the cell replaced. For state: the cell's own stamp.
  Stamp stamp;
  DecodedValue value;
};

// Reads rows from foreign bytes, one at a time and without copying; every fault is an Error.
class RowReader {
 public:
  RowReader(Bytes bytes, const ReplicaId& author) : in_(bytes), stamps_(author) {}

  // Moves to the next table, past what is left of this one; false at the end.
  Result<bool> next_table();
  const std::string& table() const { return table_; }
  const std::vector<std::string>& columns() const { return columns_; }
  std::size_t key_columns() const { return key_columns_; }

  // Moves to the table's next row; false when the table ends.
  Result<bool> next_row();
  RowKind kind() const { return kind_; }
  // The key's encoded values.
  Bytes key() const { return key_; }
  // For put and erase: what the row's writer had seen.
  const Stamp& replaced() const { return row_stamp_; }
  // For state.
  bool alive() const { return alive_; }
  const Stamp& life() const { return row_stamp_; }
  std::size_t cell_count() const { return cell_count_; }
  const DecodedCell& cell(std::size_t index) const { return cells_[index]; }

 private:
  Result<bool> next_run();
  Result<void> read_cell(DecodedCell& cell);
  DecodedCell& cell_slot(std::size_t index);

  Reader in_;
  StampTable stamps_;
  bool in_table_ = false;
  std::string table_;
  std::vector<std::string> columns_;
  std::size_t key_columns_ = 0;

  RowKind kind_ = RowKind::put;
  std::uint64_t rows_left_ = 0;
  bool alive_ = false;
  Stamp row_stamp_;
  std::vector<std::uint16_t> run_columns_;
  std::vector<Stamp> run_stamps_;
  Bytes key_;
  std::size_t cell_count_ = 0;
  // A deque: cells point into themselves and must not move when there are more of them.
  std::deque<DecodedCell> cells_;
};

// The whole row, owned; for those who do not mind the copy.
RowEdit read_edit(const RowReader& reader);
RowState read_state(const RowReader& reader);

}  // namespace syncline
