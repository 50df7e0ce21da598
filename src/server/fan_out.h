#pragma once

#include <deque>
#include <optional>

#include "base/bytes.h"
#include "server/log_store.h"
#include "session/server_session.h"

namespace syncline {

// The newest committed changes of a workspace, so that whoever follows closely is served without
// the store, all from the same frames. Bounded: who falls behind reads the log by cursor instead.
class FanOut {
 public:
  explicit FanOut(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  // A change that was committed; versions follow each other.
  void add(const Receipt& receipt, const ReplicaId& author, std::vector<ByteVector> parts);
  void clear();

  struct Slice {
    std::vector<LogPart> parts;
    Receipt through;
  };
  // Everything after `after`, up to about `bytes_max`, without the reader's own; nothing when it
  // no longer reaches back so far.
  std::optional<Slice> read(ServerVersion after, const ReplicaId& reader,
                            std::size_t bytes_max) const;
  std::size_t bytes() const { return bytes_; }

 private:
  struct Recent {
    Receipt receipt;
    ReplicaId author;
    std::vector<LogPart> parts;
    std::size_t bytes = 0;
  };
  std::size_t bytes_max_;
  std::size_t bytes_ = 0;
  std::deque<Recent> recent_;
};

}  // namespace syncline
