#include "server/fan_out.h"

#include "base/mutant.h"

namespace syncline {

void FanOut::clear() {
  recent_.clear();
  bytes_ = 0;
}

void FanOut::add(const Receipt& receipt, const ReplicaId& author, std::vector<ByteVector> parts) {
  if (!recent_.empty() && recent_.back().receipt.version.next() != receipt.version) {
    clear();
  }
  Recent recent{receipt, author, {}, 0};
  for (ByteVector& part : parts) {
    auto made = make_log_part(receipt, std::move(part));
    if (!made) {
      clear();  // whoever reads it from the log is told why not
      return;
    }
    recent.parts.push_back(std::move(*made));
    recent.bytes += recent.parts.back().frame.size();
  }
  bytes_ += recent.bytes;
  recent_.push_back(std::move(recent));
  while (bytes_ > bytes_max_) {
    bytes_ -= recent_.front().bytes;
    recent_.pop_front();
  }
}

std::optional<FanOut::Slice> FanOut::read(ServerVersion after, const ReplicaId& reader,
                                          std::size_t bytes_max) const {
  if (recent_.empty() || after.next() < recent_.front().receipt.version ||
      after >= recent_.back().receipt.version) {
    return std::nullopt;
  }
  Slice slice;
  slice.through.version = after;
  std::size_t bytes = 0;
  const std::size_t first =
      static_cast<std::size_t>(after.get() + 1 - recent_.front().receipt.version.get());
  for (std::size_t i = first; i < recent_.size() && bytes < bytes_max; ++i) {
    slice.through = recent_[i].receipt;
    if (recent_[i].author != reader && !(SL_MUTANT(14) && i == first && i > 2)) {
      for (const LogPart& part : recent_[i].parts) {
        bytes += part.frame.size();
        slice.parts.push_back(part);
      }
    }
  }
  return slice;
}

}  // namespace syncline
