#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "base/result.h"
#include "ydoc/lib0.h"

namespace syncline::ydoc {

// One writing session; never reused with a clock that went back. Up to 2^53-1.
using ClientId = std::uint64_t;
// Counts the units (characters, elements) a client ever wrote; units never give theirs up.
using Clock = std::uint64_t;

// The name of one unit of content.
struct Id {
  ClientId client = 0;
  Clock clock = 0;
  friend bool operator==(Id, Id) = default;
};

// How much of every client's writing somebody holds. Sorted by descending client, as it is written.
class StateVector {
 public:
  struct Entry {
    ClientId client = 0;
    Clock clock = 0;
    friend bool operator==(Entry, Entry) = default;
  };

  static Result<StateVector> decode(Bytes bytes);
  ByteVector encode() const;

  Clock clock_of(ClientId client) const;
  // Entries may come in any order; for equal clients the last one stands.
  static StateVector from_entries(std::vector<Entry> entries);
  const std::vector<Entry>& entries() const { return entries_; }

  friend bool operator==(const StateVector&, const StateVector&) = default;

 private:
  std::vector<Entry> entries_;
};

struct DeleteRange {
  ClientId client = 0;
  Clock clock = 0;
  std::uint64_t length = 0;
  friend bool operator==(const DeleteRange&, const DeleteRange&) = default;
};

// Which units are deleted. Sorted by descending client and ascending clock, neighbours joined, once
// normalize() ran.
class DeleteSet {
 public:
  void add(DeleteRange range) { ranges_.push_back(range); }
  void normalize();
  void clear() { ranges_.clear(); }
  bool empty() const { return ranges_.empty(); }
  // Needs a normalized set.
  bool contains(Id id) const;
  const std::vector<DeleteRange>& ranges() const { return ranges_; }
  std::vector<DeleteRange>& ranges() { return ranges_; }

  // Reads and appends; fails the decoder on malformed bytes, and on the range behind `ranges_max`,
  // which is the last one it keeps.
  void read(Decoder& in, std::size_t ranges_max = SIZE_MAX);
  // Groups by client without changing the order of a client's ranges.
  void write(Encoder& out) const;
  // As write(), after bringing clients into order; for sets that must not be normalized.
  void sort_clients();

  friend bool operator==(const DeleteSet&, const DeleteSet&) = default;

 private:
  std::vector<DeleteRange> ranges_;
};

}  // namespace syncline::ydoc
