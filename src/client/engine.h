#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "client/capture.h"
#include "client/catalog.h"
#include "client/clocks.h"
#include "client/local_log.h"
#include "client/origins.h"
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
  };

  // Registers capture on the connection; changes nothing in the file. The engine must live until
  // the connection has been closed.
  static Result<std::unique_ptr<Engine>> attach(const Parts& parts);
  ~Engine() override;

  // Makes the database a replica if it is none: our tables, and an id of its own. Idempotent.
  Result<void> initialise();
  Result<ReplicaId> replica();

  // Starts syncing a table with the rows it has. Idempotent; changes the rules of a table that is
  // tracked already.
  Result<void> track(const std::string& table, const TrackOptions& options);
  Result<void> untrack(const std::string& table);

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
  void release_statements();

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
  ReplicaId replica_;
};

}  // namespace syncline
