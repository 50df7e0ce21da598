#pragma once

#include <deque>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "session/effect.h"

namespace syncline {

// One part of an own change, as the host loaded it from the outbox.
struct OutboxPart {
  ChangeSequence sequence;
  std::uint64_t time = 0;  // of its stamp
  bool last = true;
  ByteVector part;
};

// Own changes on their way to the server: what was sent and not acknowledged, what to load next.
// Bounded by limits::push_window_bytes and push_window_changes, one larger change aside.
class PushWindow {
 public:
  // A new connection: nothing is under way.
  void reset();
  // The server has everything up to here.
  void start_at(ChangeSequence acknowledged);
  // More was written; before `wait_until` the push may wait for still more.
  void written() { drained_ = false; }
  void wait_until(Instant at) { push_at_ = at; }
  std::optional<Instant> waits_until() const { return push_at_; }

  // What to ask the host for; nothing while it is being asked, the window is full, the push waits,
  // or everything was sent.
  std::optional<effect::LoadOutbox> next(Instant now, ChangeSequence last_sequence);
  // Whether the host's answer belongs to the last question; one that comes too late for its
  // connection does not.
  bool expects(ChangeSequence after) const { return loading_ && after == sent_through_; }
  // Counts what expects() let in as sent.
  void sent(const std::vector<OutboxPart>& parts);
  // Takes everything up to `through` out of the window; the time of the last change in it, or
  // nothing when none was.
  std::optional<std::uint64_t> acknowledge(ChangeSequence through);

  ChangeSequence sent_through() const { return sent_through_; }
  bool empty() const { return in_flight_.empty(); }
  std::size_t bytes() const { return bytes_; }

 private:
  struct InFlight {
    ChangeSequence sequence;
    std::uint64_t time = 0;
    std::size_t bytes = 0;
  };
  std::deque<InFlight> in_flight_;
  std::size_t bytes_ = 0;
  ChangeSequence sent_through_;
  bool loading_ = false;
  bool drained_ = false;
  std::optional<Instant> push_at_;
};

}  // namespace syncline
