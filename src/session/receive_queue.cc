#include "session/receive_queue.h"

#include "base/mutant.h"
#include "wire/change_codec.h"
#include "wire/limits.h"

namespace syncline {

void ReceiveQueue::start_at(ServerVersion version) {
  parts_.clear();
  whole_ = bytes_ = partial_bytes_ = 0;
  received_through_ = whole_through_ = version;
}

Result<void> ReceiveQueue::add(PullPart&& part) {
  Reader in(part.part);
  SL_TRY(const PartHeader header, read_part_header(in));
  const bool continues = part.version == received_through_ && whole_ != parts_.size();
  if (part.version <= whole_through_ ||
      (!continues && (part.version <= received_through_ || whole_ != parts_.size()))) {
    return Error(ErrorCode::out_of_order, "the server sent changes out of order");
  }
  if (header.index != parts_.size() - whole_) {
    return Error(ErrorCode::out_of_order, "the parts of a change are out of order");
  }
  // A change of its own size may come alone; what is whole and waits must fit the window.
  if (bytes_ - partial_bytes_ > 2 * limits::pull_window_bytes + limits::part_bytes_max ||
      partial_bytes_ > limits::change_bytes_max) {
    return Error(ErrorCode::too_large, "the server sent more than its window");
  }
  bytes_ += part.part.size();
  partial_bytes_ += part.part.size();
  received_through_ = part.version;
  parts_.push_back(std::move(part.part));
  if (header.last || SL_MUTANT(19)) {  // applies half a transaction
    whole_ = parts_.size();
    partial_bytes_ = 0;
    whole_through_ = received_through_;
  }
  return {};
}

Result<void> ReceiveQueue::through(ServerVersion version) {
  if (version < whole_through_ || whole_ != parts_.size()) {
    return Error(ErrorCode::out_of_order, "the server's versions run backwards");
  }
  received_through_ = whole_through_ = version;
  return {};
}

std::vector<ByteVector> ReceiveQueue::take_whole() {
  std::vector<ByteVector> out;
  const auto end = parts_.begin() + static_cast<std::ptrdiff_t>(whole_);
  for (auto part = parts_.begin(); part != end; ++part) {
    out.push_back(std::move(*part));
  }
  parts_.erase(parts_.begin(), end);
  whole_ = 0;
  bytes_ = partial_bytes_;
  return out;
}

}  // namespace syncline
