// The part of a workspace that answers what replicas ask.
#include "base/mutant.h"
#include "model/digest.h"
#include "server/workspace.h"
#include "wire/change_codec.h"
#include "wire/limits.h"
#include "wire/state_part.h"

namespace syncline {
namespace {

struct PageToken {
  LineageId lineage;
  ServerVersion version;
  std::uint64_t rows = 0;
  std::uint64_t bytes = 0;
  std::string table;
  ByteVector key;
};

ByteVector write_token(const PageToken& token) {
  Writer out;
  out.raw(token.lineage.view());
  out.varint(token.version.get());
  out.varint(token.rows);
  out.varint(token.bytes);
  out.text(token.table);
  out.blob(token.key);
  return out.take();
}

Result<PageToken> read_token(Bytes bytes) {
  Reader in(bytes);
  PageToken token;
  SL_TRY(const Bytes lineage, in.raw(16));
  SL_TRY(token.lineage, LineageId::from_bytes(lineage));
  SL_TRY(const std::uint64_t version, in.varint());
  token.version = ServerVersion(version);
  SL_TRY(token.rows, in.varint());
  SL_TRY(token.bytes, in.varint());
  SL_TRY(const std::string_view table, in.text(limits::name_bytes_max));
  token.table = table;
  SL_TRY(const Bytes key, in.blob(limits::key_bytes_max));
  token.key = to_vector(key);
  SL_TRY(in.expect_end("a page's token"));
  return token;
}

// Whether the row waits for a page of its own. Beside others it might not fit what a page may be.
bool goes_alone(const ServerRow& row, const StatePartWriter& page) {
  return page.rows() > 0 && row.bytes > limits::part_bytes_target;
}

}  // namespace

ReplicaId author_of(const LineageId& lineage) {
  ReplicaId author;
  author.bytes = lineage.bytes;
  return author;
}

Result<LogSlice> Workspace::read(const Hello& hello, const effect::ReadLog& ask,
                                 ServerVersion through, WorkMeter& meter) {
  LogSlice slice;
  slice.through.version = ask.after;
  slice.begun = ask.begun;
  if (ask.after < record_.fence && !SL_MUTANT(6)) {
    slice.gone = true;
    return slice;
  }
  std::size_t bytes = 0;
  const auto visit = [&](LogEntry& entry, bool is_last) -> Result<bool> {
    ByteVector& part = entry.parts[0];
    const bool is_told = entry.stamp.replica != hello.replica;
    if (is_told && !meter.take_room(part.size())) {
      return false;
    }
    const Receipt receipt = make_receipt(place_, entry.version, entry.mark);
    meter.charge(part.size());
    if (is_told) {
      if (!hello.tables.empty()) {
        SL_TRY(part, filter_part(part, [&](const std::string& table) {
                 return is_subscribed(hello.tables, table);
               }));
      }
      bytes += part.size();
      SL_TRY(slice.parts.emplace_back(), make_log_part(receipt, std::move(part)));
    }
    ++slice.begun;
    if (is_last) {
      slice.through = receipt;
      slice.begun = 0;
    }
    return bytes < ask.bytes_max && !meter.is_spent();
  };
  SL_TRY(store_->for_each_part(record_.id, ask.after, ask.begun, through, visit));
  return slice;
}

Digest Workspace::digest(const std::vector<std::string>& tables) const {
  Digest out;
  for (const auto& [table, totals] : totals_) {
    if (is_subscribed(tables, table)) {
      out.add(totals.digest);
    }
  }
  return out;
}

Result<SnapshotStep> Workspace::snapshot(const Hello& hello, Bytes bytes, bool first,
                                         WorkMeter& meter) {
  SL_TRY(const LineageId lineage, store_->lineage());
  PageToken token;
  token.lineage = lineage;
  token.version = record_.head;
  if (!bytes.empty()) {
    const auto known = read_token(bytes);
    // A token of another lineage, or older than the log, begins anew.
    if (known && known->lineage == lineage && known->version >= record_.fence &&
        known->version <= record_.head) {
      token = *known;
    }
  }
  SnapshotStep step;
  if (first) {
    SnapshotBegin begin{token.version, 0, 0, token.rows, token.bytes};
    for (const auto& [table, totals] : totals_) {
      if (is_subscribed(hello.tables, table)) {
        begin.rows += totals.rows;
        begin.bytes += totals.bytes;
      }
    }
    step.begin = begin;
  }
  StatePartWriter states(author_of(lineage));
  PageToken next = token;
  for (auto at = totals_.lower_bound(token.table); at != totals_.end(); ++at) {
    if (!is_subscribed(hello.tables, at->first)) {
      continue;
    }
    const ByteVector after = at->first == token.table ? token.key : ByteVector();
    bool full = false;
    SL_TRY(store_->for_each_row(
        record_.id, at->first, after, {}, [&](const ServerRow& row) -> Result<bool> {
          full = goes_alone(row, states) || !meter.take_room(row.bytes);
          if (full) {
            return false;
          }
          if (!SL_MUTANT(13) || next.rows % 3 != 1) {  // loses rows
            states.row(row.table, row.key.view(), row.state);
          }
          next.table = row.table;
          if (!SL_MUTANT(12)) {  // a page's token stands still
            next.key = row.key.bytes;
          }
          next.rows += 1;
          next.bytes += row.bytes;
          meter.charge(row.bytes);
          full = states.size() >= limits::snapshot_page_bytes || meter.is_spent();
          return !full;
        }));
    if (full) {
      break;
    }
  }
  if (meter.found_no_room()) {
    return SnapshotStep();
  }
  if (states.rows() == 0) {
    SL_TRY(const auto known, receipt_at(token.version));
    step.end = SnapshotEnd{token.version, token.rows, token.bytes, known.value_or(Receipt())};
    return step;
  }
  step.page = SnapshotPage{write_token(next), next.rows - token.rows, next.bytes - token.bytes,
                           states.finish()};
  return step;
}

Result<std::optional<RangeDigests>> Workspace::range_digests(const Hello& hello, RangeWalk& walk,
                                                             WorkMeter& meter) {
  using Done = std::optional<RangeDigests>;
  const RescanRequest& request = walk.request;
  RangeDigests& out = walk.out;
  out.table = request.table;
  out.after = request.after;
  if (request.table.empty()) {
    for (const auto& [table, totals] : totals_) {
      meter.charge(0);
      if (is_subscribed(hello.tables, table)) {
        out.ranges.push_back({to_vector(as_bytes(table)), totals.rows, totals.digest});
      }
    }
    return Done(std::move(out));
  }
  if (!is_subscribed(hello.tables, request.table)) {
    out.ranges.push_back({request.through, 0, {}});
    return Done(std::move(out));
  }
  if (!walk.is_counted) {
    SL_TRY(walk.is_counted, count_range(walk, meter));
    walk.at = walk.is_counted ? request.after : std::move(walk.at);
  }
  if (!walk.is_counted || meter.is_spent()) {
    return Done();
  }
  SL_TRY(const bool done, digest_range(walk, meter));
  if (!done) {
    return Done();
  }
  walk.piece.through = request.through;
  out.ranges.push_back(std::move(walk.piece));
  return Done(std::move(out));
}

Result<bool> Workspace::count_range(RangeWalk& walk, WorkMeter& meter) {
  bool done = true;
  const ByteVector after = walk.at.empty() ? walk.request.after : walk.at;
  SL_TRY(store_->for_each_row(record_.id, walk.request.table, after, walk.request.through,
                              [&](const ServerRow& row) -> Result<bool> {
                                done = !meter.is_spent();
                                if (done) {
                                  ++walk.rows;
                                  walk.at = row.key.bytes;
                                  meter.charge(row.bytes);
                                }
                                return done;
                              }));
  return done;
}

Result<bool> Workspace::digest_range(RangeWalk& walk, WorkMeter& meter) {
  constexpr std::uint64_t pieces_max = 16;
  const std::uint64_t pieces = std::min(pieces_max, walk.rows / 64 + 1);
  const std::uint64_t rows_each = walk.rows / pieces + 1;
  RangeDigest& piece = walk.piece;
  bool done = true;
  const ByteVector after = walk.at;
  SL_TRY(store_->for_each_row(record_.id, walk.request.table, after, walk.request.through,
                              [&](const ServerRow& row) -> Result<bool> {
                                done = !meter.is_spent();
                                if (!done) {
                                  return false;
                                }
                                if (piece.rows >= rows_each &&
                                    walk.out.ranges.size() + 1 < pieces_max) {
                                  walk.out.ranges.push_back(piece);
                                  piece = RangeDigest();
                                }
                                piece.through = walk.at = row.key.bytes;
                                piece.rows += 1;
                                piece.digest.add(digest_of(row.table, row.key.view(), row.state));
                                meter.charge(row.bytes);
                                return true;
                              }));
  return done;
}

Result<RangeRows> Workspace::range_rows(const Hello& hello, const RangeRequest& request,
                                        WorkMeter& meter) {
  SL_TRY(const LineageId lineage, store_->lineage());
  RangeRows out{request.table, request.after, request.through, {}};
  StatePartWriter states(author_of(lineage));
  ByteVector last;
  if (is_subscribed(hello.tables, request.table)) {
    SL_TRY(store_->for_each_row(record_.id, request.table, request.after, request.through,
                                [&](const ServerRow& row) -> Result<bool> {
                                  if (goes_alone(row, states) || !meter.take_room(row.bytes)) {
                                    out.through = std::move(last);
                                    return false;
                                  }
                                  states.row(row.table, row.key.view(), row.state);
                                  last = row.key.bytes;
                                  meter.charge(row.bytes);
                                  if (states.size() < limits::range_rows_bytes &&
                                      !meter.is_spent()) {
                                    return true;
                                  }
                                  out.through = row.key.bytes;
                                  return false;
                                }));
  }
  out.states = states.finish();
  return out;
}

}  // namespace syncline
