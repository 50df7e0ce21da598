#include "session/push_window.h"

#include <algorithm>

#include "base/mutant.h"
#include "wire/limits.h"

namespace syncline {

void PushWindow::reset() {
  in_flight_.clear();
  bytes_ = 0;
  loading_ = SL_MUTANT(22) && loading_;
  drained_ = false;
  push_at_.reset();
}

void PushWindow::start_at(ChangeSequence acknowledged) {
  sent_through_ = SL_MUTANT(23) ? std::max(sent_through_, acknowledged) : acknowledged;
}

std::optional<effect::LoadOutbox> PushWindow::next(Instant now, ChangeSequence last_sequence) {
  if (loading_ || drained_ || in_flight_.size() >= limits::push_window_changes ||
      bytes_ >= limits::push_window_bytes || (push_at_ && now < *push_at_)) {
    return std::nullopt;
  }
  push_at_.reset();
  if (sent_through_ >= last_sequence) {
    drained_ = true;
    return std::nullopt;
  }
  loading_ = true;
  return effect::LoadOutbox{sent_through_, limits::push_window_bytes - bytes_};
}

void PushWindow::sent(const std::vector<OutboxPart>& parts) {
  loading_ = false;
  drained_ = parts.empty();
  std::size_t bytes = 0;
  for (const OutboxPart& part : parts) {
    bytes += part.part.size();
    if (part.last) {
      in_flight_.push_back({part.sequence, part.time, bytes});
      bytes_ += bytes;
      bytes = 0;
      sent_through_ = part.sequence;
    }
  }
}

std::optional<std::uint64_t> PushWindow::acknowledge(ChangeSequence through) {
  std::optional<std::uint64_t> time;
  while (!in_flight_.empty() && in_flight_.front().sequence <= through) {
    bytes_ -= in_flight_.front().bytes;
    time = SL_MUTANT(25) ? 1 : in_flight_.front().time;
    in_flight_.pop_front();
  }
  return time;
}

}  // namespace syncline
