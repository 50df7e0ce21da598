#include "client/set_aside.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "wire/limits.h"

namespace syncline {
namespace {

constexpr std::size_t batch_bytes = std::size_t{4} << 20U;
// A header's numbers have at most so many bytes: nothing larger is a change of nothing.
constexpr std::size_t empty_bytes_max = 64;

Result<bool> is_empty_part(Bytes part) {
  Reader in(part);
  SL_TRY(read_part_header(in));
  return in.at_end();
}

Result<bool> is_empty(const OutboxChange& change) {
  return change.parts.size() == 1 ? is_empty_part(change.parts[0]) : Result<bool>(false);
}

}  // namespace

std::optional<SetAside::Reason> too_large_to_send(const OutboxChange& change) {
  std::size_t bytes = 0;
  std::size_t largest = 0;
  for (const ByteVector& part : change.parts) {
    bytes += part.size();
    largest = std::max(largest, part.size());
  }
  if (largest > limits::part_bytes_max) {
    return SetAside::Reason{"too_large", "a row of " + std::to_string(largest) +
                                             " bytes is too large to be sent (limit "
                                             "row_bytes_max: " +
                                             std::to_string(limits::row_bytes_max) + " bytes)"};
  }
  if (bytes > limits::change_bytes_max || change.parts.size() > limits::parts_max) {
    return SetAside::Reason{"too_large", "a transaction of " + std::to_string(bytes) +
                                             " bytes is too large to be sent (limit "
                                             "change_bytes_max: " +
                                             std::to_string(limits::change_bytes_max) + " bytes)"};
  }
  return std::nullopt;
}

Result<std::uint64_t> SetAside::changes(const ReplicaId& own, LocalVersion through,
                                        std::int64_t now_ms, Judge judge) {
  SL_TRY(LocalVersion after, outbox_.acknowledged());
  std::vector<std::pair<LocalVersion, PartHeader>> found;
  while (after < through) {
    SL_TRY(const std::vector<OutboxChange> changes, outbox_.batch(after, batch_bytes));
    if (changes.empty()) {
      break;
    }
    for (const OutboxChange& change : changes) {
      after = std::min(change.version, through);
      SL_TRY(const bool nothing, is_empty(change));
      if (change.version > through || nothing || change.stamp.replica != own) {
        continue;
      }
      const auto reason = judge(change);
      if (reason.has_value()) {
        SL_TRY(keep(change, *reason, now_ms));
        Reader in(change.parts[0]);
        SL_TRY(const PartHeader header, read_part_header(in));
        found.emplace_back(change.version, header);
      }
    }
  }
  if (!found.empty()) {
    SL_TRY(schema_.freeze_outbox());
  }
  for (const auto& [version, header] : found) {
    SL_TRY(empty(version, header));
  }
  return found.size();
}

Result<void> SetAside::keep(const OutboxChange& change, const Reason& reason, std::int64_t now_ms) {
  RejectedChange kept;
  kept.stamp = change.stamp;
  kept.sequence = change.sequence;
  kept.code = reason.code;
  kept.message = reason.message;
  Writer parts;
  for (const ByteVector& part : change.parts) {
    parts.blob(part);
  }
  kept.change = parts.take();
  return rejected_.keep(kept, now_ms);
}

Result<void> SetAside::empty(LocalVersion version, PartHeader header) {
  header.index = 0;
  header.last = true;
  Writer part;
  write_part_header(part, header);
  SL_TRY(Statement update,
         connection_.prepare("UPDATE syncline_log SET form = ?2, body = ?3 WHERE version = ?1"));
  update.bind(1, static_cast<std::int64_t>(version.get()))
      .bind(2, static_cast<std::int64_t>(LogForm::frozen))
      .bind_blob(3, part.bytes());
  SL_TRY(update.run());
  return connection_.execute("DELETE FROM syncline_log_parts WHERE version = " +
                             std::to_string(version.get()));
}

Result<std::uint64_t> SetAside::count() {
  SL_TRY(const LocalVersion acknowledged, outbox_.acknowledged());
  SL_TRY(Statement select,
         connection_.prepare("SELECT body FROM syncline_log WHERE version > ?1 AND origin = 1 AND "
                             "form = ?2 AND length(body) <= ?3"));
  select.bind(1, static_cast<std::int64_t>(acknowledged.get()))
      .bind(2, static_cast<std::int64_t>(LogForm::frozen))
      .bind(3, static_cast<std::int64_t>(empty_bytes_max));
  std::uint64_t count = 0;
  for (;;) {
    SL_TRY(const bool row, select.step());
    if (!row) {
      return count;
    }
    SL_TRY(const bool nothing, is_empty_part(select.column_blob(0)));
    count += nothing ? 1 : 0;
  }
}

}  // namespace syncline
