// The part of the engine that tells other replicas everybody's changes, and learns theirs.
#include <algorithm>

#include "base/digest.h"
#include "client/engine.h"
#include "client/lost_rows.h"
#include "sqlite/savepoint.h"
#include "wire/limits.h"

namespace syncline {
namespace {

// What was seen of every replica goes into each greeting, and what was relayed of it into each
// answer's transaction: a peer that invents replicas must not make them too large to be told.
constexpr std::int64_t learning_replicas_max = 20'000;

std::size_t state_bytes(const RowState& state) {
  std::size_t out = 0;
  for (const CellState& cell : state.cells) {
    out += cell.value.view().data.size();
  }
  return out;
}

std::uint64_t hash_of(const RowState& state) {
  Writer out;
  write_row_state(out, state);
  return hash64(out.bytes());
}

std::vector<std::string> columns_of(const RowState& state) {
  std::vector<std::string> out;
  for (const CellState& cell : state.cells) {
    out.push_back(cell.column);
  }
  return out;
}

}  // namespace

Result<PeerFacts> Engine::peer_facts() {
  PeerFacts out;
  SL_TRY(const Schema described, schema());
  SL_TRY(out.digest, digest_of_tables({}));
  SL_TRY(Savepoint savepoint, Savepoint::open(parts_.connection));
  SL_TRY(out.workspace, meta_.text(meta_name::workspace));
  out.replica = replica_;
  out.schema_version = described.version;
  Writer encoded;
  encode_schema(encoded, described);
  out.schema = encoded.take();
  SL_TRY(const LogHead head, log_.head());
  std::vector<OriginId> others;
  {
    SL_TRY(Statement select,
           parts_.connection.prepare("SELECT id FROM syncline_replicas WHERE id > 1 ORDER BY id"));
    for (;;) {
      SL_TRY(const bool row, select.step());
      if (!row) {
        break;
      }
      others.push_back(select.column_int(0));
    }
  }
  seen_.forget();
  const auto note = [&](const ReplicaId& replica, ChangeSequence sequence) {
    if (sequence > ChangeSequence(0)) {
      out.seen.cover({replica, sequence});
    }
  };
  note(replica_, head.own_sequence);
  for (const OriginId origin : others) {
    SL_TRY(const ReplicaId replica, origins_.replica_of(origin));
    SL_TRY(const ChangeSequence sequence, seen_.through(origin));
    note(replica, sequence);
  }
  SL_TRY(savepoint.release());
  end_call();
  return out;
}

Result<Engine::PeerChanges> Engine::peer_changes(const VersionVector& seen, LocalVersion from,
                                                 std::size_t bytes_max) {
  SL_TRY(require_replica());
  PeerChanges out;
  out.through = from;
  VersionVector told = seen;
  std::size_t bytes = 0;
  bool telling = false;
  const auto run = [&]() -> Result<void> {
    SL_TRY(Savepoint savepoint, Savepoint::open(parts_.connection));
    SL_TRY(clocks_.catch_up());
    SL_TRY(const LogHead head, log_.head());
    Extract::Range range;
    range.after = from;
    range.through = head.version;
    SL_TRY(range.acknowledged, outbox_.acknowledged());
    SL_TRY(extract_.changes(
        range, [&](const LogRow& row, const PartHeader& header, Bytes part) -> Result<bool> {
          if (header.index == 0) {
            if (bytes >= bytes_max) {
              return false;
            }
            // Nobody's change is our own bookkeeping: what it did travels with others' changes.
            const Dot dot{header.stamp.replica, header.sequence};
            const bool is_nobodys = header.sequence == ChangeSequence(0);
            telling = !is_nobodys && !told.covers(dot);
            if (telling && !told.observe(dot)) {
              telling = false;
              out.has_gap = true;
            }
          }
          if (telling) {
            out.parts.push_back(to_vector(part));
            bytes += part.size();
          }
          out.through = header.last ? row.version : out.through;
          return true;
        }));
    return savepoint.release();
  };
  auto done = run();
  end_call();
  SL_TRY(std::move(done));
  return out;
}

Result<void> Engine::check_author(Bytes part) {
  SL_TRY(const auto replicas, parts_.connection.query_int("SELECT max(id) FROM syncline_replicas"));
  if (replicas.value_or(0) <= learning_replicas_max) {
    return {};
  }
  Reader in(part);
  SL_TRY(const PartHeader header, read_part_header(in));
  SL_TRY(Statement known,
         parts_.connection.prepare("SELECT 1 FROM syncline_replicas WHERE replica = ?1"));
  known.bind_blob(1, header.stamp.replica.view());
  SL_TRY(const bool is_known, known.step());
  return is_known ? Result<void>()
                  : Error(ErrorCode::too_large, "peers told of more replicas than there can be");
}

Result<ApplyReport> Engine::learn(std::span<const ByteVector> parts) {
  std::size_t bytes = 0;
  std::vector<Bytes> views;
  for (const ByteVector& part : parts) {
    bytes += part.size();
    views.push_back(part);
  }
  return applying(bytes, [&](ApplyReport& report) -> Result<void> {
    SL_TRY(check_author(parts.front()));
    return import_change(views, report);
  });
}

// --- Relays
// ---------------------------------------------------------------------------------------

Result<VersionVector> Engine::relayed() {
  SL_TRY(const ByteVector stored, meta_.blob(meta_name::relayed));
  if (stored.empty()) {
    return VersionVector();
  }
  Reader in(stored);
  return VersionVector::decode(in);
}

Result<std::optional<LocalVersion>> Engine::next_relay(LocalVersion from,
                                                       const VersionVector& relayed) {
  SL_TRY(Statement * select, read_relays_.get(parts_.connection));
  const ResetGuard guard(*select);
  select->bind(1, static_cast<std::int64_t>(from.get()));
  for (;;) {
    SL_TRY(const bool row, select->step());
    if (!row) {
      return std::optional<LocalVersion>();
    }
    SL_TRY(const ReplicaId replica, origins_.replica_of(select->column_int(1)));
    const Dot dot{replica, ChangeSequence(static_cast<std::uint64_t>(select->column_int(2)))};
    if (!relayed.covers(dot)) {
      return std::optional<LocalVersion>(static_cast<std::uint64_t>(select->column_int(0)));
    }
  }
}

Result<Engine::PeerChanges> Engine::relays(LocalVersion from, std::size_t bytes_max) {
  SL_TRY(require_replica());
  PeerChanges out;
  const auto run = [&]() -> Result<void> {
    SL_TRY(Savepoint savepoint, Savepoint::open(parts_.connection));
    SL_TRY(const VersionVector settled, relayed());
    SL_TRY(const std::int64_t floor, meta_.integer(meta_name::relayed_version));
    out.through = std::max(from, LocalVersion(static_cast<std::uint64_t>(floor)));
    std::size_t bytes = 0;
    while (bytes < bytes_max) {
      SL_TRY(const std::optional<LocalVersion> next, next_relay(out.through, settled));
      if (!next.has_value()) {
        break;
      }
      SL_TRY(log_.for_each(LocalVersion(next->get() - 1), *next,
                           [&](const LogRow&, std::span<const Bytes> parts, Bytes) -> Result<bool> {
                             for (const Bytes part : parts) {
                               out.parts.push_back(to_vector(part));
                               bytes += part.size();
                             }
                             return true;
                           }));
      out.through = *next;
    }
    return savepoint.release();
  };
  auto done = run();
  end_call();
  SL_TRY(std::move(done));
  return out;
}

namespace {

// What meta_name::keepsakes says once the server has refused a part.
constexpr std::int64_t keepsakes_one_by_one = 2;

// Of a part of keepsakes.
Result<std::size_t> keepsake_bytes(Meta& meta, std::size_t bytes_max) {
  SL_TRY(const std::int64_t named, meta.integer(meta_name::keepsakes));
  return named == keepsakes_one_by_one ? std::size_t{1}
                                       : std::min(bytes_max, limits::part_bytes_target);
}

}  // namespace

Result<ByteVector> Engine::next_keepsakes(bool first, std::size_t bytes_max) {
  SL_TRY(require_replica());
  // Asked after every write; nearly never is there anything.
  SL_TRY(const bool some, keepsakes_.any());
  if (!some) {
    end_call();
    return ByteVector();
  }
  SL_TRY(const std::optional<LocalVersion> heard, keepsakes_.heard());
  if (heard.has_value()) {
    SL_TRY(Savepoint savepoint, Savepoint::to_write(parts_.connection));
    SL_TRY(name_heard());
    SL_TRY(savepoint.release());
  }
  if (keepsakes_.is_on_its_way() && !first) {
    end_call();
    return ByteVector();
  }
  // Also after a part that could not be made.
  keepsakes_.rewind();
  // A name of its own for each part: that of nobody.
  Stamp stamp{1, ReplicaId::draw(*parts_.random)};
  RowWriter rows(stamp.replica);
  bool skipped = false;
  const auto run = [&]() -> Result<void> {
    SL_TRY(Savepoint savepoint, Savepoint::open(parts_.connection));
    SL_TRY(clocks_.catch_up());
    rows_.forget();
    held_.forget();
    SL_TRY(const std::size_t bytes, keepsake_bytes(meta_, bytes_max));
    std::string table;
    std::vector<std::string> columns;
    while (rows.size() < bytes) {
      SL_TRY(const std::optional<Keepsakes::Row> row, keepsakes_.next());
      if (!row.has_value()) {
        break;
      }
      SL_TRY(const RowState state, state_of_row(row->table, row->key));
      keepsakes_.take({*row, hash_of(state)});
      if (state_bytes(state) > limits::row_bytes_max) {
        tell_rejected("too_large", "a row of table '" + row->table + "' is too large to be sent");
        skipped = true;
        continue;
      }
      std::vector<std::string> names = columns_of(state);
      if (rows.empty() || table != row->table || columns != names) {
        SL_TRY(const std::vector<Value> key, key_values(row->key));
        rows.begin_table(row->table, key.size(), names);
        table = row->table;
        columns = std::move(names);
      }
      write_state_cells(rows, columns, row->key, state);
      stamp.time = std::max(stamp.time, state.newest().time);
    }
    return savepoint.release();
  };
  auto done = run();
  end_call();
  SL_TRY(std::move(done));
  if (rows.empty()) {
    SL_TRY(skipped ? finish_keepsakes(false) : Result<void>());
    return ByteVector();
  }
  keepsakes_.send_as(stamp.replica);
  Writer out;
  write_part_header(out, {ChangeSequence(0), stamp, 0, 0, true});
  out.raw(rows.finish());
  return out.take();
}

namespace {

constexpr const char* not_taken = "not_taken";
constexpr const char* not_taken_words =
    "another device wrote this, and the server does not take it from this one: its rules, schema "
    "or "
    "limits refuse it, or it is so old that it may have been deleted since";

}  // namespace

// The part that is on its way is answered. A part of several rows that is refused is told again,
// row by row: only one of them may be at fault, and that one is lost. Rows that are other now than
// they were told are told once more.
Result<void> Engine::finish_keepsakes(bool refused) {
  SL_TRY(Savepoint savepoint, Savepoint::to_write(parts_.connection));
  SL_TRY(const std::int64_t named, meta_.integer(meta_name::keepsakes));
  const std::vector<Keepsakes::Told>& told = keepsakes_.on_its_way();
  bool lost_any = false;
  if (refused && told.size() > 1 && named != keepsakes_one_by_one) {
    SL_TRY(meta_.set(meta_name::keepsakes, ValueView::of(keepsakes_one_by_one)));
  } else {
    SL_TRY(clocks_.catch_up());
    rows_.forget();
    held_.forget();
    for (const auto& [row, hash] : told) {
      SL_TRY(const RowState state, state_of_row(row.table, row.key));
      if (hash_of(state) != hash) {
        continue;
      }
      if (refused) {
        LostRows lost(rejected_, *parts_.random, clock_.now_ms());
        SL_TRY(lost.add(row.table, row.key, state));
        lost_any = lost_any || !lost.empty();
        SL_TRY(lost.list(not_taken, not_taken_words));
      }
      SL_TRY(keepsakes_.drop(row));
    }
  }
  SL_TRY(savepoint.release());
  keepsakes_.rewind();
  end_call();
  if (lost_any) {
    tell_rejected(not_taken, not_taken_words);
  }
  return {};
}

// The parts of somebody's change that is in the log as it came; nothing when it is not.
Result<std::vector<ByteVector>> Engine::parts_of(const Dot& dot) {
  SL_TRY(const OriginId origin, origins_.id_of(dot.replica));
  SL_TRY(Statement select,
         parts_.connection.prepare("SELECT max(version) FROM syncline_log WHERE origin = ?1 AND "
                                   "sequence = ?2 AND form >= 2"));
  select.bind(1, origin).bind(2, static_cast<std::int64_t>(dot.sequence.get()));
  SL_TRY(select.step());
  const LocalVersion version(static_cast<std::uint64_t>(select.column_int(0)));
  select.reset();
  std::vector<ByteVector> parts;
  if (version == LocalVersion(0)) {
    return parts;
  }
  SL_TRY(log_.for_each(LocalVersion(version.get() - 1), version,
                       [&](const LogRow&, std::span<const Bytes> found, Bytes) -> Result<bool> {
                         for (const Bytes part : found) {
                           parts.push_back(to_vector(part));
                         }
                         return true;
                       }));
  return parts;
}

// The server does not take the change now: others before it are missing there, or it is another
// user's. Whoever could help may never come, so its rows are told for themselves. Not so what a
// clock far ahead has stamped, which the server takes in no form: its author will stamp it anew.
Result<bool> Engine::name_put_off(const Dot& dot) {
  SL_TRY(const std::vector<ByteVector> parts, parts_of(dot));
  if (parts.empty()) {
    return true;  // it has been forgotten since
  }
  const std::vector<Bytes> views(parts.begin(), parts.end());
  SL_TRY(const Change change, decode_parts(views));
  if (is_far_ahead(change.stamp, clock_.now_ms())) {
    return false;
  }
  SL_TRY(name_edits(change));
  return true;
}

// The server will not have the change from this device: its rows are going to be the server's, and
// what it wanted to do is listed until somebody does it again or discards it.
Result<bool> Engine::keep_refused(const Dot& dot) {
  SL_TRY(const std::vector<ByteVector> parts, parts_of(dot));
  if (parts.empty()) {
    return false;
  }
  Reader in(parts.front());
  SL_TRY(const PartHeader header, read_part_header(in));
  Writer whole;
  for (const ByteVector& part : parts) {
    whole.blob(part);
  }
  SL_TRY(rejected_.keep({0, header.stamp, dot.sequence, not_taken, not_taken_words, whole.take()},
                        clock_.now_ms()));
  return true;
}

Result<void> Engine::name_edits(const Change& change) {
  for (const RowEdit& edit : change.edits) {
    SL_TRY(keepsakes_.add(edit.table, edit.key.view()));
  }
  return {};
}

Result<void> Engine::finish_relay(const effect::FinishRelay& settled) {
  SL_TRY(require_replica());
  if (keepsakes_.is_on_its_way() && keepsakes_.name() == settled.replica) {
    return finish_keepsakes(settled.refused);
  }
  SL_TRY(Savepoint savepoint, Savepoint::to_write(parts_.connection));
  SL_TRY(VersionVector vector, relayed());
  if (settled.through > ChangeSequence(0)) {
    vector.cover({settled.replica, settled.through});
  }
  bool is_listed = false;
  if (settled.refused) {
    SL_TRY(is_listed, keep_refused({settled.replica, settled.told}));
  } else if (settled.told > settled.through) {
    const Dot dot{settled.replica, settled.told};
    SL_TRY(const bool named, name_put_off(dot));
    if (named) {
      vector.cover(dot);
    }
  }
  Writer encoded;
  vector.encode(encoded);
  SL_TRY(meta_.set(meta_name::relayed, ValueView::blob(encoded.bytes())));
  SL_TRY(const std::int64_t floor, meta_.integer(meta_name::relayed_version));
  SL_TRY(const std::optional<LocalVersion> next,
         next_relay(LocalVersion(static_cast<std::uint64_t>(floor)), vector));
  SL_TRY(const LogHead head, log_.head());
  const std::uint64_t through = next.has_value() ? next->get() - 1 : head.version.get();
  SL_TRY(meta_.set(meta_name::relayed_version, ValueView::of(static_cast<std::int64_t>(through))));
  unsent_.forget();
  SL_TRY(savepoint.release());
  end_call();
  if (is_listed) {
    tell_rejected(not_taken, not_taken_words);
  }
  return {};
}

}  // namespace syncline
