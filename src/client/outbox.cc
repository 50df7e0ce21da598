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

Result<void> Outbox::Relays::load(Meta& meta) {
  if (loaded_) {
    return {};
  }
  SL_TRY(const std::int64_t through, meta.integer(meta_name::relayed_version));
  through_ = LocalVersion(static_cast<std::uint64_t>(through));
  SL_TRY(const ByteVector stored, meta.blob(meta_name::relayed));
  if (!stored.empty()) {
    Reader in(stored);
    SL_TRY(settled_, VersionVector::decode(in));
  }
  loaded_ = true;
  return {};
}

Result<bool> Outbox::Relays::is_settled(const Dot& dot, LocalVersion version, Meta& meta) {
  SL_TRY(load(meta));
  return version <= through_ || settled_.covers(dot);
}

Result<LocalVersion> Outbox::Relays::through(Meta& meta) {
  SL_TRY(load(meta));
  return through_;
}

// Nearly always nobody has learned anything, and the log is not looked through.
Result<std::vector<Outbox::Waiting>> Outbox::waiting_of_others(LocalVersion after,
                                                               LocalVersion through) {
  std::vector<Waiting> out;
  Relays relays;
  SL_TRY(const LocalVersion settled, relays.through(meta_));
  SL_TRY(
      Statement others,
      connection_.prepare("SELECT l.version, r.replica, l.sequence FROM syncline_replicas r "
                          "CROSS JOIN syncline_log l ON l.origin = r.id WHERE r.own AND r.id > "
                          "1 AND l.version > ?1 AND l.version <= ?2 AND l.form >= 2 ORDER BY 1"));
  others.bind(1, static_cast<std::int64_t>(std::max(after, settled).get()))
      .bind(2, static_cast<std::int64_t>(through.get()));
  for (;;) {
    SL_TRY(const bool row, others.step());
    if (!row) {
      return out;
    }
    const LocalVersion version(static_cast<std::uint64_t>(others.column_int(0)));
    SL_TRY(const ReplicaId replica, ReplicaId::from_bytes(others.column_blob(1)));
    const Dot dot{replica, ChangeSequence(static_cast<std::uint64_t>(others.column_int(2)))};
    SL_TRY(const bool is_settled, relays.is_settled(dot, version, meta_));
    if (!is_settled) {
      out.push_back({version, dot});
    }
  }
}

Result<std::uint64_t> Outbox::count() {
  SL_TRY(const LocalVersion after, acknowledged());
  SL_TRY(const auto own,
         connection_.query_int("SELECT count(*) FROM syncline_log WHERE version > " +
                               number(after) + " AND origin = 1"));
  SL_TRY(const std::vector<Waiting> others, waiting_of_others(after, LocalVersion(INT64_MAX)));
  return static_cast<std::uint64_t>(own.value_or(0)) + others.size();
}

Result<void> Outbox::overtaken(LocalVersion after,
                               FunctionRef<Result<void>(const OutboxChange&)> visit) {
  SL_TRY(const LocalVersion done, acknowledged());
  SL_TRY(const std::vector<Waiting> others, waiting_of_others(after, done));
  for (const Waiting& one : others) {
    OutboxChange change;
    change.version = one.version;
    change.sequence = one.dot.sequence;
    SL_TRY(
        log_.for_each(LocalVersion(one.version.get() - 1), one.version,
                      [&](const LogRow& row, std::span<const Bytes> parts, Bytes) -> Result<bool> {
                        change.stamp = {row.time, one.dot.replica};
                        for (const Bytes part : parts) {
                          change.parts.push_back(to_vector(part));
                        }
                        return true;
                      }));
    SL_TRY(visit(change));
  }
  return {};
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
  Relays relays;
  std::size_t bytes = 0;
  SL_TRY(extract_.changes(
      range, [&](const LogRow& row, const PartHeader& header, Bytes part) -> Result<bool> {
        if (row.origin > 1) {
          const Dot dot{header.stamp.replica, header.sequence};
          SL_TRY(const bool settled, relays.is_settled(dot, row.version, meta_));
          if (settled) {
            return true;
          }
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
