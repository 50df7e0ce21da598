// The part of the hub that makes waiting changes and greetings durable, or takes them back.
#include "base/mutant.h"
#include "server/hub.h"

namespace syncline {

Result<void> Hub::begin() {
  if (in_transaction_) {
    return {};
  }
  SL_TRY(store_->begin());
  in_transaction_ = true;
  return {};
}

void Hub::fail(Instant now, const Error& error, Room* culprit) {
  store_->rollback();
  in_transaction_ = false;
  std::deque<Waiting> lost = std::move(waiting_);
  waiting_.clear();
  waiting_bytes_ = 0;
  writers_.clear();
  std::deque<Greeted> unheard = std::move(greeted_);
  greeted_.clear();
  end_visits(false);
  std::set<ConnectionId> gone;
  std::deque<Waiting> again;
  std::deque<ConnectionId> greet_again;
  for (const Greeted& one : unheard) {
    if (culprit == nullptr || one.room == culprit) {
      gone.insert(one.connection);
    } else {
      greet_again.push_back(one.connection);
    }
  }
  for (Waiting& one : lost) {
    if (culprit == nullptr || one.room == culprit) {
      gone.insert(one.connection);
    } else {
      again.push_back(std::move(one));
    }
  }
  std::set<Room*> broken;
  for (const auto& [name, room] : rooms_) {
    if (!room->workspace.reload()) {
      broken.insert(room.get());
      gone.insert(room->members.begin(), room->members.end());
    }
  }
  for (const ConnectionId id : gone) {
    if (const auto at = peers_.find(id); at != peers_.end()) {
      at->second->session.on_host_failure(now, error);
      pump(now, id);
    }
  }
  close_rooms(broken);
  admit_again(now, std::move(again));
  for (const ConnectionId id : greet_again) {
    if (const auto at = peers_.find(id); at != peers_.end() && !at->second->session.is_closed()) {
      greet(now, id, *at->second, at->second->session.hello());
      pump(now, id);
    }
  }
}

void Hub::close_rooms(const std::set<Room*>& broken) {
  for (const auto& [id, peer] : peers_) {
    if (broken.count(peer->room) != 0) {
      peer->room = nullptr;
    }
  }
  for (auto at = cursors_.begin(); at != cursors_.end();) {
    at = broken.count(at->first.first) != 0 ? cursors_.erase(at) : std::next(at);
  }
  for (auto at = rooms_.begin(); at != rooms_.end();) {
    at = broken.count(at->second.get()) != 0 ? rooms_.erase(at) : std::next(at);
  }
}

void Hub::admit_again(Instant now, std::deque<Waiting> waiting) {
  for (Waiting& one : waiting) {
    const auto at = peers_.find(one.connection);
    if (at == peers_.end() || at->second->room != one.room) {
      continue;
    }
    if (const auto done =
            admit(one.connection, *at->second, std::move(one.parts), one.admitted.relayed);
        !done) {
      // Twice in a row is no one workspace's fault.
      waiting_.push_back({one.connection, one.room, {}, {}, {}, {}});
      fail(now, done.error(), nullptr);
      return;
    }
  }
  if (!waiting_.empty()) {
    effects_.emplace_back(HubCommitWanted{});
  }
}

bool Hub::commit(Instant now) {
  if (!in_transaction_) {
    return true;
  }
  const auto run = [&]() -> Result<void> {
    for (const auto& [whose, cursor] : cursors_) {
      SL_TRY(whose.first->workspace.save_cursor(whose.second, cursor, clock_->now_ms()));
    }
    return store_->commit();
  };
  if (const auto done = run(); !done) {
    fail(now, done.error(), nullptr);
    return false;
  }
  in_transaction_ = false;
  ++commits_;
  cursors_.clear();
  std::deque<Waiting> done = std::move(waiting_);
  waiting_.clear();
  waiting_bytes_ = 0;
  writers_.clear();
  std::deque<Greeted> greeted = std::move(greeted_);
  greeted_.clear();
  std::set<Room*> moved;
  for (Waiting& one : done) {
    if (one.admitted.admission == Admission::admitted) {
      one.room->recent.add(one.version, one.author, std::move(one.parts));
      one.room->committed = one.version;
      moved.insert(one.room);
    }
    if (const auto at = peers_.find(one.connection); at != peers_.end()) {
      one.admitted.sequence = SL_MUTANT(3) ? one.admitted.sequence.next() : one.admitted.sequence;
      at->second->session.on_admitted(now, std::move(one.admitted));
    }
  }
  std::set<ConnectionId> touched;
  for (const Waiting& one : done) {
    touched.insert(one.connection);
  }
  for (Greeted& one : greeted) {
    touched.insert(one.connection);
    welcome(now, std::move(one));
  }
  end_visits(true);
  for (Room* room : moved) {
    effects_.emplace_back(HubHeadMoved{room->workspace.name()});
    for (const ConnectionId id : room->members) {
      peers_.at(id)->session.on_head_moved(now, room->committed);
      touched.insert(id);
    }
  }
  for (const ConnectionId id : touched) {
    pump(now, id);
  }
  return true;
}

void Hub::settle(Instant now) {
  if (in_transaction_ || cursors_.empty()) {
    return;
  }
  if (const auto begun = begin(); !begun) {
    return;  // they are still there the next time
  }
  commit(now);
}

}  // namespace syncline
