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

bool Hub::has_presence_credit(const Peer& peer) const {
  return peer.unsent < (waiting_budget_.is_scarce() ? bounds::scarce_credit_bytes
                                                    : bounds::presence_credit_bytes);
}

bool Hub::has_more(const Peer& peer) const {
  return !peer.questions.empty() || !peer.held.empty() ||
         (!peer.missed.empty() && has_presence_credit(peer));
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
    ready_.enter(id, peer.session.rights().user);
  }
  want_work(now);
}

void Hub::spend(const Peer& peer, std::size_t units) {
  turn_left_.spend(units);
  ready_.charge(peer.session.rights().user, units);
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
  if (is_able(peer)) {
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
    spend(peer, WorkMeter::units_of(frame.size()));
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
  peer.taken_at = now;
  recount(peer);
  use_room(now);
  if (is_able(peer)) {
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
    answer_some(now, *ready_.next());
  }
  is_turn_ = false;
  for (const std::string& name : std::exchange(telling_, {})) {
    if (const auto at = rooms_.find(name); at != rooms_.end()) {
      tell_presence(now, *at->second);
    }
  }
  bound(now);
  make_room(now);
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
  if (peer.session.is_closed() || !is_able(peer)) {
    return;  // on_sent() finds it again
  }
  if (!peer.questions.empty()) {
    answer(now, id, peer);
    pump(now, id);
  } else if (!peer.held.empty()) {
    handle_held(now, id, peer);
  } else {
    tell_missed(now, id, peer);
  }
  if (is_able(peer)) {
    get_ready(now, id, peer);
  }
}

// --- Questions
// ------------------------------------------------------------------------------------

void Hub::ask(Instant now, ConnectionId id, Peer& peer, ServerEffect&& question) {
  peer.questions.push_back(std::move(question));
  const bool is_next = peer.questions.size() == 1 && peer.held.empty();
  if (is_next && !is_turn_ && !turn_left_.is_spent() && has_credit(peer)) {
    answer(now, id, peer);
  }
  if (is_able(peer)) {
    get_ready(now, id, peer);
  }
}

void Hub::answer(Instant now, ConnectionId id, Peer& peer) {
  if (in_transaction_ && !std::holds_alternative<effect::ReadLog>(peer.questions.front())) {
    spend(peer, bounds::commit_units);
    commit(now);  // what is told is committed
    if (peer.questions.empty()) {
      return;  // that ended the session
    }
  }
  const ServerEffect question = std::move(peer.questions.front());
  peer.questions.pop_front();
  WorkMeter meter(bounds::slice_units, room_left());
  bool is_done = true;
  if (const auto* log = std::get_if<effect::ReadLog>(&question)) {
    is_done = read_log(now, peer, *log, meter);
  } else if (const auto* page = std::get_if<effect::ReadSnapshot>(&question)) {
    is_done = read_snapshot(now, peer, *page, meter);
  } else if (const auto* digests = std::get_if<effect::ReadDigests>(&question)) {
    is_done = read_digests(now, peer, digests->request, meter);
  } else if (const auto* range = std::get_if<effect::ReadRange>(&question)) {
    is_done = read_range(now, peer, range->request, meter);
  }
  spend(peer, 1 + bounds::slice_units - meter.left());
  if (!is_done) {
    peer.questions.push_front(question);
  }
  if (!is_done && meter.found_no_room()) {
    wait_for_room(now, id, peer, meter.lacking());
  }
}

bool Hub::read_log(Instant now, Peer& peer, const effect::ReadLog& ask, WorkMeter& meter) {
  if (peer.room == nullptr) {
    return true;
  }
  Room& room = *peer.room;
  const Hello& hello = peer.session.hello();
  if (hello.tables.empty() && ask.begun == 0) {
    if (auto slice = room.recent.read(ask.after, hello.replica, ask.bytes_max)) {
      meter.charge(slice->parts.size());
      peer.session.on_log(now, std::move(slice->parts), slice->through);
      return true;
    }
  }
  auto slice = room.workspace.read(hello, ask, room.committed, meter);
  if (!slice) {
    peer.session.on_host_failure(now, slice.error());
  } else if (meter.found_no_room()) {
    return false;
  } else if (slice->gone) {
    peer.session.on_log_gone(now);
  } else {
    peer.session.on_log(now, std::move(slice->parts), slice->through, slice->begun);
  }
  return true;
}

bool Hub::read_snapshot(Instant now, Peer& peer, const effect::ReadSnapshot& ask,
                        WorkMeter& meter) {
  if (peer.room == nullptr) {
    return true;
  }
  auto step = peer.room->workspace.snapshot(peer.session.hello(), ask.token, ask.first, meter);
  if (!step) {
    peer.session.on_host_failure(now, step.error());
    return true;
  }
  if (meter.found_no_room()) {
    return false;
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
  return true;
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

bool Hub::read_range(Instant now, Peer& peer, const RangeRequest& request, WorkMeter& meter) {
  if (peer.room == nullptr) {
    return true;
  }
  auto rows = peer.room->workspace.range_rows(peer.session.hello(), request, meter);
  if (rows && meter.found_no_room()) {
    return false;
  }
  if (rows) {
    peer.session.on_message_ready(now, Message(std::move(*rows)));
  } else {
    peer.session.on_host_failure(now, rows.error());
  }
  return true;
}

// --- Bounds
// ---------------------------------------------------------------------------------------

std::size_t Hub::room_left() const {
  const std::size_t most = options_.memory.waiting_bytes_max;
  return std::max(bounds::free_bytes, most - std::min(most, waiting_budget_.all()));
}

void Hub::wait_for_room(Instant now, ConnectionId id, Peer& peer, std::size_t bytes) {
  // One that is larger than all may be waits until hardly anything else does.
  const std::size_t most = options_.memory.waiting_bytes_max;
  peer.lacking = std::min(bytes, most - std::min(most, bounds::free_bytes));
  peer.lacking_since = now;
  lacking_.insert(id);
  want_work(now + bounds::stalled_time);
}

// For those who wait for it, as far as it goes.
void Hub::use_room(Instant now) {
  std::size_t room = lacking_.empty() ? 0 : room_left();
  for (auto at = lacking_.begin(); at != lacking_.end();) {
    const auto found = peers_.find(*at);
    Peer* const peer = found == peers_.end() ? nullptr : found->second.get();
    const bool is_over = peer == nullptr || peer->session.is_closed();
    if (!is_over && peer->lacking > room) {
      ++at;
      continue;
    }
    if (!is_over) {
      room -= peer->lacking;
      peer->lacking = 0;
      get_ready(now, *at, *peer);
    }
    at = lacking_.erase(at);
  }
}

// When somebody waited for long, whoever holds most and has taken nothing as long is cut.
void Hub::make_room(Instant now) {
  if (lacking_.empty()) {
    return;
  }
  bool is_long = false;
  for (const ConnectionId id : lacking_) {
    const auto at = peers_.find(id);
    is_long =
        is_long || (at != peers_.end() && now - at->second->lacking_since >= bounds::stalled_time);
  }
  std::optional<ConnectionId> most;
  for (const auto& [id, peer] : peers_) {
    const bool is_stalled = peer->unsent > 0 && now - peer->taken_at >= bounds::stalled_time;
    if (is_long && is_stalled &&
        (!most || peer->waiting.bytes() > peers_.at(*most)->waiting.bytes())) {
      most = id;
    }
  }
  if (most) {
    cut(now, *most);
    use_room(now);
  }
  want_work(now + Duration{1000});
}

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
  use_room(now);
}

}  // namespace syncline
