#pragma once

#include <vector>

#include "model/change.h"
#include "wire/row_codec.h"

namespace syncline {

// A change as bytes: the same in outbox, server log, frame and exported file. A large transaction
// is cut into parts, each of which decodes alone; the last one says so, and nothing of a change is
// applied before its last part has come (P6).
//
//   part := version:u8 replica:16 sequence:varint stamp:u64 schema:varint index:varint last:u8 rows

inline constexpr std::uint8_t change_format_version = 1;

struct PartHeader {
  // Zero for a part of states that is no replica's change (a snapshot).
  ChangeSequence sequence;
  Stamp stamp;
  std::uint32_t schema_version = 0;
  std::uint64_t index = 0;
  bool last = true;

  friend bool operator==(const PartHeader&, const PartHeader&) = default;
};

void write_part_header(Writer& out, const PartHeader& header);
// Leaves `in` at the rows.
Result<PartHeader> read_part_header(Reader& in);

// The whole change in one part; for changes that fit.
ByteVector encode_change(const Change& change);
// Expects one whole part. Fails with `malformed` on anything that encode_change would not write,
// rows of a table that name a row twice included.
Result<Change> decode_change(Bytes part);
// What a repetition of the change must equal, byte for byte.
std::uint64_t hash_of_parts(std::span<const ByteVector> parts);
// Several parts of one change, in order and complete.
Result<Change> decode_parts(std::span<const Bytes> parts);

}  // namespace syncline
