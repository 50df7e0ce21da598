#include "client/apply.h"

#include <algorithm>

#include "base/sort.h"
#include "model/cell_content.h"

namespace syncline {
namespace {

// The size at which a log body is cut, as in capture.
constexpr std::size_t body_part_bytes = std::size_t{512} << 10U;
// Conflicts told of one call; beyond these only their effect remains.
constexpr std::size_t conflicts_max = 10'000;
constexpr std::size_t documents_max = 10'000;

}  // namespace

// The table that rows are read for.
struct Apply::Incoming {
  TableAccess* access = nullptr;  // null: the schema does not know the table
  std::string name;
  // Column id of each incoming column; -1 for one that the schema does not know.
  std::vector<int> column_ids;
  // The way without loading the row's whole state may be taken.
  bool fast = false;
  // The same for states, whose columns may come in any order.
  bool fast_states = false;
  bool no_tombs = false;
  // An end of one of its rows may end others.
  bool is_parent = false;
  ColumnSet columns;
  std::vector<ValueView> values;
  std::vector<std::pair<int, std::size_t>> order;
  Writer clock;
};

Result<void> Apply::begin(std::size_t bytes_expected) {
  // Switching makes SQLite prepare every statement of the connection anew.
  constexpr std::size_t large = std::size_t{32} << 10U;
  if (bytes_expected >= large) {
    SL_TRY(switch_triggers_off());
  }
  SL_TRY(parts_.clocks.catch_up());
  parts_.capture.watch(true);
  parts_.held.forget();
  parts_.rows.forget();
  parts_.seen.forget();
  running_.reset();
  times_.clear();
  skipping_ = false;
  forget_ends();
  ops_.clear();
  SL_TRY(const auto keys, parts_.connection.query_int("PRAGMA foreign_keys"));
  foreign_keys_ = keys.value_or(0) != 0;
  foreign_key_graph_.forget();
  if (foreign_keys_) {
    if (parts_.connection.deferred_violations()) {
      return Error(ErrorCode::busy,
                   "the open transaction has foreign keys that point nowhere; apply changes before "
                   "it or after it");
    }
    SL_TRY(const auto deferred, parts_.connection.query_int("PRAGMA defer_foreign_keys"));
    defer_ = deferred.value_or(0) == 0;
    if (defer_) {
      SL_TRY(parts_.connection.execute("PRAGMA defer_foreign_keys = ON"));
    }
  }
  return {};
}

// Firing triggers only to tell capture what the engine did itself is wasted on a large batch; but
// the application's own triggers must fire, and capture must see what foreign key actions do.
Result<void> Apply::switch_triggers_off() {
  SL_TRY(const std::vector<const TrackedTable*> tables, parts_.catalog.all());
  for (const TrackedTable* table : tables) {
    if (table->has_triggers || table->has_foreign_keys) {
      return {};
    }
  }
  if (parts_.connection.set_triggers(false)) {
    parts_.capture.set_tapped(false);
  }
  return {};
}

void Apply::switch_triggers_on() {
  if (!parts_.capture.is_tapped()) {
    parts_.connection.set_triggers(true);
    parts_.capture.set_tapped(true);
  }
}

void Apply::abandon() {
  parts_.capture.watch(false);
  switch_triggers_on();
  running_.reset();
  learning_ = {};
  our_parts_.clear();
  times_.clear();
  skipping_ = false;
  forget_ends();
  ops_.clear();
  leaving_.clear();
  uncounted_ = false;
}

Result<void> Apply::part(Bytes bytes, ApplyReport& report) {
  Reader in(bytes);
  SL_TRY(const PartHeader header, read_part_header(in));
  if (!running_.has_value()) {
    if (header.index != 0) {
      return Error(ErrorCode::out_of_order, "a change begins with its first part");
    }
    SL_TRY(begin_change(header, report));
  } else if (header.stamp != running_->stamp || header.sequence != running_->sequence ||
             header.index != next_part_) {
    return Error(ErrorCode::malformed, "the parts of a change are incomplete or out of order");
  }
  next_part_ = header.index + 1;
  if (!skipping_) {
    RowReader reader(in.rest(), header.stamp.replica);
    const std::size_t ends_before = ends_.size();
    SL_TRY(rows_of(reader, report));
    if (ends_.size() > ends_before) {
      parts_with_ends_.push_back(to_vector(bytes));
    }
    if (time_.origin == first_own_origin && learning_.empty()) {
      our_parts_.push_back(to_vector(bytes));
    }
  }
  if (header.last) {
    SL_TRY(end_change(report));
  }
  return {};
}

Result<Apply::Learned> Apply::learn(std::span<const Bytes> parts, ApplyReport& report) {
  const std::uint64_t before = report.changes;
  learning_ = parts;
  Result<void> done;
  for (std::size_t i = 0; done && i < parts.size(); ++i) {
    done = part(parts[i], report);
  }
  learning_ = {};
  SL_TRY(std::move(done));
  if (running_.has_value()) {
    return Error(ErrorCode::malformed, "the last part of a change is missing");
  }
  if (report.changes == before) {
    return Learned::known;
  }
  return is_another_ ? Learned::as_rows : Learned::whole;
}

Result<void> Apply::begin_change(const PartHeader& header, ApplyReport& report) {
  running_ = header;
  stamp_ = header.stamp;
  ops_.clear();
  our_parts_.clear();
  holds_states_ = false;
  skipping_ = false;
  is_another_ = false;
  SL_TRY(parts_.clock.observe(header.stamp.time));
  SL_TRY(time_, parts_.origins.clock_of(header.stamp));
  if (header.sequence == ChangeSequence(0)) {
    time_ = ClockTime();  // states have stamps of their own
    report.leaped = true;
    return {};
  }
  if (time_.origin == first_own_origin) {
    SL_TRY(skipping_, have_made(header));
  } else {
    SL_TRY(const bool is_known, parts_.seen.contains(time_.origin, header.sequence));
    SL_TRY(is_another_, is_known ? has_other_time(time_.origin, header) : Result<bool>(false));
    skipping_ = is_known && !is_another_;
    const ChangeSequence before(header.sequence.get() - 1);
    if (!skipping_ && before > ChangeSequence(0) && !report.leaped) {
      SL_TRY(const bool follows, parts_.seen.contains(time_.origin, before));
      report.leaped = !follows;
    }
  }
  if (skipping_) {
    ++report.repeated;
  }
  return {};
}

Result<void> Apply::end_change(ApplyReport& report) {
  const PartHeader header = *running_;
  running_.reset();
  if (skipping_) {
    return {};
  }
  SL_TRY(settle_ends(report));
  report.changes += header.sequence == ChangeSequence(0) ? 0U : 1U;
  for (const TableId table : ops_.tables()) {
    if (std::find(report.tables.begin(), report.tables.end(), table) == report.tables.end()) {
      report.tables.push_back(table);
    }
  }
  if (header.sequence == ChangeSequence(0)) {
    return write_log(LogRow());
  }
  if (is_another_) {
    return log_so_far();
  }
  LogRow row;
  row.origin = time_.origin;
  row.sequence = header.sequence;
  row.time = header.stamp.time;
  if (row.origin == first_own_origin) {
    return end_our_change(header);
  }
  SL_TRY(learning_.empty() ? write_log(row) : write_learned(header));
  return parts_.seen.add(row.origin, row.sequence);
}

Result<std::vector<ByteVector>> Apply::encode_ops() {
  LogBodyWriter body;
  std::vector<ByteVector> parts;
  for (const TableId id : ops_.tables()) {
    bool begun = false;
    SL_TRY(ops_.for_each_op(id, [&](const LogRun& run) -> Result<void> {
      if (body.size() >= body_part_bytes) {
        parts.push_back(body.finish());
        begun = false;
      }
      if (!begun) {
        body.begin_table(id);
        begun = true;
      }
      body.run(run);
      return {};
    }));
  }
  parts.push_back(body.finish());
  return parts;
}

// Rows are judged by their clocks, and what this change did so far is entered at its end only.
// Entering it twice does no harm.
Result<void> Apply::enter_pending() {
  if (ops_.empty()) {
    return {};
  }
  LogRow row;
  row.origin = time_.origin;
  row.time = time_.time;
  SL_TRY(const std::vector<ByteVector> parts, encode_ops());
  const std::vector<Bytes> views(parts.begin(), parts.end());
  return parts_.clocks.preview(row, views);
}

Result<void> Apply::before_touching(TableId table, Bytes key) {
  return parts_.capture.has_acted(table, key) ? settle_captured() : Result<void>();
}

Result<void> Apply::settle_captured() {
  SL_TRY(log_so_far());
  SL_TRY(parts_.capture.flush());
  return parts_.clocks.catch_up();
}

// Gives every operation the clock that it leaves, so that it may stand in a row of our own
// bookkeeping.
Result<void> Apply::spell_out_ops() {
  if (time_ == ClockTime()) {
    return {};  // states have clocks of their own
  }
  SL_TRY(enter_pending());
  CaptureBuffer spelled;
  for (const TableId id : ops_.tables()) {
    SL_TRY(const TrackedTable* table, parts_.catalog.table(id));
    SL_TRY(
        ops_.for_each_op(id, [&](const LogRun& run) { return spell_out(*table, run, spelled); }));
  }
  ops_ = std::move(spelled);
  return {};
}

// Logs the first half of the running change, because something must come between the halves: as our
// own bookkeeping, with every clock spelled out. The change's own row follows at its end.
Result<void> Apply::log_so_far() {
  if (ops_.empty()) {
    return {};
  }
  SL_TRY(spell_out_ops());
  return write_log(LogRow());
}

// The change as it came, and behind it, as our own bookkeeping, what became of its rows here.
// Whoever is told both meets the change first and sees what it was concurrent with.
Result<void> Apply::write_learned(const PartHeader& header) {
  SL_TRY(spell_out_ops());
  SL_TRY(LogHead head, parts_.log.head());
  LogRow whole;
  whole.version = head.version.next();
  whole.origin = time_.origin;
  whole.sequence = header.sequence;
  whole.time = header.stamp.time;
  whole.form = learning_.size() > 1 ? LogForm::frozen_parts : LogForm::frozen;
  SL_TRY(parts_.log.append(head, whole, learning_[0], {}));
  for (std::size_t i = 1; i < learning_.size(); ++i) {
    SL_TRY(parts_.log.append_part(whole.version, i, learning_[i]));
  }
  parts_.clocks.entered_through(whole.version);
  LogRow rows;
  rows.time = header.stamp.time;
  return write_log(rows);
}

Result<void> Apply::spell_out(const TrackedTable& table, const LogRun& run, CaptureBuffer& out) {
  Writer encoded;
  switch (run.kind) {
    case OpKind::put:
    case OpKind::set:
    case OpKind::over: {
      Reader old(run.old_values);
      for (std::uint64_t i = 0; i < run.count; ++i) {
        const auto row = static_cast<RowId>(static_cast<std::uint64_t>(run.first) + i);
        const std::size_t begin = old.position();
        for (std::size_t value = 0; run.has_old && value < run.columns.size(); ++value) {
          SL_TRY(skip_value(old));
        }
        // A row that has left its table since had the change's clock in between.
        SL_TRY(const RowClock* clock, parts_.clocks.find(table.id, row));
        encoded.clear();
        write_row_clock(encoded, clock == nullptr ? RowClock{time_, {}} : *clock);
        out.install(table, row, encoded.bytes(), run.columns, run.has_old,
                    run.old_values.subspan(begin, old.position() - begin));
      }
      return {};
    }
    case OpKind::erase: {
      SL_TRY(const std::optional<Tomb> tomb, parts_.clocks.find_tomb(table.id, run.key));
      SL_CHECK(tomb.has_value());
      write_tomb(encoded, *tomb);
      out.bury(table, run.first, true, run.key, encoded.bytes(), run.columns, run.has_old,
               run.old_values);
      return {};
    }
    case OpKind::install:
      // Rows that came to stand alike are one run.
      for (std::uint64_t i = 0; i < run.count; ++i) {
        out.install(table, static_cast<RowId>(static_cast<std::uint64_t>(run.first) + i), run.clock,
                    run.columns, run.has_old, run.old_values);
      }
      return {};
    case OpKind::leave:
      out.leave(table, run.first, run.key, run.columns, run.has_old, run.old_values);
      return {};
    case OpKind::bury:
      out.bury(table, run.first, run.had_row, run.key, run.clock, run.columns, run.has_old,
               run.old_values);
      return {};
    case OpKind::aside:
      out.aside(table, run.key);
      return {};
    case OpKind::rich:
      break;  // capture's alone
  }
  return Error(ErrorCode::corrupt, "an operation that apply does not make");
}

// Writes what ops_ holds as one log row, and enters it in the clocks. Without a sequence it is our
// own bookkeeping.
Result<void> Apply::write_log(const LogRow& wanted) {
  SL_TRY(LogHead head, parts_.log.head());
  LogRow row = wanted;
  row.version = head.version.next();
  if (row.sequence == ChangeSequence(0)) {
    if (ops_.empty()) {
      return {};
    }
    row.origin = 0;
    if (row.time == 0) {
      // Whoever writes next, in any process, writes after everything that is in the rows.
      row.time = std::max<std::uint64_t>({head.hlc, stamp_.time, newest_state_, 1});
    }
  }
  SL_TRY(const std::vector<ByteVector> parts, encode_ops());
  ops_.clear();
  row.form = parts.size() > 1 ? LogForm::runs_parts : LogForm::runs;
  SL_TRY(parts_.log.append(head, row, parts[0], {}));
  std::vector<Bytes> views(parts.begin(), parts.end());
  for (std::size_t i = 1; i < views.size(); ++i) {
    SL_TRY(parts_.log.append_part(row.version, i, views[i]));
  }
  return parts_.clocks.enter(row, views);
}

Result<void> Apply::rows_of(RowReader& reader, ApplyReport& report) {
  for (;;) {
    SL_TRY(const bool more, reader.next_table());
    if (!more) {
      return {};
    }
    Incoming incoming;
    incoming.name = reader.table();
    SL_TRY(const TrackedTable* table, parts_.catalog.find(reader.table()));
    if (table != nullptr) {
      SL_TRY(incoming.access, parts_.tables.access(table->id));
      if (table->key.size() != reader.key_columns()) {
        return Error(ErrorCode::schema_mismatch,
                     "table '" + table->name + "' has " + std::to_string(table->key.size()) +
                         " key columns here and " + std::to_string(reader.key_columns()) +
                         " in a change from another replica");
      }
      incoming.fast = !table->has_rich();
      incoming.fast_states = incoming.fast;
      int last = -1;
      for (const std::string& column : reader.columns()) {
        const int position = table->position_of(column);
        const int id = position < 0 ? -1 : table->columns[static_cast<std::size_t>(position)].id;
        incoming.fast = incoming.fast && id > last;
        incoming.fast_states = incoming.fast_states && id >= 0;
        last = id;
        incoming.column_ids.push_back(id);
      }
      SL_TRY(const bool held, parts_.held.any_of(table->name));
      SL_TRY(const bool extra, parts_.rows.may_have_extra(table->id));
      SL_TRY(const bool tombs, parts_.clocks.may_have_tombs(table->id));
      incoming.fast = incoming.fast && !held && !extra;
      incoming.fast_states = incoming.fast_states && !held && !extra;
      incoming.no_tombs = !tombs;
      incoming.is_parent = table->has_triggers || (foreign_keys_ && table->has_foreign_keys);
    }
    for (;;) {
      SL_TRY(const bool row, reader.next_row());
      if (!row) {
        break;
      }
      report.rows += settling_ends_ ? 0U : 1U;
      SL_TRY(one_row(incoming, reader, report));
    }
    if (incoming.access != nullptr) {
      incoming.access->end_range();
    }
  }
}

Result<void> Apply::one_row(Incoming& incoming, RowReader& reader, ApplyReport& report) {
  holds_states_ = holds_states_ || reader.kind() == RowKind::state;
  if (incoming.access != nullptr) {
    const TrackedTable& table = incoming.access->table();
    SL_TRY(const bool is_later, incoming.is_parent ? ends_later(*incoming.access, reader)
                                                   : Result<bool>(settling_ends_));
    if (is_later) {
      return {};
    }
    if (parts_.capture.has_acted(table.id, reader.key())) {
      SL_TRY(settle_captured());
      incoming.no_tombs = false;  // a trigger may have ended the row just now
    }
  } else if (settling_ends_) {
    return {};
  }
  if (incoming.fast) {
    bool done = false;
    if (reader.kind() == RowKind::put && incoming.no_tombs) {
      SL_TRY(done, fast_put(incoming, reader));
    } else if (reader.kind() == RowKind::set) {
      SL_TRY(done, fast_set(incoming, reader));
    }
    if (done) {
      return {};
    }
  }
  if (incoming.fast_states && reader.kind() == RowKind::state) {
    SL_TRY(const bool done, fast_state(incoming, reader));
    if (done) {
      return {};
    }
  }
  SL_TRY(merge_row(incoming, reader, report));
  // What was put beside the table, or held, must be looked at from now on.
  if (incoming.fast || incoming.fast_states) {
    SL_TRY(const bool held, parts_.held.any_of(incoming.name));
    SL_TRY(const bool extra, parts_.rows.may_have_extra(incoming.access->table().id));
    incoming.fast = incoming.fast && !held && !extra;
    incoming.fast_states = incoming.fast_states && !held && !extra;
  }
  if (reader.kind() != RowKind::put) {
    incoming.no_tombs = false;
  }
  return {};
}

// A row that nobody here has heard of needs no merging: it is inserted.
Result<bool> Apply::fast_put(Incoming& incoming, RowReader& reader) {
  incoming.columns.clear();
  incoming.values.clear();
  for (std::size_t i = 0; i < reader.cell_count(); ++i) {
    const DecodedCell& cell = reader.cell(i);
    if (cell.form != CellForm::plain) {
      return false;
    }
    incoming.columns.insert(static_cast<std::size_t>(incoming.column_ids[cell.column]));
    incoming.values.push_back(cell.value.view());
  }
  const TrackedTable& table = incoming.access->table();
  parts_.capture.expect(TapKind::inserted, table);
  auto inserted = incoming.access->insert(reader.key(), incoming.columns, incoming.values);
  std::optional<RowId> row = parts_.capture.expected_row();
  if (!inserted) {
    if (inserted.error().code() == ErrorCode::constraint) {
      return false;
    }
    return std::move(inserted).error();
  }
  if (*inserted && !parts_.capture.is_tapped()) {
    SL_TRY(row, parts_.rows.inserted_row(table, reader.key()));
  }
  if (!*inserted || !row.has_value()) {
    return false;
  }
  SL_TRY(parts_.rows.settle_place(table, *row));
  ops_.put(table, *row);
  return true;
}

// The same for a living row that comes with clocks of its own, as a snapshot's do.
Result<bool> Apply::fast_state(Incoming& incoming, RowReader& reader) {
  SL_CHECK(incoming.access != nullptr);
  if (!reader.alive()) {
    return false;
  }
  const TrackedTable& table = incoming.access->table();
  if (!incoming.no_tombs) {
    SL_TRY(const std::optional<Tomb> tomb, parts_.clocks.find_tomb(table.id, reader.key()));
    if (tomb.has_value()) {
      return false;
    }
  }
  incoming.order.clear();
  std::uint64_t newest = reader.life().time;
  for (std::size_t i = 0; i < reader.cell_count(); ++i) {
    const DecodedCell& cell = reader.cell(i);
    if (cell.form != CellForm::plain || cell.stamp < reader.life()) {
      return false;
    }
    newest = std::max(newest, cell.stamp.time);
    incoming.order.emplace_back(incoming.column_ids[cell.column], i);
  }
  SL_TRY(observe_state(newest));
  syncline::sort(incoming.order.begin(), incoming.order.end());
  RowClock clock;
  SL_TRY(clock.life, parts_.origins.clock_of(reader.life()));
  incoming.columns.clear();
  incoming.values.clear();
  for (const auto& [column, index] : incoming.order) {
    const DecodedCell& cell = reader.cell(index);
    const auto id = static_cast<std::uint16_t>(column);
    if (incoming.columns.contains(id)) {
      return Error(ErrorCode::malformed, "a row names a column twice");
    }
    incoming.columns.insert(id);
    incoming.values.push_back(cell.value.view());
    if (cell.stamp > reader.life()) {
      SL_TRY(const ClockTime time, parts_.origins.clock_of(cell.stamp));
      clock.cells.push_back({id, time});
    }
  }
  parts_.capture.expect(TapKind::inserted, table);
  auto inserted = incoming.access->insert(reader.key(), incoming.columns, incoming.values);
  std::optional<RowId> row = parts_.capture.expected_row();
  if (!inserted) {
    return inserted.error().code() == ErrorCode::constraint ? Result<bool>(false)
                                                            : std::move(inserted).error();
  }
  if (*inserted && !parts_.capture.is_tapped()) {
    SL_TRY(row, parts_.rows.inserted_row(table, reader.key()));
  }
  if (!*inserted || !row.has_value()) {
    return false;
  }
  SL_TRY(parts_.rows.settle_place(table, *row));
  incoming.clock.clear();
  write_row_clock(incoming.clock, clock);
  ops_.install(table, *row, incoming.clock.bytes(), ColumnSet(), false, Bytes());
  return true;
}

// Cells of a living row: each one that is newer than what stands is written.
Result<bool> Apply::fast_set(Incoming& incoming, RowReader& reader) {
  SL_CHECK(incoming.access != nullptr);
  TableAccess& access = *incoming.access;
  const TrackedTable& table = access.table();
  SL_TRY(const std::optional<RowId> row, access.find_row(reader.key()));
  if (!row.has_value()) {
    return false;
  }
  SL_TRY(const RowClock* clock, parts_.clocks.find(table.id, *row));
  if (clock == nullptr) {
    return false;
  }
  incoming.columns.clear();
  incoming.values.clear();
  bool unsent = false;
  for (std::size_t i = 0; i < reader.cell_count(); ++i) {
    const DecodedCell& cell = reader.cell(i);
    const auto id = static_cast<std::uint16_t>(incoming.column_ids[cell.column]);
    if (cell.form != CellForm::plain) {
      return false;
    }
    const ClockTime present = clock->of(id);
    SL_TRY(const Stamp present_stamp, parts_.origins.stamp_of(present));
    if (!cell.stamp.is_zero() && cell.stamp < present_stamp && present_stamp != stamp_) {
      return false;  // concurrent: the whole row is loaded, so that nothing of it goes unnoticed
    }
    if (stamp_ > present_stamp) {
      incoming.columns.insert(id);
      incoming.values.push_back(cell.value.view());
      unsent = unsent || parts_.rows.may_be_told(present);
    }
  }
  if (incoming.columns.empty()) {
    return true;
  }
  Writer old;
  if (unsent) {
    SL_TRY(const StoredRow* stored, access.read(*row));
    SL_CHECK(stored != nullptr);
    incoming.columns.for_each([&](std::size_t column) {
      write_value(old, access.value(*stored, static_cast<std::uint16_t>(column)));
    });
    access.end_range();
  }
  parts_.capture.expect(TapKind::updated, table);
  auto updated = access.update(*row, incoming.columns, incoming.values);
  (void)parts_.capture.expected_row();
  if (!updated) {
    if (updated.error().code() == ErrorCode::constraint) {
      return false;
    }
    return std::move(updated).error();
  }
  ops_.set(table, *row, incoming.columns, unsent, unsent ? old.bytes() : Bytes());
  return true;
}

Result<void> Apply::merge_row(Incoming& incoming, RowReader& reader, ApplyReport& report) {
  const bool is_state = reader.kind() == RowKind::state;
  const ByteVector key = to_vector(reader.key());
  LoadedRow before;
  if (incoming.access != nullptr) {
    SL_TRY(before, parts_.rows.load(*incoming.access, key));
  }
  RowState after = before.state;
  SL_TRY(const std::optional<HeldRow> held, parts_.held.find(incoming.name, key));
  if (held.has_value()) {
    merge_state(after, held->state);
  }
  MergeEffect effect;
  if (is_state) {
    const RowState state = read_state(reader);
    std::uint64_t newest = state.life.time;
    for (const CellState& cell : state.cells) {
      SL_TRY(check_cell(cell));
      newest = std::max(newest, cell.stamp.time);
    }
    SL_TRY(observe_state(newest));
    effect = merge_state(after, state);
  } else {
    const RowEdit edit = read_edit(reader);
    for (const CellEdit& cell : edit.cells) {
      SL_TRY(check_cell(cell));
    }
    effect = merge_edit(after, edit, stamp_, &parts_.rows.documents());
    if (incoming.access != nullptr) {
      SL_TRY(
          note_conflicts(incoming.access->table(), key, effect.concurrent, before, after, report));
    }
  }
  if (!effect.changed) {
    return {};
  }
  if (incoming.access == nullptr) {
    return hold(nullptr, incoming.name, key, after,
                Error(ErrorCode::not_found, "no table '" + incoming.name + "' is synced here"),
                report);
  }
  if (held.has_value()) {
    SL_TRY(parts_.held.drop(incoming.name, key));
  }
  if (is_state && before.row.has_value() && !after.alive) {
    SL_TRY(spare_children(incoming.access->table(), key, report));
  }
  for (int attempt = 0; attempt < 8; ++attempt) {
    auto stored = parts_.rows.store(*incoming.access, key, before, after, time_, ops_);
    if (stored) {
      note_documents(incoming.access->table(), key, before.state, after, report);
      return {};
    }
    if (stored.error().code() != ErrorCode::constraint) {
      return stored;
    }
    bool again = false;
    if (held_reason(stored.error()) == "unique" && after.alive) {
      SL_TRY(again, evict_younger(*incoming.access, key, after, report));
    }
    if (!again) {
      return hold_whole(*incoming.access, key, before, after, stored.error(), report);
    }
  }
  return hold_whole(
      *incoming.access, key, before, after,
      Error(ErrorCode::constraint, "UNIQUE constraint failed: several rows are in the way"),
      report);
}

void Apply::note_documents(const TrackedTable& table, Bytes key, const RowState& before,
                           const RowState& after, ApplyReport& report) {
  for (const TrackedColumn& column : table.columns) {
    const bool has_room = report.documents.size() < documents_max;
    if (!is_document(column.rule) || !has_room) {
      continue;
    }
    const CellState* was = before.find(column.name);
    const CellState* is = after.find(column.name);
    const bool same = was == nullptr || is == nullptr ? was == is : *was == *is;
    if (!same) {
      report.documents.insert({table.name, to_vector(key), column.name});
    }
  }
}

Result<void> Apply::note_conflicts(const TrackedTable& table, Bytes key,
                                   std::span<const Concurrency> pairs, const LoadedRow& before,
                                   const RowState& after, ApplyReport& report) {
  for (const Concurrency& pair : pairs) {
    if (report.conflicts.size() >= conflicts_max) {
      return {};
    }
    ConflictNote note;
    note.conflict.kind = pair.kind;
    note.conflict.table = table.name;
    note.conflict.key.bytes = to_vector(key);
    note.conflict.column = pair.column;
    note.conflict.loser = pair.loser;
    note.conflict.winner = pair.winner;
    note.conflict.loser_value = pair.loser_value;
    note.rule = table.rule;
    const Stamp& present = pair.loser == stamp_ ? pair.winner : pair.loser;
    SL_TRY(const ClockTime present_time, parts_.origins.clock_of(present));
    note.ours = present_time.origin == first_own_origin;
    if (pair.kind == Concurrency::Kind::cell) {
      const CellState* winner = after.find(pair.column);
      if (winner != nullptr) {
        SL_TRY(note.conflict.winner_value, cell_value(*winner));
      }
      const int position = table.position_of(pair.column);
      if (position >= 0) {
        const TrackedColumn& column = table.columns[static_cast<std::size_t>(position)];
        note.rule = column.rule;
        if (note.ours && before.row.has_value() && column.rule == MergeRule::manual) {
          SL_TRY(note.conflict.base_value,
                 parts_.extract.value_before(table.id, *before.row, column.id, present_time));
        }
      }
    }
    if (note.rule == MergeRule::manual && pair.kind == Concurrency::Kind::cell &&
        note.conflict.winner_value == note.conflict.loser_value) {
      continue;  // both wrote the same, and nobody has to choose
    }
    report.conflicts.push_back(std::move(note));
  }
  return {};
}

Result<void> Apply::finish(ApplyReport& report) {
  if (running_.has_value()) {
    return Error(ErrorCode::malformed, "the last part of a change is missing");
  }
  SL_TRY(const bool held, parts_.held.any());
  if (held && report.rows > 0) {
    // What one row waits for may be another held row: until nothing moves.
    for (int round = 0; round < 8; ++round) {
      SL_TRY(const std::uint64_t installed, retry_held("", report));
      if (installed == 0) {
        break;
      }
    }
  }
  if (foreign_keys_) {
    SL_TRY(settle_foreign_keys(report));
    if (defer_) {
      SL_TRY(parts_.connection.execute("PRAGMA defer_foreign_keys = OFF"));
    }
  }
  SL_TRY(write_log(LogRow()));
  // What triggers and foreign keys did is behind what they answered to.
  SL_TRY(parts_.capture.flush());
  parts_.capture.watch(false);
  switch_triggers_on();
  return parts_.seen.store();
}

}  // namespace syncline
