#include "wire/change_codec.h"

#include <algorithm>
#include <set>

#include "base/digest.h"
#include "base/sort.h"
#include "wire/each_row.h"
#include "wire/limits.h"
#include "wire/table_sections.h"

namespace syncline {
namespace {

void write_edit(RowWriter& rows, const std::vector<std::string>& columns, const RowEdit& edit) {
  std::vector<std::pair<std::uint16_t, const CellEdit*>> cells;
  for (const CellEdit& cell : edit.cells) {
    const auto at = std::lower_bound(columns.begin(), columns.end(), cell.column);
    cells.emplace_back(static_cast<std::uint16_t>(at - columns.begin()), &cell);
  }
  syncline::sort(cells.begin(), cells.end(),
                 [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<std::uint16_t> used;
  std::vector<Stamp> replaced;
  for (const auto& [index, cell] : cells) {
    used.push_back(index);
    replaced.push_back(cell->replaced);
  }
  if (edit.kind != EditKind::set) {
    replaced.assign(1, edit.replaced);
  }
  Writer& out = rows.begin_row(static_cast<RowKind>(edit.kind), used, replaced);
  out.raw(edit.key.view());
  for (const auto& [index, cell] : cells) {
    if (cell->form == CellForm::plain) {
      write_value(out, cell->value.view());
    } else {
      RowWriter::write_formed(out, cell->form, cell->value.view().data);
    }
  }
}

Result<void> read_rows(Reader& in, const PartHeader& header, Change& change,
                       std::set<std::pair<std::string, RowKey>>& seen) {
  RowReader rows(in.rest(), header.stamp.replica);
  return for_each_row(rows, [&]() -> Result<void> {
    if (rows.kind() == RowKind::state) {
      return Error(ErrorCode::malformed, "a change holds edits, not states");
    }
    RowEdit edit = read_edit(rows);
    for (std::size_t i = 1; i < edit.cells.size(); ++i) {
      if (edit.cells[i - 1].column == edit.cells[i].column) {
        return Error(ErrorCode::malformed, "a row names a column twice");
      }
    }
    if (!seen.emplace(edit.table, edit.key).second) {
      return Error(ErrorCode::malformed, "a change names a row twice");
    }
    change.edits.push_back(std::move(edit));
    return {};
  });
}

}  // namespace

void write_part_header(Writer& out, const PartHeader& header) {
  out.u8(change_format_version);
  out.raw(header.stamp.replica.view());
  out.varint(header.sequence.get());
  out.u64(header.stamp.time);
  out.varint(header.schema_version);
  out.varint(header.index);
  out.u8(header.last ? 1 : 0);
}

Result<PartHeader> read_part_header(Reader& in) {
  SL_TRY(const std::uint8_t version, in.u8());
  if (version != change_format_version) {
    return Error(ErrorCode::unsupported, "change format " + std::to_string(version) +
                                             " is not known here; this version reads format " +
                                             std::to_string(change_format_version));
  }
  PartHeader header;
  SL_TRY(const Bytes replica, in.raw(16));
  SL_TRY(header.stamp.replica, ReplicaId::from_bytes(replica));
  SL_TRY(const std::uint64_t sequence, in.varint_at_most(limits::sequence_max));
  header.sequence = ChangeSequence(sequence);
  SL_TRY(header.stamp.time, in.u64());
  SL_TRY(const std::uint64_t schema, in.varint_at_most(UINT32_MAX));
  header.schema_version = static_cast<std::uint32_t>(schema);
  SL_TRY(header.index, in.varint_at_most(limits::parts_max));
  SL_TRY(const std::uint8_t last, in.u8());
  if (last > 1 || header.stamp.is_zero() || header.stamp.replica.is_zero()) {
    return Error(ErrorCode::malformed, "a change without replica or stamp");
  }
  header.last = last == 1;
  return header;
}

ByteVector encode_change(const Change& change) {
  Writer out;
  write_part_header(out, {change.sequence, change.stamp, change.schema_version, 0, true});
  RowWriter rows(change.stamp.replica);
  TableSections sections;
  for (const RowEdit& edit : change.edits) {
    const auto width = count_key_values(edit.key.view());
    SL_CHECK(width.has_value());
    std::vector<std::string_view> columns;
    for (const CellEdit& cell : edit.cells) {
      columns.emplace_back(cell.column);
    }
    sections.add(edit.table, *width, columns);
  }
  for (const TableSections::Section& section : sections.finish()) {
    rows.begin_table(section.table, section.key_columns, section.columns);
    for (const std::size_t number : section.rows) {
      write_edit(rows, section.columns, change.edits[number]);
    }
  }
  out.raw(rows.finish());
  return out.take();
}

Result<Change> decode_change(Bytes part) {
  const Bytes parts[] = {part};
  return decode_parts(parts);
}

std::uint64_t hash_of_parts(std::span<const ByteVector> parts) {
  std::uint64_t hash = 0;
  for (const ByteVector& part : parts) {
    hash = hash64(part, hash);
  }
  return hash;
}

Result<Change> decode_parts(std::span<const Bytes> parts) {
  Change change;
  std::set<std::pair<std::string, RowKey>> seen;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    Reader in(parts[i]);
    SL_TRY(const PartHeader header, read_part_header(in));
    if (header.sequence == ChangeSequence(0)) {
      return Error(ErrorCode::malformed, "a change without a sequence");
    }
    if (header.index != i || header.last != (i + 1 == parts.size())) {
      return Error(ErrorCode::malformed, "the parts of a change are incomplete or out of order");
    }
    if (i == 0) {
      change.sequence = header.sequence;
      change.stamp = header.stamp;
      change.schema_version = header.schema_version;
    } else if (header.sequence != change.sequence || header.stamp != change.stamp) {
      return Error(ErrorCode::malformed, "parts of different changes");
    }
    SL_TRY(read_rows(in, header, change, seen));
  }
  if (parts.empty()) {
    return Error(ErrorCode::malformed, "a change without parts");
  }
  return change;
}

}  // namespace syncline
