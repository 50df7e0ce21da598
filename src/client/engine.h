#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "client/apply.h"
#include "client/capture.h"
#include "client/catalog.h"
#include "client/change_file.h"
#include "client/clocks.h"
#include "client/conflicts.h"
#include "client/events.h"
#include "client/extract.h"
#include "client/held.h"
#include "client/local_log.h"
#include "client/meta.h"
#include "client/origins.h"
#include "client/outbox.h"
#include "client/rejected.h"
#include "client/rich.h"
#include "client/row_store.h"
#include "client/schema_change.h"
#include "client/seen.h"
#include "model/digest.h"
#include "model/hlc.h"
#include "model/schema.h"

namespace syncline {

// One connection's replica: owns the parts of client/ and knows their order. Not thread-safe, as
// its connection is not. Several engines, in several processes, may share one file.
class Engine final : private Capture::Listener {
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
  // The same and more as a JSON object, for people and scripts.
  Result<std::string> status_json();

  // What waits for the server; see client/outbox.h.
  Result<std::vector<OutboxChange>> outbox(LocalVersion after, std::size_t bytes_max);
  Result<void> acknowledge(LocalVersion through);
  // The server refuses an own change for good: it is kept with the reason, and its rows become what
  // the server says they are (`states`: rows of wire/row_codec, written by nobody).
  Result<void> reject(const Stamp& stamp, const std::string& code, const std::string& message,
                      Bytes states);
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

  Events& events() { return events_; }
  Meta& meta() { return meta_; }
  Held& held() { return held_; }
  Rejected& rejected() { return rejected_; }
  Connection connection() const { return parts_.connection; }
  Catalog& catalog() { return catalog_; }
  Clocks& clocks() { return clocks_; }
  Origins& origins() { return origins_; }
  LocalLog& log() { return log_; }
  Capture& capture() { return capture_; }
  HybridClock& clock() { return clock_; }

 private:
  explicit Engine(const Parts& parts);

  Result<void> load_identity();
  Result<void> require_replica();
  // Runs `work` in a transaction of its own (or as a part of the application's), with `apply_`
  // begun and finished around it.
  Result<ApplyReport> applying(std::size_t bytes_expected,
                               const std::function<Result<void>(ApplyReport& report)>& work);
  void tell(const ApplyReport& report);
  Result<void> import_change(std::span<const Bytes> parts, ApplyReport& report);
  Result<void> place_waiting_cells(ApplyReport& report);
  Result<void> prune(LocalVersion through, std::int64_t before_ms);
  // Memory may hold what a rollback took back.
  void forget_all();
  // Ends a call from outside.
  void end_call();

  // Capture::Listener
  void on_captured(LocalVersion version, ChangeSequence sequence,
                   std::span<const TableId> tables) override;
  void on_rolled_back() override;
  Result<void> describe_rich(const TrackedTable& table, const LogRun& run, const Stamp& stamp,
                             LogBodyWriter& out) override;
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
  Rich rich_;
  Conflicts conflicts_;
  Rejected rejected_;
  SchemaChange schema_change_;
  Events events_;
  Listener* listener_ = nullptr;
  ReplicaId replica_;
};

// {"code","message","retryable"}
std::string error_payload(const Error& error);

}  // namespace syncline
