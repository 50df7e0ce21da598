#include "base/digest.h"

#include <algorithm>
#include <bit>

namespace syncline {
namespace {

constexpr std::size_t block_bytes = 64;
constexpr std::size_t length_bytes = 8;

std::uint32_t load_big32(const std::uint8_t* in) {
  return (std::uint32_t{in[0]} << 24U) | (std::uint32_t{in[1]} << 16U) |
         (std::uint32_t{in[2]} << 8U) | in[3];
}

std::uint32_t load_little32(const std::uint8_t* in) {
  return (std::uint32_t{in[3]} << 24U) | (std::uint32_t{in[2]} << 16U) |
         (std::uint32_t{in[1]} << 8U) | in[0];
}

std::uint64_t load_little64(const std::uint8_t* in) {
  return (std::uint64_t{load_little32(in + 4)} << 32U) | load_little32(in);
}

constexpr std::array<std::uint32_t, 64> sha256_constants = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

constexpr std::array<std::uint32_t, 64> md5_constants = {
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391};

constexpr unsigned md5_turns[4][4] = {
    {7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};

constexpr std::uint64_t prime1 = 0x9E3779B185EBCA87U;
constexpr std::uint64_t prime2 = 0xC2B2AE3D27D4EB4FU;
constexpr std::uint64_t prime3 = 0x165667B19E3779F9U;
constexpr std::uint64_t prime4 = 0x85EBCA77C2B2AE63U;
constexpr std::uint64_t prime5 = 0x27D4EB2F165667C5U;

std::uint64_t xxh64_round(std::uint64_t lane, std::uint64_t input) {
  return std::rotl(lane + input * prime2, 31) * prime1;
}

std::uint64_t xxh64_merge(std::uint64_t hash, std::uint64_t lane) {
  return (hash ^ xxh64_round(0, lane)) * prime1 + prime4;
}

}  // namespace

// What the two digests share: whole blocks of 64 bytes, and the padding of the last.
struct BlockFeed {
  template <typename Digest>
  static void update(Digest& digest, Bytes bytes) {
    std::size_t filled = digest.size_ % block_bytes;
    digest.size_ += bytes.size();
    if (filled > 0) {
      const std::size_t taken = std::min(block_bytes - filled, bytes.size());
      std::copy_n(bytes.begin(), taken, digest.pending_.begin() + filled);
      bytes = bytes.subspan(taken);
      filled += taken;
      if (filled < block_bytes) {
        return;
      }
      digest.block(digest.pending_.data());
    }
    while (bytes.size() >= block_bytes) {
      digest.block(bytes.data());
      bytes = bytes.subspan(block_bytes);
    }
    std::copy(bytes.begin(), bytes.end(), digest.pending_.begin());
  }

  enum class Length { big_endian, little_endian };

  template <typename Digest>
  static void finish(Digest& digest, Length order) {
    const std::uint64_t bits = digest.size_ * 8;
    std::array<std::uint8_t, block_bytes + length_bytes> tail{};
    tail[0] = 0x80;
    const std::size_t filled = digest.size_ % block_bytes;
    const std::size_t zeros = (2 * block_bytes - length_bytes - 1 - filled) % block_bytes;
    for (unsigned i = 0; i < length_bytes; ++i) {
      const unsigned shift = order == Length::big_endian ? 56 - 8 * i : 8 * i;
      tail[1 + zeros + i] = static_cast<std::uint8_t>(bits >> shift);
    }
    update(digest, Bytes(tail.data(), 1 + zeros + length_bytes));
  }
};

Sha256::Sha256()
    : state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
             0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19} {}

void Sha256::update(Bytes bytes) { BlockFeed::update(*this, bytes); }

void Sha256::block(const std::uint8_t* bytes) {
  std::array<std::uint32_t, 64> w{};
  for (std::size_t i = 0; i < 16; ++i) {
    w[i] = load_big32(bytes + 4 * i);
  }
  for (std::size_t i = 16; i < 64; ++i) {
    const std::uint32_t near = w[i - 2];
    const std::uint32_t far = w[i - 15];
    const std::uint32_t s0 = std::rotr(far, 7) ^ std::rotr(far, 18) ^ (far >> 3U);
    const std::uint32_t s1 = std::rotr(near, 17) ^ std::rotr(near, 19) ^ (near >> 10U);
    w[i] = w[i - 16] + s0 + w[i - 7] + s1;
  }
  auto [a, b, c, d, e, f, g, h] = state_;
  for (std::size_t i = 0; i < 64; ++i) {
    const std::uint32_t s1 = std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25);
    const std::uint32_t choice = (e & f) ^ (~e & g);
    const std::uint32_t t1 = h + s1 + choice + sha256_constants[i] + w[i];
    const std::uint32_t s0 = std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22);
    const std::uint32_t majority = (a & b) ^ (a & c) ^ (b & c);
    h = g;
    g = f;
    f = e;
    e = d + t1;
    d = c;
    c = b;
    b = a;
    a = t1 + s0 + majority;
  }
  const std::array<std::uint32_t, 8> after{a, b, c, d, e, f, g, h};
  for (std::size_t i = 0; i < after.size(); ++i) {
    state_[i] += after[i];
  }
}

Sha256Digest Sha256::finish() {
  BlockFeed::finish(*this, BlockFeed::Length::big_endian);
  Sha256Digest out{};
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = static_cast<std::uint8_t>(state_[i / 4] >> (24 - 8 * (i % 4)));
  }
  return out;
}

Md5::Md5() : state_{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476} {}

void Md5::update(Bytes bytes) { BlockFeed::update(*this, bytes); }

void Md5::block(const std::uint8_t* bytes) {
  auto [a, b, c, d] = state_;
  for (std::size_t i = 0; i < 64; ++i) {
    std::uint32_t mixed = 0;
    std::size_t word = 0;
    switch (i / 16) {
      case 0:
        mixed = (b & c) | (~b & d);
        word = i;
        break;
      case 1:
        mixed = (d & b) | (~d & c);
        word = (5 * i + 1) % 16;
        break;
      case 2:
        mixed = b ^ c ^ d;
        word = (3 * i + 5) % 16;
        break;
      default:
        mixed = c ^ (b | ~d);
        word = (7 * i) % 16;
    }
    mixed += a + md5_constants[i] + load_little32(bytes + 4 * word);
    a = d;
    d = c;
    c = b;
    const unsigned turn = md5_turns[i / 16][i % 4];
    // Not std::rotl: libraries disagree on whether it takes the turn signed.
    b += (mixed << turn) | (mixed >> (32 - turn));
  }
  const std::array<std::uint32_t, 4> after{a, b, c, d};
  for (std::size_t i = 0; i < after.size(); ++i) {
    state_[i] += after[i];
  }
}

Md5Digest Md5::finish() {
  BlockFeed::finish(*this, BlockFeed::Length::little_endian);
  Md5Digest out{};
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = static_cast<std::uint8_t>(state_[i / 4] >> (8 * (i % 4)));
  }
  return out;
}

Sha256Digest sha256(Bytes bytes) {
  Sha256 digest;
  digest.update(bytes);
  return digest.finish();
}

Md5Digest md5(Bytes bytes) {
  Md5 digest;
  digest.update(bytes);
  return digest.finish();
}

bool equal_in_constant_time(Bytes a, Bytes b) {
  if (a.size() != b.size()) {
    return false;
  }
  unsigned differences = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    differences |= static_cast<unsigned>(a[i] ^ b[i]);
  }
  return differences == 0;
}

std::uint64_t hash64(Bytes bytes, std::uint64_t seed) {
  const std::uint8_t* in = bytes.data();
  std::size_t left = bytes.size();
  std::uint64_t hash = seed + prime5;
  if (left >= 32) {
    std::uint64_t lanes[4] = {seed + prime1 + prime2, seed + prime2, seed, seed - prime1};
    for (; left >= 32; left -= 32) {
      for (std::uint64_t& lane : lanes) {
        lane = xxh64_round(lane, load_little64(in));
        in += 8;
      }
    }
    hash = std::rotl(lanes[0], 1) + std::rotl(lanes[1], 7) + std::rotl(lanes[2], 12) +
           std::rotl(lanes[3], 18);
    for (const std::uint64_t lane : lanes) {
      hash = xxh64_merge(hash, lane);
    }
  }
  hash += bytes.size();
  for (; left >= 8; left -= 8, in += 8) {
    hash = std::rotl(hash ^ xxh64_round(0, load_little64(in)), 27) * prime1 + prime4;
  }
  if (left >= 4) {
    hash = std::rotl(hash ^ (load_little32(in) * prime1), 23) * prime2 + prime3;
    in += 4;
    left -= 4;
  }
  for (; left > 0; --left, ++in) {
    hash = std::rotl(hash ^ (*in * prime5), 11) * prime1;
  }
  hash = (hash ^ (hash >> 33U)) * prime2;
  hash = (hash ^ (hash >> 29U)) * prime3;
  return hash ^ (hash >> 32U);
}

}  // namespace syncline
