#include "routes/jwt.h"

#include <doctest/doctest.h>

#include "base/base64.h"
#include "routes/jwt_test_keys.h"

namespace syncline {
namespace {

constexpr std::int64_t now_s = 1'700'000'000;
constexpr const char* secret = "0123456789abcdef0123456789abcdef-secret\n";

Json claims(std::int64_t expires_s = now_s + 600) {
  Json out;
  out.set("sub", Json("ann"));
  out.set("exp", Json::integer(expires_s));
  return out;
}

JwtExpectations at(std::int64_t now = now_s) {
  JwtExpectations out;
  out.now_s = now;
  return out;
}

JwtKeys keys(std::string_view file) {
  auto read = JwtKeys::read(file);
  REQUIRE_MESSAGE(read, read.error().message());
  return std::move(*read);
}

std::string signed_by(std::string_view file, const Json& json) {
  const auto token = keys(file).sign(json);
  REQUIRE(token);
  return *token;
}

std::string url(std::string_view text) { return to_base64url(as_bytes(text)); }

// Why a token is refused; empty when it is not.
std::string refusal(std::string_view file, std::string_view token,
                    const JwtExpectations& expected = at()) {
  const auto checked = keys(file).verify(token, expected);
  return checked ? "" : checked.error().message();
}

// The signed part as it stands, under another header.
std::string with_header(const std::string& token, std::string_view header) {
  return url(header) + token.substr(token.find('.'));
}

struct Pair {
  const char* sign;
  const char* verify;
};
const Pair pairs[] = {{secret, secret},
                      {test_keys::rsa_private, test_keys::rsa_public},
                      {test_keys::ec_private, test_keys::ec_public},
                      {test_keys::ed_private, test_keys::ed_public}};

}  // namespace

TEST_CASE("each algorithm signs what its public half verifies, and nothing else does") {
  for (const Pair& signer : pairs) {
    const std::string token = signed_by(signer.sign, claims());
    for (const Pair& other : pairs) {
      CHECK((refusal(other.verify, token).empty()) == (&other == &signer));
    }
    const auto read = keys(signer.verify).verify(token, at());
    REQUIRE(read);
    CHECK(read->subject == "ann");
    CHECK(read->expires_s == now_s + 600);
  }
}

TEST_CASE("keys come from a JWKS, and the token's key id chooses") {
  for (const char* file : {test_keys::rsa_private, test_keys::ec_private, test_keys::ed_private}) {
    CHECK(refusal(test_keys::jwks, signed_by(file, claims())).empty());
  }
  CHECK(keys(test_keys::jwks).size() == 3);  // the one for encryption is none of ours
  const std::string token = signed_by(test_keys::ed_private, claims());
  CHECK(!refusal(test_keys::jwks, with_header(token, R"({"alg":"EdDSA","kid":"other"})")).empty());
}

TEST_CASE("a token whose signature was changed, cut or left out is refused") {
  for (const Pair& pair : pairs) {
    const std::string token = signed_by(pair.sign, claims());
    const std::size_t dot = token.rfind('.');
    for (std::size_t i = 0; i < token.size(); i += 7) {
      std::string forged = token;
      forged[i] = forged[i] == 'A' ? 'B' : 'A';
      CHECK(!refusal(pair.verify, forged).empty());
    }
    CHECK(!refusal(pair.verify, token.substr(0, dot + 1)).empty());
    CHECK(!refusal(pair.verify, token.substr(0, dot)).empty());
    CHECK(!refusal(pair.verify, token + "AA").empty());
    CHECK(!refusal(pair.verify, token + ".AA").empty());
    // Somebody else's claims under this signature.
    Json other = claims();
    other.set("sub", Json("eve"));
    const std::string theirs = signed_by(pair.sign, other);
    CHECK(!refusal(pair.verify, theirs.substr(0, theirs.rfind('.')) + token.substr(dot)).empty());
  }
}

TEST_CASE("none is no algorithm, in any spelling") {
  const std::string token = signed_by(secret, claims());
  const std::string body = token.substr(token.find('.'), token.rfind('.') - token.find('.') + 1);
  for (const char* name : {"none", "None", "NONE", "nOnE", ""}) {
    const std::string header = url(std::string(R"({"alg":")") + name + R"("})");
    CHECK(!refusal(secret, header + body).empty());
    CHECK(!refusal(test_keys::rsa_public, header + body).empty());
    CHECK(!refusal(secret, header + body + token.substr(token.rfind('.') + 1)).empty());
  }
  CHECK(!refusal(secret, url("{}") + body).empty());
}

TEST_CASE("a public key is never a secret: algorithm confusion") {
  // The attack: sign with HMAC, the public key's text being the secret.
  Json jwk;
  jwk.set("kty", Json("oct"));
  jwk.set("k", Json(url(test_keys::rsa_public)));
  const std::string forged = signed_by(write_json(jwk), claims());
  CHECK(!refusal(test_keys::rsa_public, forged).empty());
  CHECK(!refusal(test_keys::jwks, forged).empty());
  CHECK(!refusal(test_keys::rsa_public, with_header(forged, R"({"alg":"RS256"})")).empty());
  // And a token of one kind of key that claims another.
  const std::string ec = signed_by(test_keys::ec_private, claims());
  for (const char* alg : {"RS256", "EdDSA", "HS256", "ES384", "ES512", "PS256", "HS512"}) {
    CHECK(!refusal(test_keys::ec_public, with_header(ec, std::string(R"({"alg":")") + alg + "\"}"))
               .empty());
  }
}

TEST_CASE("an ES256 signature of zeros or beyond the curve's order is refused") {
  const std::string token = signed_by(test_keys::ec_private, claims());
  const std::string head = token.substr(0, token.rfind('.') + 1);
  for (const std::uint8_t byte : {std::uint8_t{0}, std::uint8_t{255}, std::uint8_t{1}}) {
    CHECK(!refusal(test_keys::ec_public, head + to_base64url(ByteVector(64, byte))).empty());
  }
  CHECK(!refusal(test_keys::ec_public, head + to_base64url(ByteVector(63, 1))).empty());
  CHECK(!refusal(test_keys::ec_public, head + to_base64url(ByteVector(72, 1))).empty());
}

TEST_CASE("keys that come in the token are not looked at") {
  const std::string token = signed_by(secret, claims());
  for (const char* header : {R"({"alg":"HS256","jku":"https://evil.example/keys"})",
                             R"({"alg":"HS256","jwk":{"kty":"oct","k":"AAAA"}})",
                             R"({"alg":"HS256","kid":"../../x"})"}) {
    CHECK(refusal(secret, with_header(token, header)) ==
          "the token is not signed by a key that this server trusts");
  }
  CHECK(!refusal(secret, with_header(token, R"({"alg":"HS256","crit":["exp"]})")).empty());
  CHECK(!refusal(secret, with_header(token, R"({"alg":"none","alg":"HS256"})")).empty());
}

TEST_CASE("times have bounds on both sides") {
  const auto refused_at = [&](const Json& json, std::int64_t now) {
    return refusal(secret, signed_by(secret, json), at(now));
  };
  CHECK(refused_at(claims(now_s), now_s + 9).empty());  // the leeway
  CHECK(refused_at(claims(now_s), now_s + 10) == "the token has expired");
  CHECK(refused_at(claims(now_s + 400LL * 24 * 3600), now_s) ==
        "the token would live for too long");
  Json early = claims();
  early.set("nbf", Json::integer(now_s + 11));
  CHECK(refused_at(early, now_s) == "the token is not valid yet");
  CHECK(refused_at(early, now_s + 1).empty());
  Json future = claims();
  future.set("iat", Json::integer(now_s + 100));
  CHECK(refused_at(future, now_s) == "the token was issued in the future");
  Json endless;
  endless.set("sub", Json("ann"));
  CHECK(refused_at(endless, now_s) == "the token has no end (\"exp\")");
  for (const char* number : {"-1", "1e300", "99999999999999999999999"}) {
    Json odd = claims();
    odd.set("exp", *Json::number(number));
    CHECK(!refused_at(odd, now_s).empty());
  }
  Json text = claims();
  text.set("exp", Json("1700000600"));
  CHECK(!refused_at(text, now_s).empty());
}

TEST_CASE("issuer, audience and subject are checked when they are expected") {
  JwtExpectations expected = at();
  expected.issuer = "https://id.example";
  expected.audience = "syncline";
  Json json = claims();
  CHECK(!refusal(secret, signed_by(secret, json), expected).empty());
  json.set("iss", Json("https://id.example"));
  CHECK(!refusal(secret, signed_by(secret, json), expected).empty());
  json.set("aud", Json("other"));
  CHECK(!refusal(secret, signed_by(secret, json), expected).empty());
  json.set("aud", Json(Json::Array{Json("other"), Json("syncline")}));
  CHECK(refusal(secret, signed_by(secret, json), expected).empty());
  json.set("iss", Json("https://id.example.evil"));
  CHECK(!refusal(secret, signed_by(secret, json), expected).empty());
  Json nobody;
  nobody.set("exp", Json::integer(now_s + 60));
  CHECK(!refusal(secret, signed_by(secret, nobody)).empty());
  nobody.set("sub", Json(std::string(300, 'x')));
  CHECK(!refusal(secret, signed_by(secret, nobody)).empty());
}

TEST_CASE("key files that would be unsafe are refused") {
  for (const char* file :
       {"", "short", "0123456789abcdef0123456789abcde\n", test_keys::rsa_1024_public,
        test_keys::ec_p384_public, "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        R"({"keys":[]})", R"({"keys":3})", R"({"kty":"oct","k":"AAAA"})",
        R"({"kty":"EC","crv":"P-256","x":"AA","y":"AA"})", R"({"kty":"RSA","n":"AQAB","e":"AQAB"})",
        R"({"kty":"x"})", R"({"kty":"OKP","crv":"Ed25519","x":"AA"})"}) {
    CHECK(!JwtKeys::read(file));
  }
  CHECK(!keys(test_keys::rsa_public).sign(claims()));
}

TEST_CASE("what is no token is malformed, and nothing of it is repeated") {
  for (const char* token : {"", ".", "..", "a.b", "a.b.c", "!.!.!", "e30.e30."}) {
    const auto checked = keys(secret).verify(token, at());
    REQUIRE(!checked);
    CHECK(checked.error().message().find("e30") == std::string::npos);
  }
  CHECK(!keys(secret).verify(std::string(jwt_bytes_max + 1, 'a'), at()));
  const std::string deep = url(std::string(64, '[') + std::string(64, ']'));
  CHECK(!keys(secret).verify(deep + "." + deep + ".AA", at()));
}

}  // namespace syncline
