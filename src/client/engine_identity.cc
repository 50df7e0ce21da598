// The part of the engine that gives unsent changes other names: new stamps after a wrong clock, a
// new replica id when the file turns out to be a copy. Both encode the unsent changes whole first,
// so that only encoded bytes, clocks and side tables have to be rewritten.
#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "base/digest.h"
#include "base/mutant.h"
#include "client/engine.h"
#include "client/rename.h"
#include "model/cell_content.h"
#include "model/counter.h"
#include "model/merge.h"
#include "sqlite/savepoint.h"

namespace syncline {
namespace {

// A whole encoded change in the log.
struct FrozenChange {
  LocalVersion version;
  std::vector<ByteVector> parts;
  PartHeader header;
};

std::string text_of(LocalVersion version) { return std::to_string(version.get()); }

Result<std::vector<LocalVersion>> own_frozen_after(Connection connection, LocalVersion after) {
  std::vector<LocalVersion> out;
  SL_TRY(Statement select,
         connection.prepare("SELECT version FROM syncline_log WHERE version > ?1 AND origin = 1 "
                            "AND form >= 2 ORDER BY version"));
  select.bind(1, static_cast<std::int64_t>(after.get()));
  for (;;) {
    SL_TRY(const bool row, select.step());
    if (!row) {
      return out;
    }
    out.emplace_back(static_cast<std::uint64_t>(select.column_int(0)));
  }
}

Result<FrozenChange> read_frozen(LocalLog& log, LocalVersion version) {
  FrozenChange out;
  out.version = version;
  SL_TRY(log.for_each(LocalVersion(version.get() - 1), version,
                      [&](const LogRow&, std::span<const Bytes> parts, Bytes) -> Result<bool> {
                        for (const Bytes part : parts) {
                          out.parts.push_back(to_vector(part));
                        }
                        return true;
                      }));
  if (out.parts.empty()) {
    return Error(ErrorCode::corrupt, "an unsent change is not in the log any more");
  }
  Reader in(out.parts[0]);
  SL_TRY(out.header, read_part_header(in));
  return out;
}

// Writes the change back under another header.
Result<void> rewrite(Connection connection, const FrozenChange& change, const Renaming& how,
                     ChangeSequence sequence, const Stamp& stamp) {
  for (std::size_t i = 0; i < change.parts.size(); ++i) {
    Reader in(change.parts[i]);
    SL_TRY(PartHeader header, read_part_header(in));
    header.sequence = sequence;
    header.stamp = stamp;
    SL_TRY(const ByteVector part, renamed_part(how, change.parts[i], header));
    const char* sql = i == 0 ? "UPDATE syncline_log SET body = ?2, sequence = ?3, time = ?4 WHERE "
                               "version = ?1"
                             : "UPDATE syncline_log_parts SET body = ?2 WHERE version = ?1 AND "
                               "part = ?3";
    SL_TRY(Statement update, connection.prepare(sql));
    update.bind(1, static_cast<std::int64_t>(change.version.get())).bind_blob(2, part);
    if (i == 0) {
      update.bind(3, static_cast<std::int64_t>(sequence.get()))
          .bind(4, static_cast<std::int64_t>(stamp.time));
    } else {
      update.bind(3, static_cast<std::int64_t>(i));
    }
    SL_TRY(update.run());
  }
  return {};
}

}  // namespace

// --- Restamp
// --------------------------------------------------------------------------------------

// The greatest time that anybody but the changes after `kept` made: new stamps lie above it. Not so
// what a peer with a wrong clock told us and no server has taken: its author will stamp it anew,
// and until then it must not keep us away (P9).
Result<std::uint64_t> Engine::newest_time_before(LocalVersion kept,
                                                 const std::set<std::uint64_t>& moved) {
  const std::uint64_t credible = static_cast<std::uint64_t>(clock_.now_ms() + skew_ms_max)
                                 << Stamp::counter_bits;
  std::set<std::uint64_t> incredible;
  {
    SL_TRY(Statement select,
           parts_.connection.prepare("SELECT time FROM syncline_log WHERE origin > 1 AND form >= "
                                     "2 AND time > ?1"));
    select.bind(1, static_cast<std::int64_t>(credible));
    for (;;) {
      SL_TRY(const bool row, select.step());
      if (!row) {
        break;
      }
      incredible.insert(static_cast<std::uint64_t>(select.column_int(0)));
    }
  }
  // What lost to a change that is stamped anew is nowhere in the rows.
  SL_TRY(const std::int64_t state, meta_.integer(meta_name::newest_state));
  std::uint64_t newest = std::max(static_cast<std::uint64_t>(state), apply_.newest_state());
  const auto see = [&](bool ours, std::uint64_t time) {
    const auto& passed_over = ours ? moved : incredible;
    if (passed_over.count(time) == 0) {
      newest = std::max(newest, time);
    }
  };
  SL_TRY(clocks_.rename([&](const ClockTime& clock) {
    see(clock.origin == first_own_origin, clock.time);
    return clock;
  }));
  Renaming look;
  look.stamp = [&](const Stamp& stamp) {
    see(stamp.replica == replica_, stamp.time);
    return stamp;
  };
  SL_TRY(rename_stored_states(look, parts_.connection));
  SL_TRY(Statement logged,
         parts_.connection.prepare("SELECT time FROM syncline_log WHERE origin > 1 OR (origin = 1 "
                                   "AND version <= ?1)"));
  logged.bind(1, static_cast<std::int64_t>(kept.get()));
  for (;;) {
    SL_TRY(const bool row, logged.step());
    if (!row) {
      return newest;
    }
    const auto time = static_cast<std::uint64_t>(logged.column_int(0));
    newest = incredible.count(time) == 0 ? std::max(newest, time) : newest;
  }
}

Result<void> Engine::restamp(ChangeSequence after) {
  SL_TRY(require_replica());
  const auto run = [&]() -> Result<void> {
    SL_TRY(Savepoint whole, Savepoint::to_write(parts_.connection));
    SL_TRY(restamp_unsent(after));
    return whole.release();
  };
  auto done = run();
  forget_all();
  sums_.forget();
  end_call();
  SL_TRY(std::move(done));
  return settle_held();
}

Result<void> Engine::restamp_unsent(ChangeSequence after) {
  LocalVersion kept;
  const auto run = [&]() -> Result<void> {
    SL_TRY(Savepoint savepoint, Savepoint::to_write(parts_.connection));
    SL_TRY(check_not_renewed());
    SL_TRY(prove_outbox());
    SL_TRY(schema_change_.freeze_outbox());
    SL_TRY(kept, version_of(after));
    SL_TRY(const std::vector<LocalVersion> versions, own_frozen_after(parts_.connection, kept));
    std::set<std::uint64_t> moved;
    for (const LocalVersion version : versions) {
      SL_TRY(const FrozenChange change, read_frozen(log_, version));
      moved.insert(change.header.stamp.time);
    }
    SL_TRY(const std::uint64_t floor, newest_time_before(kept, moved));
    clock_.start_again_after(floor);
    std::map<std::uint64_t, std::uint64_t> renamed;
    for (const std::uint64_t time : moved) {
      renamed[time] = clock_.tick();
    }
    const auto time_of = [&](std::uint64_t time) {
      const auto at = renamed.find(time);
      return at == renamed.end() ? time : at->second;
    };
    Renaming how;
    how.stamp = [&](const Stamp& stamp) {
      return stamp.replica == replica_ ? Stamp{time_of(stamp.time), replica_} : stamp;
    };
    for (const LocalVersion version : versions) {
      SL_TRY(const FrozenChange change, read_frozen(log_, version));
      SL_TRY(rewrite(parts_.connection, change, how, change.header.sequence,
                     how.stamp(change.header.stamp)));
    }
    SL_TRY(clocks_.rename([&](const ClockTime& clock) {
      return clock.origin == first_own_origin ? ClockTime{time_of(clock.time), clock.origin}
                                              : clock;
    }));
    SL_TRY(rename_stored_states(how, parts_.connection));
    // What the wrong clock left in our own bookkeeping, and in the counter that all stamps follow.
    const std::string last = std::to_string(static_cast<std::int64_t>(clock_.last()));
    SL_TRY(parts_.connection.execute("UPDATE syncline_log SET hlc = min(hlc, " + last +
                                     "), time = CASE origin WHEN 0 THEN min(time, " + last +
                                     ") ELSE time END WHERE version > " + text_of(kept)));
    SL_TRY(const LogHead last_own, log_.head());
    SL_TRY(meta_.set(meta_name::restamped_sequence,
                     ValueView::of(static_cast<std::int64_t>(last_own.own_sequence.get()))));
    // Who writes next looks there, also in another process.
    SL_TRY(parts_.connection.execute("UPDATE syncline_log SET hlc = " + last +
                                     " WHERE version = (SELECT max(version) FROM syncline_log)"));
    SL_TRY(renew());
    SL_TRY(savepoint.release());
    return {};
  };
  auto done = run();
  forget_all();
  sums_.forget();
  end_call();
  SL_TRY(std::move(done));
  SL_TRY(const LogHead head, log_.head());
  renewals_ = head.renewals;
  SL_TRY(const std::vector<LocalVersion> moved, own_frozen_after(parts_.connection, kept));
  return merge_again(moved);
}

// Lives have other stamps now: of two rows that cannot stand together another one may be older.
Result<void> Engine::settle_held() {
  for (int round = 0; round < 8; ++round) {
    const auto installed = retry_held();
    if (!installed && installed.error().code() == ErrorCode::busy) {
      break;  // what was to be done is done; held rows are tried again after the next commit
    }
    SL_TRY(installed);
    if (*installed == 0) {
      break;
    }
  }
  return {};
}

// Edits that lost while their stamps were old may win now: they are merged once more.
Result<void> Engine::merge_again(const std::vector<LocalVersion>& versions) {
  SL_TRY(applying(0, [&](ApplyReport& report) -> Result<void> {
    for (const LocalVersion version : versions) {
      SL_TRY(const FrozenChange frozen, read_frozen(log_, version));
      const std::vector<Bytes> parts(frozen.parts.begin(), frozen.parts.end());
      SL_TRY(const Change change, decode_parts(parts));
      for (const RowEdit& edit : change.edits) {
        SL_TRY(const TrackedTable* table, catalog_.find(edit.table));
        if (table == nullptr) {
          continue;
        }
        SL_TRY(apply_.before_touching(table->id, edit.key.view()));
        SL_TRY(TableAccess * access, tables_.access(table->id));
        SL_TRY(const LoadedRow row, rows_.load(*access, edit.key.view()));
        RowState state = row.state;
        SL_TRY(const std::optional<HeldRow> held, held_.find(edit.table, edit.key.view()));
        if (held.has_value()) {
          merge_state(state, held->state);
        }
        if (merge_edit(state, edit, change.stamp).changed) {
          SL_TRY(apply_.become(edit.table, edit.key.view(), state, report));
        }
      }
      SL_TRY(apply_.end_states(report));
    }
    return {};
  }));
  return {};
}

// --- Reidentify
// -----------------------------------------------------------------------------------

// The server tells what it has of the original's changes after `how.acknowledged`. From the first
// that differs on the name is another copy's, and ours need another. Where the server merely knows
// less than it acknowledged once (it was restored), ours keep the name that they were acknowledged
// under: the original, or any other copy, may tell them, too.
Result<Engine::Common> Engine::common_with_original(const effect::Reidentify& how) {
  SL_TRY(const std::int64_t sequence, meta_.integer(meta_name::acknowledged_sequence));
  SL_TRY(const std::int64_t once, meta_.integer(meta_name::once_acknowledged_version));
  SL_TRY(const LocalVersion acknowledged, outbox_.acknowledged());
  const ChangeSequence told(static_cast<std::uint64_t>(sequence));
  // Forgets that the server may know less than it acknowledged.
  const ChangeSequence known_to_server = SL_MUTANT(46) ? told : how.acknowledged;
  SL_TRY(move_acknowledged(std::min(known_to_server, told), 0));
  Common out;
  out.on_server = known_to_server;
  SL_TRY(out.on_server_version, version_of(known_to_server));
  out.named = out.on_server;
  out.named_version = out.on_server_version;
  LocalVersion after = out.on_server_version;
  std::size_t at = 0;
  for (;;) {
    SL_TRY(const std::vector<OutboxChange> batch, outbox_.batch(after, std::size_t{1} << 20U));
    if (batch.empty()) {
      return out;
    }
    for (const OutboxChange& change : batch) {
      after = change.version;
      if (change.stamp.replica != replica_) {
        continue;
      }
      // Of what was acknowledged once something may be missing, and the time tells it all the same.
      const bool was_told = change.version <= acknowledged ||
                            change.version.get() <= static_cast<std::uint64_t>(once);
      if (at < how.known.size()) {
        const KnownChange& known = how.known[at++];
        const std::uint64_t hash = was_told ? known.hash : hash_of_parts(change.parts);
        if (!known.is(change.stamp.time, hash)) {
          return out;
        }
        out.on_server = change.sequence;
        out.on_server_version = change.version;
      } else if (change.sequence > told) {
        return out;
      }
      out.named = change.sequence;
      out.named_version = change.version;
    }
  }
}

// What this replica had counted, cell by cell, before the changes after `kept`: the total that the
// first of them tells, without the step that it made.
Result<Engine::Counted> Engine::counted_before(LocalVersion kept) {
  Counted out;
  SL_TRY(count_history(kept, out));
  SL_TRY(const LogHead head, log_.head());
  OldValues values(parts_.connection, log_);
  SL_TRY(values.cover(kept, head.version));
  LocalVersion after = kept;
  for (;;) {
    SL_TRY(const std::vector<OutboxChange> batch, outbox_.batch(after, std::size_t{4} << 20U));
    if (batch.empty()) {
      return out;
    }
    for (const OutboxChange& outgoing : batch) {
      after = outgoing.version;
      const std::vector<Bytes> parts(outgoing.parts.begin(), outgoing.parts.end());
      SL_TRY(const Change change, decode_parts(parts));
      if (change.stamp.replica != replica_) {
        continue;
      }
      SL_TRY(const bool tells, is_runs(outgoing.version));
      for (const RowEdit& edit : change.edits) {
        SL_TRY(tells ? count_before(edit, outgoing.version, values, out)
                     : count_nothing_before(edit, out));
      }
    }
  }
}

Result<bool> Engine::is_runs(LocalVersion version) {
  SL_TRY(const auto form, parts_.connection.query_int(
                              "SELECT form FROM syncline_log WHERE version = " + text_of(version)));
  return form.value_or(0) < static_cast<std::int64_t>(LogForm::frozen);
}

// What an encoded change overwrote is not known; then the log before it is all there is. Where that
// begins before what was counted from, nothing had been counted; a later change's total would hold
// what this one counted.
Result<void> Engine::count_nothing_before(const RowEdit& edit, Counted& out) {
  for (const CellEdit& cell : edit.cells) {
    const CellName name{edit.table, edit.key.bytes, cell.column};
    if (cell.form != CellForm::counter || out.count(name) != 0) {
      continue;
    }
    SL_TRY(const CounterEdit count, decode_counter_edit(cell.value.view()));
    SL_TRY(Statement reaches,
           parts_.connection.prepare("SELECT 1 FROM syncline_log WHERE origin = 1 AND (sequence = "
                                     "1 OR time <= ?1) LIMIT 1"));
    reaches.bind(1, static_cast<std::int64_t>(count.base.time));
    SL_TRY(const bool all, reaches.step());
    if (all) {
      out.emplace(name, CountedCell{count.base, Value()});
    }
  }
  return {};
}

// The totals that the changes up to `kept` told, as far as the log reaches.
Result<void> Engine::count_history(LocalVersion kept, Counted& out) {
  Extract::Range range;
  range.through = kept;
  range.own_only = true;
  SL_TRY(const std::int64_t once, meta_.integer(meta_name::once_acknowledged_version));
  range.once_acknowledged = std::max(kept, LocalVersion(static_cast<std::uint64_t>(once)));
  std::vector<ByteVector> parts;
  return extract_.changes(
      range, [&](const LogRow&, const PartHeader& header, Bytes part) -> Result<bool> {
        parts.push_back(to_vector(part));
        if (!header.last) {
          return true;
        }
        const std::vector<Bytes> views(parts.begin(), parts.end());
        SL_TRY(const Change change, decode_parts(views));
        parts.clear();
        if (change.stamp.replica != replica_) {
          return true;
        }
        for (const RowEdit& edit : change.edits) {
          for (const CellEdit& cell : edit.cells) {
            if (cell.form == CellForm::counter) {
              SL_TRY(const CounterEdit count, decode_counter_edit(cell.value.view()));
              out.insert_or_assign(CellName{edit.table, edit.key.bytes, cell.column},
                                   CountedCell{count.base, Value(count.total.view())});
            }
          }
        }
        return true;
      });
}

Result<void> Engine::count_before(const RowEdit& edit, LocalVersion version, OldValues& values,
                                  Counted& out) {
  for (const CellEdit& cell : edit.cells) {
    const CellName name{edit.table, edit.key.bytes, cell.column};
    if (cell.form != CellForm::counter || out.count(name) != 0) {
      continue;
    }
    SL_TRY(const CounterEdit count, decode_counter_edit(cell.value.view()));
    SL_TRY(const TrackedTable* table, catalog_.find(edit.table));
    if (table == nullptr) {
      continue;
    }
    SL_TRY(TableAccess * access, tables_.access(table->id));
    SL_TRY(const StoredRow* stored, access->find(edit.key.view()));
    if (stored == nullptr || table->position_of(cell.column) < 0) {
      access->end_range();
      continue;
    }
    const RowId row = stored->row;
    const auto position = static_cast<std::size_t>(table->position_of(cell.column));
    const std::uint16_t column = table->columns[position].id;
    const Value present(access->value(*stored, column));
    access->end_range();
    const auto value_at = [&](LocalVersion when) -> Result<Value> {
      SL_TRY(const OldValues::Past past, values.past(table->id, row, when));
      const ByteVector* found = past.find(column);
      if (found == nullptr) {
        return present;
      }
      Reader in(*found);
      DecodedValue value;
      SL_TRY(value.read(in));
      return Value(value.view());
    };
    SL_TRY(const Value before, value_at(LocalVersion(version.get() - 1)));
    SL_TRY(const Value then, value_at(version));
    SL_TRY(const Value step, counter_step(before.view(), then.view()));
    // Null where it had counted nothing: a part of zero would be one that no server has.
    Value counted = without(count.total.view(), step.view());
    const ValueView total = counted.view();
    const bool is_nothing = total.type == ValueType::integer ? total.integer == 0 : total.real == 0;
    out.emplace(name, CountedCell{count.base, is_nothing ? Value() : std::move(counted)});
  }
  return {};
}

// The id under which these changes go on. Another copy may hold the same ones, and arrives at the
// same id: the two are then copies of each other, and what they share is told once.
Result<ReplicaId> Engine::name_after(const std::vector<LocalVersion>& versions) {
  if (versions.empty()) {
    return ReplicaId::draw(*parts_.random);
  }
  Sha256 hash;
  hash.update(replica_.view());
  SL_TRY(const FrozenChange first, read_frozen(log_, versions.front()));
  for (const ByteVector& part : first.parts) {
    hash.update(part);
  }
  const Sha256Digest digest = hash.finish();
  ReplicaId name;
  std::copy_n(digest.begin(), name.bytes.size(), name.bytes.begin());
  SL_TRY(Statement known,
         parts_.connection.prepare("SELECT 1 FROM syncline_replicas WHERE replica = ?1"));
  known.bind_blob(1, name.view());
  SL_TRY(const bool is_known, known.step());
  // Whoever has that name told us its changes already.
  return is_known ? ReplicaId::draw(*parts_.random) : name;
}

Result<ChangeSequence> Engine::reidentify(const effect::Reidentify& how) {
  SL_TRY(require_replica());
  Common common;
  const auto run = [&]() -> Result<void> {
    SL_TRY(Savepoint savepoint, Savepoint::to_write(parts_.connection));
    SL_TRY(check_not_renewed());
    SL_TRY(clocks_.catch_up());
    SL_TRY(prove_outbox());
    SL_TRY(name_heard());
    SL_TRY(common, common_with_original(how));
    const LocalVersion kept = common.named_version;
    SL_TRY(const Counted counted, counted_before(kept));
    SL_TRY(schema_change_.freeze_outbox());
    SL_TRY(const std::vector<LocalVersion> versions, own_frozen_after(parts_.connection, kept));
    const ReplicaId original = replica_;
    SL_TRY(const ReplicaId drawn, name_after(versions));
    std::set<std::uint64_t> moved;
    Renaming naming;
    naming.original = original;
    naming.stamp = [&](const Stamp& stamp) {
      const bool moves = stamp.replica == original && moved.count(stamp.time) != 0;
      return moves ? Stamp{stamp.time, drawn} : stamp;
    };
    naming.counted = [&](std::string_view table, Bytes key, std::string_view column,
                         const Stamp& base) -> std::optional<Value> {
      const auto at =
          counted.find(CellName{std::string(table), to_vector(key), std::string(column)});
      // From a value that only this copy knows the original never counted.
      const bool counts = at != counted.end() && at->second.base == base &&
                          at->second.total.view().type != ValueType::null &&
                          (base.replica != original || moved.count(base.time) == 0);
      return counts ? std::optional<Value>(at->second.total) : std::nullopt;
    };
    for (const LocalVersion version : versions) {
      SL_TRY(const FrozenChange change, read_frozen(log_, version));
      moved.insert(change.header.stamp.time);
    }
    ChangeSequence sequence;
    for (const LocalVersion version : versions) {
      SL_TRY(const FrozenChange change, read_frozen(log_, version));
      sequence = sequence.next();
      SL_TRY(rewrite(parts_.connection, change, naming, sequence,
                     Stamp{change.header.stamp.time, drawn}));
    }
    SL_TRY(rename_stored_states(naming, parts_.connection));
    SL_TRY(const OriginId other, hand_over_identity(drawn, common.named));
    SL_TRY(clocks_.rename([&](const ClockTime& clock) {
      const bool theirs = clock.origin == first_own_origin && moved.count(clock.time) == 0;
      return theirs ? ClockTime{clock.time, other} : clock;
    }));
    SL_TRY(forget_history(common, other, sequence));
    SL_TRY(renew());
    return savepoint.release();
  };
  auto done = run();
  told_sequence_ = ChangeSequence(0);
  forget_all();
  sums_.forget();
  end_call();
  SL_TRY(std::move(done));
  SL_TRY(const LogHead head, log_.head());
  renewals_ = head.renewals;
  SL_TRY(settle_held());
  return common.on_server;
}

// The id that the file had becomes one like others', of which changes up to `common` are here.
Result<OriginId> Engine::hand_over_identity(const ReplicaId& drawn, ChangeSequence common) {
  SL_TRY(Statement take,
         parts_.connection.prepare("UPDATE syncline_replicas SET replica = ?1 WHERE id = 1"));
  take.bind_blob(1, drawn.view());
  SL_TRY(take.run());
  const std::int64_t last_rowid = parts_.connection.last_insert_rowid();
  SL_TRY(Statement insert,
         parts_.connection.prepare("INSERT INTO syncline_replicas(replica, seen) VALUES(?1, ?2)"));
  Writer seen;
  if (common > ChangeSequence(0)) {
    seen.varint(1);
    seen.varint(common.get());
  }
  insert.bind_blob(1, replica_.view()).bind_blob(2, seen.bytes());
  SL_TRY(insert.run());
  const OriginId other = parts_.connection.last_insert_rowid();
  parts_.connection.set_last_insert_rowid(last_rowid);
  const EpochId epoch = EpochId::draw(*parts_.random);
  SL_TRY(meta_.set(meta_name::epochs, ValueView::blob(epoch.view())));
  SL_TRY(meta_.set(meta_name::epochs_elsewhere, ValueView::blob({})));
  return other;
}

// The log up to now was another replica's. What is left of it are the changes that this one keeps,
// those of the original's that the server has lost, and the newest row, which carries the counters;
// who asks for more gets a snapshot.
Result<void> Engine::forget_history(const Common& common, OriginId other, ChangeSequence last) {
  SL_TRY(const LogHead head, log_.head());
  const std::string version = text_of(head.version);
  const std::string is_kept =
      "(form >= 2 AND (origin > 1 OR version > " + text_of(common.on_server_version) + "))";
  SL_TRY(parts_.connection.execute("DELETE FROM syncline_log WHERE version < " + version +
                                   " AND NOT " + is_kept));
  SL_TRY(parts_.connection.execute(
      "DELETE FROM syncline_log_parts WHERE version NOT IN (SELECT version FROM syncline_log)"));
  SL_TRY(parts_.connection.execute("UPDATE syncline_log SET origin = " + std::to_string(other) +
                                   " WHERE origin = 1 AND NOT (form >= 2 AND version > " +
                                   text_of(common.named_version) + ")"));
  SL_TRY(parts_.connection.execute("UPDATE syncline_log SET own_sequence = " +
                                   std::to_string(last.get()) + " WHERE version = " + version));
  const auto set = [&](std::string_view name, std::uint64_t value) {
    return meta_.set(name, ValueView::of(static_cast<std::int64_t>(value)));
  };
  SL_TRY(const std::int64_t relayed, meta_.integer(meta_name::relayed_version));
  SL_TRY(set(meta_name::relayed_version,
             std::min(static_cast<std::uint64_t>(relayed), common.on_server_version.get())));
  SL_TRY(set(meta_name::pruned_version, head.version.get()));
  SL_TRY(set(meta_name::acknowledged_version, common.on_server_version.get()));
  SL_TRY(set(meta_name::acknowledged_sequence, 0));
  SL_TRY(set(meta_name::acknowledged_time, 0));
  SL_TRY(set(meta_name::restamped_sequence, 0));
  // Stamps of the original's that nobody here can know exactly come from the server.
  SL_TRY(const std::int64_t cursor, meta_.integer(meta_name::cursor));
  return set(meta_name::wants_rescan, cursor > 0 ? 1 : 0);
}

}  // namespace syncline
