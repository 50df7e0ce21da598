// In which order a change's rows end here. Its author may have taken children from a parent, or
// made them anew, before or after the parent went; a change says of each row only what became of
// it. A parent therefore ends last, so that a foreign key's action reaches only those children of
// which the author knew nothing. So does a row whose end triggers hear of: they may do the same.
#include "client/apply.h"
#include "wire/row_codec.h"

namespace syncline {

Result<bool> Apply::ends_later(TableAccess& access, const RowReader& reader) {
  if (reader.kind() != RowKind::erase) {
    return settling_ends_;
  }
  const TrackedTable& table = access.table();
  const ForeignKeys::Row row{table.id, to_vector(reader.key())};
  if (settling_ends_) {
    return ends_.count(row) == 0;
  }
  if (table.has_triggers) {
    // What does not stand here ends nothing, and is not kept: a change may name any number of keys.
    SL_TRY(const std::optional<RowId> stands, access.find_row(reader.key()));
    if (!stands.has_value()) {
      return false;
    }
  } else {
    SL_TRY(const std::vector<ForeignKeys::Row> children,
           foreign_key_graph_.children(table, reader.key(), 1));
    if (children.empty()) {
      return false;
    }
  }
  ends_.insert(row);
  return true;
}

Result<void> Apply::settle_ends(ApplyReport& report) {
  settling_ends_ = !ends_.empty();
  for (const ByteVector& part : parts_with_ends_) {
    Reader in(part);
    SL_TRY(const PartHeader header, read_part_header(in));
    RowReader reader(in.rest(), header.stamp.replica);
    SL_TRY(rows_of(reader, report));
  }
  forget_ends();
  return {};
}

// A state says that the row has ended; what became of its children is said by theirs, which may
// come in another page. Until then they are held, as rows are whose parent is not here.
Result<void> Apply::spare_children(const TrackedTable& table, Bytes key, ApplyReport& report) {
  const ForeignKeys::Row self{table.id, to_vector(key)};
  leaving_.insert(self);
  auto held = hold_children(table, key, report);
  leaving_.erase(self);
  return held;
}

void Apply::forget_ends() {
  ends_.clear();
  parts_with_ends_.clear();
  settling_ends_ = false;
}

}  // namespace syncline
