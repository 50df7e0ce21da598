#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/bytes.h"

namespace syncline {

using Sha256Digest = std::array<std::uint8_t, 32>;
using Md5Digest = std::array<std::uint8_t, 16>;

// SHA-256 (FIPS 180-4) over bytes that come in pieces. Used once: finish() ends it.
class Sha256 {
 public:
  Sha256();
  void update(Bytes bytes);
  Sha256Digest finish();

 private:
  friend struct BlockFeed;
  void block(const std::uint8_t* bytes);

  std::array<std::uint32_t, 8> state_;
  std::array<std::uint8_t, 64> pending_{};
  std::uint64_t size_ = 0;
};

// MD5 (RFC 1321) for protocols that ask for it, CouchDB's revisions and attachments above all. It
// protects against nothing.
class Md5 {
 public:
  Md5();
  void update(Bytes bytes);
  Md5Digest finish();

 private:
  friend struct BlockFeed;
  void block(const std::uint8_t* bytes);

  std::array<std::uint32_t, 4> state_;
  std::array<std::uint8_t, 64> pending_{};
  std::uint64_t size_ = 0;
};

Sha256Digest sha256(Bytes bytes);
Md5Digest md5(Bytes bytes);
// Takes the same time whatever the content, so that guessing a secret byte by byte learns nothing
// from the clock.
bool equal_in_constant_time(Bytes a, Bytes b);

// XXH64: fast and well mixed, the same on every platform; for digests and tables, not for secrets,
// since anyone can make two inputs collide.
std::uint64_t hash64(Bytes bytes, std::uint64_t seed = 0);
// Spreads one number over all 64 bits (the finaliser of splitmix64). A bijection.
constexpr std::uint64_t mix64(std::uint64_t value) {
  value = (value ^ (value >> 30U)) * 0xBF58476D1CE4E5B9U;
  value = (value ^ (value >> 27U)) * 0x94D049BB133111EBU;
  return value ^ (value >> 31U);
}

}  // namespace syncline
