// The part of the engine that speaks of a server: outbox, acknowledgements, refusals, what is told
// to people; and the care of a replica's file.
#include <algorithm>
#include <map>
#include <set>

#include "base/json.h"
#include "client/engine.h"
#include "client/view_functions.h"
#include "model/cell_content.h"
#include "sqlite/savepoint.h"
#include "wire/limits.h"

namespace syncline {
namespace {

std::string json_text(std::string_view text) { return write_json(Json(std::string(text))); }

std::string member(std::string_view name, std::string_view text) {
  return json_text(name) + ":" + json_text(text);
}

std::string member(std::string_view name, std::uint64_t number) {
  return json_text(name) + ":" + std::to_string(number);
}

constexpr std::int64_t week_ms = std::int64_t{7} * 24 * 60 * 60 * 1000;

}  // namespace

std::string error_payload(const Error& error) {
  return "{" + member("code", error_code_name(error.code())) + "," +
         member("message", error.message()) +
         ",\"retryable\":" + (error.retryable() ? "true" : "false") + "}";
}

void Engine::tell(const ApplyReport& report) {
  if (listener_ != nullptr && !report.tables.empty()) {
    listener_->on_commit(report.tables);
  }
  if (!events_.wanted()) {
    return;
  }
  const std::int64_t now = clock_.now_ms();
  events_.add(event_name::pull_applied, now,
              "{" + member("changes", report.changes) + "," + member("repeated", report.repeated) +
                  "," + member("rows", report.rows) + "," + member("held", report.held) + "}");
  // Not a matter of notifying people: whoever shows the document must follow it.
  for (const DocumentNote& note : report.documents) {
    if (const auto key = key_json(note.key)) {
      events_.add(event_name::document_changed, now,
                  "{" + member("table", note.table) + ",\"key\":" + *key + "," +
                      member("column", note.column) + "}");
    }
  }
  constexpr std::int64_t day_ms = std::int64_t{24} * 60 * 60 * 1000;
  // Two edits that met are one conflict, however many columns they share.
  std::map<std::string, std::vector<const ConflictNote*>> pairs;
  for (const ConflictNote& note : report.conflicts) {
    // What is older than a day surprises nobody any more.
    if (now - static_cast<std::int64_t>(note.conflict.winner.ms()) > day_ms) {
      continue;
    }
    const Conflict& conflict = note.conflict;
    pairs[conflict.table + " " + to_hex(conflict.key.view()) + " " + to_text(conflict.winner) +
          " " + to_text(conflict.loser)]
        .push_back(&note);
  }
  for (const auto& [identity, notes] : pairs) {
    tell_conflict(identity, notes, now);
  }
}

void Engine::tell_conflict(const std::string& identity, std::span<const ConflictNote* const> notes,
                           std::int64_t now) {
  // A cell says more than the row that it is in.
  const ConflictNote* shown = notes[0];
  std::set<std::string> columns;
  for (const ConflictNote* note : notes) {
    if (!note->conflict.column.empty()) {
      shown = shown->conflict.column.empty() ? note : shown;
      columns.insert(note->conflict.column);
    }
  }
  std::string list;
  for (const std::string& column : columns) {
    list += (list.empty() ? "" : ",") + json_text(column);
  }
  const Conflict& conflict = shown->conflict;
  events_.notify(event_name::conflict_detected, now, identity,
                 "{" + member("id", conflict_id(conflict).hex()) + "," +
                     member("table", conflict.table) + "," +
                     member("key", to_hex(conflict.key.view())) + "," +
                     member("column", conflict.column) + ",\"columns\":[" + list + "]," +
                     member("winner", to_text(conflict.winner)) + "," +
                     member("loser", to_text(conflict.loser)) + "," +
                     member("rule", merge_rule_name(shown->rule)) + "}");
}

Result<Engine::Counts> Engine::counts() {
  SL_TRY(require_replica());
  Counts counts;
  SL_TRY(counts.pending, outbox_.count());
  SL_TRY(const std::uint64_t empty, set_aside_.count());
  counts.pending -= std::min(empty, counts.pending);
  // What others wrote and perhaps only we can tell the server counts as one change.
  SL_TRY(const bool keepsakes, keepsakes_.any());
  SL_TRY(const std::int64_t read_only, meta_.integer(meta_name::read_only));
  // Who may only read tells nothing: what the server lacks is found when rows are compared.
  counts.pending += keepsakes && read_only == 0 ? 1 : 0;
  SL_TRY(counts.rejected, rejected_.count());
  SL_TRY(counts.held, held_.count());
  SL_TRY(counts.conflicts, conflicts_.count());
  end_call();
  return counts;
}

std::string Engine::attention_text(const Counts& counts) {
  std::string out;
  const auto add = [&](std::uint64_t count, const char* one, const char* many) {
    if (count > 0) {
      out += (out.empty() ? "" : ", ") + std::to_string(count) + (count == 1 ? one : many);
    }
  };
  add(counts.rejected, " change was refused", " changes were refused");
  add(counts.held, " row is held", " rows are held");
  add(counts.conflicts, " conflict is open", " conflicts are open");
  return out;
}

Result<std::string> Engine::status_json() {
  SL_TRY(const Counts counts, this->counts());
  SL_TRY(const LogHead head, log_.head());
  SL_TRY(const std::string device, meta_.text(meta_name::device));
  SL_TRY(const std::string workspace, meta_.text(meta_name::workspace));
  SL_TRY(const ByteVector lineage, meta_.blob(meta_name::lineage));
  SL_TRY(const std::int64_t cursor, meta_.integer(meta_name::cursor));
  SL_TRY(const Schema now, schema());
  SL_TRY(const std::string last_error, meta_.text(meta_name::last_error));
  SL_TRY(const std::int64_t read_only, meta_.integer(meta_name::read_only));
  std::string out =
      "{" + member("replica", replica_.hex()) + "," + member("device", device) + "," +
      member("workspace", workspace) + "," + member("lineage", to_hex(lineage)) + "," +
      member("cursor", static_cast<std::uint64_t>(cursor)) + "," +
      member("version", head.version.get()) + "," + member("sequence", head.own_sequence.get()) +
      "," + member("pending", counts.pending) + "," + member("rejected", counts.rejected) + "," +
      member("held", counts.held) + "," + member("conflicts", counts.conflicts) + "," +
      member("attention", attention_text(counts)) +
      ",\"read_only\":" + (read_only != 0 ? "true" : "false") + ",\"schema\":{" +
      member("version", now.version) + "," + member("fingerprint", schema_fingerprint(now).hex()) +
      "}," + member("last_error", last_error) + "}";
  return out;
}

Result<Schema> Engine::schema() {
  SL_TRY(require_replica());
  Schema out;
  SL_TRY(const std::int64_t version, meta_.integer(meta_name::schema_version));
  out.version = static_cast<std::uint32_t>(version);
  SL_TRY(const std::vector<const TrackedTable*> tables, catalog_.all());
  for (const TrackedTable* table : tables) {
    TableSchema described;
    described.name = table->name;
    described.key = table->key;
    for (std::size_t i = 0; i < table->key.size(); ++i) {
      described.columns.push_back(
          {table->key[i], table->key_types[i], true, false, MergeRule::lww});
    }
    for (const TrackedColumn& column : table->columns) {
      // A table whose rows are one value is one to every column.
      const MergeRule rule = table->rule == MergeRule::row ? MergeRule::row : column.rule;
      described.columns.push_back(
          {column.name, column.type, column.not_null, !column.default_sql.empty(), rule});
    }
    out.tables.push_back(std::move(described));
  }
  return canonical_schema(std::move(out));
}

Result<void> Engine::check_schema() {
  SL_TRY(const Schema all, schema());
  Writer encoded;
  encode_schema(encoded, all);
  if (encoded.size() > limits::written_schema_bytes_max) {
    return Error(ErrorCode::too_large,
                 "the tracked tables and columns take " + std::to_string(encoded.size()) +
                     " bytes to describe, which is too much (limit schema_bytes_max: " +
                     std::to_string(limits::written_schema_bytes_max) + " bytes)");
  }
  return {};
}

Result<std::vector<OutboxChange>> Engine::outbox(LocalVersion after, std::size_t bytes_max) {
  SL_TRY(require_replica());
  const auto run = [&]() -> Result<std::vector<OutboxChange>> {
    SL_TRY(Savepoint savepoint, Savepoint::open(parts_.connection));
    SL_TRY(std::vector<OutboxChange> batch, outbox_.batch(after, bytes_max));
    SL_TRY(savepoint.release());
    return batch;
  };
  auto batch = run();
  end_call();
  return batch;
}

Result<void> Engine::acknowledge(LocalVersion through) {
  SL_TRY(require_replica());
  SL_TRY(Savepoint savepoint, Savepoint::to_write(parts_.connection));
  SL_TRY(outbox_.acknowledge(through));
  SL_TRY(savepoint.release());
  end_call();
  if (events_.wanted()) {
    events_.add(event_name::push_after, clock_.now_ms(),
                "{" + member("through", through.get()) + "}");
  }
  return {};
}

Result<ByteVector> Engine::export_pending() {
  SL_TRY(const std::vector<OutboxChange> waiting, outbox(LocalVersion(0), SIZE_MAX));
  ChangeFileWriter file;
  for (const OutboxChange& change : waiting) {
    for (const ByteVector& part : change.parts) {
      SL_TRY(file.part(part));
    }
  }
  return file.finish();
}

Result<ApplyReport> Engine::import_pending(Bytes file) {
  SL_TRY(require_replica());
  SL_TRY(const std::int64_t read_only, meta_.integer(meta_name::read_only));
  if (read_only != 0) {
    return Error(ErrorCode::not_allowed,
                 "read_only: this device's token may only read, and nobody would ever send these "
                 "changes from here; import the file on a device that may write");
  }
  return applying(file.size(), [&](ApplyReport& report) -> Result<void> {
    std::vector<Bytes> parts;
    SL_TRY(read_change_file(file, [&](Bytes part) -> Result<void> {
      Reader in(part);
      SL_TRY(const PartHeader header, read_part_header(in));
      parts.push_back(part);
      if (!header.last) {
        return {};
      }
      const std::vector<Bytes> whole = std::move(parts);
      parts.clear();
      return import_change(whole, report);
    }));
    return note_leap(report);
  });
}

// Merges a change and keeps it whole, to be sent from here under the identity it was made with.
Result<void> Engine::import_change(std::span<const Bytes> parts, ApplyReport& report) {
  // What is kept whole is told to others as it is: it must be what everybody can read.
  SL_TRY(const Change change, decode_parts(parts));
  SL_TRY(const Apply::Learned learned, apply_.learn(parts, report));
  if (learned == Apply::Learned::known) {
    return {};
  }
  if (learned == Apply::Learned::as_rows) {
    return name_edits(change);
  }
  SL_TRY(const VersionVector settled, relayed());
  if (settled.covers({change.stamp.replica, change.sequence})) {
    // It is relayed no more, but a later one may have been told by its rows alone.
    SL_TRY(name_edits(change));
  }
  SL_TRY(const OriginId origin, origins_.id_of(change.stamp.replica));
  return parts_.connection.execute("UPDATE syncline_replicas SET own = 1 WHERE id = " +
                                   std::to_string(origin));
}

Result<std::vector<ConflictRow>> Engine::conflicts() {
  constexpr std::size_t listed_max = 10'000;
  SL_TRY(require_replica());
  return conflicts_.open(listed_max);
}

Result<void> Engine::resolve(const std::string& id, Resolution how, const ValueView& value) {
  SL_TRY(require_replica());
  return conflicts_.resolve(id, how, value, replica_);
}

Result<std::uint64_t> Engine::retry_held() {
  std::uint64_t installed = 0;
  SL_TRY(applying(0, [&](ApplyReport& report) -> Result<void> {
    SL_TRY(installed, apply_.retry_held("", report));
    return {};
  }));
  return installed;
}

Result<void> Engine::alter_begin() {
  SL_TRY(require_replica());
  // What the open transaction wrote already is no part of the changes before it.
  SL_TRY(capture_.flush());
  {
    // Rows may stand elsewhere afterwards.
    SL_TRY(Savepoint savepoint, Savepoint::to_write(parts_.connection));
    SL_TRY(clocks_.catch_up());
    SL_TRY(prove_outbox());
    SL_TRY(name_heard());
    SL_TRY(savepoint.release());
  }
  auto begun = schema_change_.begin();
  end_call();
  extract_.forget();
  return begun;
}

Result<void> Engine::alter_commit() {
  SL_TRY(require_replica());
  tables_.release();
  const auto run = [&]() -> Result<void> {
    SL_TRY(Savepoint savepoint, Savepoint::to_write(parts_.connection));
    SL_TRY(schema_change_.adapt());
    SL_TRY(check_schema());
    SL_TRY(applying(0, [&](ApplyReport& report) -> Result<void> {
      SL_TRY(place_waiting_cells(report));
      SL_TRY(apply_.retry_held("", report));
      return {};
    }));
    return savepoint.release();
  };
  auto done = run();
  forget_all();
  SL_TRY(std::move(done));
  return schema_change_.end();
}

// Whether the table holds what its row's cells say.
static Result<bool> is_shown(const TrackedTable& table, const LoadedRow& row) {
  for (std::size_t i = 0; row.row.has_value() && i < table.columns.size(); ++i) {
    const CellState* cell = row.state.find(table.columns[i].name);
    if (cell != nullptr) {
      SL_TRY(const Value value, cell_value(*cell));
      if (!(value == row.values[table.key.size() + i])) {
        return false;
      }
    }
  }
  return row.row.has_value();
}

// Cells that came for columns which the schema did not have then.
Result<void> Engine::place_waiting_cells(ApplyReport& /*report*/) {
  struct Waiting {
    TableId table = 0;
    ByteVector key;
    bool is_rich = false;
  };
  std::vector<Waiting> rows;
  {
    // Cells of counters and documents always lie there: those that are shown already stay.
    SL_TRY(Statement select, parts_.connection.prepare(
                                 "SELECT x.tbl, x.key, min(c.rule IN ('counter', 'json', 'text', "
                                 "'doc')) FROM syncline_cells x JOIN syncline_columns c ON "
                                 "c.tbl = x.tbl AND c.name = x.col AND NOT c.gone GROUP BY 1, 2"));
    for (;;) {
      SL_TRY(const bool more, select.step());
      if (!more) {
        break;
      }
      rows.push_back(
          {select.column_int(0), to_vector(select.column_blob(1)), select.column_int(2) != 0});
    }
  }
  for (const auto& [table, key, is_rich] : rows) {
    SL_TRY(apply_.before_touching(table, key));
    SL_TRY(TableAccess * access, tables_.access(table));
    SL_TRY(const LoadedRow row, rows_.load(*access, key));
    SL_TRY(const bool shown, is_shown(access->table(), row));
    if (row.state.alive && !(is_rich && shown)) {
      SL_TRY(rows_.store(*access, key, row, row.state, ClockTime(), apply_.ops()));
    }
  }
  return {};
}

Result<std::uint64_t> Engine::rescan() {
  SL_TRY(require_replica());
  std::uint64_t found = 0;
  const auto run = [&]() -> Result<void> {
    SL_TRY(Savepoint savepoint, Savepoint::to_write(parts_.connection));
    SL_TRY(clocks_.catch_up());
    SL_TRY(const std::vector<const TrackedTable*> tables, catalog_.all());
    for (const TrackedTable* table : tables) {
      std::vector<RowId> missed;
      SL_TRY(Statement select, parts_.connection.prepare(list_rows_sql(*table)));
      for (;;) {
        SL_TRY(const bool more, select.step());
        if (!more) {
          break;
        }
        SL_TRY(const RowClock* clock, clocks_.find(table->id, select.column_int(0)));
        if (clock == nullptr) {
          missed.push_back(select.column_int(0));
        }
      }
      select.reset();
      SL_TRY(Statement adopt, parts_.connection.prepare(adopt_row_sql(*table)));
      for (const RowId row : missed) {
        adopt.bind(1, row);
        SL_TRY(adopt.run());
      }
      found += missed.size();
    }
    return savepoint.release();
  };
  auto done = run();
  end_call();
  SL_TRY(std::move(done));
  return found;
}

Result<void> Engine::collect_garbage(std::int64_t horizon_ms) {
  SL_TRY(require_replica());
  const auto run = [&]() -> Result<void> {
    SL_TRY(capture_.flush());
    SL_TRY(Savepoint savepoint, Savepoint::to_write(parts_.connection));
    SL_TRY(clocks_.fold());
    // Afterwards the log may not know what a file brought.
    SL_TRY(name_heard());
    SL_TRY(clocks_.drop_tombs(static_cast<std::uint64_t>(std::max<std::int64_t>(horizon_ms, 0))
                              << Stamp::counter_bits));
    SL_TRY(const LocalVersion acknowledged, outbox_.acknowledged());
    // What was learned from peers stays until a server has it.
    SL_TRY(const VersionVector settled, relayed());
    SL_TRY(const std::optional<LocalVersion> waiting, next_relay(LocalVersion(0), settled));
    const LocalVersion through = waiting.has_value()
                                     ? std::min(acknowledged, LocalVersion(waiting->get() - 1))
                                     : acknowledged;
    SL_TRY(prune(through, clock_.now_ms() - week_ms));
    return savepoint.release();
  };
  auto done = run();
  end_call();
  extract_.forget();
  return done;
}

// Acknowledged changes stay a week: a server that was restored from a backup is healed by its
// clients (P2). The newest row stays for ever.
Result<void> Engine::prune(LocalVersion through, std::int64_t before_ms) {
  SL_TRY(const LogHead head, log_.head());
  const std::uint64_t last = std::min(through.get(), head.version.get() - 1);
  const std::uint64_t time = static_cast<std::uint64_t>(std::max<std::int64_t>(before_ms, 0))
                             << Stamp::counter_bits;
  SL_TRY(const auto boundary,
         parts_.connection.query_int(
             "SELECT coalesce(min(version) - 1, " + std::to_string(last) +
             ") FROM syncline_log WHERE version <= " + std::to_string(last) +
             " AND time >= " + std::to_string(static_cast<std::int64_t>(time))));
  SL_TRY(const std::int64_t pruned, meta_.integer(meta_name::pruned_version));
  if (boundary.value_or(0) <= pruned || head.version.get() == 0) {
    return {};
  }
  const std::string version = std::to_string(*boundary);
  SL_TRY(const auto newest,
         parts_.connection.query_int("SELECT max(time) FROM syncline_log WHERE origin = 1 AND "
                                     "version <= " +
                                     version));
  SL_TRY(const std::int64_t known, meta_.integer(meta_name::pruned_time));
  SL_TRY(meta_.set(meta_name::pruned_time, ValueView::of(std::max(known, newest.value_or(0)))));
  SL_TRY(const std::int64_t forgotten, meta_.integer(meta_name::pruned_before));
  SL_TRY(meta_.set(meta_name::pruned_before,
                   ValueView::of(std::max(forgotten, static_cast<std::int64_t>(time)))));
  SL_TRY(parts_.connection.execute("DELETE FROM syncline_log_parts WHERE version <= " + version));
  SL_TRY(parts_.connection.execute("DELETE FROM syncline_log WHERE version <= " + version));
  return meta_.set(meta_name::pruned_version, ValueView::of(*boundary));
}

Result<Digest> Engine::digest() {
  SL_TRY(require_replica());
  const auto run = [&]() -> Result<Digest> {
    SL_TRY(Savepoint savepoint, Savepoint::open(parts_.connection));
    SL_TRY(clocks_.catch_up());
    Digest sum;
    SL_TRY(for_each_state(
        [&](const std::string& table, Bytes key, const RowState& state) -> Result<void> {
          sum.add(digest_of(table, key, state));
          return {};
        }));
    SL_TRY(savepoint.release());
    return sum;
  };
  auto sum = run();
  end_call();
  return sum;
}

}  // namespace syncline
