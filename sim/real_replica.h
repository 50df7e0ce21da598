#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "client/engine.h"
#include "client/replica_host.h"
#include "sim/disk.h"
#include "sim/model_replica.h"
#include "sqlite/database.h"

namespace syncline::sim {

// A replica as applications have it: the engine and its host over a SQLite file on a disk of its
// own that fails. What the host wants from its link is kept in order until the world takes it.
class RealReplica final : public ReplicaLink {
 public:
  // `clock` and `random` outlive the replica. `number` names its disk.
  RealReplica(std::size_t number, WallClock& clock, Random& random, std::string workspace);
  ~RealReplica() override;

  // A process opens the file and begins to sync; false when the disk does not let it.
  bool open(Instant now);
  // The process ends: in order, or with its machine, which forgets and tears what was not synced.
  void close();
  void crash();
  bool is_open() const { return host_ != nullptr; }
  bool is_dead() const { return disk_.is_dead(); }
  Disk& disk() { return disk_; }

  // One transaction by plain SQL. False when the database refused; nothing is written then.
  bool write(const std::vector<ModelReplica::Write>& writes);
  // The application's own DDL: one more column.
  bool upgrade();
  // A person presses "resync": what came from the server goes, unsent work stays. False when the
  // disk refused.
  bool resync();
  // A person settles one of the open conflicts, if there are any.
  bool resolve(std::uint64_t pick);
  std::uint32_t upgrades() const { return upgrades_; }

  // The user copies the file, in order; and puts the copy in its place, or somewhere else.
  void copy_file(const ReplicaId& known_as);
  bool has_copy() const { return has_copy_; }
  // Whose copy it was.
  ReplicaId put_copy_back();
  void copy_to(RealReplica& other);

  ReplicaHost& host() { return *host_; }
  StatusReport status(Instant now) const;
  std::uint64_t mismatches() const { return host_ ? host_->session().mismatches() : 0; }
  std::optional<ReplicaFacts> facts();
  // Nothing when it is not open.
  std::optional<ReplicaId> identity();
  // The last own change whose commit was answered to the application, and whose it was: a copy
  // numbers anew.
  using Answered = std::pair<ReplicaId, ChangeSequence>;
  const Answered& answered() const { return answered_; }
  // What a person needs who asks why it does not settle.
  std::string situation();
  // Rows as the application reads them: columns by name, in the order of the key.
  std::optional<std::map<RowName, std::map<std::string, std::string>>> rows();

  enum class Want { send, dial, hang_up, wake };
  struct Wish {
    Want want = Want::dial;
    ByteVector frame;
    Instant at;
  };
  std::optional<Wish> next_wish();
  // Work waits that on_wakeup() does.
  bool takes_work() { return std::exchange(work_waits_, false); }
  void on_wakeup(Instant now) { host_->on_wakeup(now); }
  std::uint64_t salvages() const { return salvages_; }
  const std::string& last_error() const { return last_error_; }

  // ReplicaLink
  void dial() override { wishes_.push_back({Want::dial, {}, {}}); }
  void send(ByteVector frame) override { wishes_.push_back({Want::send, std::move(frame), {}}); }
  void hang_up(const std::string& reason) override;
  void wake_at(Instant at) override { wishes_.push_back({Want::wake, {}, at}); }
  void work_waits() override { work_waits_ = true; }
  void salvaged(const std::string& reason, Bytes file) override;

 private:
  Result<void> prepare();
  bool failed(const Result<void>& done);

  std::string vfs_;
  Disk disk_;
  WallClock* clock_;
  Random* random_;
  std::string workspace_;
  // In this order: the connection goes before the engine that hooks into it.
  std::unique_ptr<Engine> engine_;
  std::optional<Database> database_;
  std::unique_ptr<ReplicaHost> host_;
  std::deque<Wish> wishes_;
  bool work_waits_ = false;
  bool has_copy_ = false;
  Answered answered_;
  Answered copy_answered_;
  ReplicaId copy_known_as_;
  std::uint32_t upgrades_ = 0;
  std::uint64_t salvages_ = 0;
  std::string last_error_;
};

}  // namespace syncline::sim
