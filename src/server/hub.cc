#include "server/hub.h"

#include <algorithm>

#include "base/mutant.h"
#include "wire/change_codec.h"

namespace syncline {
namespace {

template <typename... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <typename... F>
Overloaded(F...) -> Overloaded<F...>;

}  // namespace

Hub::Hub(LogStore& store, WallClock& clock, HubOptions options)
    : store_(&store),
      clock_(&clock),
      options_(std::move(options)),
      waiting_budget_(options_.memory.waiting_bytes_max),
      unfinished_budget_(options_.memory.unfinished_bytes_max) {}

std::optional<HubEffect> Hub::next_effect() {
  if (effects_.empty()) {
    return std::nullopt;
  }
  HubEffect out = std::move(effects_.front());
  effects_.pop_front();
  return out;
}

std::optional<ConnectionId> Hub::open(Instant now) {
  if (peers_.size() >= options_.connections_max) {
    return std::nullopt;
  }
  const ConnectionId id(next_connection_++);
  Peer& peer = *peers_.emplace(id, std::make_unique<Peer>(*this, id)).first->second;
  peer.session.on_open(now);
  pump(now, id);
  return id;
}

void Hub::on_wakeup(Instant now, ConnectionId connection) {
  if (const auto at = peers_.find(connection); at != peers_.end()) {
    at->second->session.on_wakeup(now);
    pump(now, connection);
  }
}

void Hub::on_authorised(Instant now, ConnectionId connection, Rights rights) {
  if (const auto at = peers_.find(connection); at != peers_.end()) {
    at->second->session.on_authorised(now, std::move(rights));
    at->second->waiting.belongs_to(at->second->session.rights().user);
    at->second->unfinished.belongs_to(at->second->session.rights().user);
    pump(now, connection);
  }
}

void Hub::on_closed(Instant now, ConnectionId connection) {
  const auto at = peers_.find(connection);
  if (at == peers_.end()) {
    return;
  }
  const std::unique_ptr<Peer> peer = std::move(at->second);
  peers_.erase(at);
  leave(now, connection, *peer);
  peer->waiting.set(0);
  use_room(now);
}

void Hub::hang_up(Instant now, const std::string& user, Farewell reason,
                  const std::string& message) {
  std::vector<ConnectionId> ids;
  for (const auto& [id, peer] : peers_) {
    if (user.empty() || peer->session.rights().user == user) {
      ids.push_back(id);
    }
  }
  for (const ConnectionId id : ids) {
    peers_.at(id)->session.hang_up(now, reason, message);
    pump(now, id);
  }
}

void Hub::recheck(Instant now, const RightsCheck& check) {
  std::vector<std::pair<ConnectionId, Error>> ids;
  for (const auto& [id, peer] : peers_) {
    if (!peer->session.rights().may_read) {
      continue;  // its token is still to be looked at
    }
    if (auto allowed = check(peer->session.rights()); !allowed) {
      ids.emplace_back(id, std::move(allowed).error());
    }
  }
  for (const auto& [id, error] : ids) {
    if (const auto at = peers_.find(id); at != peers_.end()) {
      at->second->session.hang_up(now, Farewell::expired, error.message());
      pump(now, id);
    }
  }
}

Result<Hub::Room*> Hub::room(const std::string& name) {
  const auto at = rooms_.find(name);
  if (at != rooms_.end()) {
    return at->second.get();
  }
  SL_TRY(begin());
  SL_TRY(Workspace workspace, Workspace::open(*store_, options_.rules, name));
  auto made = std::make_unique<Room>(std::move(workspace), options_.fan_out_bytes_max);
  made->committed = made->workspace.head();
  return rooms_.emplace(name, std::move(made)).first->second.get();
}

Result<void> Hub::retire(Instant now) {
  commit(now);
  const auto run = [&]() -> Result<void> {
    for (const auto& [name, room] : rooms_) {
      SL_TRY(begin());
      SL_TRY(syncline::retire(*store_, room->workspace, options_.retention, clock_->now_ms()));
    }
    return {};
  };
  if (auto done = run(); !done) {
    fail(now, done.error());
    return done;
  }
  if (!commit(now)) {
    return Error(ErrorCode::storage, "what retention forgot could not be stored");
  }
  return {};
}

Result<void> Hub::reset(Instant now, const std::string& workspace, const LineageId& lineage) {
  commit(now);
  settle(now);
  SL_TRY(const auto known, store_->find_workspace(workspace));
  if (!known) {
    return Error(ErrorCode::not_found, "there is no such workspace");
  }
  send_away(now, "a workspace was reset");
  SL_TRY(store_->begin_lineage(lineage));
  SL_TRY(begin());
  if (auto forgotten = store_->forget_workspace(known->id); !forgotten) {
    fail(now, forgotten.error());
    return forgotten;
  }
  return commit(now) ? Result<void>() : Error(ErrorCode::storage, "the reset could not be stored");
}

void Hub::send_away(Instant now, const std::string& why) {
  hang_up(now, "", Farewell::draining, why);
  commit(now);
  std::set<Room*> all;
  for (const auto& [name, room] : rooms_) {
    all.insert(room.get());
  }
  close_rooms(all);
}

Result<void> Hub::lose_lineage(Instant now, const LineageId& lineage) {
  commit(now);
  settle(now);
  send_away(now, "an older copy of the server's data was put back");
  is_behind_ = false;  // who comes before it is done will say so again
  return store_->lose_lineage(lineage);
}

void Hub::pump(Instant now, ConnectionId connection) {
  for (;;) {
    const auto at = peers_.find(connection);
    if (at == peers_.end()) {
      return;
    }
    auto effect = at->second->session.next_effect();
    if (!effect) {
      return;
    }
    perform(now, connection, *at->second, std::move(*effect));
  }
}

void Hub::perform(Instant now, ConnectionId id, Peer& peer, ServerEffect&& effect) {
  const auto tell = [&](SharedBytes frame) {
    peer.taken_at = peer.unsent == 0 ? now : peer.taken_at;
    peer.unsent += frame.size();
    recount(peer);
    effects_.emplace_back(HubSend{id, std::move(frame)});
  };
  std::visit(Overloaded{
                 [&](effect::Send&& e) { tell(std::move(e.frame)); },
                 [&](effect::SendShared&& e) { tell(std::move(e.frame)); },
                 [&](effect::HangUp&& e) {
                   leave(now, id, peer);
                   peer.questions.clear();
                   peer.held.clear();
                   peer.held_bytes = 0;
                   peer.missed.clear();
                   recount(peer);
                   use_room(now);
                   const bool at_once = peer.is_cut || peer.unsent > bounds::credit_bytes;
                   effects_.emplace_back(HubHangUp{id, std::move(e.reason), at_once});
                 },
                 [&](effect::WakeAt&& e) {
                   effects_.emplace_back(HubWakeAt{id, e.at});
                 },
                 [&](effect::Authorise&& e) {
                   effects_.emplace_back(
                       HubAuthorise{id, std::move(e.workspace), std::move(e.token), e.replica});
                 },
                 [&](effect::Greet&& e) { greet(now, id, peer, e.hello); },
                 [&](effect::Append&& e) { append(now, id, peer, std::move(e.parts), e.relayed); },
                 [&](effect::ReadLog&& e) { ask(now, id, peer, std::move(e)); },
                 [&](effect::ReadSnapshot&& e) { ask(now, id, peer, std::move(e)); },
                 [&](effect::ReadDigests&& e) { ask(now, id, peer, std::move(e)); },
                 [&](effect::ReadRange&& e) { ask(now, id, peer, std::move(e)); },
                 [&](effect::ReadHead&&) {
                   commit(now);
                   if (peer.room != nullptr) {
                     peer.session.on_head(now, peer.room->committed,
                                          peer.room->workspace.digest(peer.session.hello().tables));
                   }
                 },
                 [&](effect::SaveCursor&& e) {
                   if (peer.room != nullptr) {
                     cursors_[{peer.room, peer.session.hello().replica}] = e.version;
                   }
                 },
                 [&](effect::Broadcast&& e) { broadcast(now, peer, e.presence); },
                 [&](effect::ChangeSubscription&&) {
                   // The session's hello holds the new tables; every read looks there.
                 },
             },
             std::move(effect));
}

void Hub::greet(Instant now, ConnectionId id, Peer& peer, const Hello& hello) {
  const auto opened = open_workspace(hello.workspace, peer.session.rights());
  if (!opened && opened.error().code() == ErrorCode::not_allowed) {
    Refused refused;
    refused.reason = Refusal::not_allowed;
    refused.message = opened.error().message();
    refused.advice = "ask an operator for more, or use a workspace that you have";
    peer.session.on_greeting(now, std::move(refused));
    return;
  }
  if (const auto judged = judge(id, peer, hello); !judged) {
    peer.session.on_host_failure(now, judged.error());
    redo(now);
  } else if (greeted_.size() == 1) {
    effects_.emplace_back(HubCommitWanted{});
  }
}

// Invariant 4.
Result<void> Hub::judge(ConnectionId id, Peer& peer, const Hello& hello) {
  SL_TRY(begin());
  SL_TRY(Room * into, room(hello.workspace));
  SL_TRY(const bool is_behind, into->workspace.is_behind(hello));
  if (is_behind) {
    // Nobody is greeted any more; everybody is sent away and comes back to another lineage.
    if (!std::exchange(is_behind_, true)) {
      effects_.emplace_back(
          HubBehind{hello.workspace, into->workspace.head(), hello.receipt.version});
    }
    effects_.emplace_back(HubCommitWanted{});  // of the transaction that this began
    return {};
  }
  SL_TRY(Greeting greeting, into->workspace.greet(hello, peer.session.rights(), clock_->now_ms()));
  greeted_.push_back({id, into, std::move(greeting)});
  return {};
}

void Hub::welcome(Instant now, Greeted&& greeted) {
  const auto at = peers_.find(greeted.connection);
  if (at == peers_.end() || at->second->session.is_closed()) {
    return;
  }
  Peer& peer = *at->second;
  if (std::holds_alternative<Welcome>(greeted.greeting)) {
    peer.room = greeted.room;
    join(now, greeted.connection, peer);
  }
  peer.session.on_greeting(now, std::move(greeted.greeting));
  if (peer.room != nullptr) {
    for (const auto& [whose, value] : peer.room->presence) {
      tell_presence(now, greeted.connection, peer, whose, value);
    }
  }
}

void Hub::join(Instant now, ConnectionId id, Peer& peer) {
  peer.room->members.insert(id);
  if (peer.session.hello().catch_up == CatchUp::bequest) {
    return;  // the replica's own connection stays
  }
  const ReplicaId replica = peer.session.hello().replica;
  replace(now, *peer.room, replica, "another connection of this replica took over");
  peer.room->by_replica[replica] = id;
}

// Invariant 3.
void Hub::replace(Instant now, Room& room, const ReplicaId& replica, const std::string& why) {
  const auto other = room.by_replica.find(replica);
  if (other == room.by_replica.end()) {
    return;
  }
  const ConnectionId older = other->second;
  peers_.at(older)->session.hang_up(now, Farewell::replaced, why);
  pump(now, older);
}

void Hub::leave(Instant now, ConnectionId id, Peer& peer) {
  if (peer.room == nullptr) {
    return;
  }
  Room& room = *peer.room;
  const ReplicaId replica = peer.session.hello().replica;
  room.members.erase(id);
  const auto own = room.by_replica.find(replica);
  const bool is_own = own != room.by_replica.end() && own->second == id;
  if (is_own) {
    room.by_replica.erase(own);
  }
  peer.room = nullptr;
  if (room.members.empty()) {
    recent_bytes_ -= room.recent.bytes();
    room.recent.clear();  // nobody follows closely; the log has it all
  }
  if (is_own) {
    hide(now, peer, room);
  }
}

Result<void> Hub::admit(ConnectionId id, Peer& peer, std::vector<ByteVector> parts, bool relayed) {
  SL_TRY(begin());
  std::size_t bytes = 0;
  for (const ByteVector& part : parts) {
    bytes += part.size();
  }
  Workspace& workspace = peer.room->workspace;
  std::vector<ByteVector> kept = parts;
  const Hello& hello = peer.session.hello();
  const Rights& rights = peer.session.rights();
  SL_TRY(Admitted admitted,
         relayed ? workspace.admit_relayed(hello, rights, std::move(parts), clock_->now_ms())
                 : workspace.admit(hello, rights, std::move(parts), clock_->now_ms()));
  if (!admitted.logged.empty()) {
    kept.clear();
    kept.push_back(std::move(admitted.logged));
  }
  peer.is_refused = admitted.admission == Admission::skewed ||
                    admitted.admission == Admission::diverged ||
                    admitted.admission == Admission::out_of_order ||
                    (admitted.admission == Admission::foreign && !relayed);
  if (admitted.admission == Admission::foreign) {
    ++foreign_changes_;
  }
  const ReplicaId author = admitted.author;
  if (SL_MUTANT(1)) {  // acknowledges before the commit
    peer.session.on_admitted(Instant{}, admitted);
  }
  waiting_.push_back({id, peer.room, std::move(admitted), std::move(kept), workspace.receipt(),
                      author, hello.catch_up == CatchUp::bequest});
  waiting_bytes_ += bytes;
  writers_.insert(id);
  return {};
}

// Whether another connection of the same replica waits for its welcome: what it will be told was
// judged before what this one sends.
bool Hub::is_greeted_anew(ConnectionId id, const Peer& peer) const {
  return std::any_of(greeted_.begin(), greeted_.end(), [&](const Greeted& one) {
    const auto at = peers_.find(one.connection);
    return one.connection != id && one.room == peer.room && at != peers_.end() &&
           at->second->session.hello().replica == peer.session.hello().replica;
  });
}

void Hub::append(Instant now, ConnectionId id, Peer& peer, std::vector<ByteVector> parts,
                 bool relayed) {
  if (peer.room != nullptr && is_greeted_anew(id, peer)) {
    commit(now);  // which ends this connection, unless the newer one is refused
  }
  if (peer.room == nullptr || (peer.is_refused && !SL_MUTANT(27))) {
    return;  // what was on its way behind a refused change is sent again after it
  }
  const auto done = admit(id, peer, std::move(parts), relayed);
  if (!done) {
    // Also what it sent before waits no longer: it comes again, and sends it all.
    send_away(now, id, done.error());
    redo(now);
    return;
  }
  if (SL_MUTANT(2)) {  // tells changes before the commit
    peer.room->committed = peer.room->workspace.head();
    for (const ConnectionId member : std::set<ConnectionId>(peer.room->members)) {
      peers_.at(member)->session.on_head_moved(now, peer.room->committed);
      pump(now, member);
    }
  }
  if (waiting_.size() >= options_.group_changes_max || waiting_bytes_ >= options_.group_bytes_max) {
    commit(now);
  } else if (waiting_.size() == 1) {
    effects_.emplace_back(HubCommitWanted{});
  }
}

}  // namespace syncline
