#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <cstring>
#include <string>

#include "base/bytes.h"
#include "base/random.h"
#include "base/strong.h"

namespace syncline {

// 128 random bits, ordered by their bytes. Tag keeps the kinds apart.
template <typename Tag>
struct RandomId {
  std::array<std::uint8_t, 16> bytes{};

  static RandomId draw(Random& random) {
    RandomId id;
    random.fill(id.bytes);
    return id;
  }
  static Result<RandomId> from_bytes(Bytes in) {
    if (in.size() != 16) {
      return Error(ErrorCode::malformed, "an id has 16 bytes, not " + std::to_string(in.size()));
    }
    RandomId id;
    std::memcpy(id.bytes.data(), in.data(), 16);
    return id;
  }
  static Result<RandomId> from_hex(std::string_view text) {
    SL_TRY(const ByteVector raw, syncline::from_hex(text));
    return from_bytes(raw);
  }

  bool is_zero() const { return *this == RandomId(); }
  std::string hex() const { return to_hex(bytes); }
  Bytes view() const { return bytes; }

  friend bool operator==(const RandomId& a, const RandomId& b) {
    return std::memcmp(a.bytes.data(), b.bytes.data(), 16) == 0;
  }
  friend std::strong_ordering operator<=>(const RandomId& a, const RandomId& b) {
    const int order = std::memcmp(a.bytes.data(), b.bytes.data(), 16);
    return order < 0   ? std::strong_ordering::less
           : order > 0 ? std::strong_ordering::greater
                       : std::strong_ordering::equal;
  }
};

// One database file that takes part.
using ReplicaId = RandomId<struct ReplicaIdTag>;
// A server database's life: drawn at birth, and anew when it is restored or rebuilt.
using LineageId = RandomId<struct LineageIdTag>;
// One opening of a replica; chained to the one before, so that a copy is noticed.
using EpochId = RandomId<struct EpochIdTag>;

// One start of a server on its store.
using OpeningId = RandomId<struct OpeningIdTag>;
// What a server seals with, so that it knows again what it said itself.
using SealKey = RandomId<struct SealKeyTag>;
// 16 bytes that mean something to the server alone.
using Seal = RandomId<struct SealTag>;

// A replica's own changes, numbered 1, 2, 3, ... for ever.
using ChangeSequence = Strong<std::uint64_t, struct ChangeSequenceTag>;
// A change's position in a workspace's log on the server.
using ServerVersion = Strong<std::uint64_t, struct ServerVersionTag>;
// A change's position in one replica's own log, whoever wrote it; never leaves the replica.
using LocalVersion = Strong<std::uint64_t, struct LocalVersionTag>;

}  // namespace syncline

template <typename Tag>
struct std::hash<syncline::RandomId<Tag>> {
  std::size_t operator()(const syncline::RandomId<Tag>& id) const {
    // The bytes are random already.
    std::size_t out = 0;
    std::memcpy(&out, id.bytes.data(), sizeof out);
    return out;
  }
};
