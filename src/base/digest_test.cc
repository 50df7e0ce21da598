#include "base/digest.h"

#include <doctest/doctest.h>

#include <set>
#include <string>

using namespace syncline;

namespace {

std::string sha256_hex(std::string_view text) { return to_hex(sha256(as_bytes(text))); }
std::string md5_hex(std::string_view text) { return to_hex(md5(as_bytes(text))); }

ByteVector pattern(std::size_t size) {
  ByteVector out(size);
  for (std::size_t i = 0; i < size; ++i) {
    out[i] = static_cast<std::uint8_t>(i % 251);
  }
  return out;
}

}  // namespace

TEST_CASE("SHA-256 agrees with published vectors") {
  CHECK(sha256_hex("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256_hex("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(sha256_hex(std::string(1'000'000, 'a')) ==
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("MD5 agrees with published vectors") {
  CHECK(md5_hex("") == "d41d8cd98f00b204e9800998ecf8427e");
  CHECK(md5_hex("abc") == "900150983cd24fb0d6963f7d28e17f72");
  CHECK(
      md5_hex("12345678901234567890123456789012345678901234567890123456789012345678901234567890") ==
      "57edf4a22be3c955ac49da2e2107b67a");
}

TEST_CASE("digests of every length up to 299 agree with another implementation") {
  Sha256 all_sha256;
  Md5 all_md5;
  for (std::size_t size = 0; size < 300; ++size) {
    const ByteVector bytes = pattern(size);
    all_sha256.update(sha256(bytes));
    all_md5.update(md5(bytes));
  }
  CHECK(to_hex(all_sha256.finish()) ==
        "fa70b867db0a30acb7218d62945db0df52eb393808b30675ea9aac6b058a9a9d");
  CHECK(to_hex(all_md5.finish()) == "6df39947d2c08075436d0edf312ed0fb");
}

TEST_CASE("a digest does not depend on the pieces its bytes came in") {
  const ByteVector bytes = pattern(300);
  for (std::size_t piece = 1; piece < 130; ++piece) {
    Sha256 sha;
    Md5 md;
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
      const Bytes part = Bytes(bytes).subspan(at, std::min(piece, bytes.size() - at));
      sha.update(part);
      md.update(part);
    }
    CHECK(sha.finish() == sha256(bytes));
    CHECK(md.finish() == md5(bytes));
  }
}

TEST_CASE("the 64-bit hash is XXH64") {
  CHECK(hash64({}) == 0xEF46DB3751D8E999U);
  CHECK(hash64(as_bytes("abc")) == 0x44BC2CF5AD770999U);
  CHECK(hash64(as_bytes("Nobody inspects the spammish repetition")) == 0xFBCEA83C8A378BF1U);
  Writer all;
  for (std::size_t size = 0; size < 300; ++size) {
    all.u64(hash64(pattern(size), size));
  }
  CHECK(hash64(all.bytes()) == 0x6E7EB41045B7408EU);
}

TEST_CASE("mixing sends neighbours far apart and nothing to the same place") {
  std::set<std::uint64_t> seen;
  for (std::uint64_t i = 0; i < 10000; ++i) {
    seen.insert(mix64(i) >> 32U);
  }
  CHECK(seen.size() > 9990);
}

TEST_CASE("comparison in constant time still compares") {
  CHECK(equal_in_constant_time(as_bytes("secret"), as_bytes("secret")));
  CHECK_FALSE(equal_in_constant_time(as_bytes("secret"), as_bytes("secreT")));
  CHECK_FALSE(equal_in_constant_time(as_bytes("secret"), as_bytes("secre")));
  CHECK(equal_in_constant_time({}, {}));
}
