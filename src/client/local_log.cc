#include "client/local_log.h"

#include <algorithm>

namespace syncline {

Result<LogHead> LocalLog::head() {
  // Outside a transaction the data's version is that of the last one, whatever others wrote since;
  // and what is read next would be newer than the head.
  if (clean_ && connection_.in_write_transaction() && connection_.data_version() == data_version_) {
    return head_;
  }
  SL_TRY(Statement * read, read_head_.get(connection_));
  {
    const ResetGuard guard(*read);
    SL_TRY(const bool row, read->step());
    SL_CHECK(row);
    head_ = {};
    head_.version = LocalVersion(static_cast<std::uint64_t>(read->column_int(0)));
    head_.hlc = static_cast<std::uint64_t>(read->column_int(1));
    head_.own_sequence = ChangeSequence(static_cast<std::uint64_t>(read->column_int(2)));
    head_.renewals = read->column_int(3);
  }
  // Inside a transaction the row may still be taken back, so it is not trusted for longer.
  clean_ = false;
  const LogHead found = head_;
  if (watcher_ != nullptr && renewals_ != found.renewals) {
    renewals_ = found.renewals;
    if (auto told = watcher_->on_renewed(found); !told) {
      renewals_.reset();
      return std::move(told).error();
    }
  }
  return found;
}

Result<void> LocalLog::append(LogHead& head, const LogRow& row, Bytes first_part, Bytes replaced) {
  SL_CHECK(row.version == head.version.next());
  LogHead next = head;
  next.version = row.version;
  next.hlc = std::max(next.hlc, row.time);
  if (row.origin == first_own_origin) {
    next.own_sequence = std::max(next.own_sequence, row.sequence);
  }
  SL_TRY(Statement * insert, insert_.get(connection_));
  insert->bind(1, static_cast<std::int64_t>(row.version.get()))
      .bind(2, row.origin)
      .bind(3, static_cast<std::int64_t>(row.sequence.get()))
      .bind(4, static_cast<std::int64_t>(row.time))
      .bind(5, static_cast<std::int64_t>(next.hlc))
      .bind(6, static_cast<std::int64_t>(next.own_sequence.get()))
      .bind(7, static_cast<std::int64_t>(row.form))
      .bind_blob(8, first_part);
  if (replaced.empty()) {
    insert->bind_null(9);
  } else {
    insert->bind_blob(9, replaced);
  }
  SL_TRY(insert->run());
  head = next;
  head_ = next;
  clean_ = false;
  return {};
}

Result<void> LocalLog::append_part(LocalVersion version, std::uint64_t part, Bytes body) {
  SL_TRY(Statement * insert, insert_part_.get(connection_));
  insert->bind(1, static_cast<std::int64_t>(version.get()))
      .bind(2, static_cast<std::int64_t>(part))
      .bind_blob(3, body);
  return insert->run();
}

void LocalLog::committed() {
  data_version_ = connection_.data_version();
  clean_ = true;
}

void LocalLog::release() {
  for (CachedStatement* statement :
       {&read_head_, &insert_, &insert_part_, &read_rows_, &read_parts_}) {
    statement->release();
  }
}

Result<void> LocalLog::for_each(LocalVersion after, LocalVersion through, Visit visit) {
  SL_TRY(Statement * rows, read_rows_.get(connection_));
  const ResetGuard guard(*rows);
  rows->bind(1, static_cast<std::int64_t>(after.get()))
      .bind(2, static_cast<std::int64_t>(std::min<std::uint64_t>(through.get(), INT64_MAX)));
  std::vector<ByteVector> kept;
  std::vector<Bytes> parts;
  for (;;) {
    SL_TRY(const bool more, rows->step());
    if (!more) {
      return {};
    }
    LogRow row;
    row.version = LocalVersion(static_cast<std::uint64_t>(rows->column_int(0)));
    row.origin = rows->column_int(1);
    row.sequence = ChangeSequence(static_cast<std::uint64_t>(rows->column_int(2)));
    row.time = static_cast<std::uint64_t>(rows->column_int(3));
    row.form = static_cast<LogForm>(rows->column_int(4));
    kept.clear();
    parts.assign(1, rows->column_blob(5));
    if (row.form == LogForm::runs_parts || row.form == LogForm::frozen_parts) {
      SL_TRY(Statement * more_parts, read_parts_.get(connection_));
      const ResetGuard parts_guard(*more_parts);
      more_parts->bind(1, static_cast<std::int64_t>(row.version.get()));
      for (;;) {
        SL_TRY(const bool part, more_parts->step());
        if (!part) {
          break;
        }
        kept.push_back(to_vector(more_parts->column_blob(0)));
      }
      for (const ByteVector& part : kept) {
        parts.push_back(part);
      }
    }
    SL_TRY(const bool go_on, visit(row, parts, rows->column_blob(6)));
    if (!go_on) {
      return {};
    }
  }
}

}  // namespace syncline
