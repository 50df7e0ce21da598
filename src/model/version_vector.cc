#include "model/version_vector.h"

#include <string>

namespace syncline {

ChangeSequence VersionVector::of(const ReplicaId& replica) const {
  const auto at = entries_.find(replica);
  return at == entries_.end() ? ChangeSequence() : at->second;
}

bool VersionVector::covers(const VersionVector& other) const {
  for (const auto& [replica, sequence] : other.entries_) {
    if (sequence > of(replica)) {
      return false;
    }
  }
  return true;
}

Result<bool> VersionVector::observe(const Dot& dot) {
  if (covers(dot)) {
    return false;
  }
  const ChangeSequence expected = of(dot.replica).next();
  if (dot.sequence != expected) {
    return Error(ErrorCode::out_of_order,
                 "change " + std::to_string(dot.sequence.get()) + " of replica " +
                     dot.replica.hex() + " came before change " + std::to_string(expected.get()));
  }
  entries_[dot.replica] = dot.sequence;
  return true;
}

void VersionVector::merge(const VersionVector& other) {
  for (const auto& [replica, sequence] : other.entries_) {
    ChangeSequence& mine = entries_[replica];
    if (sequence > mine) {
      mine = sequence;
    }
  }
}

VectorOrder VersionVector::compare(const VersionVector& other) const {
  const bool covers_other = covers(other);
  const bool is_covered = other.covers(*this);
  if (covers_other && is_covered) {
    return VectorOrder::equal;
  }
  if (covers_other) {
    return VectorOrder::after;
  }
  return is_covered ? VectorOrder::before : VectorOrder::concurrent;
}

void VersionVector::encode(Writer& out) const {
  out.varint(entries_.size());
  for (const auto& [replica, sequence] : entries_) {
    out.raw(replica.view());
    out.varint(sequence.get());
  }
}

Result<VersionVector> VersionVector::decode(Reader& in) {
  VersionVector vector;
  SL_TRY(const std::uint64_t count, in.varint_at_most(vector_replicas_max));
  for (std::uint64_t i = 0; i < count; ++i) {
    SL_TRY(const Bytes id, in.raw(16));
    SL_TRY(const ReplicaId replica, ReplicaId::from_bytes(id));
    SL_TRY(const std::uint64_t sequence, in.varint());
    const auto& entries = vector.entries_;
    if (sequence == 0 || (!entries.empty() && !(entries.rbegin()->first < replica))) {
      return Error(ErrorCode::malformed, "a version vector is out of order or holds a zero");
    }
    vector.entries_.emplace_hint(vector.entries_.end(), replica, ChangeSequence(sequence));
  }
  return vector;
}

}  // namespace syncline
