#include "wire/row_codec.h"

#include <algorithm>

#include "base/sort.h"
#include "wire/limits.h"

namespace syncline {
namespace {

constexpr std::uint8_t table_mark = 1;
constexpr std::uint8_t table_end = 0;
// Not a value's tag: the cell's form and its bytes follow.
constexpr std::uint8_t formed_cell = 0x06;

constexpr std::uint64_t ref_none = 0;
constexpr std::uint64_t ref_new = 1;
constexpr std::uint64_t ref_known = 2;

void write_mask(Writer& out, std::size_t column_count, std::span<const std::uint16_t> columns) {
  std::size_t next = 0;
  for (std::size_t base = 0; base < column_count; base += 8) {
    std::uint8_t bits = 0;
    while (next < columns.size() && columns[next] < base + 8) {
      bits = static_cast<std::uint8_t>(bits | (1U << (columns[next] - base)));
      ++next;
    }
    out.u8(bits);
  }
  SL_CHECK(next == columns.size());
}

Result<void> read_mask(Reader& in, std::size_t column_count, std::vector<std::uint16_t>& columns) {
  columns.clear();
  SL_TRY(const Bytes bits, in.raw((column_count + 7) / 8));
  for (std::size_t i = 0; i < bits.size() * 8; ++i) {
    if ((bits[i / 8] >> (i % 8) & 1U) == 0) {
      continue;
    }
    if (i >= column_count) {
      return Error(ErrorCode::malformed, "a row names a column that its table does not have");
    }
    columns.push_back(static_cast<std::uint16_t>(i));
  }
  return {};
}

}  // namespace

void StampTable::write(Writer& out, const Stamp& stamp) {
  if (stamp.is_zero()) {
    out.varint(ref_none);
    return;
  }
  if (!last_written_.is_zero() && stamp == last_written_) {
    out.varint(ref_known + last_written_index_);
    return;
  }
  last_written_ = stamp;
  const auto [found, is_new] = stamp_index_.try_emplace(stamp, stamp_index_.size());
  last_written_index_ = found->second;
  if (!is_new) {
    out.varint(ref_known + found->second);
    return;
  }
  out.varint(ref_new);
  write_replica(out, stamp.replica);
  out.u64(stamp.time);
}

void StampTable::write_replica(Writer& out, const ReplicaId& replica) {
  if (replica == author_) {
    out.varint(ref_none);
    return;
  }
  for (std::size_t i = 0; i < replicas_.size(); ++i) {
    if (replicas_[i] == replica) {
      out.varint(ref_known + i);
      return;
    }
  }
  replicas_.push_back(replica);
  out.varint(ref_new);
  out.raw(replica.view());
}

Result<Stamp> StampTable::read(Reader& in) {
  SL_TRY(const std::uint64_t ref, in.varint());
  if (ref == ref_none) {
    return Stamp();
  }
  if (ref >= ref_known) {
    if (ref - ref_known >= stamps_.size()) {
      return Error(ErrorCode::malformed, "a stamp is referred to before it was written");
    }
    return stamps_[static_cast<std::size_t>(ref - ref_known)];
  }
  if (stamps_.size() >= limits::stamps_max) {
    return Error(ErrorCode::too_large, "too many different stamps in one part");
  }
  Stamp stamp;
  SL_TRY(stamp.replica, read_replica(in));
  SL_TRY(stamp.time, in.u64());
  if (stamp.is_zero()) {
    return Error(ErrorCode::malformed, "a stamp of zero is written in full");
  }
  stamps_.push_back(stamp);
  return stamp;
}

Result<ReplicaId> StampTable::read_replica(Reader& in) {
  SL_TRY(const std::uint64_t ref, in.varint());
  if (ref == ref_none) {
    return author_;
  }
  if (ref >= ref_known) {
    if (ref - ref_known >= replicas_.size()) {
      return Error(ErrorCode::malformed, "a replica is referred to before it was written");
    }
    return replicas_[static_cast<std::size_t>(ref - ref_known)];
  }
  if (replicas_.size() >= limits::replicas_max) {
    return Error(ErrorCode::too_large, "too many different replicas in one part");
  }
  SL_TRY(const Bytes raw, in.raw(16));
  SL_TRY(const ReplicaId replica, ReplicaId::from_bytes(raw));
  replicas_.push_back(replica);
  return replica;
}

void RowWriter::begin_table(std::string_view name, std::size_t key_columns,
                            std::span<const std::string> columns) {
  end_table();
  out_.u8(table_mark);
  out_.text(name);
  out_.varint(key_columns);
  out_.varint(columns.size());
  for (const std::string& column : columns) {
    out_.text(column);
  }
  column_count_ = columns.size();
  in_table_ = true;
}

void RowWriter::begin_run(RowKind kind, std::span<const std::uint16_t> columns,
                          std::span<const Stamp> stamps, bool alive) {
  SL_CHECK(in_table_);
  const bool same =
      rows_ > 0 && kind == kind_ && alive == alive_ &&
      std::equal(columns.begin(), columns.end(), columns_.begin(), columns_.end()) &&
      std::equal(stamps.begin(), stamps.end(), run_stamps_.begin(), run_stamps_.end());
  if (!same) {
    flush_run();
    kind_ = kind;
    alive_ = alive;
    columns_.assign(columns.begin(), columns.end());
    run_stamps_.assign(stamps.begin(), stamps.end());
    // Written at once: cells in the body may refer to stamps that the head is first to name.
    head_.clear();
    if (kind == RowKind::state) {
      head_.u8(alive ? 1 : 0);
    }
    if (kind != RowKind::erase) {
      write_mask(head_, column_count_, columns);
    }
    for (const Stamp& stamp : stamps) {
      stamps_.write(head_, stamp);
    }
  }
  ++rows_;
}

Writer& RowWriter::begin_row(RowKind kind, std::span<const std::uint16_t> columns,
                             std::span<const Stamp> replaced) {
  SL_CHECK(kind != RowKind::state);
  SL_CHECK(replaced.size() == (kind == RowKind::set ? columns.size() : 1));
  begin_run(kind, columns, replaced, false);
  return body_;
}

Writer& RowWriter::begin_state(bool alive, const Stamp& life,
                               std::span<const std::uint16_t> columns) {
  begin_run(RowKind::state, columns, std::span<const Stamp>(&life, 1), alive);
  return body_;
}

Writer& RowWriter::newer_cell(std::uint16_t column, const Stamp& stamp) {
  body_.varint(column);
  stamps_.write(body_, stamp);
  return body_;
}

void RowWriter::write_formed(Writer& out, CellForm form, Bytes value) {
  SL_CHECK(form != CellForm::plain);
  out.u8(formed_cell);
  out.u8(static_cast<std::uint8_t>(form));
  out.blob(value);
}

void RowWriter::flush_run() {
  if (rows_ == 0) {
    return;
  }
  out_.u8(static_cast<std::uint8_t>(kind_));
  out_.varint(rows_);
  out_.raw(head_.bytes());
  out_.raw(body_.bytes());
  body_.clear();
  rows_ = 0;
}

void RowWriter::end_table() {
  if (in_table_) {
    flush_run();
    out_.u8(table_end);
    in_table_ = false;
  }
}

ByteVector RowWriter::finish() {
  end_table();
  stamps_.clear();
  // take() leaves a moved-from buffer behind; the next part starts from an empty one.
  ByteVector out = out_.take();
  out_.clear();
  return out;
}

Result<bool> RowReader::next_table() {
  while (in_table_) {
    SL_TRY(const bool row, next_row());
    (void)row;
  }
  if (in_.at_end()) {
    return false;
  }
  SL_TRY(const std::uint8_t mark, in_.u8());
  if (mark != table_mark) {
    return Error(ErrorCode::malformed, "expected a table, found mark " + std::to_string(mark));
  }
  SL_TRY(const std::string_view name, in_.text(limits::name_bytes_max));
  if (name.empty()) {
    return Error(ErrorCode::malformed, "a table without a name");
  }
  table_ = name;
  SL_TRY(const std::uint64_t key_columns, in_.varint_at_most(limits::key_columns_max));
  key_columns_ = static_cast<std::size_t>(key_columns);
  if (key_columns_ == 0) {
    return Error(ErrorCode::malformed, "a table without a key");
  }
  SL_TRY(const std::uint64_t count, in_.varint_at_most(limits::columns_max));
  columns_.clear();
  for (std::uint64_t i = 0; i < count; ++i) {
    SL_TRY(const std::string_view column, in_.text(limits::name_bytes_max));
    columns_.emplace_back(column);
  }
  rows_left_ = 0;
  in_table_ = true;
  return true;
}

Result<bool> RowReader::next_run() {
  SL_TRY(const std::uint8_t kind, in_.u8());
  if (kind == table_end) {
    in_table_ = false;
    return false;
  }
  if (kind > static_cast<std::uint8_t>(RowKind::state)) {
    return Error(ErrorCode::malformed, "unknown kind of row " + std::to_string(kind));
  }
  kind_ = static_cast<RowKind>(kind);
  // Each row has a key of at least a byte, so a count above the bytes left is a lie.
  SL_TRY(rows_left_, in_.varint_at_most(in_.remaining()));
  if (rows_left_ == 0) {
    return Error(ErrorCode::malformed, "a run without rows");
  }
  alive_ = false;
  if (kind_ == RowKind::state) {
    SL_TRY(const std::uint8_t alive, in_.u8());
    if (alive > 1) {
      return Error(ErrorCode::malformed, "a row is alive or dead");
    }
    alive_ = alive == 1;
  }
  run_columns_.clear();
  if (kind_ != RowKind::erase) {
    SL_TRY(read_mask(in_, columns_.size(), run_columns_));
  }
  run_stamps_.clear();
  const std::size_t stamps = kind_ == RowKind::set ? run_columns_.size() : 1;
  for (std::size_t i = 0; i < stamps; ++i) {
    SL_TRY(const Stamp stamp, stamps_.read(in_));
    run_stamps_.push_back(stamp);
  }
  row_stamp_ = kind_ == RowKind::set ? Stamp() : run_stamps_[0];
  return true;
}

DecodedCell& RowReader::cell_slot(std::size_t index) {
  while (cells_.size() <= index) {
    cells_.emplace_back();
  }
  return cells_[index];
}

Result<void> RowReader::read_cell(DecodedCell& cell) {
  if (in_.remaining() > 0 && in_.rest()[0] == formed_cell) {
    SL_TRY(in_.raw(1));
    SL_TRY(const std::uint8_t form, in_.u8());
    if (form == 0 || form > static_cast<std::uint8_t>(CellForm::doc)) {
      return Error(ErrorCode::malformed, "unknown form of a cell " + std::to_string(form));
    }
    cell.form = static_cast<CellForm>(form);
    SL_TRY(const Bytes value, in_.blob(limits::row_bytes_max));
    cell.value.set_blob(value);
    return {};
  }
  cell.form = CellForm::plain;
  return cell.value.read(in_);
}

Result<bool> RowReader::next_row() {
  if (!in_table_) {
    return false;
  }
  if (rows_left_ == 0) {
    SL_TRY(const bool run, next_run());
    if (!run) {
      return false;
    }
  }
  --rows_left_;
  const std::size_t key_start = in_.position();
  for (std::size_t i = 0; i < key_columns_; ++i) {
    SL_TRY(skip_value(in_));
  }
  key_ = in_.since(key_start);
  cell_count_ = 0;
  for (std::size_t i = 0; i < run_columns_.size(); ++i) {
    DecodedCell& cell = cell_slot(cell_count_++);
    cell.column = run_columns_[i];
    cell.stamp = kind_ == RowKind::set ? run_stamps_[i] : row_stamp_;
    SL_TRY(read_cell(cell));
  }
  if (kind_ == RowKind::state) {
    SL_TRY(const std::uint64_t newer, in_.varint_at_most(columns_.size()));
    for (std::uint64_t i = 0; i < newer; ++i) {
      DecodedCell& cell = cell_slot(cell_count_++);
      SL_TRY(const std::uint64_t column, in_.varint_at_most(columns_.size() - 1));
      cell.column = static_cast<std::uint16_t>(column);
      SL_TRY(cell.stamp, stamps_.read(in_));
      SL_TRY(read_cell(cell));
    }
  }
  return true;
}

RowEdit read_edit(const RowReader& reader) {
  RowEdit edit;
  edit.kind = static_cast<EditKind>(reader.kind());
  edit.table = reader.table();
  edit.key.bytes = to_vector(reader.key());
  edit.replaced = reader.replaced();
  for (std::size_t i = 0; i < reader.cell_count(); ++i) {
    const DecodedCell& cell = reader.cell(i);
    edit.cells.push_back({reader.columns()[cell.column], cell.form, Value(cell.value.view()),
                          reader.kind() == RowKind::set ? cell.stamp : Stamp()});
  }
  syncline::sort(edit.cells.begin(), edit.cells.end(),
                 [](const CellEdit& a, const CellEdit& b) { return a.column < b.column; });
  return edit;
}

RowState read_state(const RowReader& reader) {
  RowState state;
  state.life = reader.life();
  state.alive = reader.alive();
  for (std::size_t i = 0; i < reader.cell_count(); ++i) {
    const DecodedCell& cell = reader.cell(i);
    state.cells.push_back(
        {reader.columns()[cell.column], cell.form, cell.stamp, Value(cell.value.view()), Stamp()});
  }
  syncline::sort(state.cells.begin(), state.cells.end(),
                 [](const CellState& a, const CellState& b) { return a.column < b.column; });
  return state;
}

}  // namespace syncline
