#include "server/workspace.h"

#include <algorithm>
#include <set>

#include "base/digest.h"
#include "base/mutant.h"
#include "model/cell_content.h"
#include "model/hlc.h"
#include "model/merge.h"
#include "server/audit.h"
#include "server/row_bytes.h"
#include "wire/change_codec.h"
#include "wire/limits.h"
#include "wire/state_part.h"
#include "wire/version.h"

namespace syncline {
namespace {

Refused refusal(Refusal reason, std::string message) {
  Refused refused;
  refused.reason = reason;
  refused.message = std::move(message);
  return refused;
}

}  // namespace

bool is_subscribed(const std::vector<std::string>& tables, const std::string& table) {
  return tables.empty() || std::binary_search(tables.begin(), tables.end(), table);
}

Result<Workspace> Workspace::open(LogStore& store, const Rules& rules, const std::string& name) {
  Workspace workspace(store, rules, name);
  SL_TRY(workspace.reload());
  return workspace;
}

Result<void> Workspace::reload() {
  SL_TRY(auto record, store_->find_workspace(name_));
  if (!record) {
    SL_TRY(record_, store_->create_workspace(name_));
  } else {
    record_ = std::move(*record);
  }
  place_.workspace = name_;
  SL_TRY(place_.key, store_->seal_key());
  SL_TRY(place_.lineage, store_->lineage());
  totals_.clear();
  SL_TRY(const auto totals, store_->totals(record_.id));
  totals_.insert(totals.begin(), totals.end());
  key_widths_.clear();
  SL_TRY(const Schema known, schema());
  declared_ = Declared(known);
  return {};
}

// --- Greeting
// -------------------------------------------------------------------------------------

Result<bool> Workspace::may_speak_for(const Rights& rights, const ReplicaId& replica,
                                      const std::optional<ReplicaRecord>& known) {
  if (known && !known->user.empty() && known->user != rights.user) {
    return false;
  }
  SL_TRY(const auto device, store_->find_device(record_.id, replica));
  return !device.has_value();
}

Result<std::vector<KnownChange>> Workspace::known_changes(const Hello& hello, ChangeSequence last) {
  SL_TRY(const LineageId lineage, store_->lineage());
  // What was acknowledged in this lineage is common. Before a restore anything may have been
  // acknowledged, and another copy may have filled the gap since.
  const std::uint64_t common = hello.lineage == lineage ? hello.acknowledged.get() : 0;
  std::vector<KnownChange> out;
  for (std::uint64_t at = last.get(); at > common && out.size() < limits::known_changes_max; --at) {
    SL_TRY(const auto known, store_->find_change(record_.id, hello.replica, ChangeSequence(at)));
    if (!known) {
      break;
    }
    // Zero matches nothing: a copy that held a refused change for accepted would keep its rows.
    out.push_back(known->rejected_code.empty() ? KnownChange{known->time, known->hash}
                                               : KnownChange());
  }
  std::reverse(out.begin(), out.end());
  return out;
}

Result<std::optional<std::uint64_t>> Workspace::time_of(const Hello& hello,
                                                        ChangeSequence sequence) {
  SL_TRY(const auto known, store_->find_change(record_.id, hello.replica, sequence));
  if (known) {
    return std::optional<std::uint64_t>(known->time);
  }
  if (sequence == hello.acknowledged) {
    return std::optional<std::uint64_t>(hello.acknowledged_time);
  }
  return std::optional<std::uint64_t>();
}

// A file of its newest changes may have come here before the hello that does not name them yet.
Result<bool> Workspace::was_relayed(const Hello& hello, ChangeSequence last) {
  std::size_t looked = 0;
  for (std::uint64_t at = last.get(); at > hello.last_sequence.get(); --at) {
    SL_TRY(const auto known, store_->find_change(record_.id, hello.replica, ChangeSequence(at)));
    const bool is_relayed = known && known->hash == 0 && known->rejected_code.empty();
    if (!is_relayed || ++looked > limits::known_changes_max) {
      return false;
    }
  }
  return true;
}

Result<std::optional<Refused>> Workspace::judge_replica(const Hello& hello,
                                                        const std::optional<ReplicaRecord>& known,
                                                        const LineageId& lineage,
                                                        bool is_ancestor) {
  if (!hello.lineage.is_zero() && hello.lineage != lineage && !is_ancestor) {
    return std::optional<Refused>(
        refusal(Refusal::unknown_lineage, "this server never was the one that the replica knows"));
  }
  if (!known || SL_MUTANT(5)) {  // skips the epoch check, and every other of a copy
    return std::optional<Refused>();
  }
  const auto offered = [&](const EpochId& epoch) {
    return hello.epoch == epoch || std::find(hello.epochs_before.begin(), hello.epochs_before.end(),
                                             epoch) != hello.epochs_before.end();
  };
  // Who leaves a bequest knows that it is a copy; each change that it tells is compared.
  const bool leaves = hello.catch_up == CatchUp::bequest;
  const bool wrong_epoch = !leaves && !known->epoch.is_zero() && !offered(known->epoch);
  bool wrong_past = !leaves && hello.lineage == lineage && hello.acknowledged < known->confirmed;
  if (!leaves && known->last_sequence > hello.last_sequence) {
    SL_TRY(const bool is_relayed, was_relayed(hello, known->last_sequence));
    wrong_past = wrong_past || !is_relayed;
  }
  if (!wrong_past && hello.acknowledged > ChangeSequence(0) &&
      hello.acknowledged <= known->last_sequence) {
    SL_TRY(const auto time, time_of(hello, hello.acknowledged));
    const std::uint64_t known_time =
        known->last_sequence == hello.acknowledged ? known->last_time : *time;
    wrong_past = known_time != hello.acknowledged_time;
  }
  if (wrong_epoch || wrong_past) {
    Refused refused = refusal(Refusal::replica_forked,
                              wrong_epoch ? "another opening of this database was here since"
                                          : "the server knows another history of this replica");
    // What a copy made after the replica's last change is nothing to compare.
    refused.known_sequence = std::min(known->last_sequence, hello.last_sequence);
    SL_TRY(refused.known, known_changes(hello, refused.known_sequence));
    return std::optional<Refused>(std::move(refused));
  }
  return std::optional<Refused>();
}

Result<Greeting> Workspace::greet(const Hello& hello, const Rights& rights, std::int64_t now_ms) {
  SL_TRY(const LineageId lineage, store_->lineage());
  SL_TRY(const auto common, resume_of(hello));
  SL_TRY(auto known, store_->find_replica(record_.id, hello.replica));
  // Before anything of its history is told.
  SL_TRY(const bool may_speak, may_speak_for(rights, hello.replica, known));
  if (!may_speak) {
    Refused foreign = refusal(Refusal::not_allowed, "this replica belongs to another user");
    foreign.advice =
        "sign in as before, or ask an operator to give this device to you; nothing unsent is lost";
    return Greeting(std::move(foreign));
  }
  SL_TRY(auto refused, judge_replica(hello, known, lineage, common.has_value()));
  if (refused) {
    return Greeting(std::move(*refused));
  }
  Welcome welcome;
  welcome.lineage = lineage;
  welcome.head = record_.head;
  welcome.receipt = receipt();
  welcome.resume_after = hello.cursor;
  if (hello.lineage != lineage) {
    welcome.resume_after = common.value_or(ServerVersion(0));
  }
  if (hello.catch_up == CatchUp::rescan) {
    welcome.resume_after = record_.head;
  } else if (hello.catch_up == CatchUp::resume && hello.lineage != lineage &&
             welcome.resume_after == ServerVersion(0) && hello.cursor > ServerVersion(0)) {
    // The whole log would not say what this server lacks.
    return Greeting(refusal(Refusal::cursor_expired,
                            "the server was put back to an earlier state: rows are compared"));
  } else if (hello.catch_up == CatchUp::resume && !SL_MUTANT(6) &&  // drops the fence
             (welcome.resume_after < record_.fence || welcome.resume_after > record_.head)) {
    return Greeting(refusal(Refusal::cursor_expired,
                            "the log begins at version " + std::to_string(record_.fence.get()) +
                                ", the cursor is " + std::to_string(hello.cursor.get())));
  }
  SL_TRY(refused, judge_schema(hello, rights));
  if (refused) {
    return Greeting(std::move(*refused));
  }
  ReplicaRecord record = known.value_or(ReplicaRecord());
  record.seen_ms = now_ms;
  if (rights.may_write) {
    record.user = rights.user;
  }
  if (hello.catch_up != CatchUp::bequest) {
    record.epoch = hello.epoch;
    // What another lineage acknowledged the replica may not know of this one: its welcome may not
    // arrive, or the hello be an old one that comes late.
    const ChangeSequence known_of =
        hello.lineage == lineage ? record.last_sequence : record.confirmed;
    record.confirmed = std::min({known_of, record.last_sequence, hello.acknowledged});
  }
  // What the replica does not know to be acknowledged it sends again, and each change is compared:
  // under the same numbers there may be a copy's changes, or refusals that were never heard.
  welcome.known_sequence = std::min(record.last_sequence, hello.acknowledged);
  welcome.known_time =
      record.last_sequence <= hello.acknowledged ? record.last_time : hello.acknowledged_time;
  if (SL_MUTANT(28)) {  // takes them for the replica's
    welcome.known_sequence = record.last_sequence;
    welcome.known_time = record.last_time;
  }
  SL_TRY(store_->save_replica(record_.id, hello.replica, record));
  SL_TRY(store_->forget_identities(record_.id, hello.replica, record.confirmed));
  SL_TRY(store_->save_workspace(record_));
  return Greeting(welcome);
}

// --- Admission
// ------------------------------------------------------------------------------------

Result<std::optional<Admitted>> Workspace::known_already(const Hello& hello,
                                                         const PartHeader& header,
                                                         const std::vector<ByteVector>& parts,
                                                         const ReplicaRecord& record) {
  const std::uint64_t hash = hash_of_parts(parts);
  if (header.sequence > record.last_sequence || SL_MUTANT(4)) {  // admits twice
    return std::optional<Admitted>();
  }
  SL_TRY(const auto known, store_->find_change(record_.id, hello.replica, header.sequence));
  Admitted out;
  out.sequence = header.sequence;
  // What the original knows to be acknowledged may be forgotten here, and is nothing to compare a
  // copy's with.
  const bool differs = known ? !KnownChange{known->time, known->hash}.is(header.stamp.time, hash)
                             : hello.catch_up == CatchUp::bequest;
  if (differs && !SL_MUTANT(5)) {
    out.admission = Admission::diverged;
    out.known_sequence = record.last_sequence;
    SL_TRY(out.known, known_changes(hello, record.last_sequence));
    return std::optional<Admitted>(std::move(out));
  }
  out.admission = Admission::repeated;
  if (known && !known->rejected_code.empty()) {
    out.admission = Admission::rejected;
    out.rejected = {header.sequence, known->rejected_code, known->rejected_message, {}};
    const std::vector<Bytes> views(parts.begin(), parts.end());
    if (const auto change = decode_parts(views)) {
      SL_TRY(out.rejected.states, states_of(*change));
    }
  }
  return std::optional<Admitted>(std::move(out));
}

Result<Workspace::Fenced> Workspace::judge_fence(const Change& change) {
  Fenced out = Fenced::no;
  if (change.stamp.time > record_.fence_time) {
    return out;
  }
  for (const RowEdit& edit : change.edits) {
    if (edit.kind != EditKind::put) {
      continue;
    }
    SL_TRY(const auto row, store_->find_row(record_.id, edit.table, edit.key.view()));
    // A row with no life holds cells that came after its tombstone was forgotten.
    if (row && !row->state.life.is_zero()) {
      continue;
    }
    if (!edit.replaced.is_zero()) {
      return Fenced::deleted;
    }
    out = Fenced::old_insert;
  }
  return out;
}

Result<ByteVector> Workspace::states_of(const Change& change) {
  SL_TRY(const LineageId lineage, store_->lineage());
  StatePartWriter states(author_of(lineage));
  for (const RowEdit& edit : change.edits) {
    if (edit.key.bytes.size() > limits::key_bytes_max) {
      continue;  // no server has it
    }
    SL_TRY(const auto row, store_->find_row(record_.id, edit.table, edit.key.view()));
    const auto is_readable = [](const CellState& cell) { return content_of(cell).has_value(); };
    if (row && !std::all_of(row->state.cells.begin(), row->state.cells.end(), is_readable)) {
      continue;  // a replica could do nothing with it
    }
    // A large row goes alone; the rest comes with the next rescan.
    const std::size_t bytes = row ? row->bytes : 0;
    if (states.rows() > 0 && states.size() + bytes > limits::part_bytes_target) {
      break;
    }
    states.row(edit.table, edit.key.view(), row ? row->state : RowState());
  }
  return states.finish();
}

Result<Admitted> Workspace::reject(const PartHeader& header, std::uint64_t hash,
                                   ReplicaRecord record, const Error& error, const Change* change) {
  Admitted out;
  out.admission = Admission::rejected;
  out.sequence = header.sequence;
  out.rejected.sequence = header.sequence;
  out.rejected.code = error_code_name(error.code());
  out.rejected.message = error.message().substr(0, limits::text_bytes_max);
  if (change != nullptr) {
    SL_TRY(out.rejected.states, states_of(*change));
  }
  SL_TRY(
      store_->append_rejected(record_.id, header.stamp.replica, header.sequence,
                              {header.stamp.time, hash, out.rejected.code, out.rejected.message}));
  if (!SL_MUTANT(10)) {  // a rejected change stays at the head of the queue
    record.last_sequence = header.sequence;
    record.last_time = header.stamp.time;
  }
  SL_TRY(store_->save_replica(record_.id, header.stamp.replica, record));
  return out;
}

Result<Admitted> Workspace::admit(const Hello& hello, const Rights& rights,
                                  std::vector<ByteVector> parts, std::int64_t now_ms) {
  SL_CHECK(!parts.empty());
  Reader in(parts[0]);
  SL_TRY(const PartHeader header, read_part_header(in));
  SL_TRY(const auto found, store_->find_replica(record_.id, hello.replica));
  ReplicaRecord record = found.value_or(ReplicaRecord());
  Admitted out;
  out.author = header.stamp.replica;
  out.sequence = header.sequence;
  out.known_sequence = record.last_sequence;
  const std::uint64_t hash = hash_of_parts(parts);
  const bool is_forged = header.stamp.replica != hello.replica;
  const bool is_foreign = !record.user.empty() && record.user != rights.user;  // it was given away
  if (is_forged || is_foreign) {
    out.admission = is_forged ? Admission::out_of_order : Admission::foreign;
    return out;
  }
  record.user = rights.user;
  SL_TRY(auto known, known_already(hello, header, parts, record));
  if (known) {
    return std::move(*known);
  }
  const bool follows = header.sequence == record.last_sequence.next();
  const bool is_far = header.sequence.get() - record.last_sequence.get() > limits::sequence_gap_max;
  if (!follows && (header.sequence.get() > hello.acknowledged.get() + 1 || is_far)) {
    out.admission = Admission::out_of_order;
    return out;
  }
  if (static_cast<std::int64_t>(header.stamp.ms()) > now_ms + skew_ms_max) {
    out.admission = Admission::skewed;
    return out;
  }
  if (header.stamp.time <= record.last_time) {
    out.admission = Admission::diverged;
    SL_TRY(out.known, known_changes(hello, record.last_sequence));
    return out;
  }
  const std::vector<Bytes> views(parts.begin(), parts.end());
  const auto change = decode_parts(views);
  if (!change) {
    return reject(header, hash, record, change.error(), nullptr);
  }
  if (const auto allowed = check_rules(*rules_, rights, *change); !allowed) {
    return reject(header, hash, record, allowed.error(), &*change);
  }
  if (const auto room = has_room_for(*change); !room) {
    return reject(header, hash, record, room.error(), &*change);
  }
  SL_TRY(const Fenced fenced, judge_fence(*change));
  if (fenced == Fenced::deleted && !SL_MUTANT(29)) {
    return reject(header, hash, record,
                  Error(ErrorCode::not_found, "a row was deleted while this replica was away"),
                  &*change);
  }
  if (fenced == Fenced::old_insert && !SL_MUTANT(30)) {
    // Others may still hold a younger tombstone of that key, and would stay without the row. Under
    // a stamp of now it is a new row for everybody.
    out.admission = Admission::skewed;
    return out;
  }
  MergedRows rows;
  SL_TRY(const Fault fault, judge_rows(*change, rows));
  if (fault) {
    return reject(header, hash, record, *fault, &*change);
  }
  record.seen_ms = now_ms;
  SL_TRY(append(header, hash, *change, std::move(rows), rights, std::move(parts), record, now_ms));
  return out;
}

// Merges and logs a change that may come in, and remembers it as its author's last.
Result<void> Workspace::append(const PartHeader& header, std::uint64_t hash, const Change& change,
                               MergedRows rows, const Rights& rights, std::vector<ByteVector> parts,
                               ReplicaRecord record, std::int64_t now_ms) {
  SL_TRY(merge(change, std::move(rows), record_.head.next()));
  SL_TRY(log({{}, header.stamp, header.sequence, hash, rights.user, now_ms, std::move(parts), 0},
             audit_of(change)));
  record.last_sequence = header.sequence;
  record.last_time = SL_MUTANT(11) ? record.last_time : header.stamp.time;
  return store_->save_replica(record_.id, header.stamp.replica, record);
}

Result<void> Workspace::log(LogEntry entry, const std::vector<AuditRow>& audit) {
  entry.version = record_.head.next();
  entry.mark = mark_after(record_.mark, entry);
  SL_TRY(store_->append(record_.id, entry, audit));
  record_.head = entry.version;
  record_.mark = entry.mark;
  return store_->save_workspace(record_);
}

// A replica that was copied or put back has used the number twice.
Result<bool> Workspace::knows_another(const PartHeader& header, const ReplicaRecord& record) {
  if (header.sequence > record.last_sequence) {
    return false;
  }
  if (header.sequence == record.last_sequence) {
    return record.last_time != header.stamp.time;
  }
  SL_TRY(const auto known, store_->find_change(record_.id, header.stamp.replica, header.sequence));
  return known.has_value() && known->time != header.stamp.time;
}

Result<Admitted> Workspace::admit_relayed(const Hello& hello, const Rights& rights,
                                          std::vector<ByteVector> parts, std::int64_t now_ms) {
  SL_CHECK(!parts.empty());
  Reader in(parts[0]);
  SL_TRY(const PartHeader header, read_part_header(in));
  if (header.sequence == ChangeSequence(0)) {
    return admit_states(header, rights, std::move(parts[0]), now_ms);
  }
  SL_TRY(const auto found, store_->find_replica(record_.id, header.stamp.replica));
  ReplicaRecord record = found.value_or(ReplicaRecord());
  Admitted out;
  out.relayed = true;
  out.author = header.stamp.replica;
  out.sequence = header.sequence;
  out.admission = Admission::repeated;
  out.known_sequence = record.last_sequence;
  const bool follows =
      header.sequence == record.last_sequence.next() && header.stamp.time > record.last_time;
  const bool skewed = static_cast<std::int64_t>(header.stamp.ms()) > now_ms + skew_ms_max;
  if (skewed || header.stamp.replica == hello.replica) {
    return out;
  }
  SL_TRY(const bool is_other, knows_another(header, record));
  if (is_other) {
    out.known_sequence = ChangeSequence(header.sequence.get() - 1);
  } else if (header.sequence <= record.last_sequence) {
    return out;
  }
  SL_TRY(const bool may_speak, may_speak_for(rights, header.stamp.replica, found));
  if (!may_speak) {
    // Whether it is what its author wrote nobody can tell here: it waits for the author.
    out.admission = Admission::foreign;
    return out;
  }
  const std::vector<Bytes> views(parts.begin(), parts.end());
  const auto change = decode_parts(views);
  const bool may = change.has_value() && check_rules(*rules_, rights, *change).has_value();
  if (!may) {
    out.admission = Admission::rejected;
    return out;
  }
  if (!has_room_for(*change)) {
    return out;  // it waits until there is
  }
  SL_TRY(const Fenced fenced, judge_fence(*change));
  if (fenced != Fenced::no) {
    // Only its author can give it another stamp.
    out.admission = Admission::rejected;
    return out;
  }
  if (!follows) {
    return out;  // the relay tells its rows
  }
  MergedRows rows;
  SL_TRY(const Fault fault, judge_rows(*change, rows));
  if (fault) {
    out.admission = Admission::rejected;
    return out;
  }
  // Its author spells it differently: the relay leaves out what only the author knew.
  SL_TRY(append(header, 0, *change, std::move(rows), rights, std::move(parts), record, now_ms));
  out.admission = Admission::admitted;
  out.known_sequence = header.sequence;
  return out;
}

Result<void> Workspace::save_cursor(const ReplicaId& replica, ServerVersion cursor,
                                    std::int64_t now_ms) {
  SL_TRY(auto record, store_->find_replica(record_.id, replica));
  if (!record || (record->cursor == cursor && now_ms - record->seen_ms < 60'000)) {
    return {};
  }
  record->cursor = cursor;
  record->seen_ms = now_ms;
  return store_->save_replica(record_.id, replica, *record);
}

Result<void> Workspace::trim(ServerVersion through, std::uint64_t fence_time) {
  if (through <= record_.fence) {
    return {};
  }
  record_.fence = std::min(through, record_.head);
  record_.fence_time = std::max(record_.fence_time, fence_time);
  SL_TRY(store_->trim(record_.id, record_.fence));
  SL_TRY(store_->save_workspace(record_));
  totals_.clear();
  SL_TRY(const auto totals, store_->totals(record_.id));
  totals_.insert(totals.begin(), totals.end());
  return {};
}

}  // namespace syncline
