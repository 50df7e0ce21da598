#include "client/outbox.h"

#include <algorithm>

namespace syncline {
namespace {

std::string number(LocalVersion version) { return std::to_string(version.get()); }

}  // namespace

Result<LocalVersion> Outbox::acknowledged() {
  SL_TRY(const std::int64_t version, meta_.integer(meta_name::acknowledged_version));
  return LocalVersion(static_cast<std::uint64_t>(version));
}

Result<std::uint64_t> Outbox::count() {
  SL_TRY(const LocalVersion after, acknowledged());
  SL_TRY(const std::int64_t relayed, meta_.integer(meta_name::relayed_version));
  SL_TRY(
      const auto count,
      connection_.query_int("SELECT count(*) FROM syncline_log WHERE version > " + number(after) +
                            " AND (origin = 1 OR (origin > 1 AND form >= 2 AND version > " +
                            std::to_string(relayed) + "))"));
  return static_cast<std::uint64_t>(count.value_or(0));
}

Result<std::vector<OutboxChange>> Outbox::batch(LocalVersion after, std::size_t bytes_max,
                                                LocalVersion through) {
  std::vector<OutboxChange> out;
  SL_TRY(const LocalVersion done, acknowledged());
  Extract::Range range;
  range.acknowledged = done;
  SL_TRY(const std::int64_t once, meta_.integer(meta_name::once_acknowledged_version));
  range.once_acknowledged = LocalVersion(static_cast<std::uint64_t>(once));
  range.after = std::max(after, done);
  range.own_only = true;
  SL_TRY(const std::int64_t schema, meta_.integer(meta_name::schema_version));
  range.schema_version = static_cast<std::uint32_t>(schema);
  SL_TRY(clocks_.catch_up());
  SL_TRY(const LogHead head, log_.head());
  range.through = std::min(head.version, through);
  SL_TRY(const std::int64_t relayed, meta_.integer(meta_name::relayed_version));
  std::size_t bytes = 0;
  SL_TRY(extract_.changes(
      range, [&](const LogRow& row, const PartHeader& header, Bytes part) -> Result<bool> {
        if (row.origin > 1 && row.version.get() <= static_cast<std::uint64_t>(relayed)) {
          return true;  // learned from a peer, and settled with the server
        }
        if (header.index == 0) {
          if (bytes >= bytes_max) {
            return false;
          }
          out.push_back({row.version, header.stamp, header.sequence, {}});
        }
        out.back().parts.push_back(to_vector(part));
        bytes += part.size();
        return true;
      }));
  return out;
}

Result<void> Outbox::acknowledge(LocalVersion through) {
  SL_TRY(const LocalVersion done, acknowledged());
  if (through <= done) {
    return {};
  }
  SL_TRY(Statement * last, read_last_.get(connection_));
  const ResetGuard guard(*last);
  last->bind(1, static_cast<std::int64_t>(through.get()))
      .bind(2, static_cast<std::int64_t>(done.get()));
  SL_TRY(const bool own, last->step());
  if (own) {
    SL_TRY(meta_.set(meta_name::acknowledged_sequence, ValueView::of(last->column_int(0))));
    SL_TRY(meta_.set(meta_name::acknowledged_time, ValueView::of(last->column_int(1))));
  }
  return meta_.set(meta_name::acknowledged_version,
                   ValueView::of(static_cast<std::int64_t>(through.get())));
}

}  // namespace syncline
