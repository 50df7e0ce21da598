// The part of the engine that deals with an own change that cannot be told, or that nobody could
// read. There should be none: capture and extract are tested against it. If there is one all the
// same it must not keep back what was written after it.
#include "client/engine.h"
#include "model/cell_content.h"
#include "sqlite/savepoint.h"
#include "wire/change_codec.h"
#include "wire/each_row.h"

namespace syncline {
namespace {

constexpr std::size_t batch_bytes = std::size_t{4} << 20U;

// Row by row: a million of them side by side would take hundreds of megabytes.
Result<void> prove_rows(Bytes part) {
  Reader in(part);
  SL_TRY(const PartHeader header, read_part_header(in));
  SL_TRY(const Bytes body, in.raw(in.remaining()));
  RowReader rows(body, header.stamp.replica);
  return for_each_row(rows, [&]() -> Result<void> {
    for (const CellEdit& cell : read_edit(rows).cells) {
      SL_TRY(check_cell(cell, header.stamp));
    }
    return {};
  });
}

Result<void> prove(const OutboxChange& change) {
  std::size_t bytes = 0;
  for (const ByteVector& part : change.parts) {
    bytes += part.size();
  }
  if (bytes <= batch_bytes) {
    const std::vector<Bytes> views(change.parts.begin(), change.parts.end());
    const auto read = decode_parts(views);
    return read ? Result<void>() : Result<void>(read.error());
  }
  for (const ByteVector& part : change.parts) {
    SL_TRY(prove_rows(part));
  }
  return {};
}

bool is_damage(const Error& error) {
  return error.code() == ErrorCode::corrupt || error.code() == ErrorCode::malformed;
}

}  // namespace

// What waits after this version. Fails when a change of it could not be told or not be read, and
// remembers which.
Result<std::vector<OutboxChange>> Engine::proved_batch(LocalVersion after, std::size_t bytes_max) {
  unreadable_ = OutboxChange();
  auto batch = outbox_.batch(after, bytes_max);
  if (!batch) {
    unreadable_.version = is_damage(batch.error()) ? extract_.untold() : LocalVersion();
    return batch;
  }
  for (const OutboxChange& change : *batch) {
    // What is too large is dealt with as such (client/set_aside).
    const bool is_own = change.stamp.replica == replica_ && !too_large_to_send(change).has_value();
    const auto proved = is_own ? prove(change) : Result<void>();
    if (!proved) {
      unreadable_ = change;
      return proved.error();
    }
  }
  return batch;
}

// Sets aside what of the outbox nobody could read. Runs in the caller's transaction.
Result<void> Engine::prove_outbox() {
  SL_TRY(const LocalVersion acknowledged, outbox_.acknowledged());
  LocalVersion after = std::max(acknowledged, proved_);
  for (;;) {
    const auto batch = proved_batch(after, batch_bytes);
    if (!batch && unreadable_.version == LocalVersion()) {
      return batch.error();
    }
    if (!batch) {
      const OutboxChange change = std::move(unreadable_);
      SL_TRY(keep_unreadable(change.version, change.parts, batch.error()));
      continue;
    }
    if (batch->empty()) {
      break;
    }
    after = batch->back().version;
  }
  proved_ = after;
  return {};
}

// The change is listed as rejected, with what there is of it; an empty one of its name goes in its
// place, because the server takes none after a gap. What it wrote and still stands is told as
// states.
Result<void> Engine::keep_unreadable(LocalVersion version, const std::vector<ByteVector>& parts,
                                     const Error& reason) {
  RejectedChange change;
  std::vector<ByteVector> bodies;
  SL_TRY(log_.for_each(
      LocalVersion(version.get() - 1), version,
      [&](const LogRow& row, std::span<const Bytes> log_parts, Bytes) -> Result<bool> {
        change.stamp = Stamp{row.time, replica_};
        change.sequence = row.sequence;
        if (row.form == LogForm::runs || row.form == LogForm::runs_parts) {
          for (const Bytes body : log_parts) {
            bodies.push_back(to_vector(body));
          }
        }
        return true;
      }));
  change.code = error_code_name(ErrorCode::corrupt);
  change.message = "this change cannot be told to others: " + reason.message();
  Writer kept;
  for (const ByteVector& part : parts) {
    kept.blob(part);
  }
  change.change = kept.take();
  SL_TRY(rejected_.keep(change, clock_.now_ms()));
  for (const ByteVector& body : bodies) {
    // A body that is damaged itself names what it can.
    (void)name_rows(body);
  }
  // What was overwritten by it is told from its old values: freeze that first. Others wait for us.
  SL_TRY(schema_change_.freeze_before(version));
  SL_TRY(set_aside_.empty(version, {change.sequence, change.stamp, 0, 0, true}));
  extract_.forget();
  unsent_.forget();
  ChangeFileWriter file;
  bool fits = !parts.empty();
  for (const ByteVector& made : parts) {
    fits = fits && file.part(made).has_value();
  }
  found_unreadable_.push_back({change.message, fits ? file.finish() : ByteVector()});
  if (events_.wanted()) {
    events_.add(event_name::error, clock_.now_ms(),
                error_payload(Error(ErrorCode::corrupt, change.message)));
  }
  return {};
}

}  // namespace syncline
