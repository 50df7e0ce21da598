#include "client/capture.h"

#include <algorithm>
#include <cstdlib>

#include "base/digest.h"
#include "client/row_measure.h"
#include "model/value_codec.h"
#include "wire/limits.h"

namespace syncline {
namespace {

// A body is cut into parts of about this size, so that no blob grows with the transaction.
constexpr std::size_t body_part_bytes = std::size_t{512} << 10U;

}  // namespace

// All of a connection's sinks feed one Capture: a transaction is one change, however many tables it
// touched. SQLite reports begin, savepoints and the end to each; only the first report counts.
class Capture::Sink final : public WriteSink {
 public:
  Sink(Capture& capture, TableId table) : capture_(capture), table_(table) {}

  void on_prepare() override {
    capture_.replace_checks_ = 0;
    capture_.schema_looked_at_ = false;
  }
  Result<void> on_row(std::span<sqlite3_value* const> values) override {
    return capture_.on_row(table_, values);
  }
  Result<void> on_begin() override { return capture_.on_statement(unknown_level); }
  Result<void> on_sync() override { return capture_.on_sync(); }
  void on_commit() override { capture_.on_commit(); }
  void on_rollback() override { capture_.on_rollback(); }
  Result<void> on_savepoint(int level) override {
    if (is_looking_away()) {
      return {};
    }
    SL_TRY(capture_.on_statement(level));
    capture_.buffer_.set_mark(level);
    return {};
  }
  void on_release(int level) override {
    if (!is_looking_away()) {
      capture_.buffer_.release_mark(level);
      capture_.on_released(level);
    }
  }
  void on_rollback_to(int level) override {
    if (!is_looking_away()) {
      capture_.on_rollback_to(level);
    }
  }

 private:
  // Statements of our own, which compare tables between the application's: what they note stands
  // before the next one's savepoint.
  bool is_looking_away() const {
    return capture_.watched_ != nullptr && capture_.watched_->level < unknown_level;
  }

  Capture& capture_;
  TableId table_;
};

Capture::~Capture() = default;

Result<std::unique_ptr<WriteSink>> Capture::connect(std::span<const std::string> arguments,
                                                    int& column_count) {
  if (arguments.size() != 2) {
    return Error(ErrorCode::invalid_argument,
                 "tables of this module are made by syncline_track(), not by hand");
  }
  const TableId table = std::strtoll(arguments[0].c_str(), nullptr, 10);
  const long columns = std::strtol(arguments[1].c_str(), nullptr, 10);
  if (table < 0 || columns < tap_fixed_columns || columns > 2000) {
    return Error(ErrorCode::invalid_argument, "bad arguments for a capture table");
  }
  column_count = static_cast<int>(columns);
  // The schema has just been read anew: what is cached about tables may be old.
  catalog_.mark_stale();
  last_table_ = nullptr;
  all_columns_.clear();
  replace_checks_ = 0;
  schema_looked_at_ = false;
  ++sinks_;
  return std::unique_ptr<WriteSink>(std::make_unique<Sink>(*this, table));
}

void Capture::disconnected() {
  --sinks_;
  last_table_ = nullptr;
  if (sinks_ == 0) {
    // Otherwise the schema is being read anew, perhaps for one of these very statements: somebody
    // else on the file changed it.
    if (!Statement::is_any_stepping()) {
      release();
    }
    if (listener_ != nullptr) {
      listener_->on_disconnected();
    }
  }
}

void Capture::release() {
  key_statements_.clear();
  row_statements_.clear();
  in_way_statements_.clear();
  rid_statements_.clear();
  read_main_schema_.release();
  read_temp_schema_.release();
  log_.release();
}

std::optional<RowId> Capture::expected_row() {
  engine_writing_ = false;
  expecting_ = false;
  if (!expected_seen_) {
    return std::nullopt;
  }
  expected_seen_ = false;
  return expected_row_;
}

Result<void> Capture::on_row(TableId table_id, std::span<sqlite3_value* const> values) {
  if (synced_) {
    SL_TRY(reopen());
  }
  catalog_.settle();
  const Catalog::Hold hold(catalog_);
  drop_if_stale();
  if (table_id == shared_tap) {
    return on_shared_row(values);
  }
  const auto kind = static_cast<TapKind>(read_value(values[0]).integer);
  SL_TRY(const TrackedTable* known,
         written_table(table_id, static_cast<std::int64_t>(values.size())));
  const TrackedTable& table = *known;
  if (is_expected(kind, table_id)) {
    SL_TRY(expected_row_, row_of(table, values, kind != TapKind::deleted));
    expected_seen_ = true;
    return {};
  }
  switch (kind) {
    case TapKind::inserted: {
      SL_TRY(const std::uint64_t bytes, row_bytes(table, read_value(values[1]).integer));
      buffer_.add_told(bytes + row_overhead_bytes);
      SL_TRY(const RowId row, row_of(table, values, true));
      return on_inserted(table, row, take_measured(table));
    }
    case TapKind::updated:
      return on_updated(table, values);
    case TapKind::deleted:
      return on_deleted(table, values);
    case TapKind::may_vanish:
      return on_may_vanish(table, values);
  }
  return Error(ErrorCode::invalid_argument, "capture tables are written by triggers only");
}

// What was kept about tables goes when the schema changed.
void Capture::drop_if_stale() {
  if (generation_ != catalog_.generation()) {
    generation_ = catalog_.generation();
    last_table_ = nullptr;
    all_columns_.clear();
    key_statements_.clear();
    row_statements_.clear();
    in_way_statements_.clear();
  }
}

// A row was inserted into a table that has rowids.
Result<void> Capture::on_shared_row(std::span<sqlite3_value* const> values) {
  const std::int64_t tag = read_value(values[0]).integer;
  if (last_table_ == nullptr || tag != last_tag_) {
    constexpr std::int64_t columns = (std::int64_t{1} << shared_tap_bits) - 1;
    SL_TRY(written_table(tag >> shared_tap_bits, tag & columns));
  }
  const TrackedTable& table = *last_table_;
  const RowId row = read_value(values[1]).integer;
  if (expecting_ && is_expected(TapKind::inserted, table.id)) {
    expected_row_ = row;
    expected_seen_ = true;
    return {};
  }
  SL_TRY(const std::uint64_t bytes, row_bytes(table, read_value(values[2]).integer));
  buffer_.add_told(bytes + row_overhead_bytes);
  const std::uint64_t state = unordered_.empty() ? 0 : take_measured(table);
  if (candidates_.empty() && !watching_) {
    buffer_.put(table, row, state);
    return adopting_ ? split_adopted() : Result<void>();
  }
  return on_inserted(table, row, state);
}

bool Capture::is_expected(TapKind kind, TableId table) {
  if (!expecting_ || kind != expected_kind_ || table != expected_table_) {
    return false;
  }
  expecting_ = false;
  return true;
}

// A tracked table that a trigger speaks of, which was made for so many columns of its tap.
Result<const TrackedTable*> Capture::written_table(TableId id, std::int64_t columns) {
  if (last_table_ == nullptr || last_table_->id != id) {
    SL_TRY(last_table_, catalog_.table(id));
    if (tap_column_count(*last_table_) != columns) {
      last_table_ = nullptr;
      return Error(ErrorCode::schema_mismatch,
                   "a tracked table's columns were changed without notice; run SELECT "
                   "syncline_alter_commit() to adapt");
    }
    last_tag_ = shared_tap_tag(*last_table_);
  }
  return last_table_;
}

// A COMMIT may fail and leave its transaction open (the file was busy), and the application may
// write more before it tries again: the log row that was written for the commit is taken back.
Result<void> Capture::reopen() {
  if (connection_.autocommit()) {
    return Error(ErrorCode::unsupported,
                 "a tracked table was written while its transaction was being committed");
  }
  SL_TRY(drop_failed());
  synced_ = false;
  return {};
}

Result<void> Capture::drop_failed() {
  const std::string version = std::to_string(failed_version_.get());
  SL_TRY(connection_.execute("DELETE FROM syncline_log_parts WHERE version = " + version));
  SL_TRY(connection_.execute("DELETE FROM syncline_log WHERE version = " + version));
  log_.forget();
  return listener_ == nullptr ? Result<void>() : listener_->undo_rich();
}

Result<void> Capture::encode_key(const TrackedTable& table, std::span<sqlite3_value* const> values,
                                 bool is_new) {
  key_.clear();
  for (std::size_t i = 0; i < table.key.size(); ++i) {
    const ValueView value = read_value(values[is_new ? tap_new_column(i) : tap_old_column(i)]);
    if (value.is_null()) {
      return null_in_key(table, i);
    }
    write_value(key_, value);
  }
  return {};
}

void Capture::encode_old(const TrackedTable& table, std::span<sqlite3_value* const> values) {
  old_.clear();
  // Column ids rise with time, not always with the table's order.
  for (const int position : table.positions) {
    if (position >= 0) {
      write_value(
          old_, read_value(
                    values[tap_old_column(table.key.size() + static_cast<std::size_t>(position))]));
    }
  }
}

Result<RowId> Capture::row_of(const TrackedTable& table, std::span<sqlite3_value* const> values,
                              bool is_new) {
  if (!table.without_rowid) {
    return read_value(values[is_new ? 2 : 1]).integer;
  }
  SL_TRY(encode_key(table, values, is_new));
  return rowid_of_key(table, key_.bytes());
}

Result<void> Capture::on_inserted(const TrackedTable& table, RowId row, std::uint64_t state) {
  if (!candidates_.empty()) {
    SL_TRY(settle_candidates(table, row, std::nullopt));
  }
  if (watching_) {
    SL_TRY(const ByteVector key, key_of_row(table, row));
    note_acted(table.id, key);
    note_acted_at(table.id, row);
  }
  buffer_.put(table, row, state);
  return adopting_ ? split_adopted() : Result<void>();
}

// A row as an update leaves it.
Result<std::uint64_t> Capture::updated_row_bytes(const TrackedTable& table,
                                                 std::span<sqlite3_value* const> values) {
  std::uint64_t key = 0;
  for (std::size_t i = 0; i < table.key.size(); ++i) {
    key += value_bytes(read_value(values[tap_new_column(i)]));
  }
  if (key > limits::written_key_bytes_max) {
    return key_too_large(table);
  }
  std::uint64_t bytes = key;
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    bytes += value_bytes(read_value(values[tap_new_column(table.key.size() + i)]));
  }
  if (bytes > limits::written_row_bytes_max) {
    return row_too_large(table, bytes);
  }
  return bytes;
}

// A row under another key or rowid is the end of one and the beginning of another.
Result<void> Capture::on_moved(const TrackedTable& table, std::span<sqlite3_value* const> values,
                               RowId old_row, RowId new_row) {
  SL_TRY(encode_key(table, values, true));
  note_acted(table.id, key_.bytes());
  SL_TRY(encode_key(table, values, false));
  note_acted(table.id, key_.bytes());
  note_acted_at(table.id, old_row);
  note_acted_at(table.id, new_row);
  encode_old(table, values);
  ColumnSet& all = all_columns_[table.id];
  if (all.empty()) {
    all = table.all_columns();
  }
  SL_TRY(const bool unordered, is_unordered(table));
  const CaptureBuffer::Between states =
      unordered ? states_of_update(table, values) : CaptureBuffer::Between();
  buffer_.erase(table, old_row, key_.bytes(), all, true, old_.bytes(), states.before);
  buffer_.put(table, new_row, states.after);
  return {};
}

Result<void> Capture::on_updated(const TrackedTable& table,
                                 std::span<sqlite3_value* const> values) {
  bool key_changed = false;
  for (std::size_t i = 0; i < table.key.size() && !key_changed; ++i) {
    key_changed =
        !same_value(read_value(values[tap_old_column(i)]), read_value(values[tap_new_column(i)]));
  }
  SL_TRY(const std::uint64_t bytes, updated_row_bytes(table, values));
  SL_TRY(const RowId old_row, row_of(table, values, false));
  SL_TRY(const RowId new_row, row_of(table, values, true));
  if (!candidates_.empty()) {
    SL_TRY(settle_candidates(table, new_row, old_row));
  }
  if (key_changed || old_row != new_row) {
    SL_TRY(on_moved(table, values, old_row, new_row));
    buffer_.add_told(key_.size() + bytes + 2 * (row_overhead_bytes + stamp_bytes));
    return {};
  }
  SL_TRY(const bool unordered, is_unordered(table));
  changed_.clear();
  old_.clear();
  std::uint64_t told = row_overhead_bytes;
  for (std::size_t id = 0; id < table.positions.size(); ++id) {
    if (table.positions[id] < 0) {
      continue;
    }
    const std::size_t index = table.key.size() + static_cast<std::size_t>(table.positions[id]);
    const ValueView before = read_value(values[tap_old_column(index)]);
    const bool is_edited = table.id == edited_table_ && id == edited_column_;
    const ValueView after = read_value(values[tap_new_column(index)]);
    if (is_edited || !same_value(before, after)) {
      told += value_bytes(after) + stamp_bytes;
      changed_.insert(id);
      write_value(old_, before);
    }
  }
  if (changed_.empty()) {
    return {};
  }
  if (watching_) {
    SL_TRY(encode_key(table, values, true));
    note_acted(table.id, key_.bytes());
    note_acted_at(table.id, new_row);
  }
  if (table.rule == MergeRule::row) {
    SL_TRY(encode_key(table, values, true));
    encode_old(table, values);
    buffer_.over(table, new_row, old_row, key_.bytes(), table.all_columns(), true, old_.bytes(),
                 unordered ? states_of_update(table, values) : CaptureBuffer::Between());
    buffer_.add_told(bytes + row_overhead_bytes + stamp_bytes);
    return {};
  }
  for (std::size_t i = 0; i < table.key.size(); ++i) {
    told += value_bytes(read_value(values[tap_new_column(i)]));
  }
  buffer_.add_told(told);
  if (unordered) {
    SL_TRY(encode_key(table, values, true));
    encode_old(table, values);
    buffer_.set_unordered(table, new_row, changed_, key_.bytes(), old_.bytes(),
                          states_of_update(table, values));
    return {};
  }
  buffer_.set(table, new_row, changed_, true, old_.bytes());
  return {};
}

Result<void> Capture::on_deleted(const TrackedTable& table,
                                 std::span<sqlite3_value* const> values) {
  SL_TRY(const RowId row, row_of(table, values, false));
  SL_TRY(encode_key(table, values, false));
  note_acted(table.id, key_.bytes());
  note_acted_at(table.id, row);
  encode_old(table, values);
  ColumnSet& all = all_columns_[table.id];
  if (all.empty()) {
    all = table.all_columns();
  }
  SL_TRY(const bool unordered, is_unordered(table));
  buffer_.erase(table, row, key_.bytes(), all, true, old_.bytes(),
                unordered ? state_of(table, key_.bytes(), old_.bytes()) : 0);
  buffer_.add_told(key_.size() + row_overhead_bytes + stamp_bytes);
  return {};
}

Result<ByteVector> Capture::key_of_row(const TrackedTable& table, RowId row) {
  Statement& statement = key_statements_[table.id];
  if (!statement) {
    std::string sql = "SELECT ";
    for (std::size_t i = 0; i < table.key.size(); ++i) {
      sql += (i == 0 ? "t." : ",t.") + quote_identifier(table.key[i]);
    }
    if (table.without_rowid) {
      sql = "SELECT key FROM syncline_keys_" + std::to_string(table.id) + " WHERE rid = ?1";
    } else {
      sql +=
          " FROM main." + quote_identifier(table.name) + " t WHERE t." + table.rowid_name + " = ?1";
    }
    SL_TRY(statement, connection_.prepare_kept(sql));
  }
  const ResetGuard guard(statement);
  statement.bind(1, row);
  SL_TRY(const bool found, statement.step());
  if (!found) {
    return ByteVector();
  }
  if (!table.without_rowid) {
    Writer key;
    for (int i = 0; i < static_cast<int>(table.key.size()); ++i) {
      write_value(key, statement.column(i));
    }
    return key.take();
  }
  // The key is remembered for ever; whether the row is there is another question.
  ByteVector key = to_vector(statement.column_blob(0));
  SL_TRY(const std::vector<Value> values, key_values(key));
  std::string names;
  std::string where;
  for (std::size_t i = 0; i < table.key.size(); ++i) {
    const std::string column = quote_identifier(table.key[i]);
    names += (i == 0 ? "" : ",") + column;
    where += (i == 0 ? "" : " AND ") + column + " = ?" + std::to_string(i + 1);
  }
  const std::string sql =
      "SELECT " + names + " FROM main." + quote_identifier(table.name) + " WHERE " + where;
  SL_TRY(Statement exists, connection_.prepare(sql));
  for (std::size_t i = 0; i < values.size(); ++i) {
    exists.bind(static_cast<int>(i) + 1, values[i].view());
  }
  SL_TRY(const bool there, exists.step());
  // A key that is equal only to the column's collation is another row's.
  Writer standing;
  for (std::size_t i = 0; there && i < values.size(); ++i) {
    write_value(standing, exists.column(static_cast<int>(i)));
  }
  return there && equal_bytes(standing.bytes(), key) ? key : ByteVector();
}

Result<RowId> Capture::rowid_of_key(const TrackedTable& table, Bytes key) {
  Statement& statement = rid_statements_[table.id];
  if (!statement) {
    // RETURNING answers for a key that is known, too.
    SL_TRY(statement,
           connection_.prepare_kept(
               "INSERT INTO syncline_keys_" + std::to_string(table.id) +
               "(key) VALUES(?1) ON CONFLICT(key) DO UPDATE SET key = key RETURNING rid"));
  }
  const std::int64_t last_rowid = connection_.last_insert_rowid();
  const ResetGuard guard(statement);
  statement.bind_blob(1, key);
  SL_TRY(const bool row, statement.step());
  SL_CHECK(row);
  const RowId rid = statement.column_int(0);
  SL_TRY(statement.step());
  connection_.set_last_insert_rowid(last_rowid);
  return rid;
}

Result<void> Capture::on_sync() {
  if (synced_) {
    return {};
  }
  SL_TRY(settle_watched());
  if (buffer_.empty()) {
    return {};
  }
  if (failed_version_ != LocalVersion()) {
    SL_TRY(drop_failed());
  }
  SL_TRY(synced_, write_change());
  if (synced_) {
    failed_version_ = row_.version;
  }
  return {};
}

// False when nothing is left of what the transaction did.
Result<bool> Capture::write_change() {
  // Whose change this is, the file says now: another connection may have given it another id.
  SL_TRY(head_, log_.head());
  clock_.advance_to(head_.hlc);
  row_ = LogRow();
  row_.version = head_.version.next();
  row_.sequence = head_.own_sequence.next();
  row_.time = clock_.tick();
  parts_ = 0;
  rich_bytes_ = 0;
  // The application reads last_insert_rowid() after its own insert, not after ours.
  const std::int64_t last_rowid = connection_.last_insert_rowid();
  written_tables_ = buffer_.tables();
  const Catalog::Hold hold(catalog_);
  SL_TRY(check_change());
  for (const TableId id : written_tables_) {
    SL_TRY(const TrackedTable* table, catalog_.table(id));
    SL_TRY(write_table(*table, Stamp{row_.time, replica_}));
  }
  if (rich_bytes_ + told_bytes_ > limits::change_bytes_max) {
    return change_too_large(rich_bytes_ + told_bytes_);
  }
  const bool any = !body_.empty() || parts_ > 0;
  if (any) {
    SL_TRY(flush_part(false));
  }
  connection_.set_last_insert_rowid(last_rowid);
  return any;
}

Result<void> Capture::flush() {
  SL_TRY(settle_watched());
  if (buffer_.empty()) {
    return {};
  }
  if (synced_) {
    SL_TRY(reopen());
  }
  if (!buffer_.marks_are_empty()) {
    return Error(ErrorCode::busy,
                 "changes cannot be applied under a savepoint inside a transaction that wrote to "
                 "tracked tables before it; release the savepoint or commit first");
  }
  SL_TRY(const bool wrote, write_change());
  if (wrote) {
    flushed_.push_back({row_.version, row_.sequence, written_tables_});
    if (listener_ != nullptr) {
      listener_->keep_rich();
    }
  }
  buffer_.drop_ops();
  candidates_.clear();
  acted_.clear();
  acted_at_.clear();
  return {};
}

void Capture::watch(bool watching) {
  watching_ = watching;
  acted_.clear();
  acted_at_.clear();
}

void Capture::note_acted(TableId table, Bytes key) {
  if (watching_) {
    acted_.insert(hash64(key) ^ static_cast<std::uint64_t>(table));
  }
}

void Capture::note_acted_at(TableId table, RowId row) {
  if (watching_) {
    acted_at_.try_emplace({table, row}, ++acts_);
  }
}

bool Capture::has_acted_at(TableId table, RowId row) const {
  const auto found = acted_at_.find({table, row});
  return found != acted_at_.end() && found->second <= acts_before_expected_;
}

bool Capture::has_acted(TableId table, Bytes key) const {
  return !acted_.empty() && acted_.count(hash64(key) ^ static_cast<std::uint64_t>(table)) != 0;
}

Result<void> Capture::write_table(const TrackedTable& table, const Stamp& stamp) {
  bool begun = false;
  const bool rich = table.has_rich();
  return buffer_.for_each_run(
      table.id, [&](RowId row) { return key_of_row(table, row); },
      [&](RowId row) { return state_of_row(table, row); },
      [&](const LogRun& run) -> Result<void> {
        if (body_.size() >= body_part_bytes) {
          SL_TRY(flush_part(true));
          begun = false;
        }
        if (!begun) {
          body_.begin_table(table.id);
          begun = true;
        }
        if (rich && listener_ != nullptr) {
          const std::size_t before = body_.size();
          SL_TRY(listener_->describe_rich(table, run, stamp, body_));
          rich_bytes_ += body_.size() - before;
          return {};
        }
        body_.run(run);
        return {};
      });
}

Result<void> Capture::flush_part(bool more) {
  const ByteVector part = body_.finish();
  if (parts_ == 0) {
    row_.form = more ? LogForm::runs_parts : LogForm::runs;
    SL_TRY(log_.append(head_, row_, part, {}));
  } else if (!part.empty()) {
    SL_TRY(log_.append_part(row_.version, parts_, part));
  }
  ++parts_;
  return {};
}

void Capture::on_commit() {
  failed_version_ = LocalVersion();
  watched_.reset();
  buffer_.clear();
  candidates_.clear();
  if (synced_) {
    synced_ = false;
    flushed_.push_back({row_.version, row_.sequence, written_tables_});
    log_.committed();
  }
  const std::vector<Flushed> done = std::move(flushed_);
  flushed_.clear();
  for (const Flushed& change : done) {
    if (listener_ != nullptr) {
      listener_->on_captured(change.version, change.sequence, change.tables);
    }
  }
}

void Capture::on_rollback() {
  const bool had_any = synced_ || !buffer_.empty() || !flushed_.empty();
  synced_ = false;
  failed_version_ = LocalVersion();
  watched_.reset();
  buffer_.clear();
  candidates_.clear();
  flushed_.clear();
  body_.finish();
  forget_schemas();
  expecting_ = false;
  expected_seen_ = false;
  engine_writing_ = false;
  edited_table_ = 0;
  log_.forget();
  if (had_any && listener_ != nullptr) {
    listener_->on_rolled_back();
  }
}

void Capture::on_rollback_to(int level) {
  buffer_.rollback_to_mark(level);
  candidates_.clear();
  if (watched_ != nullptr && level < watched_->level) {
    watched_.reset();
  }
  forget_schemas();
  // What a failed commit had written may be taken back with the savepoint: it is written again.
  synced_ = false;
  for (Flushed& change : flushed_) {
    change.version = LocalVersion();
  }
  log_.forget();
  if (listener_ != nullptr) {
    listener_->on_rolled_back_to();
  }
}

}  // namespace syncline
