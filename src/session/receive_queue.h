#pragma once

#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "model/ids.h"
#include "wire/message.h"

namespace syncline {

// Parts of changes that were received and not applied yet, in version order. Bounded: the server
// sends no more than its window, one larger change aside.
class ReceiveQueue {
 public:
  // Everything up to and including `version` is here already.
  void start_at(ServerVersion version);

  // Both fail with `out_of_order` or `too_large` when the server does not keep its side.
  Result<void> add(PullPart&& part);
  Result<void> through(ServerVersion version);

  // The parts of every change that is whole; the rest stays.
  std::vector<ByteVector> take_whole();
  // All up to here is whole, or was taken.
  ServerVersion whole_through() const { return whole_through_; }
  bool empty() const { return parts_.empty(); }
  std::size_t bytes() const { return bytes_; }

 private:
  std::vector<ByteVector> parts_;
  std::size_t whole_ = 0;
  std::size_t bytes_ = 0;
  std::size_t partial_bytes_ = 0;
  ServerVersion received_through_;
  ServerVersion whole_through_;
};

}  // namespace syncline
