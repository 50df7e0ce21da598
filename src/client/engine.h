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
#include "client/clocks.h"
#include "client/extract.h"
#include "client/held.h"
#include "client/local_log.h"
#include "client/origins.h"
#include "client/row_store.h"
#include "client/seen.h"
#include "model/hlc.h"

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

  // The newest version of the replica's own log; what changes_since() is asked with.
  Result<LocalVersion> version();
  // Everything that this database came to hold after `since`, whoever wrote it, as a file of
  // changes (client/change_file).
  Result<ByteVector> changes_since(LocalVersion since);
  // Merges such a file: all of it or nothing. Repeating it changes nothing.
  Result<ApplyReport> apply_file(Bytes file);

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
  ReplicaId replica_;
};

}  // namespace syncline
