// The part of the engine that performs what a session with a server asks for: identity, outbox,
// acknowledgements, snapshots.
#include <algorithm>

#include "client/engine.h"
#include "client/event_order.h"
#include "model/merge.h"
#include "sqlite/savepoint.h"
#include "wire/limits.h"
#include "wire/state_part.h"

namespace syncline {
namespace {

ValueView number(std::uint64_t value) { return ValueView::of(static_cast<std::int64_t>(value)); }

Result<std::vector<EpochId>> split_epochs(Bytes bytes) {
  std::vector<EpochId> out;
  Reader in(bytes);
  while (!in.at_end()) {
    SL_TRY(const Bytes id, in.raw(16));
    SL_TRY(const EpochId epoch, EpochId::from_bytes(id));
    out.push_back(epoch);
  }
  return out;
}

ByteVector join_epochs(const std::vector<EpochId>& epochs) {
  Writer out;
  for (const EpochId& epoch : epochs) {
    out.raw(epoch.view());
  }
  return out.take();
}

// Beyond this a copy of the unsent changes is not kept a second time in the same file.
constexpr std::size_t salvage_bytes_max = std::size_t{64} << 20U;

constexpr std::size_t epochs_elsewhere_max = limits::epochs_max / 2;

// Capture hears best of what is written where its triggers are the newest, and know every index.
Result<void> renew_triggers(const Connection& connection, Catalog& catalog) {
  SL_TRY(catalog.catch_up());
  SL_TRY(std::set<TableId> behind, tables_overtaken(connection));
  SL_TRY(const std::set<TableId> unsure, tables_of_other_indexes(connection, catalog));
  behind.insert(unsure.begin(), unsure.end());
  for (const TableId id : behind) {
    SL_TRY(const TrackedTable* table, catalog.table(id));
    // Where columns changed, the application has yet to say so.
    SL_TRY(const bool is_described, catalog.describes(*table));
    if (is_described) {
      SL_TRY(catalog.refresh(id));
    }
  }
  return {};
}

}  // namespace

Result<void> Engine::open_session(const std::string& workspace) {
  SL_TRY(require_replica());
  SL_TRY(Savepoint savepoint, Savepoint::to_write(parts_.connection));
  SL_TRY(renew_triggers(parts_.connection, catalog_));
  // Whoever had the conversation before may have given the file another name.
  origins_.forget();
  SL_TRY(load_identity());
  told_sequence_ = ChangeSequence(0);
  SL_TRY(const std::string known, meta_.text(meta_name::workspace));
  if (!known.empty() && known != workspace) {
    return Error(ErrorCode::invalid_argument,
                 "this database belongs to workspace '" + known + "', not to '" + workspace + "'");
  }
  SL_TRY(meta_.set(meta_name::workspace, ValueView::of(std::string_view(workspace))));
  SL_TRY(const ByteVector stored, meta_.blob(meta_name::epochs));
  SL_TRY(std::vector<EpochId> epochs, split_epochs(stored));
  if (epochs.size() > limits::epochs_max - epochs_elsewhere_max) {
    // The first is the one that the server confirmed; of the others the newest matter.
    epochs.erase(epochs.begin() + 1);
  }
  epochs.push_back(EpochId::draw(*parts_.random));
  SL_TRY(meta_.set(meta_name::epochs, ValueView::blob(join_epochs(epochs))));
  SL_TRY(const std::int64_t offset, meta_.integer(meta_name::clock_offset_ms));
  clock_.set_offset_ms(offset);
  SL_TRY(savepoint.release());
  end_call();
  return {};
}

Result<ReplicaFacts> Engine::facts(const std::vector<std::string>& tables) {
  ReplicaFacts out;
  SL_TRY(const Schema schema, this->schema());
  SL_TRY(out.digest, digest_of_tables(tables));
  SL_TRY(Savepoint savepoint, Savepoint::open(parts_.connection));
  SL_TRY(const LogHead head, log_.head());
  SL_TRY(out.workspace, meta_.text(meta_name::workspace));
  out.replica = replica_;
  SL_TRY(const ByteVector stored, meta_.blob(meta_name::epochs));
  SL_TRY(out.epochs_before, split_epochs(stored));
  if (!out.epochs_before.empty()) {
    out.epoch = out.epochs_before.back();
    out.epochs_before.pop_back();
  }
  SL_TRY(out.epochs_before, earlier_epochs(std::move(out.epochs_before)));
  out.last_sequence = head.own_sequence;
  SL_TRY(const std::int64_t acknowledged, meta_.integer(meta_name::acknowledged_sequence));
  out.acknowledged = ChangeSequence(static_cast<std::uint64_t>(acknowledged));
  SL_TRY(const std::int64_t time, meta_.integer(meta_name::acknowledged_time));
  out.acknowledged_time = static_cast<std::uint64_t>(time);
  out.schema_version = schema.version;
  out.fingerprint = schema_fingerprint(schema);
  Writer encoded;
  encode_schema(encoded, schema);
  out.schema = encoded.take();
  SL_TRY(const ByteVector lineage, meta_.blob(meta_name::lineage));
  if (!lineage.empty()) {
    SL_TRY(out.lineage, LineageId::from_bytes(lineage));
  }
  SL_TRY(const std::int64_t cursor, meta_.integer(meta_name::cursor));
  out.cursor = ServerVersion(static_cast<std::uint64_t>(cursor));
  SL_TRY(const ByteVector receipt, meta_.blob(meta_name::receipt));
  if (!receipt.empty()) {
    Reader in(receipt);
    SL_TRY(const std::uint64_t version, in.varint());
    SL_TRY(const Bytes seal, in.raw(16));
    SL_TRY(out.receipt.seal, Seal::from_bytes(seal));
    out.receipt.version = ServerVersion(version);
  }
  SL_TRY(out.snapshot_token, meta_.blob(meta_name::snapshot_token));
  SL_TRY(const std::int64_t wants_rescan, meta_.integer(meta_name::wants_rescan));
  out.wants_rescan = wants_rescan != 0;
  SL_TRY(const std::int64_t in_pieces, meta_.integer(meta_name::in_pieces));
  out.in_pieces = in_pieces != 0;
  SL_TRY(savepoint.release());
  renewals_ = head.renewals;  // a renewal is noticed until somebody has the facts of after it
  end_call();
  return out;
}

Result<LogHead> Engine::log_head() {
  SL_TRY(require_replica());
  auto head = log_.head();
  end_call();
  return head;
}

// Where the last own change up to `sequence` stands; the acknowledged version when that is it.
Result<LocalVersion> Engine::version_of(ChangeSequence sequence) {
  SL_TRY(const LocalVersion acknowledged, outbox_.acknowledged());
  SL_TRY(Statement * statement, read_version_of_.get(parts_.connection));
  const ResetGuard guard(*statement);
  statement->bind(1, static_cast<std::int64_t>(acknowledged.get()))
      .bind(2, static_cast<std::int64_t>(sequence.get()));
  SL_TRY(const bool row, statement->step());
  const std::int64_t version = row ? statement->column_int(0) : 0;
  return std::max(acknowledged, LocalVersion(static_cast<std::uint64_t>(version)));
}

Result<std::vector<OutboxPart>> Engine::own_changes(ChangeSequence after, std::size_t bytes_max) {
  SL_TRY(require_replica());
  // Written where nobody looked; nothing behind it waits for it.
  std::optional<LocalVersion> large;
  const auto run = [&]() -> Result<std::vector<OutboxPart>> {
    SL_TRY(Savepoint savepoint, Savepoint::open(parts_.connection));
    SL_TRY(check_not_renewed());
    if (after != told_sequence_ || after == ChangeSequence(0)) {
      SL_TRY(told_version_, version_of(after));
    }
    std::vector<OutboxPart> out;
    while (out.empty() && !large.has_value()) {
      SL_TRY(std::vector<OutboxChange> batch, proved_batch(told_version_, bytes_max));
      if (batch.empty()) {
        break;
      }
      for (OutboxChange& change : batch) {
        if (change.stamp.replica == replica_ && too_large_to_send(change).has_value()) {
          large = change.version;
          break;
        }
        told_version_ = change.version;
        if (change.stamp.replica != replica_) {
          continue;  // learned from somebody else; not this conversation's
        }
        told_sequence_ = change.sequence;
        for (std::size_t i = 0; i < change.parts.size(); ++i) {
          out.push_back({change.sequence, change.stamp.time, i + 1 == change.parts.size(),
                         std::move(change.parts[i])});
        }
      }
    }
    SL_TRY(savepoint.release());
    return out;
  };
  auto out = run();
  if (!out && unreadable_.version != LocalVersion()) {
    SL_TRY(Savepoint savepoint, Savepoint::to_write(parts_.connection));
    SL_TRY(prove_outbox());
    SL_TRY(savepoint.release());
    out = run();
  }
  while (out && large.has_value()) {
    SL_TRY(set_aside_large(*large));
    large.reset();
    if (out->empty()) {
      out = run();  // where it stood, a change of nothing stands
    }
  }
  end_call();
  return out;
}

// Sequence and time as the server knows them, and the log's version that belongs to them. May go
// back: what a restored server has forgotten is unsent again.
Result<void> Engine::set_acknowledged(ChangeSequence sequence, std::uint64_t time) {
  SL_TRY(const LocalVersion before, outbox_.acknowledged());
  SL_TRY(move_acknowledged(sequence, time));
  SL_TRY(const LocalVersion now, outbox_.acknowledged());
  // Of what is told again something may be missing, and more with every write: it is told from now
  // on as it can be told now.
  return now < before ? schema_change_.freeze_outbox() : Result<void>();
}

Result<void> Engine::move_acknowledged(ChangeSequence sequence, std::uint64_t time) {
  SL_TRY(const std::int64_t known, meta_.integer(meta_name::acknowledged_sequence));
  SL_TRY(const LocalVersion version, outbox_.acknowledged());
  if (sequence.get() == static_cast<std::uint64_t>(known)) {
    return {};
  }
  LocalVersion next = version;
  if (sequence.get() > static_cast<std::uint64_t>(known)) {
    SL_TRY(next, version_of(sequence));
  } else {
    SL_TRY(const auto first,
           parts_.connection.query_int("SELECT min(version) FROM syncline_log WHERE origin = 1 AND "
                                       "sequence > " +
                                       std::to_string(sequence.get())));
    if (first.has_value() && *first > 0) {
      next = std::min(next, LocalVersion(static_cast<std::uint64_t>(*first) - 1));
    }
    SL_TRY(const std::int64_t once, meta_.integer(meta_name::once_acknowledged_version));
    if (version.get() > static_cast<std::uint64_t>(once)) {
      SL_TRY(meta_.set(meta_name::once_acknowledged_version, number(version.get())));
    }
    unsent_.forget();
  }
  told_sequence_ = ChangeSequence(0);
  SL_TRY(meta_.set(meta_name::acknowledged_version, number(next.get())));
  SL_TRY(meta_.set(meta_name::acknowledged_sequence, number(sequence.get())));
  return meta_.set(meta_name::acknowledged_time, number(time));
}

Result<std::vector<EpochId>> Engine::earlier_epochs(std::vector<EpochId> here) {
  SL_TRY(const ByteVector stored, meta_.blob(meta_name::epochs_elsewhere));
  SL_TRY(const std::vector<EpochId> elsewhere, split_epochs(stored));
  for (const EpochId& epoch : elsewhere) {
    if (here.size() < limits::epochs_max) {
      here.push_back(epoch);
    }
  }
  return here;
}

// A welcome confirms an epoch to this server as it is now. A server of another lineage knows an
// earlier one, and so does this one when somebody puts its folder back.
Result<void> Engine::keep_epochs(const EpochId& confirmed) {
  SL_TRY(const ByteVector here, meta_.blob(meta_name::epochs));
  if (equal_bytes(here, confirmed.view())) {
    return {};
  }
  SL_TRY(std::vector<EpochId> epochs, split_epochs(here));
  std::reverse(epochs.begin(), epochs.end());
  SL_TRY(epochs, earlier_epochs(std::move(epochs)));
  epochs.erase(std::remove(epochs.begin(), epochs.end(), confirmed), epochs.end());
  epochs.resize(std::min(epochs.size(), epochs_elsewhere_max));
  SL_TRY(meta_.set(meta_name::epochs_elsewhere, ValueView::blob(join_epochs(epochs))));
  return meta_.set(meta_name::epochs, ValueView::blob(confirmed.view()));
}

Result<void> Engine::store_receipt() {
  if (!receipt_) {
    return {};
  }
  Writer out;
  if (receipt_->version != ServerVersion(0)) {
    out.varint(receipt_->version.get());
    out.raw(receipt_->seal.view());
  }
  return meta_.set(meta_name::receipt, ValueView::blob(out.bytes()));
}

Result<void> Engine::acknowledge(ChangeSequence through) {
  SL_TRY(require_replica());
  SL_TRY(Savepoint savepoint, Savepoint::to_write(parts_.connection));
  SL_TRY(check_not_renewed());
  SL_TRY(const LocalVersion version, version_of(through));
  SL_TRY(outbox_.acknowledge(version));
  SL_TRY(store_receipt());
  SL_TRY(savepoint.release());
  end_call();
  return {};
}

Result<void> Engine::unacknowledge(ChangeSequence through) {
  SL_TRY(require_replica());
  SL_TRY(Savepoint savepoint, Savepoint::to_write(parts_.connection));
  SL_TRY(check_not_renewed());
  SL_TRY(const auto time,
         parts_.connection.query_int("SELECT time FROM syncline_log WHERE origin = 1 AND sequence "
                                     "= " +
                                     std::to_string(through.get())));
  SL_TRY(set_acknowledged(through, static_cast<std::uint64_t>(time.value_or(0))));
  SL_TRY(savepoint.release());
  end_call();
  return {};
}

Result<void> Engine::save_welcome(const effect::SaveWelcome& welcome) {
  SL_TRY(require_replica());
  SL_TRY(Savepoint savepoint, Savepoint::to_write(parts_.connection));
  SL_TRY(check_not_renewed());
  SL_TRY(const ByteVector lineage, meta_.blob(meta_name::lineage));
  if (!equal_bytes(lineage, welcome.lineage.view())) {
    // What another server has, this one may lack.
    SL_TRY(meta_.set(meta_name::relayed, ValueView::blob({})));
    SL_TRY(meta_.set(meta_name::relayed_version, number(0)));
    const bool is_left = !lineage.empty() && welcome.rescans;
    SL_TRY(meta_.set(meta_name::left_lineage, number(is_left ? 1 : 0)));
  }
  if (welcome.rescans) {
    // The cursor says nothing of this server, and this process may end before the comparison
    // begins.
    SL_TRY(meta_.set(meta_name::wants_rescan, number(1)));
  }
  SL_TRY(keep_epochs(welcome.epoch));
  SL_TRY(meta_.set(meta_name::read_only, number(welcome.may_write ? 0 : 1)));
  SL_TRY(meta_.set(meta_name::lineage, ValueView::blob(welcome.lineage.view())));
  SL_TRY(meta_.set(meta_name::cursor, number(welcome.cursor.get())));
  SL_TRY(const LocalVersion before, outbox_.acknowledged());
  SL_TRY(set_acknowledged(welcome.acknowledged, welcome.acknowledged_time));
  SL_TRY(const LocalVersion now, outbox_.acknowledged());
  if (now < before && welcome.cursor == ServerVersion(0)) {
    // Whoever began anew expected these from the server, which has lost them: no row shows them,
    // and a counter must not go on without them.
    SL_TRY(const std::vector<LocalVersion> lost, kept_changes(now));
    SL_TRY(merge_again(lost));
  }
  SL_TRY(store_receipt());
  SL_TRY(savepoint.release());
  end_call();
  return {};
}

Result<void> Engine::correct_clock(std::int64_t offset_ms) {
  clock_.set_offset_ms(offset_ms);
  SL_TRY(const std::int64_t known, meta_.integer(meta_name::clock_offset_ms));
  // A quarter of a second is the network's doing.
  constexpr std::int64_t worth_writing_ms = 250;
  if (offset_ms - known < worth_writing_ms && known - offset_ms < worth_writing_ms) {
    return {};
  }
  SL_TRY(meta_.set(meta_name::clock_offset_ms, ValueView::of(offset_ms)));
  end_call();
  return {};
}

// A server has of our changes those that we told it; had somebody else told more in our name, it
// would say so in its answer to a hello. Numbers that we never used would be ours from here on.
Result<void> Engine::check_not_ours(Bytes part) {
  Reader in(part);
  SL_TRY(const PartHeader header, read_part_header(in));
  if (header.stamp.replica != replica_ || header.sequence == ChangeSequence(0)) {
    return {};
  }
  SL_TRY(const LogHead head, log_.head());
  if (header.sequence > head.own_sequence) {
    return Error(ErrorCode::malformed, "a change in this replica's name that it did not make");
  }
  return {};
}

Result<ApplyReport> Engine::apply_page(const SnapshotPage& page) {
  return applying_again(page.states.size(), [&](ApplyReport& report) -> Result<void> {
    SL_TRY(check_not_renewed());
    Reader in(page.states);
    SL_TRY(const PartHeader header, read_part_header(in));
    if (header.sequence != ChangeSequence(0) || !header.last) {
      return Error(ErrorCode::malformed, "a page of a snapshot that is no part of states");
    }
    SL_TRY(apply_.part(page.states, report));
    SL_TRY(keep_newest_state());
    SL_TRY(meta_.set(meta_name::in_pieces, number(1)));
    return meta_.set(meta_name::snapshot_token, ValueView::blob(page.token));
  });
}

Result<void> Engine::keep_newest_state() {
  SL_TRY(const std::int64_t known, meta_.integer(meta_name::newest_state));
  const auto newest = static_cast<std::int64_t>(apply_.newest_state());
  if (newest <= known) {
    return {};
  }
  return meta_.set(meta_name::newest_state, ValueView::of(newest));
}

Result<void> Engine::finish_snapshot(ServerVersion cursor) {
  SL_TRY(require_replica());
  SL_TRY(Savepoint savepoint, Savepoint::to_write(parts_.connection));
  SL_TRY(check_not_renewed());
  SL_TRY(meta_.set(meta_name::snapshot_token, ValueView::blob({})));
  SL_TRY(meta_.set(meta_name::wants_rescan, number(0)));
  SL_TRY(meta_.set(meta_name::left_lineage, number(0)));
  SL_TRY(meta_.set(meta_name::cursor, number(cursor.get())));
  SL_TRY(store_receipt());
  SL_TRY(savepoint.release());
  end_call();
  return {};
}

Result<void> Engine::note_whole() {
  SL_TRY(require_replica());
  SL_TRY(Savepoint savepoint, Savepoint::to_write(parts_.connection));
  SL_TRY(check_not_renewed());
  SL_TRY(meta_.set(meta_name::in_pieces, number(0)));
  SL_TRY(savepoint.release());
  end_call();
  return {};
}

Result<ByteVector> Engine::salvage(const std::string& reason) {
  SL_TRY(const std::uint64_t waiting, outbox_.count());
  if (waiting == 0) {
    return ByteVector();
  }
  SL_TRY(ByteVector file, export_pending());
  if (file.size() <= salvage_bytes_max) {
    SL_TRY(Savepoint savepoint, Savepoint::to_write(parts_.connection));
    SL_TRY(meta_.set(meta_name::salvage, ValueView::blob(file)));
    SL_TRY(meta_.set(meta_name::salvage_reason, ValueView::of(std::string_view(reason))));
    SL_TRY(savepoint.release());
    end_call();
  }
  return file;
}

Result<bool> Engine::reject(const Rejected& refused) {
  SL_TRY(require_replica());
  bool complete = true;
  bool known = false;
  SL_TRY(applying(refused.states.size(), [&](ApplyReport& report) -> Result<void> {
    SL_TRY(check_not_renewed());
    SL_TRY(const LocalVersion version, version_of(refused.sequence));
    SL_TRY(const std::vector<OutboxChange> found,
           outbox_.batch(LocalVersion(version.get() == 0 ? 0 : version.get() - 1), 1));
    if (found.empty() || found[0].sequence != refused.sequence ||
        found[0].stamp.replica != replica_) {
      return {};  // it was said before
    }
    known = true;
    RejectedChange change;
    change.stamp = found[0].stamp;
    change.sequence = refused.sequence;
    change.code = refused.code;
    change.message = refused.message;
    Writer parts;
    for (const ByteVector& part : found[0].parts) {
      parts.blob(part);
    }
    change.change = parts.take();
    SL_TRY(prove_outbox());
    SL_TRY(unsent_.catch_up(replica_, clock_.now_ms()));
    SL_TRY(rejected_.keep(change, clock_.now_ms()));
    SL_TRY(unsent_.drop(found[0].version));
    std::size_t rows = 0;
    if (!refused.states.empty()) {
      SL_TRY(read_state_part(
          refused.states,
          [&](const std::string& table, Bytes key, const RowState& state) -> Result<void> {
            ++rows;
            SL_TRY(apply_.observe_state(state.newest().time));
            return become(table, key, state, report);
          }));
      SL_TRY(keep_newest_state());
    }
    const std::vector<Bytes> views(found[0].parts.begin(), found[0].parts.end());
    SL_TRY(const Change edits, decode_parts(views));
    complete = rows >= edits.edits.size();
    return apply_.end_states(report);
  }));
  if (known) {
    tell_rejected(refused.code, refused.message);
  }
  return complete;
}

// Makes a row the server's state with what is unsent on top.
Result<void> Engine::become(const std::string& table, Bytes key, RowState state,
                            ApplyReport& report) {
  SL_TRY(unsent_.merge_into(table, key, state));
  return apply_.become(table, key, state, report);
}

// The same with all that is known here on top: a server that began anew knows less than the one
// that told it.
Result<void> Engine::become_both(const std::string& table, Bytes key, RowState state,
                                 ApplyReport& report) {
  SL_TRY(unsent_.merge_into(table, key, state));
  SL_TRY(const RowState known, state_of_row(table, key));
  if (merge_state(state, known).changed) {
    SL_TRY(keepsakes_.add(table, key));
  }
  return apply_.become(table, key, state, report);
}

}  // namespace syncline
