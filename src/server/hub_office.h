#pragma once

// Test helper: a hub whose host is a test, which includes doctest first.
#include "server/server_world.h"

namespace syncline {

// A hub, and what it sent to whom.
struct Office {
  FailingStore store;
  StandingClock clock;
  Hub hub;
  Instant now{1000};
  std::map<ConnectionId, std::vector<SharedBytes>> sent;
  std::map<ConnectionId, std::string> hung_up;
  std::map<ConnectionId, bool> cut_off;
  std::map<ConnectionId, std::string> users;  // Ann, where nothing is said
  std::set<ConnectionId> slow;                // who takes nothing
  bool commit_wanted = false;
  std::optional<Instant> work_at;
  std::size_t taken_bytes = 0;
  std::map<DoorTicket, bool> done;
  std::vector<std::string> moved;
  std::vector<HubBehind> behind;

  explicit Office(const HubOptions& options = {}) : hub(store, clock, options) {}

  void pump() {
    while (auto effect = hub.next_effect()) {
      if (auto* send = std::get_if<HubSend>(&*effect)) {
        sent[send->connection].push_back(send->frame);
        if (slow.count(send->connection) == 0) {
          hub.on_sent(now, send->connection, send->frame.size());
        }
      } else if (auto* ask = std::get_if<HubAuthorise>(&*effect)) {
        const auto whose = users.find(ask->connection);
        hub.on_authorised(now, ask->connection,
                          {true, true, whose == users.end() ? "ann" : whose->second, 0, ""});
      } else if (auto* bye = std::get_if<HubHangUp>(&*effect)) {
        hung_up[bye->connection] = bye->reason;
        cut_off[bye->connection] = bye->at_once;
        hub.on_closed(now, bye->connection);
      } else if (std::holds_alternative<HubCommitWanted>(*effect)) {
        commit_wanted = true;
      } else if (auto* work = std::get_if<HubWorkWanted>(&*effect)) {
        work_at = work->at;
      } else if (auto* taken = std::get_if<HubTaken>(&*effect)) {
        taken_bytes += taken->bytes;
      } else if (auto* visit = std::get_if<HubDoorDone>(&*effect)) {
        done[visit->ticket] = visit->is_durable;
      } else if (auto* head = std::get_if<HubHeadMoved>(&*effect)) {
        moved.push_back(head->workspace);
      } else if (auto* put_back = std::get_if<HubBehind>(&*effect)) {
        behind.push_back(*put_back);
      }
    }
  }
  void say(ConnectionId id, const Message& message) {
    hub.on_frame(now, id, *encode_message(message));
    pump();
  }
  // Turns until nothing is due; how many it took.
  std::size_t work() {
    std::size_t turns = 0;
    for (; work_at && *work_at <= now; ++turns) {
      work_at.reset();
      hub.work(now);
      pump();
    }
    return turns;
  }
  void commit() {
    hub.commit(now);
    pump();
  }
  ConnectionId meet(const Hello& hello) {
    const ConnectionId id = *hub.open(now);
    say(id, hello);
    commit();
    REQUIRE(count<Welcome>(id) == 1);
    return id;
  }
  // A replica that follows the log from here on.
  ConnectionId follow(int replica, const std::string& workspace = "team") {
    Hello hello = sample_hello(replica, workspace);
    const ConnectionId id = meet(hello);
    say(id, Applied{ServerVersion(0)});
    return id;
  }
  void push(ConnectionId id, const Change& change) { say(id, PushPart{encode_change(change)}); }
  // What a door would write for a device of its own.
  Result<void> enter(std::uint64_t ticket, std::uint64_t ms, const std::string& name = "team") {
    auto entered = hub.enter(now, DoorTicket(ticket), name, [this, ms](Workspace& workspace) {
      const auto run = [&]() -> Result<std::vector<Workspace::Written>> {
        std::vector<Workspace::Written> out;
        SL_TRY(Workspace::Written one,
               workspace.write(change_of(9, 0, ms), {true, true, "ann", 0, ""}, clock.ms));
        out.push_back(std::move(one));
        return out;
      };
      return run();
    });
    pump();
    return entered;
  }
  // What this server would have told of a version, had it had it.
  Receipt receipt(std::uint64_t version, const std::string& workspace = "team",
                  std::uint64_t mark = 77) {
    return make_receipt({*store.seal_key(), *store.lineage(), workspace}, ServerVersion(version),
                        mark);
  }
  Hello shows(int replica, const Receipt& receipt) {
    Hello hello = sample_hello(replica);
    hello.lineage = *store.lineage();
    hello.cursor = receipt.version;
    hello.catch_up = CatchUp::resume;
    hello.receipt = receipt;
    return hello;
  }
  template <typename M>
  std::size_t count(ConnectionId id) {
    std::size_t found = 0;
    for (const SharedBytes& frame : sent[id]) {
      found += std::holds_alternative<M>(*decode_message(frame)) ? 1 : 0;
    }
    return found;
  }
  std::size_t sent_bytes(ConnectionId id) {
    std::size_t bytes = 0;
    for (const SharedBytes& frame : sent[id]) {
      bytes += frame.size();
    }
    return bytes;
  }
  bool is_up(ConnectionId id) { return hung_up.count(id) == 0; }
};

}  // namespace syncline
