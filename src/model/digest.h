#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "model/row_state.h"

namespace syncline {

// One number that two replicas with the same rows share (P4): a 128-bit sum over the alive rows, so
// that it does not depend on any order, and a change of one row costs only that row. Values are not
// needed: equal stamps mean equal values. It finds accidents, not forgers: sums can be made to
// match on purpose.
//
// What counts: for each alive row its table, key and life; and for each of its cells newer than the
// life also column and stamp, for counters and documents every stamp in them (stamps_of). Dead rows
// count nothing, so that replicas agree whether or not they have forgotten their tombstones. The
// digest of a range of rows is the sum of theirs.
struct Digest {
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  void add(const Digest& other) {
    low += other.low;
    high += other.high + (low < other.low ? 1U : 0U);
  }
  void subtract(const Digest& other) {
    high -= other.high + (low < other.low ? 1U : 0U);
    low -= other.low;
  }

  friend bool operator==(const Digest&, const Digest&) = default;
};

// 32 hexadecimal digits, the high half first.
std::string to_text(const Digest& digest);
void write_digest(Writer& out, const Digest& digest);
Result<Digest> read_digest(Reader& in);

// The parts of one row's digest, for those who keep the sum up to date from stamps alone: when a
// row is born add life(); when a cell gets newer than it add the new stamp's cell() and subtract
// the old one's; when the row dies subtract all of them.
class RowDigest {
 public:
  RowDigest(std::string_view table, Bytes key);

  Digest life(const Stamp& life) const;
  // For a cell newer than the row's life; other cells count nothing.
  Digest cell(std::string_view column, const Stamp& stamp) const;

 private:
  std::uint64_t high_;
  std::uint64_t low_;
};

// The whole row's part of the sum; zero for a row that is not alive.
Digest digest_of(std::string_view table, Bytes key, const RowState& row);

}  // namespace syncline
