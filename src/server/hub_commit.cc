// The part of the hub that makes waiting changes and greetings durable, or takes them back.
#include <utility>

#include "base/mutant.h"
#include "server/hub.h"

namespace syncline {
namespace {

constexpr Duration probe_every{1000};

}  // namespace

Result<void> Hub::begin() {
  if (in_transaction_) {
    return {};
  }
  SL_TRY(store_->begin());
  in_transaction_ = true;
  return {};
}

Result<void> Hub::probe(Instant now) {
  commit(now);
  if (!tried_at_ || now - *tried_at_ >= probe_every) {
    const auto run = [&]() -> Result<void> {
      SL_TRY(begin());
      return store_->touch(clock_->now_ms());
    };
    if (const auto done = run(); !done) {
      fail(now, done.error());
    } else {
      is_touched_ = true;
      commit(now);
    }
  }
  return trouble_ ? Result<void>(*trouble_) : Result<void>();
}

void Hub::note_trouble(Instant now, const Error& error) {
  if (is_storage_trouble(error.code())) {
    ++failures_;
    trouble_ = error;
    tried_at_ = now;
  }
}

// The rooms that cannot be read any more.
std::set<Hub::Room*> Hub::take_back() {
  is_touched_ = false;
  store_->rollback();
  in_transaction_ = false;
  waiting_.clear();
  waiting_bytes_ = 0;
  writers_.clear();
  greeted_.clear();
  std::set<Room*> broken;
  for (const auto& [name, room] : rooms_) {
    if (!room->workspace.reload()) {
      broken.insert(room.get());
    }
  }
  return broken;
}

void Hub::send_away(Instant now, ConnectionId id, const Error& error) {
  if (const auto at = peers_.find(id); at != peers_.end()) {
    at->second->session.on_host_failure(now, error);
    pump(now, id);
  }
}

void Hub::fail(Instant now, const Error& error) {
  note_trouble(now, error);
  std::set<ConnectionId> gone;
  for (const Greeted& one : greeted_) {
    gone.insert(one.connection);
  }
  for (const Waiting& one : waiting_) {
    gone.insert(one.connection);
  }
  end_visits(false);
  const std::set<Room*> broken = take_back();
  for (Room* room : broken) {
    gone.insert(room->members.begin(), room->members.end());
  }
  for (const ConnectionId id : gone) {
    send_away(now, id, error);
  }
  close_rooms(broken);
}

Result<void> Hub::attempt(FunctionRef<Result<void>()> work) {
  SL_TRY(begin());
  const auto waited = static_cast<std::ptrdiff_t>(waiting_.size());
  const auto greeted = static_cast<std::ptrdiff_t>(greeted_.size());
  auto done = store_->attempt(work);
  if (!done) {
    waiting_.erase(waiting_.begin() + waited, waiting_.end());
    greeted_.erase(greeted_.begin() + greeted, greeted_.end());
    for (const auto& [name, room] : rooms_) {
      SL_TRY(room->workspace.reload());
    }
  }
  return done;
}

void Hub::redo(Instant now) {
  const std::deque<Waiting> waiting = std::exchange(waiting_, {});
  const std::deque<Greeted> greeted = std::exchange(greeted_, {});
  const std::vector<Visit> visits = std::exchange(visits_, {});
  const std::set<Room*> broken = take_back();
  for (Room* room : broken) {
    for (const ConnectionId id : std::set<ConnectionId>(room->members)) {
      send_away(now, id, Error(ErrorCode::storage, "the workspace cannot be read"));
    }
  }
  close_rooms(broken);
  std::optional<Error> lost;
  const auto by_itself = [&](FunctionRef<Result<void>()> work) -> Result<void> {
    auto done = lost ? Result<void>(*lost) : attempt(work);
    if (!done) {
      note_trouble(now, done.error());
    }
    if (!done && done.error().code() == ErrorCode::cancelled) {
      lost = done.error();
    }
    return done;
  };
  for (const Waiting& one : waiting) {
    const auto at = peers_.find(one.connection);
    if (at == peers_.end() || at->second->room != one.room || one.room == nullptr) {
      continue;
    }
    Peer& peer = *at->second;
    peer.is_refused = false;
    const auto done =
        by_itself([&] { return admit(one.connection, peer, one.parts, one.admitted.relayed); });
    if (!done) {
      send_away(now, one.connection, done.error());
    }
  }
  for (const Visit& one : visits) {
    if (by_itself([&] { return visit(one); })) {
      visits_.push_back(one);
    } else {
      effects_.emplace_back(HubDoorDone{one.ticket, false});
    }
  }
  for (const Greeted& one : greeted) {
    const auto at = peers_.find(one.connection);
    if (at == peers_.end() || at->second->session.is_closed()) {
      continue;
    }
    Peer& peer = *at->second;
    const auto done = by_itself([&] { return judge(one.connection, peer, peer.session.hello()); });
    if (!done) {
      send_away(now, one.connection, done.error());
    }
  }
  if (lost) {
    fail(now, *lost);
  } else if (in_transaction_) {
    effects_.emplace_back(HubCommitWanted{});
  }
}

void Hub::close_rooms(const std::set<Room*>& broken) {
  for (const Room* room : broken) {
    recent_bytes_ -= room->recent.bytes();
  }
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

// Whoever brought these changes hears what became of them.
Hub::Moved Hub::tell_admitted(Instant now, std::deque<Waiting>& done) {
  Moved out;
  for (Waiting& one : done) {
    if (one.admitted.admission == Admission::admitted) {
      const std::size_t before = one.room->recent.bytes();
      one.room->recent.add(one.receipt, one.author, std::move(one.parts));
      keep_recent(*one.room, before);
      one.room->committed = one.receipt.version;
      ++changes_;
      out.rooms.insert(one.room);
      if (one.is_bequest) {
        out.bequeathed.insert({one.room, one.author});
      }
    }
    if (const auto at = peers_.find(one.connection); at != peers_.end()) {
      one.admitted.receipt = one.receipt;
      one.admitted.sequence = SL_MUTANT(3) ? one.admitted.sequence.next() : one.admitted.sequence;
      at->second->session.on_admitted(now, std::move(one.admitted));
    }
  }
  return out;
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
    fail(now, done.error());
    return false;
  }
  in_transaction_ = false;
  ++commits_;
  if (is_touched_ || !waiting_.empty() || !greeted_.empty()) {
    // Nothing else is sure to have written anything.
    trouble_.reset();
    tried_at_ = now;
    is_touched_ = false;
  }
  cursors_.clear();
  std::deque<Waiting> done = std::move(waiting_);
  waiting_.clear();
  waiting_bytes_ = 0;
  writers_.clear();
  std::deque<Greeted> greeted = std::move(greeted_);
  greeted_.clear();
  const Moved moved = tell_admitted(now, done);
  std::set<ConnectionId> touched;
  for (const Waiting& one : done) {
    touched.insert(one.connection);
  }
  for (Greeted& one : greeted) {
    touched.insert(one.connection);
    welcome(now, std::move(one));
  }
  end_visits(true);
  for (const auto& [room, replica] : moved.bequeathed) {
    replace(now, *room, replica, "a copy of this replica told its changes");
  }
  for (Room* room : moved.rooms) {
    effects_.emplace_back(HubHeadMoved{room->workspace.name()});
    for (const ConnectionId id : room->members) {
      peers_.at(id)->session.on_head_moved(now, room->committed);
      touched.insert(id);
    }
  }
  for (const ConnectionId id : touched) {
    pump(now, id);
  }
  bound(now);
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
