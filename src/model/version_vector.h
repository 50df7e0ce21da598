#pragma once

#include <cstddef>
#include <map>

#include "base/bytes.h"
#include "base/result.h"
#include "model/ids.h"

namespace syncline {

inline constexpr std::size_t vector_replicas_max = 100'000;

// Names one change for ever.
struct Dot {
  ReplicaId replica;
  ChangeSequence sequence;
  friend bool operator==(const Dot&, const Dot&) = default;
};

enum class VectorOrder { equal, before, after, concurrent };

// What a replica has seen of each other's changes: all up to and including a sequence. Between
// peers it takes the place of the server's version. It has no gaps by construction, since each
// replica's changes are delivered in their order.
class VersionVector {
 public:
  // The last change seen of a replica; zero when none.
  ChangeSequence of(const ReplicaId& replica) const;
  bool covers(const Dot& dot) const { return dot.sequence <= of(dot.replica); }
  bool covers(const VersionVector& other) const;

  // Takes in the next change of a replica. True when it was new; an Error of code out_of_order when
  // one before it is missing.
  Result<bool> observe(const Dot& dot);
  // Takes in everything up to the dot, for whoever knows that nothing before it is missing.
  void cover(const Dot& dot) {
    ChangeSequence& mine = entries_[dot.replica];
    mine = dot.sequence > mine ? dot.sequence : mine;
  }
  // Takes in all that another has seen.
  void merge(const VersionVector& other);

  // How this vector lies to the other: `before` means that the other has seen all of ours and more.
  VectorOrder compare(const VersionVector& other) const;

  // Sorted by replica; never holds a zero.
  const std::map<ReplicaId, ChangeSequence>& entries() const { return entries_; }
  friend bool operator==(const VersionVector&, const VersionVector&) = default;

  void encode(Writer& out) const;
  // Accepts only the bytes that encode() makes.
  static Result<VersionVector> decode(Reader& in);

 private:
  std::map<ReplicaId, ChangeSequence> entries_;
};

}  // namespace syncline
