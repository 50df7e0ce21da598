#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace syncline {

// JSON Web Tokens (RFC 7519) in the compact form, signed with HS256, RS256, ES256 or EdDSA
// (Ed25519). Nothing else: no encryption, no "none", no keys out of the token itself.
//
// Invariants:
// 1. A key verifies with one algorithm, which its kind decides; what the token's header says must
//    agree. So no public key can be taken for a secret.
// 2. A token has an end, and nothing in it is believed before its signature was checked.
// 3. What is refused says why without repeating anything of the token.

enum class JwtAlgorithm : std::uint8_t { hs256, rs256, es256, eddsa };
std::string_view jwt_algorithm_name(JwtAlgorithm algorithm);

inline constexpr std::size_t jwt_bytes_max = std::size_t{16} << 10U;
inline constexpr std::size_t jwt_keys_max = 64;
// Shorter secrets can be guessed.
inline constexpr std::size_t jwt_secret_bytes_min = 32;

struct JwtClaims {
  std::string subject;
  std::int64_t expires_s = 0;
  // Zero when the token does not say.
  std::int64_t issued_s = 0;
  // Which of the keys signed it, by a name that says nothing of the key.
  std::string key;
  Json all;
};

struct JwtExpectations {
  std::int64_t now_s = 0;
  // How far clocks may disagree.
  std::int64_t leeway_s = 10;
  // The longest life a token may have from now on.
  std::int64_t life_s_max = std::int64_t{366} * 24 * 3600;
  // Empty: anything goes.
  std::string issuer;
  std::string audience;
};

// The keys that a server trusts. A private key also verifies; only it, or a secret, can sign.
class JwtKeys {
 public:
  // What a key file holds: a JWKS or one JWK (JSON), keys or certificates' public keys as PEM, or
  // else a secret (the line's end is not part of it).
  static Result<JwtKeys> read(std::string_view file);

  JwtKeys();
  ~JwtKeys();
  JwtKeys(JwtKeys&&) noexcept;
  JwtKeys& operator=(JwtKeys&&) noexcept;

  // Fails with `not_allowed`, or `malformed` for what is no token at all.
  Result<JwtClaims> verify(std::string_view token, const JwtExpectations& expected) const;
  // Signs with the first key that can; fails with `unsupported` when none can.
  Result<std::string> sign(const Json& claims) const;
  // Whether the key of this name (JwtClaims::key) is among them.
  bool knows(const std::string& key) const;

  std::size_t size() const { return keys_.size(); }

 private:
  struct Key;
  static Result<Key> read_jwk(const Json& jwk);
  Result<void> add_jwks(std::string_view text);
  Result<void> add_pem(std::string_view text);
  // Answers with the name of the key that fits.
  Result<std::string> check_signature(std::string_view signed_part, std::string_view algorithm,
                                      std::string_view key_id,
                                      const std::vector<std::uint8_t>& given) const;

  std::vector<std::unique_ptr<Key>> keys_;
};

}  // namespace syncline
