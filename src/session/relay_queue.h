#pragma once

#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "model/version_vector.h"
#include "session/effect.h"

namespace syncline {

// Others' changes, learned from peers, on their way to the server: what was sent and not answered,
// what to load next. Bounded by limits::push_window_bytes, one larger change aside.
class RelayQueue {
 public:
  // A new connection: nothing is under way, and the host begins with the first change.
  void reset() { *this = RelayQueue(); }
  // Something was committed, and may be to be relayed.
  void written() { drained_ = false; }

  // What to ask the host for; nothing while it is being asked, the window is full, or everything
  // was sent.
  std::optional<effect::LoadRelays> next();
  bool expects() const { return loading_; }
  // Counts as sent; no parts mean that there are no more. The parts are our own bytes.
  void sent(const std::vector<ByteVector>& parts);
  // The answer to the oldest change under way: what is settled by it. Fails with `malformed` when
  // nothing was asked, or another replica's change.
  Result<effect::FinishRelay> answered(const RelayAck& ack);

  // Nothing is known to be left.
  bool done() const { return drained_ && in_flight_.empty(); }
  // True once when all are answered and the server has refused some.
  bool takes_refused() { return done() && std::exchange(refused_, false); }
  std::size_t count() const { return in_flight_.size(); }
  std::size_t bytes() const { return bytes_; }

 private:
  struct InFlight {
    Dot dot;
    std::size_t bytes = 0;
  };
  std::deque<InFlight> in_flight_;
  std::size_t bytes_ = 0;
  bool first_ = true;
  bool loading_ = false;
  bool drained_ = false;
  bool refused_ = false;
};

}  // namespace syncline
