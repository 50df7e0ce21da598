#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_set>
#include <variant>

#include "server/bounds.h"
#include "server/budget.h"
#include "server/fair_order.h"
#include "server/fan_out.h"
#include "server/log_store.h"
#include "server/ownership.h"
#include "server/retention.h"
#include "server/workspace.h"
#include "session/server_session.h"

namespace syncline {

struct HubOptions {
  ServerOptions session;
  Rules rules;
  RetentionOptions retention;
  std::size_t fan_out_bytes_max = std::size_t{8} << 20U;  // of one workspace
  // A group commit happens at the latest with so many changes or bytes.
  std::size_t group_changes_max = 1024;
  std::size_t group_bytes_max = std::size_t{8} << 20U;
  std::size_t connections_max = 100'000;
  // That one user may make; zero is any number.
  std::uint64_t workspaces_each_max = 0;
  std::size_t presence_bytes_max = std::size_t{1} << 20U;  // of one workspace
  // Over all connections.
  MemoryBounds memory = MemoryBounds::within(memory_bytes_default);
};

// What the hub asks of its host.
struct HubSend {
  ConnectionId connection;
  SharedBytes frame;
};
struct HubHangUp {
  ConnectionId connection;
  std::string reason;
  // What waits to be sent to it is dropped: there is no room for it.
  bool at_once = false;
};
// work() is wanted, at the earliest at this time.
struct HubWorkWanted {
  Instant at;
};
struct HubAuthorise {
  ConnectionId connection;
  std::string workspace;
  std::string token;
  ReplicaId replica;
};
struct HubWakeAt {
  ConnectionId connection;
  Instant at;
};
// Changes wait for commit(); the host calls it when it has read what there was to read.
struct HubCommitWanted {};
// A frame that on_frame() held was handled.
struct HubTaken {
  ConnectionId connection;
  std::size_t bytes = 0;
};
// A door's visit (Hub::enter) is over: what it wrote is durable, or was taken back.
using DoorTicket = Strong<std::uint64_t, struct DoorTicketTag>;
struct HubDoorDone {
  DoorTicket ticket;
  bool is_durable = false;
};
// There are new changes to read.
struct HubHeadMoved {
  std::string workspace;
};
// A replica has shown what this server sealed and does not have: an older copy of the store was put
// back. The host draws a lineage and calls lose_lineage().
struct HubBehind {
  std::string workspace;
  ServerVersion head;
  ServerVersion shown;
};
using HubEffect = std::variant<HubSend, HubHangUp, HubAuthorise, HubWakeAt, HubWorkWanted,
                               HubCommitWanted, HubTaken, HubDoorDone, HubHeadMoved, HubBehind>;

// Owns workspaces and sessions and performs the sessions' effects on the store. One thread.
//
// Invariants:
// 1. Nothing is acknowledged, told or counted as head before the commit that holds it.
// 2. A failed commit fails every change in it: their connections are closed and come again. What
//    fails before that, a change, a greeting or a visit, fails alone: what else waited for the
//    commit is done anew without it, and nobody else notices anything.
// 3. One connection a replica: a newer one takes over. One that leaves a bequest is none of the
//    replica's, and ends it, because a replica is not sent what was told in its name.
// 4. A greeting waits for a commit, too, and shares it: a thousand replicas that come back at once
//    cost a few syncs.
// 5. What all connections make the hub keep is counted, and bounded by HubOptions::memory: whoever
//    is sent more than its credit is read nothing and not listened to until it has taken that; when
//    it is too much all the same, whoever holds most is cut. Presence that a slow reader missed is
//    kept as its keys, and told as it is then.
// 6. One question of a connection is answered at a time, in slices: nobody waits for more than a
//    turn of the others' work (server/bounds.h), and users take turns by what theirs cost: who asks
//    for little does not wait for who asks for much.
// 7. What is large is read for somebody when there is room for it: nobody who takes what is sent is
//    cut because many ask for it at once.
class Hub {
 public:
  // `store` and `clock` outlive the hub.
  Hub(LogStore& store, WallClock& clock, HubOptions options);

  // Nothing when there are too many connections.
  std::optional<ConnectionId> open(Instant now);
  // False when the frame is held, and handled later: then HubTaken says when.
  bool on_frame(Instant now, ConnectionId connection, Bytes frame);
  // So many bytes of the connection's HubSends have left, and are nobody's any more.
  void on_sent(Instant now, ConnectionId connection, std::size_t bytes);
  // A turn of what could not be done at once: the answer to HubWorkWanted, behind a commit.
  void work(Instant now);
  void on_closed(Instant now, ConnectionId connection);
  void on_wakeup(Instant now, ConnectionId connection);
  void on_authorised(Instant now, ConnectionId connection, Rights rights);
  // For doors whose callers are no replicas. Runs `work` on a workspace inside the transaction that
  // the next commit ends; what it wrote is told to everybody after that, and HubDoorDone says how
  // it went. An error of the work takes back what it wrote; then nothing follows. It is done anew
  // when something else failed that waited for the same commit, so it owns what it needs.
  using DoorWork = std::function<Result<std::vector<Workspace::Written>>(Workspace& workspace)>;
  Result<void> enter(Instant now, DoorTicket ticket, const std::string& workspace,
                     const DoorWork& work);
  // Makes the workspace if it is not there. Fails with `not_allowed` when its user made too many.
  Result<void> open_workspace(const std::string& workspace, const Rights& rights);
  // Whether something waits for the next commit.
  bool is_writing() const { return in_transaction_; }
  // Looks at what is committed, and nothing else.
  using DoorLook = std::function<Result<void>(Workspace& workspace)>;
  Result<void> look(Instant now, const std::string& workspace, const DoorLook& look);
  // Makes every waiting change durable with one sync, then acknowledges and fans out.
  // False when the store failed.
  bool commit(Instant now);
  // The same when nothing but cursors of readers waits: they are not worth a sync of their own, and
  // must not wait for the next writer for ever.
  void settle(Instant now);
  // Ends the sessions of a user, or all when `user` is empty.
  void hang_up(Instant now, const std::string& user, Farewell reason, const std::string& message);
  // Ends the sessions of everybody whom `check` refuses, with its reason.
  using RightsCheck = std::function<Result<void>(const Rights& rights)>;
  void recheck(Instant now, const RightsCheck& check);
  // For development: forgets a workspace under a new lineage, and sends everybody away. Replicas
  // that come back bring what is theirs. Fails with `not_found`.
  Result<void> reset(Instant now, const std::string& workspace, const LineageId& lineage);
  // The answer to HubBehind: everybody is sent away, and the store goes on under another lineage.
  Result<void> lose_lineage(Instant now, const LineageId& lineage);
  // Whether the store takes anything: writes to it, unless it was tried less than a second ago.
  Result<void> probe(Instant now);
  // Why the store took nothing the last time; nothing when it did.
  const std::optional<Error>& trouble() const { return trouble_; }
  // Replicas change hands (server/ownership.h), and their sessions end. Answers how many.
  Result<std::size_t> give(Instant now, const Gift& gift);
  // Retention over every workspace that is in use.
  Result<void> retire(Instant now);

  std::optional<HubEffect> next_effect();
  std::size_t connections() const { return peers_.size(); }
  // How many wait for the next commit.
  std::size_t writers() const { return writers_.size() + visits_.size(); }
  std::uint64_t commits() const { return commits_; }
  // How many changes became durable.
  std::uint64_t changes() const { return changes_; }
  std::uint64_t failures() const { return failures_; }
  // Changes that were pushed or relayed in the name of another user's replica, and not admitted.
  std::uint64_t foreign_changes() const { return foreign_changes_; }
  // What connections make the hub keep (invariant 5), and who was cut for it.
  std::size_t waiting_bytes() const { return waiting_budget_.all(); }
  std::size_t unfinished_bytes() const { return unfinished_budget_.all(); }
  std::size_t recent_bytes() const { return recent_bytes_; }
  std::uint64_t cuts() const { return cuts_; }

 private:
  using PresenceKey = std::pair<ReplicaId, std::string>;
  struct Room {
    Room(Workspace opened, std::size_t fan_out_bytes)
        : workspace(std::move(opened)), recent(fan_out_bytes) {}
    Workspace workspace;
    FanOut recent;
    ServerVersion committed;
    std::set<ConnectionId> members;
    std::map<ReplicaId, ConnectionId> by_replica;
    std::map<PresenceKey, SharedBytes> presence;  // encoded
    std::size_t presence_bytes = 0;
    std::set<PresenceKey> changed;  // and not told yet
    PresenceKey told;               // the last, so that everybody's has its turn
    // What may be told at this time; below zero, later.
    std::int64_t presence_room = 0;
    Instant presence_at;
  };
  struct Peer {
    Peer(Hub& hub, ConnectionId id)
        : session(*hub.clock_, hub.options_.session),
          waiting(hub.waiting_budget_, id),
          unfinished(hub.unfinished_budget_, id) {}
    ServerSession session;
    Room* room = nullptr;
    // A change waits for the commit that ends this session.
    bool is_refused = false;
    // What is unsent, held, and shown of its presence.
    Budget::Share waiting;
    std::size_t unsent = 0;
    // Of a change that is not whole yet.
    Budget::Share unfinished;
    // Questions under way: the first is being answered.
    std::deque<ServerEffect> questions;
    std::optional<RangeWalk> walk;
    // Frames that wait for their turn.
    std::deque<ByteVector> held;
    std::size_t held_bytes = 0;
    std::set<PresenceKey> missed;
    std::size_t presence_bytes = 0;
    std::uint64_t turn = 0;
    std::size_t frames = 0;  // in that turn
    bool is_ready = false;   // stands in ready_
    // What there was no room for, and since when.
    std::size_t lacking = 0;
    Instant lacking_since;
    Instant taken_at;  // when it took something
    bool is_cut = false;
  };
  struct Greeted {
    ConnectionId connection;
    Room* room = nullptr;
    Greeting greeting;
  };
  struct Waiting {
    ConnectionId connection;
    Room* room = nullptr;
    Admitted admitted;
    std::vector<ByteVector> parts;
    Receipt receipt;
    ReplicaId author;
    bool is_bequest = false;
  };

  // By a commit.
  struct Moved {
    std::set<Room*> rooms;
    std::set<std::pair<Room*, ReplicaId>> bequeathed;
  };

  // A door's, that waits for the commit.
  struct Visit {
    DoorTicket ticket;
    std::string workspace;
    DoorWork work;
  };

  Result<Room*> room(const std::string& name);
  Result<void> begin();
  // Takes the transaction back, and everything that waited in it fails.
  void note_trouble(Instant now, const Error& error);
  void fail(Instant now, const Error& error);
  // Takes the transaction back and does what waited in it anew, each by itself, so that what fails
  // does so alone. Whoever was the reason is not among it any more.
  void redo(Instant now);
  Result<void> attempt(FunctionRef<Result<void>()> work);
  void send_away(Instant now, ConnectionId id, const Error& error);
  std::set<Room*> take_back();
  void close_rooms(const std::set<Room*>& broken);
  // Before the store's lineage changes.
  void send_away(Instant now, const std::string& why);
  void pump(Instant now, ConnectionId connection);
  void perform(Instant now, ConnectionId id, Peer& peer, ServerEffect&& effect);
  void greet(Instant now, ConnectionId id, Peer& peer, const Hello& hello);
  Result<void> judge(ConnectionId id, Peer& peer, const Hello& hello);
  void welcome(Instant now, Greeted&& greeted);
  void join(Instant now, ConnectionId id, Peer& peer);
  void replace(Instant now, Room& room, const ReplicaId& replica, const std::string& why);
  bool is_greeted_anew(ConnectionId id, const Peer& peer) const;
  void append(Instant now, ConnectionId id, Peer& peer, std::vector<ByteVector> parts,
              bool relayed);
  Result<void> admit(ConnectionId id, Peer& peer, std::vector<ByteVector> parts, bool relayed);
  // --- server/hub_turns.cc: invariants 5 and 6 ---
  bool has_credit(const Peer& peer) const;
  bool has_presence_credit(const Peer& peer) const;
  // Whether something can be done for it at once.
  bool is_able(const Peer& peer) const {
    return has_more(peer) && has_credit(peer) && peer.lacking == 0;
  }
  // Invariant 7.
  std::size_t room_left() const;
  void wait_for_room(Instant now, ConnectionId id, Peer& peer, std::size_t bytes);
  void use_room(Instant now);
  void make_room(Instant now);
  void want_work(Instant at);
  void get_ready(Instant now, ConnectionId id, Peer& peer);
  // Of this turn, and of the peer's user.
  void spend(const Peer& peer, std::size_t units);
  bool is_free(const Peer& peer) const { return peer.questions.empty() && has_credit(peer); }
  bool has_more(const Peer& peer) const;
  static void recount(Peer& peer);
  void handle(Instant now, ConnectionId id, Peer& peer, Bytes frame);
  void handle_held(Instant now, ConnectionId id, Peer& peer);
  void hold(Instant now, ConnectionId id, Peer& peer, Bytes frame);
  void ask(Instant now, ConnectionId id, Peer& peer, ServerEffect&& question);
  void answer_some(Instant now, ConnectionId id);
  void answer(Instant now, ConnectionId id, Peer& peer);
  // False when the question stays.
  bool read_log(Instant now, Peer& peer, const effect::ReadLog& ask, WorkMeter& meter);
  bool read_snapshot(Instant now, Peer& peer, const effect::ReadSnapshot& ask, WorkMeter& meter);
  bool read_digests(Instant now, Peer& peer, const RescanRequest& request, WorkMeter& meter);
  bool read_range(Instant now, Peer& peer, const RangeRequest& request, WorkMeter& meter);
  void keep_recent(Room& room, std::size_t bytes_before);
  // Cuts whoever holds most while it is too much.
  void bound(Instant now);
  void cut(Instant now, ConnectionId id);
  // --- server/hub_presence.cc ---
  void broadcast(Instant now, Peer& peer, const Presence& presence);
  void show(Peer& peer, Room& room, const Presence& presence);
  static std::size_t withdraw(Room& room, const PresenceKey& key);
  static SharedBytes presence_frame(const Room& room, const PresenceKey& key);
  void hide(Instant now, Peer& peer, Room& room);
  void tell_presence(Instant now, Room& room);
  bool tell_presence(Instant now, ConnectionId id, Peer& peer, const PresenceKey& key,
                     const SharedBytes& frame);
  void tell_missed(Instant now, ConnectionId id, Peer& peer);
  void end_visits(bool is_durable);
  Result<void> visit(const Visit& one);
  Moved tell_admitted(Instant now, std::deque<Waiting>& done);
  void leave(Instant now, ConnectionId id, Peer& peer);

  LogStore* store_;
  WallClock* clock_;
  HubOptions options_;
  std::uint64_t next_connection_ = 1;
  Budget waiting_budget_;
  Budget unfinished_budget_;
  std::map<std::string, std::unique_ptr<Room>> rooms_;
  std::map<ConnectionId, std::unique_ptr<Peer>> peers_;
  std::deque<HubEffect> effects_;
  bool in_transaction_ = false;
  bool is_behind_ = false;  // and HubBehind was told
  std::deque<Waiting> waiting_;
  std::size_t waiting_bytes_ = 0;
  std::unordered_set<ConnectionId> writers_;  // of what waits
  std::deque<Greeted> greeted_;
  std::vector<Visit> visits_;
  std::size_t recent_bytes_ = 0;
  std::uint64_t cuts_ = 0;
  FairOrder<ConnectionId, std::string> ready_;  // each at most once, by user
  std::set<ConnectionId> lacking_;              // who wait for room
  std::set<std::string> telling_;               // rooms whose presence waits
  WorkMeter turn_left_{bounds::turn_units};
  std::uint64_t turn_ = 1;
  bool is_turn_ = false;                   // in work()
  std::optional<Instant> work_wanted_at_;  // and was told
  std::map<std::pair<Room*, ReplicaId>, ServerVersion> cursors_;
  std::uint64_t commits_ = 0;
  std::uint64_t changes_ = 0;
  std::uint64_t failures_ = 0;  // transactions that the store did not take
  std::optional<Error> trouble_;
  std::optional<Instant> tried_at_;
  bool is_touched_ = false;  // by a probe, in the open transaction
  std::uint64_t foreign_changes_ = 0;
};

}  // namespace syncline
