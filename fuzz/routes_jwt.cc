#include "base/check.h"
#include "routes/jwt.h"

using namespace syncline;

// The first byte chooses: a token for a secret and a JWKS, neither of which signed it, or a key
// file.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  if ((data[0] & 1U) != 0) {
    (void)JwtKeys::read(text);
    return 0;
  }
  static const auto keys = [] {
    auto read = JwtKeys::read("a secret that nobody guesses, of 40 bytes");
    SL_CHECK(read.has_value());
    return std::move(*read);
  }();
  JwtExpectations expected;
  expected.now_s = 1'700'000'000;
  const auto claims = keys.verify(text, expected);
  if (claims.has_value()) {
    // Only what the corpus brings along is signed.
    SL_CHECK(claims->expires_s > expected.now_s - expected.leeway_s);
  }
  return 0;
}
