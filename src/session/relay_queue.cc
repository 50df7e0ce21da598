#include "session/relay_queue.h"

#include <algorithm>

#include "wire/change_codec.h"
#include "wire/limits.h"

namespace syncline {

std::optional<effect::LoadRelays> RelayQueue::next() {
  if (loading_ || drained_ || bytes_ >= limits::push_window_bytes ||
      in_flight_.size() >= limits::push_window_changes) {
    return std::nullopt;
  }
  loading_ = true;
  const bool first = first_;
  first_ = false;
  return effect::LoadRelays{first, limits::push_window_bytes - bytes_};
}

void RelayQueue::sent(const std::vector<ByteVector>& parts) {
  loading_ = false;
  drained_ = parts.empty();
  std::size_t bytes = 0;
  for (const ByteVector& part : parts) {
    Reader in(part);
    const auto header = read_part_header(in);
    SL_CHECK(header.has_value());
    bytes += part.size();
    if (header->last) {
      in_flight_.push_back({{header->stamp.replica, header->sequence}, bytes});
      bytes_ += bytes;
      bytes = 0;
    }
  }
}

Result<effect::FinishRelay> RelayQueue::answered(const RelayAck& ack) {
  if (in_flight_.empty() || in_flight_.front().dot.replica != ack.replica) {
    return Error(ErrorCode::malformed, "the server answered a change that was not relayed");
  }
  const Dot dot = in_flight_.front().dot;
  bytes_ -= in_flight_.front().bytes;
  in_flight_.pop_front();
  refused_ = refused_ || ack.refused;
  return effect::FinishRelay{ack.replica,
                             ack.refused ? std::max(ack.through, dot.sequence) : ack.through,
                             dot.sequence, ack.refused};
}

}  // namespace syncline
