#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "server/hub.h"
#include "server/sqlite_log_store.h"
#include "session/client_session.h"
#include "sim/disk.h"
#include "sim/model_replica.h"
#include "sim/real_replica.h"
#include "sim/storm.h"
#include "sim/witness.h"

namespace syncline::sim {

struct Outcome {
  bool ok = true;
  std::string violation;
  std::uint64_t steps = 0;
  std::uint64_t trace = 0;  // the same for the same seed
  std::map<std::string, std::uint64_t> counts;
};

// A whole system in one thread: servers' lives, replicas, network, disk, clocks, people, from one
// seed. The storm ends after its steps; then everything must settle within bounded time.
class World {
 public:
  World(std::uint64_t seed, const Storm& storm);
  ~World();
  Outcome run();

 private:
  // A clock that people and batteries set wrong.
  struct Clock final : WallClock {
    const std::int64_t* now = nullptr;
    std::int64_t offset = 0;
    std::int64_t now_ms() override { return *now + offset; }
  };
  struct Link {
    std::uint64_t id = 0;
    std::optional<ConnectionId> connection;
    bool open = false;
    bool half_open = false;
    bool repeated = false;     // something was heard twice on it
    std::int64_t last_up = 0;  // frames of one direction never overtake each other
    std::int64_t last_down = 0;
  };
  struct Node {
    Node(Random& random, const std::string& workspace) : replica(random, workspace) {}
    ModelReplica replica;
    std::optional<ModelReplica> backup;
    Clock clock;
    std::unique_ptr<HybridClock> hybrid;
    std::unique_ptr<ClientSession> session;
    Link link;
    std::uint64_t holed_link = 0;  // the newest one on which something was lost
    std::int64_t last_late = 0;
    std::int64_t partitioned_until = 0;
    std::uint64_t life = 0;
    std::uint64_t wake_serial = 0;
    ServerVersion shown;  // in its last hello's receipt, where servers may be put back
    std::vector<ModelReplica> salvaged;
    // Null for a model.
    std::unique_ptr<RealReplica> real;
    std::uint64_t mismatches_seen = 0;
    std::uint64_t excused = 0;  // of the mismatches
    std::uint64_t looks = 0;    // at a real one, to see whether it is whole

    StatusReport status(Instant at) const { return real ? real->status(at) : session->status(at); }
    std::uint64_t mismatches() const { return real ? real->mismatches() : session->mismatches(); }
  };
  enum class Kind {
    person,
    dial,
    up,
    down,
    closed,
    wake_client,
    wake_server,
    commit,
    work,
    answer
  };
  struct Event {
    Kind kind = Kind::person;
    std::size_t node = 0;
    std::uint64_t link = 0;
    std::uint64_t life = 0;
    ByteVector frame;
    ConnectionId connection;
    std::optional<ClientEffect> effect;
    bool late = false;
  };

  void schedule(std::int64_t delay, Event event);
  void step(Event& event);
  void count(const char* what) { ++outcome_.counts[what]; }
  void tell(std::size_t node, const std::string& what) const;
  void violate(const std::string& what);

  void start_server();
  void stop_server();
  void crash_server();
  void restore_server();
  void take_backup();
  void copy_folder();
  void put_folder_back();
  void change_server();
  void pump_server();
  void person_turn();
  void people_write(std::size_t node);
  std::vector<ModelReplica::Write> plain_writes();
  PeopleWrites ledger_writes();
  PeopleWrites any_writes();
  bool happens(const char* name, std::uint64_t chance);
  // The same for faults that are newer than most seeds: it draws nothing when there is no chance.
  bool strikes(const char* name, std::uint64_t chance) {
    return chance > 0 && happens(name, chance);
  }
  void add_real(std::size_t node, std::shared_ptr<ReplicaFile> file);
  // The nodes on the same file, this one among them.
  std::vector<std::size_t> sharing(std::size_t node) const;
  void close_sharing(std::size_t node);
  void open_sharing(std::size_t node);
  void beside_turn(std::size_t node);
  void carry_turn(std::size_t node);
  // The version of the source's up to which the target has been brought files of its changes.
  using Carried = std::map<std::pair<const ReplicaFile*, const ReplicaFile*>, LocalVersion>;
  void storm_turn(std::size_t node);
  void replica_turn(std::size_t node);
  void dial(const Event& event);
  void receive(const Event& event);
  void wake_up(const Event& event);
  void closed(const Event& event);
  bool carries(std::size_t node) const;
  void lose(const Event& event);
  bool is_under_way(const Event& event) const;
  bool delays(Event& event);
  void hear(const Event& event);
  void deliver(const Event& event, Bytes frame);
  bool mangles(const Event& event);
  bool has_restored() const {
    return outcome_.counts.count("server_restore") + outcome_.counts.count("server_put_back") +
               outcome_.counts.count("server_change") !=
           0;
  }
  bool has_copied() const {
    return outcome_.counts.count("clone") + outcome_.counts.count("replica_old_copy") != 0;
  }

  void open_replica(std::size_t node);
  void open_real(std::size_t node);
  void pump_real(std::size_t node);
  void write_real(std::size_t node, const PeopleWrites& writes);
  void storm_real(std::size_t node);
  void storm_disk(Disk& disk);
  void check_real(std::size_t node);
  void check_speaker(std::size_t node, Bytes frame);
  std::string differing_tables(std::size_t node);
  bool differ_only_in_counters(std::size_t node);
  void check_ledger(std::size_t node);
  void note_torn(std::size_t node, Bytes frame);
  void check_payments(std::size_t node);
  void check_ledger_end();
  void look_at_log();
  void check_identity(std::size_t node);
  void forked(const ReplicaId& replica, const std::string& which);
  void check_real_end(std::size_t node, const std::map<RowName, RowState>& truth);
  void disconnected(std::size_t node);
  void wake_client(std::size_t node, std::int64_t delay);
  void pump_client(std::size_t node);
  void dial_soon(std::size_t node);
  void send_up(std::size_t node, ByteVector frame);
  void perform(std::size_t node, ClientEffect& effect);
  void answer(std::size_t node, ClientEffect& effect);
  void hang_up(std::size_t node, bool tell_server);
  void copy_replica(std::size_t from);
  void check_status(std::size_t node);
  void check_truth(std::size_t node, const WorkspaceRecord& room);
  std::string first_difference(std::size_t node);
  void check_welcome(const Node& node, const effect::SaveWelcome& welcome);
  void note_shown(Node& node, Bytes frame) const;
  bool may_be_behind(const Node& node) const;
  void check_end();
  void check_totals(const WorkspaceRecord& room);
  bool all_synced();
  // It leaves the conversation to another process on its file.
  bool follows(std::size_t node) const;
  Instant now() const { return {time_}; }

  SeededRandom random_;
  Storm storm_;
  std::string workspace_ = "team";
  std::int64_t time_ = 1'700'000'000'000;
  std::uint64_t serial_ = 0;
  std::map<std::pair<std::int64_t, std::uint64_t>, Event> events_;
  bool stormy_ = true;
  std::vector<std::unique_ptr<Node>> nodes_;

  std::unique_ptr<Disk> disk_;
  Clock server_clock_;
  std::unique_ptr<SqliteLogStore> store_;
  std::unique_ptr<Hub> hub_;
  bool has_backup_ = false;
  bool restoring_ = false;
  bool has_folder_ = false;
  bool folder_is_other_ = false;
  bool is_other_server_ = false;
  std::map<ConnectionId, std::size_t> connections_;
  std::uint64_t link_ids_ = 0;
  std::uint64_t server_life_ = 0;
  std::int64_t value_ = 0;
  std::int64_t payment_ = 0;
  Witness witness_;
  Carried carried_;
  // See note_torn().
  std::set<std::int64_t> torn_accounts_;
  // The log as the witness has seen it.
  LineageId logged_lineage_;
  ServerVersion logged_;
  Outcome outcome_;
};

}  // namespace syncline::sim
