#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <unordered_set>
#include <vector>

#include "client/cached_statement.h"
#include "client/capture_buffer.h"
#include "client/catalog.h"
#include "client/local_log.h"
#include "client/row_content.h"
#include "client/triggers.h"
#include "model/hlc.h"
#include "sqlite/write_sink.h"

namespace syncline {

// Turns an application's writes into log rows, inside the transaction that makes them (P1).
//
// Invariants:
// 1. A transaction that changed tracked rows has exactly one own log row, written in its commit; if
//    that cannot be written, the commit fails. Only one in which changes from elsewhere were
//    applied may have several: docs/decisions/0008.
// 2. What was rolled back, to a savepoint or wholly, is not in the log.
// 3. Writes that the engine makes to install remote changes are not captured; what the
// application's
//    triggers write then is.
class Capture final : public WriteSinkFactory {
 public:
  Capture(Connection connection, Catalog& catalog, LocalLog& log, HybridClock& clock)
      : connection_(connection), catalog_(catalog), log_(log), clock_(clock) {}
  ~Capture() override;

  // The next write to this table is the engine's own: see invariant 3.
  void expect(TapKind kind, const TrackedTable& table) {
    expected_kind_ = kind;
    expected_table_ = table.id;
    expecting_ = true;
    engine_writing_ = true;
    acts_before_expected_ = acts_;
  }
  // The row of the write that was expected, once it has happened; nothing when it has not, because
  // the statement did nothing.
  std::optional<RowId> expected_row();
  // While triggers are off nothing arrives here: then only the engine writes.
  void set_tapped(bool tapped) {
    tapped_ = tapped;
    watched_.reset();
  }
  bool is_tapped() const { return tapped_; }

  // Puts rows of a table that capture has not seen (its first tracking, a rescan) into the running
  // transaction's change.
  void put_row(const TrackedTable& table, RowId row) { buffer_.put(table, row); }

  // Rows that are put while adopting were no one's transaction: they may become several changes,
  // each small enough for every device.
  void set_adopting(bool adopting) { adopting_ = adopting; }

  // An edit of a document: the next update of the table counts as one of that column, whatever it
  // does to the value; then the edit is staged for the row.
  void expect_edit(const TrackedTable& table, std::uint16_t column) {
    edited_table_ = table.id;
    edited_column_ = column;
  }
  void end_edit() { edited_table_ = 0; }
  CaptureBuffer& buffer() { return buffer_; }
  // Between expect() and expected_row(): what is written is not the application's.
  bool is_engine_writing() const { return engine_writing_; }

  // Writes what the running transaction did so far as a change of its own, because what comes next
  // must stand behind it in the log. Fails with `busy` under a savepoint that could take back only
  // a part of it.
  Result<void> flush();
  // While changes from elsewhere are applied: which keys the application's triggers and foreign key
  // actions wrote. More than these may be named, never fewer.
  void watch(bool watching);
  bool has_acted(TableId table, Bytes key) const;
  // The same of where rows stood before the last write that was expected: a rowid that became free
  // is given away again.
  bool has_acted_at(TableId table, RowId row) const;

  // Called after each commit that wrote a log row of our own, and after rollbacks.
  class Listener {
   public:
    virtual ~Listener() = default;
    // `version` is zero when these tables were written, but a savepoint may have taken it back.
    virtual void on_captured(LocalVersion version, ChangeSequence sequence,
                             std::span<const TableId> tables) = 0;
    virtual void on_rolled_back() = 0;
    // A savepoint took back some of what was captured.
    virtual void on_rolled_back_to() = 0;
    // Writes a run of a table that has columns with rules of their own (counter, json, text, doc),
    // and what others must know of those that it changed.
    virtual Result<void> describe_rich(const TrackedTable& table, const LogRun& run,
                                       const Stamp& stamp, LogBodyWriter& out) = 0;
    // The commit that this was described for failed, and it will be described again.
    virtual Result<void> undo_rich() = 0;
    // It will not.
    virtual void keep_rich() = 0;
    // The last of our tables was disconnected; the connection may be closing.
    virtual void on_disconnected() = 0;
  };
  void set_listener(Listener* listener) { listener_ = listener; }
  void set_replica(const ReplicaId& replica) { replica_ = replica; }

  // A row is about to be inserted that may replace others: in_way_function's arguments.
  Result<void> look_in_way(std::span<const ValueView> values);
  // How large a row is that is being inserted: row_bytes_function's arguments.
  std::int64_t measure(std::span<sqlite3_value* const> values);
  // Whether the statements that run now may replace rows: their SQL or the schema's says REPLACE.
  // Asked for every row that is inserted.
  Result<bool> may_replace();

  bool has_sinks() const { return sinks_ > 0; }
  bool has_pending() const { return !buffer_.empty(); }
  void release();

  // The number under which a key of a WITHOUT ROWID table is known here; given at first use.
  Result<RowId> rowid_of_key(const TrackedTable& table, Bytes key);
  // The encoded key of a row that is in the table; empty when there is none.
  Result<ByteVector> key_of_row(const TrackedTable& table, RowId row);

  // WriteSinkFactory
  Result<std::unique_ptr<WriteSink>> connect(std::span<const std::string> arguments,
                                             int& column_count) override;
  void disconnected() override;

 private:
  class Sink;
  // What stood in tables when a statement began that a trigger may stop in the middle: what was
  // written until then stays, and nobody tells of it.
  struct Watched {
    struct Row {
      RowId row = 0;
      std::uint64_t state = 0;
      ByteVector key;
      ByteVector values;
    };
    using Rows = std::vector<Row>;  // by their rowids
    struct Table {
      TableId id = 0;
      std::size_t position = 0;  // in the buffer
      Rows rows;
    };

    int level = 0;  // of the statement's savepoint
    bool is_over = false;
    std::vector<Table> tables;
  };
  static constexpr int unknown_level = -1;
  // A row that may be replaced by the row that is being written.
  struct Candidate {
    TableId table = 0;
    RowId row = 0;
    ByteVector key;
    ByteVector old_values;
    // The key of the row that is being written; empty when SQLite still has to choose it.
    ByteVector writer;
    bool is_noted = false;  // in the buffer, as one that may end
  };

  void drop_if_stale();
  Result<void> look_at_schema();
  // After a rollback SQLite gives a schema's number again to another schema.
  void forget_schemas() {
    schemas_.reset();
    replace_checks_ = 0;
    schema_looked_at_ = false;
  }
  Result<void> look_at_new_schema();

  // client/capture_stops.cc
  // A statement or a savepoint begins. Before anything of it is written.
  Result<void> on_statement(int level) {
    return schema_looked_at_ && unordered_.empty() && watched_ == nullptr
               ? Result<void>()
               : on_watched_statement(level);
  }
  Result<void> on_watched_statement(int level);
  void on_released(int level) {
    if (watched_ != nullptr && level <= watched_->level) {
      watched_->is_over = true;
    }
  }
  Result<void> watch_statement(int level);
  Result<void> settle_watched();
  Result<void> settle_watched_table(const TrackedTable& table, const Watched::Rows& before,
                                    std::size_t position);
  Result<Watched::Rows> standing_rows(const TrackedTable& table);
  Result<RowId> known_rowid_of_key(const TrackedTable& table, Bytes key);
  Result<bool> spell(const TrackedTable& table, const Watched::Rows& before,
                     const Watched::Rows& now);
  Result<void> note_unheard(const TrackedTable& table, RowId row, const Watched::Row* before,
                            const Watched::Row* now);
  Result<void> reopen();
  Result<void> drop_failed();
  Result<void> on_row(TableId table, std::span<sqlite3_value* const> values);
  Result<const TrackedTable*> written_table(TableId id, std::int64_t columns);
  Result<void> on_shared_row(std::span<sqlite3_value* const> values);
  bool is_expected(TapKind kind, TableId table);
  Result<void> on_inserted(const TrackedTable& table, RowId row, std::uint64_t state);
  Result<void> on_updated(const TrackedTable& table, std::span<sqlite3_value* const> values);
  Result<void> on_moved(const TrackedTable& table, std::span<sqlite3_value* const> values,
                        RowId old_row, RowId new_row);
  Result<void> on_deleted(const TrackedTable& table, std::span<sqlite3_value* const> values);
  Result<void> on_may_vanish(const TrackedTable& table, std::span<sqlite3_value* const> values);
  Result<bool> load_row(const TrackedTable& table, RowId row);
  void add_candidate(const TrackedTable& table, RowId row, ByteVector writer);
  Result<void> settle_candidates(const TrackedTable& table, RowId written,
                                 std::optional<RowId> updated);
  Result<RowId> row_of(const TrackedTable& table, std::span<sqlite3_value* const> values,
                       bool is_new);
  // Encodes the key (old or new half) into key_, checking for NULL.
  Result<void> encode_key(const TrackedTable& table, std::span<sqlite3_value* const> values,
                          bool is_new);
  // Whether of the table's rows is heard in another order than they are written
  // (client/event_order). Asked for every row that is updated.
  Result<bool> is_unordered(const TrackedTable& table);
  // Contents of rows (client/row_net): of the table's row, of encoded ones, of an update's, and of
  // the row that was measured last.
  Result<std::uint64_t> state_of_row(const TrackedTable& table, RowId row);
  static std::uint64_t state_of(const TrackedTable& table, Bytes key, Bytes values);
  static CaptureBuffer::Between states_of_update(const TrackedTable& table,
                                                 std::span<sqlite3_value* const> values);
  std::uint64_t take_measured(const TrackedTable& table);
  Result<ByteVector> values_of_row(const TrackedTable& table, RowId row);
  void encode_old(const TrackedTable& table, std::span<sqlite3_value* const> values);

  Result<std::uint64_t> updated_row_bytes(const TrackedTable& table,
                                          std::span<sqlite3_value* const> values);
  Result<void> check_change();
  Result<void> split_adopted();
  Result<std::uint64_t> told_of_run(const TrackedTable& table, const LogRun& run);
  Result<void> on_sync();
  Result<bool> write_change();
  void note_acted(TableId table, Bytes key);
  void note_acted_at(TableId table, RowId row);
  Result<void> write_table(const TrackedTable& table, const Stamp& stamp);
  Result<void> flush_part(bool more);
  void on_commit();
  void on_rollback();
  void on_rollback_to(int level);

  Connection connection_;
  Catalog& catalog_;
  LocalLog& log_;
  HybridClock& clock_;
  Listener* listener_ = nullptr;
  ReplicaId replica_;
  int sinks_ = 0;

  CaptureBuffer buffer_;
  std::vector<Candidate> candidates_;
  std::uint64_t generation_ = 0;
  // What may_replace() knows, until another statement is prepared.
  int replace_checks_ = 0;  // since then
  bool schema_replaces_ = false;
  bool statements_replace_ = false;
  // The schemas that schema_replaces_ is about, by SQLite's numbers: main and temp.
  std::optional<std::pair<std::int64_t, std::int64_t>> schemas_;
  std::set<TableId> unordered_;  // tables, of the same schemas
  bool schema_stops_ = false;    // some trigger of them may stop a statement in the middle
  // Since a statement that fires our triggers was prepared: whoever changes a schema makes them be
  // prepared anew. Files whose triggers were made before they told of that have it untold.
  bool schema_looked_at_ = false;
  bool updates_tell_ = false;
  std::unique_ptr<Watched> watched_;
  RowContent measured_;
  std::size_t measured_count_ = 0;
  CachedStatement read_main_schema_{"PRAGMA main.schema_version"};
  CachedStatement read_temp_schema_{"PRAGMA temp.schema_version"};
  const TrackedTable* last_table_ = nullptr;
  std::int64_t last_tag_ = 0;  // of last_table_
  ColumnSet changed_;
  Writer key_;
  Writer old_;
  std::map<TableId, ColumnSet> all_columns_;

  bool tapped_ = true;
  bool adopting_ = false;
  bool expecting_ = false;
  bool engine_writing_ = false;
  TableId edited_table_ = 0;
  std::uint16_t edited_column_ = 0;
  bool expected_seen_ = false;
  RowId expected_row_ = 0;
  TapKind expected_kind_ = TapKind::inserted;
  TableId expected_table_ = 0;

  // The change being written, between on_sync and on_commit.
  bool synced_ = false;
  // A log row of this transaction that a failed commit wrote; it may be there still, or again.
  LocalVersion failed_version_;
  LogHead head_;
  LogRow row_;
  LogBodyWriter body_;
  std::uint64_t parts_ = 0;
  // Of the change that is being written: values and keys, and edits of documents.
  std::uint64_t told_bytes_ = 0;
  std::uint64_t rich_bytes_ = 0;
  std::vector<TableId> written_tables_;

  // Changes of this transaction that flush() wrote.
  struct Flushed {
    LocalVersion version;
    ChangeSequence sequence;
    std::vector<TableId> tables;
  };
  std::vector<Flushed> flushed_;
  bool watching_ = false;
  std::unordered_set<std::uint64_t> acted_;  // hashes of table and key
  // Where they wrote, and at which of their acts first.
  std::map<std::pair<TableId, RowId>, std::uint64_t> acted_at_;
  std::uint64_t acts_ = 0;
  std::uint64_t acts_before_expected_ = 0;

  std::map<TableId, Statement> key_statements_;
  std::map<TableId, Statement> row_statements_;
  std::map<TableId, Statement> in_way_statements_;
  std::map<TableId, Statement> rid_statements_;
};

}  // namespace syncline
