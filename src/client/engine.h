#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/function_ref.h"
#include "base/random.h"
#include "client/apply.h"
#include "client/capture.h"
#include "client/catalog.h"
#include "client/change_file.h"
#include "client/clocks.h"
#include "client/conflicts.h"
#include "client/documents.h"
#include "client/events.h"
#include "client/extract.h"
#include "client/held.h"
#include "client/keepsakes.h"
#include "client/local_log.h"
#include "client/meta.h"
#include "client/origins.h"
#include "client/outbox.h"
#include "client/rejected.h"
#include "client/rich.h"
#include "client/row_store.h"
#include "client/row_sums.h"
#include "client/schema_change.h"
#include "client/seen.h"
#include "client/set_aside.h"
#include "client/unsent.h"
#include "model/digest.h"
#include "model/hlc.h"
#include "model/schema.h"
#include "session/client_session.h"
#include "session/peer_session.h"

namespace syncline {

// One connection's replica: owns the parts of client/ and knows their order. Not thread-safe, as
// its connection is not. Several engines, in several processes, may share one file.
class Engine final : private Capture::Listener, private LocalLog::Watcher {
 public:
  struct Parts {
    Connection connection;
    // Both outlive the engine.
    WallClock* clock = nullptr;
    Random* random = nullptr;
    // Keep prepared statements between calls. Only for whoever closes the connection himself and
    // calls release() before: SQLite refuses to close over open statements.
    bool keep_statements = false;
  };

  // Whoever must know which tables changed (live queries).
  class Listener {
   public:
    virtual ~Listener() = default;
    // After a commit of this connection's that wrote these tables, or after remote changes.
    virtual void on_commit(std::span<const TableId> tables) = 0;
  };
  void set_listener(Listener* listener) { listener_ = listener; }

  // Registers capture on the connection; changes nothing in the file. The engine must live until
  // the connection has been closed.
  static Result<std::unique_ptr<Engine>> attach(const Parts& parts);
  ~Engine() override;
  // Lets go of all prepared statements; they come back when needed.
  void release();

  // Makes the database a replica if it is none: our tables, and an id of its own. Idempotent.
  Result<void> initialise();
  Result<ReplicaId> replica();

  // Starts syncing a table with the rows it has. Idempotent; changes the rules of a table that is
  // tracked already.
  Result<void> track(const std::string& table, const TrackOptions& options);
  // What may go wrong with a table that is tracked, for whoever tracked it; empty when nothing.
  Result<std::string> tracking_warning(const std::string& table);
  Result<void> untrack(const std::string& table);

  // The application runs its own DDL between the two; see client/schema_change.h.
  Result<void> alter_begin();
  Result<void> alter_commit();
  // What others must agree on before they exchange rows.
  Result<Schema> schema();

  struct Counts {
    std::uint64_t pending = 0;
    std::uint64_t rejected = 0;
    std::uint64_t held = 0;
    std::uint64_t conflicts = 0;
  };
  Result<Counts> counts();
  // What somebody has to look at, though everything is in step; empty when there is nothing.
  static std::string attention_text(const Counts& counts);
  // The same and more as a JSON object, for people and scripts.
  Result<std::string> status_json();

  // What waits for the server; see client/outbox.h.
  Result<std::vector<OutboxChange>> outbox(LocalVersion after, std::size_t bytes_max);
  Result<void> acknowledge(LocalVersion through);
  // Changes from the server and the cursor they lead to, in one transaction.
  Result<ApplyReport> apply_remote(std::span<const Bytes> parts, ServerVersion cursor);

  // Unsent changes as a file of changes, and back: under their identities, to be sent from here.
  Result<ByteVector> export_pending();
  Result<ApplyReport> import_pending(Bytes file);

  Result<std::vector<ConflictRow>> conflicts();
  Result<void> resolve(const std::string& id, Resolution how, const ValueView& value);
  // Tries rows again that the schema could not take; returns how many it took.
  Result<std::uint64_t> retry_held();

  // Finds rows that were written without capture (triggers dropped, a file repaired) and puts them
  // into a change; returns how many.
  Result<std::uint64_t> rescan();
  // Folds, strips and prunes the log, and forgets tombs older than `horizon_ms` (wall time): every
  // replica has passed it. Nothing unsent goes.
  Result<void> collect_garbage(std::int64_t horizon_ms);
  // One sum that replicas with the same rows share (model/digest).
  Result<Digest> digest();

  // The newest version of the replica's own log; what changes_since() is asked with.
  Result<LocalVersion> version();
  // Everything that this database came to hold after `since`, whoever wrote it, as a file of
  // changes (client/change_file).
  Result<ByteVector> changes_since(LocalVersion since);
  // Merges such a file: all of it or nothing. Repeating it changes nothing.
  Result<ApplyReport> apply_file(Bytes file);

  // --- The conversation with a server: what client/replica_host performs for a session. Each call
  // is one transaction.

  // This file speaks for a workspace from now on, under a new epoch. Fails with `invalid_argument`
  // when it is another workspace's.
  Result<void> open_session(const std::string& workspace);
  // `tables`: subscribed ones, for the digest; empty means all.
  Result<ReplicaFacts> facts(const std::vector<std::string>& tables);
  // The digest over these tables, all when there are none; costs what changed since the last call.
  Result<Digest> digest_of_tables(const std::vector<std::string>& tables);
  Result<LogHead> log_head();
  // Up to where the log holds nothing after `from` but what calls since then merged: others' news
  // between end it.
  void follow_merges(LocalVersion from) { merged_through_ = from; }
  LocalVersion merged_through() const { return merged_through_; }
  // Own changes after this one, whole and in order, at least one if there is any.
  Result<std::vector<OutboxPart>> own_changes(ChangeSequence after, std::size_t bytes_max);
  Result<void> acknowledge(ChangeSequence through);
  Result<void> unacknowledge(ChangeSequence through);
  // An own change is refused for good: it leaves the rows, which become the server's states under
  // what is still unsent. False when the server did not tell all of its rows: compare them.
  Result<bool> reject(const Rejected& refused);
  // Every own change that is not acknowledged becomes a rejected one with this reason, and a change
  // of nothing in the outbox (client/set_aside). The last own sequence, through which this holds.
  Result<ChangeSequence> set_aside_unsent(const std::string& code, const std::string& message);
  // Whether changes were set aside since the last call, here or because they cannot be sent: the
  // rows are to be compared with the server's.
  bool take_set_aside();
  Result<void> save_welcome(const effect::SaveWelcome& welcome);
  // Every call that moves the cursor or what is acknowledged stores it, too.
  void keep_receipt(const Receipt& receipt) { receipt_ = receipt; }
  Result<void> correct_clock(std::int64_t offset_ms);
  Result<ApplyReport> apply_page(const SnapshotPage& page);
  Result<void> finish_snapshot(ServerVersion cursor);
  // What a snapshot or a rescan brought row by row is whole transactions again.
  Result<void> note_whole();
  // Keeps a copy of all unsent changes; empty when there are none.
  Result<ByteVector> salvage(const std::string& reason);

  // Begins anew: everything that came from a server goes, to come again as to a new replica. What
  // is unsent stays, under its identities and in the tables (P5). Returns it as a file, too; the
  // database keeps a copy. Fails with `busy` inside a transaction.
  Result<ByteVector> resync();
  // Another connection did so since facts() was asked, or gave the file another id or its changes
  // other stamps: what a session knows is void.
  Result<bool> was_renewed();

  // The next conversation begins with a rescan.
  Result<void> want_rescan();
  Result<void> begin_rescan();
  Result<std::vector<ByteVector>> compare_ranges(const RangeDigests& digests);
  Result<ApplyReport> adopt_range(const RangeRows& rows);
  Result<void> finish_rescan(ServerVersion cursor);

  // Own changes after this one get stamps of now: a wrong clock had made theirs.
  Result<void> restamp(ChangeSequence after);
  // This file is a copy of another: see effect::Reidentify.
  // Answers with what stays under the old name: the last own change that the server knows under it.
  Result<ChangeSequence> reidentify(const effect::Reidentify& how);
  // --- Peers: what client/peer_host performs ---
  Result<PeerFacts> peer_facts();
  struct PeerChanges {
    std::vector<ByteVector> parts;
    // Where in the log to look next.
    LocalVersion through;
    // The log does not reach back to what the peer lacks of somebody's changes.
    bool has_gap = false;
  };
  // Whole changes of anybody's in the log after `from` that `seen` does not cover, each replica's
  // without gaps.
  Result<PeerChanges> peer_changes(const VersionVector& seen, LocalVersion from,
                                   std::size_t bytes_max);
  // Merges a change and keeps it whole, to be told to others under the identity it was made with.
  Result<ApplyReport> learn(std::span<const ByteVector> parts);
  // Others' changes that were learned whole and that no server is known to have, from `from` on.
  Result<PeerChanges> relays(LocalVersion from, std::size_t bytes_max);
  // The next rows, as a part of states, that a server of another lineage lacks; empty when there
  // are none or the part before is not answered. The first call of a connection says so.
  Result<ByteVector> next_keepsakes(bool first, std::size_t bytes_max);
  Result<void> finish_relay(const effect::FinishRelay& settled);
  // An own change that cannot be told: why, and what there is of it as a file, or nothing.
  struct Unreadable {
    std::string message;
    ByteVector file;
  };
  // Those that were set aside since the last call.
  std::vector<Unreadable> take_unreadable() { return std::exchange(found_unreadable_, {}); }
  // While quiet, conflicts and errors are kept but not told of (bootstrap, rescan).
  void set_quiet(bool quiet) { events_.set_quiet(quiet); }

  // Runs one operation on documents (client/documents).
  template <typename Work>
  auto with_documents(const Work& work) -> decltype(work(std::declval<Documents&>())) {
    SL_TRY(require_replica());
    auto done = work(documents_);
    end_call();
    return done;
  }
  Events& events() { return events_; }
  Meta& meta() { return meta_; }
  Held& held() { return held_; }
  RejectedChanges& rejected() { return rejected_; }
  Connection connection() const { return parts_.connection; }
  Catalog& catalog() { return catalog_; }
  Clocks& clocks() { return clocks_; }
  Origins& origins() { return origins_; }
  LocalLog& log() { return log_; }
  Capture& capture() { return capture_; }
  HybridClock& clock() { return clock_; }

 private:
  explicit Engine(const Parts& parts);

  Result<bool> is_replica();
  Result<void> load_identity();
  // Fails with `too_large` when what is tracked is more than a greeting can tell.
  Result<void> check_schema();
  Result<std::uint64_t> set_aside(LocalVersion through, SetAside::Judge judge);
  // What cannot be sent of the changes through this version.
  Result<void> set_aside_large(LocalVersion through);
  // A local change was refused; its reason need not be one of our errors.
  void tell_rejected(const std::string& code, const std::string& message);
  Result<void> require_replica();
  // Runs `work` in a transaction of its own (or as a part of the application's), with `apply_`
  // begun and finished around it.
  Result<ApplyReport> applying(std::size_t bytes_expected,
                               FunctionRef<Result<void>(ApplyReport& report)> work);
  // The same for what a server sends: it can be had again, and its commit does not wait for the
  // disk. What the application's triggers or a conflict wrote in it cannot, and does.
  Result<ApplyReport> applying_again(std::size_t bytes_expected,
                                     FunctionRef<Result<void>(ApplyReport& report)> work);
  void tell(const ApplyReport& report);
  // Of two edits that met: in one or several columns.
  void tell_conflict(const std::string& identity, std::span<const ConflictNote* const> notes,
                     std::int64_t now);
  // Names the rows that files of changes brought among the keepsakes.
  Result<void> name_heard();
  Result<void> note_leap(const ApplyReport& report);
  Result<void> name_rows(Bytes part);
  Result<void> name_key(const TrackedTable& table, Bytes key);
  Result<void> name_standing(const TrackedTable& table, const LogRun& run);
  // Sets aside what of the outbox nobody could read; afterwards all of it decodes.
  Result<void> prove_outbox();
  Result<std::vector<OutboxChange>> proved_batch(LocalVersion after, std::size_t bytes_max);
  Result<void> keep_unreadable(LocalVersion version, const std::vector<ByteVector>& parts,
                               const Error& reason);
  Result<void> import_change(std::span<const Bytes> parts, ApplyReport& report);
  Result<void> place_waiting_cells(ApplyReport& report);
  Result<void> prune(LocalVersion through, std::int64_t before_ms);
  Result<VersionVector> relayed();
  Result<void> finish_keepsakes(bool refused);
  Result<std::vector<ByteVector>> parts_of(const Dot& dot);
  // False when it waits all the same.
  Result<bool> name_put_off(const Dot& dot);
  // False when it has been forgotten since.
  Result<bool> keep_refused(const Dot& dot);
  Result<void> name_edits(const Change& change);
  // Fails with `too_large` when the author is nobody known and peers told of too many already.
  Result<void> check_author(Bytes part);
  // The first learned change after `from` that is not settled with a server; nothing when there is
  // none.
  Result<std::optional<LocalVersion>> next_relay(LocalVersion from, const VersionVector& relayed);
  Result<LocalVersion> version_of(ChangeSequence sequence);
  Result<void> set_acknowledged(ChangeSequence sequence, std::uint64_t time);
  Result<void> move_acknowledged(ChangeSequence sequence, std::uint64_t time);
  Result<void> store_receipt();
  // Fails with `malformed` when the part is of an own change that was never made.
  Result<void> check_not_ours(Bytes part);
  Result<void> index_rows();
  using StateVisitor =
      FunctionRef<Result<void>(const std::string& table, Bytes key, const RowState& state)>;
  Result<void> for_each_state(StateVisitor visit);
  Result<void> become(const std::string& table, Bytes key, RowState state, ApplyReport& report);
  Result<void> become_both(const std::string& table, Bytes key, RowState state,
                           ApplyReport& report);
  // As merging sees it; of a table that is not tracked, what is held of the row.
  Result<RowState> state_of_row(const std::string& table, Bytes key);
  Result<void> keep_newest_state();
  Result<void> restamp_unsent(ChangeSequence after);
  Result<void> drop_what_came();
  Result<std::uint64_t> newest_time_before(LocalVersion kept, const std::set<std::uint64_t>& moved);
  Result<void> merge_again(const std::vector<LocalVersion>& versions);
  Result<void> drop_everything();
  Result<std::vector<LocalVersion>> kept_changes(LocalVersion acknowledged);
  // Fails when the file was renewed since facts() told a session how it stands.
  Result<void> check_not_renewed();
  Result<void> renew();
  // The epochs that a hello offers beside the present one.
  Result<std::vector<EpochId>> earlier_epochs(std::vector<EpochId> here);
  Result<void> keep_epochs(const EpochId& confirmed);
  Result<void> settle_held();
  // A cell of a counter: table, key, column.
  using CellName = std::tuple<std::string, ByteVector, std::string>;
  // What was counted in it, and from which value.
  struct CountedCell {
    Stamp base;
    Value total;
  };
  using Counted = std::map<CellName, CountedCell>;
  // How far this copy's changes are the original's.
  struct Common {
    ChangeSequence on_server;  // known to the server
    LocalVersion on_server_version;
    ChangeSequence named;  // and those that were acknowledged under the original's name
    LocalVersion named_version;
  };
  Result<Common> common_with_original(const effect::Reidentify& how);
  Result<ReplicaId> name_after(const std::vector<LocalVersion>& versions);
  Result<Counted> counted_before(LocalVersion kept);
  Result<void> count_history(LocalVersion kept, Counted& out);
  Result<bool> is_runs(LocalVersion version);
  Result<void> count_nothing_before(const RowEdit& edit, Counted& out);
  Result<void> count_before(const RowEdit& edit, LocalVersion version, OldValues& values,
                            Counted& out);
  Result<OriginId> hand_over_identity(const ReplicaId& drawn, ChangeSequence common);
  Result<void> forget_history(const Common& common, OriginId other, ChangeSequence last);
  // Memory may hold what a rollback took back.
  void forget_all();
  // Ends a call from outside.
  void end_call();

  // LocalLog::Watcher
  Result<void> on_renewed(const LogHead& head) override;
  // Capture::Listener
  void on_captured(LocalVersion version, ChangeSequence sequence,
                   std::span<const TableId> tables) override;
  void on_rolled_back() override;
  void on_rolled_back_to() override;
  Result<void> describe_rich(const TrackedTable& table, const LogRun& run, const Stamp& stamp,
                             LogBodyWriter& out) override;
  Result<void> undo_rich() override;
  void keep_rich() override;
  void on_disconnected() override;

  Parts parts_;
  HybridClock clock_;
  Catalog catalog_;
  LocalLog log_;
  Origins origins_;
  Clocks clocks_;
  Capture capture_;
  TableSet tables_;
  RowStore rows_;
  Held held_;
  Seen seen_;
  Extract extract_;
  Apply apply_;
  Meta meta_;
  Outbox outbox_;
  Documents documents_;
  Rich rich_;
  Conflicts conflicts_;
  RejectedChanges rejected_;
  SchemaChange schema_change_;
  SetAside set_aside_;
  Events events_;
  Unsent unsent_;
  Keepsakes keepsakes_;
  RowSums sums_;
  Listener* listener_ = nullptr;
  ReplicaId replica_;
  std::int64_t renewals_ = 0;  // as facts() saw them
  std::optional<Receipt> receipt_;
  bool has_set_aside_ = false;
  // The outbox through this version is known to decode.
  LocalVersion proved_;
  LocalVersion merged_through_;
  std::vector<Unreadable> found_unreadable_;
  // The change at which proved_batch() failed; its version is zero when it failed otherwise.
  OutboxChange unreadable_;
  // The last own change that own_changes() told, and where it stands.
  ChangeSequence told_sequence_;
  LocalVersion told_version_;
  CachedStatement read_version_of_{
      "SELECT max(version) FROM syncline_log WHERE version > ?1 AND origin = 1 AND sequence <= ?2"};
  CachedStatement read_relays_{
      "SELECT version, origin, sequence FROM syncline_log WHERE version > ?1 AND form >= 2 AND "
      "origin > 1 ORDER BY version"};
};

// {"code","message","retryable"}
std::string error_payload(const Error& error);

}  // namespace syncline
