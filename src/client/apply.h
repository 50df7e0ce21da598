#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "client/capture.h"
#include "client/capture_buffer.h"
#include "client/clocks.h"
#include "client/extract.h"
#include "client/foreign_keys.h"
#include "client/held.h"
#include "client/row_store.h"
#include "client/seen.h"
#include "model/conflict.h"
#include "model/merge.h"
#include "wire/change_codec.h"

namespace syncline {

// Two edits of which neither had seen the other, noticed while applying.
struct ConflictNote {
  Conflict conflict;
  MergeRule rule = MergeRule::lww;
  // One of the two is this replica's own change.
  bool ours = false;
};

// A document that others changed.
struct DocumentNote {
  std::string table;
  ByteVector key;
  std::string column;

  friend bool operator<(const DocumentNote& a, const DocumentNote& b) {
    return std::tie(a.table, a.key, a.column) < std::tie(b.table, b.key, b.column);
  }
};

struct ApplyReport {
  std::uint64_t changes = 0;
  std::uint64_t repeated = 0;  // changes that were here already
  std::uint64_t rows = 0;
  std::uint64_t held = 0;
  // Something came whose author's changes before it may be missing: rows as they stood, or a change
  // that follows none that is known here.
  bool leaped = false;
  std::vector<TableId> tables;
  std::vector<ConflictNote> conflicts;
  std::set<DocumentNote> documents;
};

// Merges changes from elsewhere into the application's tables.
//
// Invariants:
// 1. A change is applied whole, in the caller's transaction, or not at all (P6).
// 2. A change that was applied before changes nothing (P2).
// 3. A row that the schema refuses is held and blocks nothing (P7); columns that the schema does
// not
//    know are kept (P8).
class Apply final : private RowStore::Scribe {
 public:
  struct Parts {
    Connection connection;
    Catalog& catalog;
    LocalLog& log;
    Clocks& clocks;
    Origins& origins;
    Capture& capture;
    TableSet& tables;
    Extract& extract;
    RowStore& rows;
    Held& held;
    Seen& seen;
    HybridClock& clock;
  };
  explicit Apply(const Parts& parts)
      : parts_(parts), foreign_key_graph_(parts.connection, parts.catalog) {
    parts_.rows.set_scribe(this);
  }
  ~Apply() override { parts_.rows.set_scribe(nullptr); }
  Apply(const Apply&) = delete;
  Apply& operator=(const Apply&) = delete;

  // Reads state that other connections may have changed. First call of a transaction, whose last is
  // finish(), or abandon() after an error.
  Result<void> begin(std::size_t bytes_expected);
  // One part of a change; parts come in order. Nothing is logged before the last one.
  Result<void> part(Bytes part, ApplyReport& report);
  enum class Learned : std::uint8_t {
    known,    // it was here already
    whole,    // it is in the log as it came
    as_rows,  // another change has its number here, so that nobody could be told both
  };
  // All parts of a change, which is kept whole in the log, to be told to others under the identity
  // it was made with.
  Result<Learned> learn(std::span<const Bytes> parts, ApplyReport& report);
  // Ends the transaction's work: settles foreign keys, retries held rows, stores what was seen.
  Result<void> finish(ApplyReport& report);
  // Forgets a change whose parts have not all come.
  void abandon();
  // The newest time that a row had which came as a state: no row of the log remembers it.
  std::uint64_t newest_state() const { return newest_state_; }
  Result<void> observe_state(std::uint64_t time) {
    SL_TRY(parts_.clock.observe(time));
    newest_state_ = std::max(newest_state_, time);
    return {};
  }

  // Makes a row exactly this, whatever it was, and without a change that says so; a state of
  // nothing takes the row away without ending it. Each row once before end_states().
  Result<void> become(const std::string& table, Bytes key, const RowState& state,
                      ApplyReport& report);
  // Logs what become() did.
  Result<void> end_states(ApplyReport& report);

  // Must be called before a row is read that will then be written: what the application's triggers
  // did to it meanwhile is logged first.
  Result<void> before_touching(TableId table, Bytes key);
  // Where whoever changes rows inside begin() and finish() notes what was done.
  CaptureBuffer& ops() { return ops_; }
  // Tries held rows of the tables again, all when `table` is empty; returns how many were
  // installed.
  Result<std::uint64_t> retry_held(const std::string& table, ApplyReport& report);

 private:
  struct Incoming;
  struct LoggedTime {
    std::int64_t origin = 0;
    std::int64_t sequence = 0;
    std::int64_t time = 0;
    auto operator<=>(const LoggedTime&) const = default;
  };

  Result<void> switch_triggers_off();
  void switch_triggers_on();
  Result<void> begin_change(const PartHeader& header, ApplyReport& report);
  Result<void> end_change(ApplyReport& report);
  Result<void> rows_of(RowReader& reader, ApplyReport& report);
  Result<void> one_row(Incoming& incoming, RowReader& reader, ApplyReport& report);
  Result<bool> fast_put(Incoming& incoming, RowReader& reader);
  Result<bool> fast_set(Incoming& incoming, RowReader& reader);
  Result<bool> fast_state(Incoming& incoming, RowReader& reader);
  // True when the row ends behind everything else that its change does (apply_ends.cc).
  Result<bool> ends_later(TableAccess& access, const RowReader& reader);
  Result<void> settle_ends(ApplyReport& report);
  void forget_ends();
  Result<void> spare_children(const TrackedTable& table, Bytes key, ApplyReport& report);
  Result<void> merge_row(Incoming& incoming, RowReader& reader, ApplyReport& report);
  void note_documents(const TrackedTable& table, Bytes key, const RowState& before,
                      const RowState& after, ApplyReport& report);
  Result<void> note_conflicts(const TrackedTable& table, Bytes key,
                              std::span<const Concurrency> pairs, const LoadedRow& before,
                              const RowState& after, ApplyReport& report);
  Result<void> hold(TableAccess* access, const std::string& table, Bytes key, const RowState& state,
                    const Error& error, ApplyReport& report);
  Result<void> store_or_hold(TableAccess& access, Bytes key, const LoadedRow& before,
                             const RowState& after, ApplyReport& report);
  Result<void> hold_whole(TableAccess& access, Bytes key, const LoadedRow& before,
                          const RowState& state, const Error& error, ApplyReport& report);
  // Moves rows with younger lives out of the way of a row that a UNIQUE constraint refused; true
  // when the row may be tried again.
  Result<bool> evict_younger(TableAccess& access, Bytes key, const RowState& state,
                             ApplyReport& report);
  Result<void> hold_standing(TableAccess& access, Bytes key, const LoadedRow& row,
                             const Error& error, ApplyReport& report);
  Result<void> hold_dangling(const ForeignKeys::Row& row, ApplyReport& report);
  Result<void> hold_children(const TrackedTable& table, Bytes key, ApplyReport& report);
  Result<void> remove_standing(TableAccess& access, Bytes key, const LoadedRow& row,
                               ApplyReport& report);
  Result<void> settle_foreign_keys(ApplyReport& report);
  Result<bool> retry_one(const HeldRow& held, ApplyReport& report);
  Result<void> write_log(const LogRow& row);
  Result<void> write_learned(const PartHeader& header);
  Result<void> end_our_change(const PartHeader& header);
  Result<bool> have_made(const PartHeader& header);
  Result<bool> has_other_time(OriginId origin, const PartHeader& header);
  static Error copy_has_written();
  Result<std::vector<ByteVector>> encode_ops();
  Result<void> enter_pending();
  Result<void> spell_out_ops();
  Result<void> log_so_far();
  Result<void> settle_captured() override;
  Result<void> spell_out(const TrackedTable& table, const LogRun& run, CaptureBuffer& out);

  Parts parts_;
  std::optional<PartHeader> running_;
  bool skipping_ = false;
  // The running change has the number of another one that is here.
  bool is_another_ = false;
  std::uint64_t next_part_ = 0;
  // The parts of the running change, when it is to be kept whole.
  std::span<const Bytes> learning_;
  // Of a change that a copy of this database made under our name.
  std::vector<ByteVector> our_parts_;
  // Some of the running change came as states: others are told so what a server has.
  bool holds_states_ = false;
  // Of the changes in the log, sorted, once one was told again since begin().
  std::vector<LoggedTime> times_;
  ClockTime time_;
  Stamp stamp_;
  CaptureBuffer ops_;
  // Of the running change: rows that end later, and its parts that name them.
  std::set<ForeignKeys::Row> ends_;
  std::vector<ByteVector> parts_with_ends_;
  bool settling_ends_ = false;
  bool foreign_keys_ = false;
  // Deferred for this call only.
  bool defer_ = false;
  ForeignKeys foreign_key_graph_;
  // Rows whose removal is under way.
  std::set<ForeignKeys::Row> leaving_;
  // A row left its table without SQLite's counting what points to it.
  bool uncounted_ = false;
  std::uint64_t newest_state_ = 0;
};

}  // namespace syncline
