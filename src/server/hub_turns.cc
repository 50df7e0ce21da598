// The part of the hub that shares out its memory and its time: invariants 5 and 6.
#include <algorithm>

#include "server/hub.h"
#include "wire/limits.h"

namespace syncline {
namespace {

// What keeping a frame, or the name of presence, costs beside its bytes.
constexpr std::size_t held_frame_bytes = 64;
constexpr std::size_t missed_key_bytes = 128 + limits::presence_key_bytes_max;

}  // namespace

bool Hub::has_credit(const Peer& peer) const {
  return peer.unsent <
         (waiting_budget_.is_scarce() ? bounds::scarce_credit_bytes : bounds::credit_bytes);
}

bool Hub::has_more(const Peer& peer) {
  return !peer.questions.empty() || !peer.held.empty() || !peer.missed.empty();
}

void Hub::recount(Peer& peer) {
  peer.waiting.set(peer.unsent + peer.held_bytes + peer.presence_bytes +
                   peer.missed.size() * missed_key_bytes);
}

void Hub::want_work(Instant at) {
  if (!work_wanted_at_ || at < *work_wanted_at_) {
    work_wanted_at_ = at;
    effects_.emplace_back(HubWorkWanted{at});
  }
}

void Hub::get_ready(Instant now, ConnectionId id, Peer& peer) {
  if (!peer.is_ready && !peer.session.is_closed()) {
    peer.is_ready = true;
    ready_.push_back(id);
  }
  want_work(now);
}

bool Hub::on_frame(Instant now, ConnectionId connection, Bytes frame) {
  const auto at = peers_.find(connection);
  if (at == peers_.end() || at->second->session.is_closed()) {
    return true;
  }
  Peer& peer = *at->second;
  peer.frames = peer.turn == turn_ ? peer.frames : 0;
  peer.turn = turn_;
  const bool must_wait =
      !peer.held.empty() || !is_free(peer) || peer.frames >= bounds::frames_each_turn;
  if (must_wait) {
    hold(now, connection, peer, frame);
  } else {
    handle(now, connection, peer, frame);
  }
  bound(now);
  return !must_wait;
}

void Hub::hold(Instant now, ConnectionId id, Peer& peer, Bytes frame) {
  peer.session.on_heard(now);
  peer.held.push_back(to_vector(frame));
  peer.held_bytes += frame.size() + held_frame_bytes;
  recount(peer);
  if (has_credit(peer)) {
    get_ready(now, id, peer);
  }
}

void Hub::handle(Instant now, ConnectionId id, Peer& peer, Bytes frame) {
  ++peer.frames;
  peer.session.on_frame(now, frame);
  peer.unfinished.set(peer.session.change_bytes());
  pump(now, id);
}

void Hub::handle_held(Instant now, ConnectionId id, Peer& peer) {
  for (std::size_t i = 0; i < bounds::frames_each_turn; ++i) {
    if (peer.held.empty() || !is_free(peer) || turn_left_.is_spent()) {
      return;
    }
    const ByteVector frame = std::move(peer.held.front());
    peer.held.pop_front();
    peer.held_bytes -= frame.size() + held_frame_bytes;
    recount(peer);
    effects_.emplace_back(HubTaken{id, frame.size()});
    turn_left_.charge(frame.size());
    handle(now, id, peer, frame);
  }
}

void Hub::on_sent(Instant now, ConnectionId connection, std::size_t bytes) {
  const auto at = peers_.find(connection);
  if (at == peers_.end()) {
    return;
  }
  Peer& peer = *at->second;
  peer.unsent -= std::min(peer.unsent, bytes);
  recount(peer);
  if (has_more(peer) && has_credit(peer)) {
    get_ready(now, connection, peer);
  }
}

void Hub::work(Instant now) {
  work_wanted_at_.reset();
  ++turn_;
  turn_left_ = WorkMeter(bounds::turn_units);
  if (!ready_.empty()) {
    commit(now);
  }
  is_turn_ = true;
  for (std::size_t left = ready_.size(); left > 0 && !turn_left_.is_spent(); --left) {
    const ConnectionId id = ready_.front();
    ready_.pop_front();
    answer_some(now, id);
  }
  is_turn_ = false;
  for (const std::string& name : std::exchange(telling_, {})) {
    if (const auto at = rooms_.find(name); at != rooms_.end()) {
      tell_presence(now, *at->second);
    }
  }
  bound(now);
  if (!ready_.empty()) {
    want_work(now);
  }
}

void Hub::answer_some(Instant now, ConnectionId id) {
  const auto at = peers_.find(id);
  if (at == peers_.end()) {
    return;
  }
  Peer& peer = *at->second;
  peer.is_ready = false;
  if (peer.session.is_closed() || !has_credit(peer)) {
    return;  // on_sent() finds it again
  }
  if (!peer.questions.empty()) {
    answer(now, peer);
    pump(now, id);
  } else if (!peer.held.empty()) {
    handle_held(now, id, peer);
  } else {
    tell_missed(now, id, peer);
  }
  if (has_more(peer) && has_credit(peer)) {
    get_ready(now, id, peer);
  }
}

// --- Questions
// ------------------------------------------------------------------------------------

void Hub::ask(Instant now, ConnectionId id, Peer& peer, ServerEffect&& question) {
  peer.questions.push_back(std::move(question));
  const bool is_next = peer.questions.size() == 1 && peer.held.empty();
  if (is_next && !is_turn_ && !turn_left_.is_spent() && has_credit(peer)) {
    answer(now, peer);
  }
  if (has_more(peer) && has_credit(peer)) {
    get_ready(now, id, peer);
  }
}

void Hub::answer(Instant now, Peer& peer) {
  if (in_transaction_ && !std::holds_alternative<effect::ReadLog>(peer.questions.front())) {
    turn_left_.spend(bounds::commit_units);
    commit(now);  // what is told is committed
    if (peer.questions.empty()) {
      return;  // that ended the session
    }
  }
  const ServerEffect question = std::move(peer.questions.front());
  peer.questions.pop_front();
  WorkMeter meter(bounds::slice_units);
  bool is_done = true;
  if (const auto* log = std::get_if<effect::ReadLog>(&question)) {
    read_log(now, peer, *log, meter);
  } else if (const auto* page = std::get_if<effect::ReadSnapshot>(&question)) {
    read_snapshot(now, peer, *page, meter);
  } else if (const auto* digests = std::get_if<effect::ReadDigests>(&question)) {
    is_done = read_digests(now, peer, digests->request, meter);
  } else if (const auto* range = std::get_if<effect::ReadRange>(&question)) {
    read_range(now, peer, range->request, meter);
  }
  turn_left_.spend(bounds::slice_units - meter.left());
  if (!is_done) {
    peer.questions.push_front(question);
  }
}

void Hub::read_log(Instant now, Peer& peer, const effect::ReadLog& ask, WorkMeter& meter) {
  if (peer.room == nullptr) {
    return;
  }
  Room& room = *peer.room;
  const Hello& hello = peer.session.hello();
  if (hello.tables.empty() && ask.begun == 0) {
    if (auto slice = room.recent.read(ask.after, hello.replica, ask.bytes_max)) {
      meter.charge(slice->parts.size());
      peer.session.on_log(now, std::move(slice->parts), slice->through);
      return;
    }
  }
  auto slice = room.workspace.read(hello, ask, room.committed, meter);
  if (!slice) {
    peer.session.on_host_failure(now, slice.error());
  } else if (slice->gone) {
    peer.session.on_log_gone(now);
  } else {
    peer.session.on_log(now, std::move(slice->parts), slice->through, slice->begun);
  }
}

void Hub::read_snapshot(Instant now, Peer& peer, const effect::ReadSnapshot& ask,
                        WorkMeter& meter) {
  if (peer.room == nullptr) {
    return;
  }
  auto step = peer.room->workspace.snapshot(peer.session.hello(), ask.token, ask.first, meter);
  if (!step) {
    peer.session.on_host_failure(now, step.error());
    return;
  }
  if (step->begin) {
    peer.session.on_snapshot_begin(now, *step->begin);
  }
  if (step->page) {
    peer.session.on_snapshot_page(now, std::move(*step->page));
  }
  if (step->end) {
    peer.session.on_snapshot_end(now, *step->end);
  }
}

bool Hub::read_digests(Instant now, Peer& peer, const RescanRequest& request, WorkMeter& meter) {
  if (peer.room == nullptr) {
    peer.walk.reset();
    return true;
  }
  if (!peer.walk) {
    peer.walk.emplace();
    peer.walk->request = request;
  }
  auto digests = peer.room->workspace.range_digests(peer.session.hello(), *peer.walk, meter);
  if (digests && !*digests) {
    return false;
  }
  peer.walk.reset();
  if (digests) {
    peer.session.on_message_ready(now, Message(std::move(**digests)));
  } else {
    peer.session.on_host_failure(now, digests.error());
  }
  return true;
}

void Hub::read_range(Instant now, Peer& peer, const RangeRequest& request, WorkMeter& meter) {
  if (peer.room == nullptr) {
    return;
  }
  auto rows = peer.room->workspace.range_rows(peer.session.hello(), request, meter);
  if (rows) {
    peer.session.on_message_ready(now, Message(std::move(*rows)));
  } else {
    peer.session.on_host_failure(now, rows.error());
  }
}

// --- Bounds
// ---------------------------------------------------------------------------------------

void Hub::keep_recent(Room& room, std::size_t bytes_before) {
  recent_bytes_ += room.recent.bytes();
  recent_bytes_ -= bytes_before;
  while (recent_bytes_ > options_.memory.recent_bytes_max) {
    Room* largest = &room;
    for (const auto& [name, other] : rooms_) {
      largest = other->recent.bytes() > largest->recent.bytes() ? other.get() : largest;
    }
    recent_bytes_ -= largest->recent.bytes();
    largest->recent.clear();  // the log has it all
  }
}

void Hub::bound(Instant now) {
  while (const auto id = unfinished_budget_.over()) {
    Peer& peer = *peers_.at(*id);
    ++cuts_;
    peer.session.on_host_failure(
        now, Error(ErrorCode::busy, "too many large changes are under way at once"));
    peer.unfinished.set(0);
    pump(now, *id);
  }
  while (const auto id = waiting_budget_.over()) {
    cut(now, *id);
  }
}

void Hub::cut(Instant now, ConnectionId id) {
  Peer& peer = *peers_.at(id);
  ++cuts_;
  peer.is_cut = true;
  if (peer.session.is_closed()) {
    effects_.emplace_back(HubHangUp{id, "too slow", true});
  } else {
    peer.session.hang_up(now, Farewell::too_slow, "too much waited to be taken");
    pump(now, id);
  }
  peer.unsent = 0;
  recount(peer);
}

}  // namespace syncline
