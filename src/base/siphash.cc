#include "base/siphash.h"

#include <bit>

namespace syncline {
namespace {

std::uint64_t load_little64(const std::uint8_t* in, std::size_t size = 8) {
  std::uint64_t out = 0;
  for (std::size_t i = 0; i < size; ++i) {
    out |= static_cast<std::uint64_t>(in[i]) << (8 * i);
  }
  return out;
}

struct State {
  std::uint64_t a, b, c, d;

  void turn() {
    a += b;
    b = std::rotl(b, 13) ^ a;
    a = std::rotl(a, 32);
    c += d;
    d = std::rotl(d, 16) ^ c;
    a += d;
    d = std::rotl(d, 21) ^ a;
    c += b;
    b = std::rotl(b, 17) ^ c;
    c = std::rotl(c, 32);
  }
  void take(std::uint64_t word) {
    d ^= word;
    turn();
    turn();
    a ^= word;
  }
};

}  // namespace

std::uint64_t siphash(const SipKey& key, Bytes bytes) {
  const std::uint64_t low = load_little64(key.data());
  const std::uint64_t high = load_little64(key.data() + 8);
  State state{low ^ 0x736f6d6570736575U, high ^ 0x646f72616e646f6dU, low ^ 0x6c7967656e657261U,
              high ^ 0x7465646279746573U};
  const std::uint8_t* in = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 8; left -= 8, in += 8) {
    state.take(load_little64(in));
  }
  state.take(load_little64(in, left) | static_cast<std::uint64_t>(bytes.size()) << 56U);
  state.c ^= 0xff;
  for (int i = 0; i < 4; ++i) {
    state.turn();
  }
  return state.a ^ state.b ^ state.c ^ state.d;
}

}  // namespace syncline
