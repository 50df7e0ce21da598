#pragma once

#include <array>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "client/engine.h"
#include "client/leadership.h"
#include "client/replica_host.h"
#include "sim/desk.h"
#include "sim/disk.h"
#include "sim/model_replica.h"
#include "sim/replica_file.h"

namespace syncline::sim {

// A replica as applications have it: the engine and its host over a SQLite file on a disk that
// fails. What the host wants from its link is kept in order until the world takes it. Beside the
// connection that syncs there are others on the file, in its process and in another.
class RealReplica final : public ReplicaLink {
 public:
  struct Parts {
    std::size_t number = 0;  // names its processes
    // All outlive the replica.
    WallClock* clock = nullptr;
    Random* random = nullptr;
    bool has_ledger = false;
  };
  // `file` is shared with others that sync it, or its own.
  RealReplica(const Parts& parts, std::string workspace, std::shared_ptr<ReplicaFile> file);
  static std::shared_ptr<ReplicaFile> make_file(std::size_t number, Random& random);
  ~RealReplica() override;

  // A process opens the file and begins to sync; false when the disk does not let it.
  bool open(Instant now);
  // The process that syncs ends: in order, or with its machine, which forgets and tears what was
  // not synced.
  void close();
  void crash();
  bool is_open() const { return host_ != nullptr; }
  // Of those that sync the file, this one has the conversation.
  bool leads() const { return leadership_ != nullptr && leadership_->leads(); }
  // With its machine or alone.
  bool is_dead() const { return disk_.is_dead() || disk_.is_killed(vfs_); }
  Disk& disk() { return disk_; }
  ReplicaFile& file() { return *file_; }
  const std::shared_ptr<ReplicaFile>& shared_file() const { return file_; }
  const std::string& process() const { return vfs_; }

  // One transaction by plain SQL. False when the database refused; nothing is written then.
  bool write(const PeopleWrites& writes);
  // The application's own DDL: one more column.
  bool upgrade();
  // A person presses "resync": what came from the server goes, unsent work stays. False when the
  // disk refused.
  bool resync();
  // A person settles one of the open conflicts, if there are any.
  bool resolve(std::uint64_t pick);

  // --- Others on the file: the first is in the process that syncs, the second in one of its own.
  static constexpr std::size_t others = 2;
  // One of them writes. When `holds`, its transaction stays open until finish_beside(). False when
  // the database or the disk refused.
  bool write_beside(std::size_t which, const PeopleWrites& writes, bool holds);
  bool finish_beside(std::size_t which);
  bool is_held(std::size_t which) const { return desks_[which]->holds(); }
  void close_beside(std::size_t which);
  void kill_beside_at_step(std::uint64_t steps);
  // While the file is being locked, others write there with this chance of 1000, what `supply`
  // gives them.
  void set_meddling(std::uint64_t chance, std::function<PeopleWrites()> supply);
  std::uint64_t meddled() const { return meddled_; }

  // Everything of this application's ends in order.
  void close_all();

  // Files of changes, as applications carry them by hand; nothing when the disk refuses.
  std::optional<ByteVector> export_pending();
  std::optional<LocalVersion> version();
  std::optional<ByteVector> changes(LocalVersion since);
  bool import_pending(Bytes file);
  bool apply_file(Bytes file);

  ReplicaHost& host() { return *host_; }
  StatusReport status(Instant now);
  std::uint64_t mismatches() const { return host_ ? host_->session().mismatches() : 0; }
  // Some of them. The engine is not asked for its facts: it takes that for the beginning of a
  // conversation, and would not notice that another program had begun the file anew.
  std::optional<ReplicaFacts> facts();
  std::optional<Digest> digest_of(const std::string& table);
  // Whether the digest that it says is the sum over its rows; so it is when they cannot be read.
  bool sums_up();
  // Nothing when it is not open.
  std::optional<ReplicaId> identity();
  // What a person needs who asks why it does not settle.
  std::string situation();
  // Rows as the application reads them: columns by name, in the order of the key.
  std::optional<std::map<RowName, std::map<std::string, std::string>>> rows();
  std::optional<std::map<std::string, std::string>> ledger();
  std::optional<std::vector<std::int64_t>> numbers();
  // What is wrong in the ledger's accounts but these, and in the file; empty when nothing is.
  std::string audit(const std::set<std::int64_t>& but);
  // What the file says: rows came one by one, and halves of transactions may be apart.
  bool is_in_pieces();
  std::set<std::int64_t> wrong_accounts();
  std::string verify_file();

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
  Result<ReplicaFacts> known_facts();
  // Nothing strikes while it lives: whoever looks must not change what happens.
  class Calm {
   public:
    explicit Calm(Disk& disk) : disk_(disk), before_(disk.is_calm()) { disk_.set_calm(true); }
    ~Calm() { disk_.set_calm(before_); }
    Calm(const Calm&) = delete;
    Calm& operator=(const Calm&) = delete;

   private:
    Disk& disk_;
    bool before_;
  };
  Result<void> prepare();
  bool failed(const Result<void>& done);
  void answer(Desk& desk, const PeopleWrites& writes);
  void meddle(const std::string& process);
  void bury_dead();

  Parts parts_;
  std::string vfs_;
  std::string other_vfs_;
  std::shared_ptr<ReplicaFile> file_;
  Disk& disk_;
  std::string workspace_;
  Desk main_;
  std::array<std::unique_ptr<Desk>, others> desks_;
  std::unique_ptr<Leadership> leadership_;
  std::unique_ptr<ReplicaHost> host_;
  std::deque<Wish> wishes_;
  bool work_waits_ = false;
  std::uint64_t salvages_ = 0;
  std::uint64_t meddling_ = 0;
  std::uint64_t meddled_ = 0;
  std::function<PeopleWrites()> supply_;
  // Who of the others is in the middle of something.
  const Desk* acting_ = nullptr;
  std::string last_error_;
};

}  // namespace syncline::sim
