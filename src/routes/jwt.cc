#include "routes/jwt.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>

#include "base/base64.h"
#include "base/digest.h"

namespace syncline {
namespace {

template <auto Free>
struct Freed {
  template <typename T>
  void operator()(T* what) const {
    Free(what);
  }
};
using Pkey = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using PkeyContext = std::unique_ptr<EVP_PKEY_CTX, Freed<EVP_PKEY_CTX_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>>;
using Number = std::unique_ptr<BIGNUM, Freed<BN_free>>;
using Signature = std::unique_ptr<ECDSA_SIG, Freed<ECDSA_SIG_free>>;
using Builder = std::unique_ptr<OSSL_PARAM_BLD, Freed<OSSL_PARAM_BLD_free>>;
using Parameters = std::unique_ptr<OSSL_PARAM, Freed<OSSL_PARAM_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;

struct BioFree {
  void operator()(BIO* bio) const { BIO_free_all(bio); }
};
using Bio = std::unique_ptr<BIO, BioFree>;

constexpr std::size_t es256_half = 32;
constexpr int rsa_bits_min = 2048;
constexpr int rsa_bits_max = 8192;
// Times in a token, in seconds: beyond the year 5000 nothing is meant.
constexpr double time_s_max = 1e11;

Error refused(const std::string& why) { return Error(ErrorCode::not_allowed, why); }
Error bad_key(const std::string& why) { return Error(ErrorCode::invalid_argument, why); }

std::string_view text_member(const Json& object, std::string_view name) {
  const Json* found = object.find(name);
  const std::string* text = found == nullptr ? nullptr : found->string();
  return text == nullptr ? std::string_view() : std::string_view(*text);
}

Result<ByteVector> bytes_member(const Json& object, std::string_view name) {
  const std::string_view text = text_member(object, name);
  if (text.empty()) {
    return bad_key("a key lacks its member \"" + std::string(name) + "\"");
  }
  auto bytes = from_base64url(text);
  if (!bytes) {
    return bad_key("a key's member \"" + std::string(name) + "\" is no base64url");
  }
  return std::move(*bytes);
}

Number to_number(const ByteVector& bytes) {
  return Number(BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr));
}

Result<JwtAlgorithm> algorithm_of(EVP_PKEY* key) {
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA: {
      const int bits = EVP_PKEY_get_bits(key);
      if (bits < rsa_bits_min || bits > rsa_bits_max) {
        return bad_key("an RSA key must have 2048 to 8192 bits, not " + std::to_string(bits));
      }
      return JwtAlgorithm::rs256;
    }
    case EVP_PKEY_EC: {
      char group[64] = {};
      std::size_t size = 0;
      if (EVP_PKEY_get_group_name(key, group, sizeof group, &size) != 1 ||
          std::string_view(group) != SN_X9_62_prime256v1) {
        return bad_key("an elliptic curve key must be on P-256 (ES256)");
      }
      return JwtAlgorithm::es256;
    }
    case EVP_PKEY_ED25519:
      return JwtAlgorithm::eddsa;
    default:
      return bad_key("a key must be RSA, EC on P-256, or Ed25519");
  }
}

Result<Pkey> build_key(const char* type, OSSL_PARAM_BLD* builder) {
  const Parameters parameters(OSSL_PARAM_BLD_to_param(builder));
  const PkeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (!parameters || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get()) != 1) {
    return bad_key(std::string("a key of type ") + type + " is not valid");
  }
  return Pkey(key);
}

Result<Pkey> rsa_key(const Json& jwk) {
  SL_TRY(const ByteVector n, bytes_member(jwk, "n"));
  SL_TRY(const ByteVector e, bytes_member(jwk, "e"));
  const Builder builder(OSSL_PARAM_BLD_new());
  const Number modulus = to_number(n);
  const Number exponent = to_number(e);
  if (n.size() > rsa_bits_max / 8 + 1 || e.size() > 8 || !builder || !modulus || !exponent ||
      BN_is_odd(exponent.get()) == 0 || BN_is_one(exponent.get()) != 0 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, modulus.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, exponent.get()) != 1) {
    return bad_key("an RSA key is not valid");
  }
  return build_key("RSA", builder.get());
}

Result<Pkey> ec_key(const Json& jwk) {
  if (text_member(jwk, "crv") != "P-256") {
    return bad_key("an EC key must be on P-256 (ES256)");
  }
  SL_TRY(const ByteVector x, bytes_member(jwk, "x"));
  SL_TRY(const ByteVector y, bytes_member(jwk, "y"));
  if (x.size() != es256_half || y.size() != es256_half) {
    return bad_key("an EC key's coordinates must have 32 bytes");
  }
  ByteVector point{4};
  point.insert(point.end(), x.begin(), x.end());
  point.insert(point.end(), y.begin(), y.end());
  const Builder builder(OSSL_PARAM_BLD_new());
  if (!builder ||
      OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME,
                                      SN_X9_62_prime256v1, 0) != 1 ||
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                       point.size()) != 1) {
    return bad_key("an EC key is not valid");
  }
  return build_key("EC", builder.get());
}

Result<Pkey> okp_key(const Json& jwk) {
  if (text_member(jwk, "crv") != "Ed25519") {
    return bad_key("an OKP key must be Ed25519 (EdDSA)");
  }
  SL_TRY(const ByteVector x, bytes_member(jwk, "x"));
  Pkey key(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, x.data(), x.size()));
  if (!key) {
    return bad_key("an Ed25519 key must have 32 bytes");
  }
  return key;
}

// JWS writes the two halves of an ES256 signature one after the other; OpenSSL wants DER.
Result<ByteVector> der_of(Bytes raw) {
  if (raw.size() != 2 * es256_half) {
    return refused("the token's signature has the wrong size");
  }
  const Signature signature(ECDSA_SIG_new());
  BIGNUM* r = BN_bin2bn(raw.data(), es256_half, nullptr);
  BIGNUM* s = BN_bin2bn(raw.data() + es256_half, es256_half, nullptr);
  if (!signature || ECDSA_SIG_set0(signature.get(), r, s) != 1) {
    BN_free(r);
    BN_free(s);
    return Error(ErrorCode::out_of_memory, "no memory for a signature");
  }
  std::uint8_t* der = nullptr;
  const int size = i2d_ECDSA_SIG(signature.get(), &der);
  if (size <= 0) {
    return Error(ErrorCode::out_of_memory, "no memory for a signature");
  }
  ByteVector out(der, der + size);
  OPENSSL_free(der);
  return out;
}

Result<ByteVector> raw_of(Bytes der) {
  const std::uint8_t* at = der.data();
  const Signature signature(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())));
  ByteVector out(2 * es256_half);
  if (!signature ||
      BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), out.data(), es256_half) != es256_half ||
      BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), out.data() + es256_half, es256_half) !=
          es256_half) {
    return Error(ErrorCode::internal, "a signature could not be written");
  }
  return out;
}

const EVP_MD* digest_of(JwtAlgorithm algorithm) {
  return algorithm == JwtAlgorithm::eddsa ? nullptr : EVP_sha256();
}

ByteVector hmac(const ByteVector& secret, std::string_view text) {
  ByteVector out(EVP_MAX_MD_SIZE);
  unsigned size = 0;
  const Bytes bytes = as_bytes(text);
  if (HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()), bytes.data(), bytes.size(),
           out.data(), &size) == nullptr) {
    size = 0;
  }
  out.resize(size);
  return out;
}

bool verify_with(EVP_PKEY* key, JwtAlgorithm algorithm, std::string_view text, Bytes given) {
  ByteVector der;
  if (algorithm == JwtAlgorithm::es256) {
    auto made = der_of(given);
    if (!made) {
      return false;
    }
    der = std::move(*made);
    given = der;
  }
  const DigestContext context(EVP_MD_CTX_new());
  const Bytes bytes = as_bytes(text);
  return context &&
         EVP_DigestVerifyInit(context.get(), nullptr, digest_of(algorithm), nullptr, key) == 1 &&
         EVP_DigestVerify(context.get(), given.data(), given.size(), bytes.data(), bytes.size()) ==
             1;
}

Result<ByteVector> sign_with(EVP_PKEY* key, JwtAlgorithm algorithm, std::string_view text) {
  const DigestContext context(EVP_MD_CTX_new());
  const Bytes bytes = as_bytes(text);
  std::size_t size = 0;
  if (!context ||
      EVP_DigestSignInit(context.get(), nullptr, digest_of(algorithm), nullptr, key) != 1 ||
      EVP_DigestSign(context.get(), nullptr, &size, bytes.data(), bytes.size()) != 1) {
    return Error(ErrorCode::internal, "the key could not sign");
  }
  ByteVector out(size);
  if (EVP_DigestSign(context.get(), out.data(), &size, bytes.data(), bytes.size()) != 1) {
    return Error(ErrorCode::internal, "the key could not sign");
  }
  out.resize(size);
  return algorithm == JwtAlgorithm::es256 ? raw_of(out) : Result<ByteVector>(std::move(out));
}

// Strict: a name twice, or bytes that are no UTF-8, would let two readers see two tokens.
Result<Json> read_part(std::string_view part, const char* what) {
  const auto bytes = from_base64url(part);
  if (!bytes) {
    return Error(ErrorCode::malformed, std::string("the token's ") + what + " is no base64url");
  }
  auto json =
      read_json(as_text(*bytes), {.bytes_max = jwt_bytes_max, .depth_max = 8, .values_max = 1024});
  if (!json || json->kind() != Json::Kind::object) {
    return Error(ErrorCode::malformed, std::string("the token's ") + what + " is no JSON object");
  }
  return std::move(*json);
}

// A time claim in whole seconds; nothing when it is missing.
Result<std::optional<std::int64_t>> time_claim(const Json& claims, const char* name) {
  const Json* found = claims.find(name);
  if (found == nullptr) {
    return std::optional<std::int64_t>();
  }
  const auto value = found->as_double();
  if (!value || !(*value >= 0) || *value > time_s_max) {
    return refused(std::string("the token's claim \"") + name + "\" is no time");
  }
  return std::optional<std::int64_t>(static_cast<std::int64_t>(*value));
}

bool names(const Json* claim, std::string_view wanted) {
  if (claim == nullptr) {
    return false;
  }
  if (const std::string* one = claim->string()) {
    return *one == wanted;
  }
  const Json::Array* many = claim->array();
  return many != nullptr && std::any_of(many->begin(), many->end(), [&](const Json& one) {
           return one.string() != nullptr && *one.string() == wanted;
         });
}

Result<JwtClaims> check_claims(Json all, const JwtExpectations& expected) {
  JwtClaims out;
  SL_TRY(const auto expires, time_claim(all, "exp"));
  SL_TRY(const auto not_before, time_claim(all, "nbf"));
  SL_TRY(const auto issued, time_claim(all, "iat"));
  if (!expires) {
    return refused("the token has no end (\"exp\")");
  }
  if (expected.now_s >= *expires + expected.leeway_s) {
    return refused("the token has expired");
  }
  if (*expires - expected.now_s > expected.life_s_max) {
    return refused("the token would live for too long");
  }
  if (not_before && expected.now_s + expected.leeway_s < *not_before) {
    return refused("the token is not valid yet");
  }
  if (issued && expected.now_s + expected.leeway_s < *issued) {
    return refused("the token was issued in the future");
  }
  if (!expected.issuer.empty() && text_member(all, "iss") != expected.issuer) {
    return refused("the token is from another issuer");
  }
  if (!expected.audience.empty() && !names(all.find("aud"), expected.audience)) {
    return refused("the token is for another audience");
  }
  out.subject = std::string(text_member(all, "sub"));
  constexpr std::size_t subject_bytes_max = 255;
  if (out.subject.empty() || out.subject.size() > subject_bytes_max) {
    return refused("the token names no subject (\"sub\")");
  }
  out.expires_s = *expires;
  out.issued_s = issued.value_or(0);
  out.all = std::move(all);
  return out;
}

}  // namespace

struct JwtKeys::Key {
  JwtAlgorithm algorithm = JwtAlgorithm::hs256;
  std::string id;
  ByteVector secret;  // hs256
  Pkey pkey;          // all others
  bool can_sign = false;
  std::string name;

  // Equal keys have equal names in whatever file they come.
  std::string draw_name() const {
    Sha256 hash;
    hash.update(as_bytes(jwt_algorithm_name(algorithm)));
    hash.update(secret);
    unsigned char* der = nullptr;
    const int size = pkey ? i2d_PUBKEY(pkey.get(), &der) : 0;
    if (size > 0) {
      hash.update(Bytes(der, static_cast<std::size_t>(size)));
    }
    OPENSSL_free(der);
    return to_hex(hash.finish());
  }
};

JwtKeys::JwtKeys() = default;
JwtKeys::~JwtKeys() = default;
JwtKeys::JwtKeys(JwtKeys&&) noexcept = default;
JwtKeys& JwtKeys::operator=(JwtKeys&&) noexcept = default;

std::string_view jwt_algorithm_name(JwtAlgorithm algorithm) {
  switch (algorithm) {
    case JwtAlgorithm::hs256:
      return "HS256";
    case JwtAlgorithm::rs256:
      return "RS256";
    case JwtAlgorithm::es256:
      return "ES256";
    case JwtAlgorithm::eddsa:
      return "EdDSA";
  }
  return "";
}

Result<JwtKeys::Key> JwtKeys::read_jwk(const Json& jwk) {
  Key key;
  const std::string_view type = text_member(jwk, "kty");
  if (type == "oct") {
    SL_TRY(key.secret, bytes_member(jwk, "k"));
    if (key.secret.size() < jwt_secret_bytes_min) {
      return bad_key("a secret must have at least 32 bytes");
    }
    key.can_sign = true;
  } else {
    if (type == "RSA") {
      SL_TRY(key.pkey, rsa_key(jwk));
    } else if (type == "EC") {
      SL_TRY(key.pkey, ec_key(jwk));
    } else if (type == "OKP") {
      SL_TRY(key.pkey, okp_key(jwk));
    } else {
      return bad_key("a key's type (\"kty\") must be oct, RSA, EC or OKP");
    }
    SL_TRY(key.algorithm, algorithm_of(key.pkey.get()));
  }
  const std::string_view declared = text_member(jwk, "alg");
  if (!declared.empty() && declared != jwt_algorithm_name(key.algorithm)) {
    return bad_key("a key's \"alg\" does not fit its kind");
  }
  key.id = std::string(text_member(jwk, "kid"));
  return key;
}

Result<void> JwtKeys::add_jwks(std::string_view text) {
  SL_TRY(const Json json,
         read_json(text, {.bytes_max = std::size_t{1} << 20U, .depth_max = 8, .values_max = 8192}));
  const Json* list = json.find("keys");
  if (list != nullptr && list->array() == nullptr) {
    return bad_key("\"keys\" must be a list");
  }
  const Json::Array single{json};
  for (const Json& jwk : list == nullptr ? single : *list->array()) {
    const std::string_view use = text_member(jwk, "use");
    if (!use.empty() && use != "sig") {
      continue;
    }
    SL_TRY(Key key, read_jwk(jwk));
    keys_.push_back(std::make_unique<Key>(std::move(key)));
    if (keys_.size() > jwt_keys_max) {
      return Error(ErrorCode::too_large, "a key file may hold 64 keys");
    }
  }
  return {};
}

Result<void> JwtKeys::add_pem(std::string_view text) {
  constexpr std::string_view begin = "-----BEGIN ";
  constexpr std::string_view end = "-----END ";
  for (std::size_t at = text.find(begin); at != std::string_view::npos;) {
    const std::size_t stop = text.find(end, at);
    const std::size_t next = stop == std::string_view::npos ? stop : text.find(begin, stop);
    const std::string_view block = text.substr(at, next - at);
    at = next;
    Key key;
    const Bio bio(BIO_new_mem_buf(block.data(), static_cast<int>(block.size())));
    const std::string_view head = block.substr(0, block.find('\n'));
    if (head.find("PRIVATE KEY") != std::string_view::npos) {
      // An empty passphrase, so that nobody is asked for one.
      char none[1] = {};
      key.pkey.reset(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, none));
      key.can_sign = true;
    } else if (head.find("CERTIFICATE") != std::string_view::npos) {
      const Certificate certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
      key.pkey.reset(certificate ? X509_get_pubkey(certificate.get()) : nullptr);
    } else if (head.find("PUBLIC KEY") != std::string_view::npos) {
      key.pkey.reset(PEM_read_bio_PUBKEY(bio.get(), nullptr, nullptr, nullptr));
    } else {
      continue;  // parameters of a curve
    }
    if (!key.pkey) {
      return bad_key("a PEM key cannot be read");
    }
    SL_TRY(key.algorithm, algorithm_of(key.pkey.get()));
    keys_.push_back(std::make_unique<Key>(std::move(key)));
    if (keys_.size() > jwt_keys_max) {
      return Error(ErrorCode::too_large, "a key file may hold 64 keys");
    }
  }
  return {};
}

Result<JwtKeys> JwtKeys::read(std::string_view file) {
  JwtKeys out;
  const std::size_t first = file.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) {
    return bad_key("the key file is empty");
  }
  if (file[first] == '{') {
    SL_TRY(out.add_jwks(file.substr(first)));
  } else if (file.find("-----BEGIN ") != std::string_view::npos) {
    SL_TRY(out.add_pem(file));
  } else {
    while (!file.empty() && (file.back() == '\n' || file.back() == '\r')) {
      file.remove_suffix(1);
    }
    if (file.size() < jwt_secret_bytes_min) {
      return bad_key("a secret must have at least 32 bytes; this one has " +
                     std::to_string(file.size()));
    }
    auto key = std::make_unique<Key>();
    key->secret = to_vector(as_bytes(file));
    key->can_sign = true;
    out.keys_.push_back(std::move(key));
  }
  if (out.keys_.empty()) {
    return bad_key("the key file holds no key that can be used");
  }
  for (const auto& key : out.keys_) {
    key->name = key->draw_name();
  }
  return out;
}

bool JwtKeys::knows(const std::string& key) const {
  return std::any_of(keys_.begin(), keys_.end(), [&](const auto& one) { return one->name == key; });
}

Result<std::string> JwtKeys::check_signature(std::string_view signed_part,
                                             std::string_view algorithm, std::string_view key_id,
                                             const ByteVector& given) const {
  bool algorithm_known = false;
  for (const auto& key : keys_) {
    // Invariant 1.
    if (jwt_algorithm_name(key->algorithm) != algorithm) {
      continue;
    }
    algorithm_known = true;
    if (!key_id.empty() && !key->id.empty() && key_id != key->id) {
      continue;
    }
    const bool fits = key->pkey ? verify_with(key->pkey.get(), key->algorithm, signed_part, given)
                                : equal_in_constant_time(hmac(key->secret, signed_part), given);
    if (fits) {
      return key->name;
    }
  }
  return refused(algorithm_known ? "the token is not signed by a key that this server trusts"
                                 : "the token's algorithm is not one of this server's keys");
}

Result<JwtClaims> JwtKeys::verify(std::string_view token, const JwtExpectations& expected) const {
  if (token.size() > jwt_bytes_max) {
    return Error(ErrorCode::malformed, "the token is too long");
  }
  const std::size_t first = token.find('.');
  const std::size_t second = first == std::string_view::npos ? first : token.find('.', first + 1);
  if (second == std::string_view::npos || token.find('.', second + 1) != std::string_view::npos) {
    return Error(ErrorCode::malformed, "a token has three parts");
  }
  SL_TRY(const Json header, read_part(token.substr(0, first), "header"));
  if (header.find("crit") != nullptr) {
    return refused("the token demands extensions that nobody here knows");
  }
  const auto signature = from_base64url(token.substr(second + 1));
  if (!signature) {
    return Error(ErrorCode::malformed, "the token's signature is no base64url");
  }
  // Invariant 2.
  SL_TRY(std::string key, check_signature(token.substr(0, second), text_member(header, "alg"),
                                          text_member(header, "kid"), *signature));
  SL_TRY(Json all, read_part(token.substr(first + 1, second - first - 1), "claims"));
  SL_TRY(JwtClaims claims, check_claims(std::move(all), expected));
  claims.key = std::move(key);
  return claims;
}

Result<std::string> JwtKeys::sign(const Json& claims) const {
  for (const auto& key : keys_) {
    if (!key->can_sign) {
      continue;
    }
    Json header;
    header.set("alg", Json(jwt_algorithm_name(key->algorithm)));
    header.set("typ", Json("JWT"));
    if (!key->id.empty()) {
      header.set("kid", Json(key->id));
    }
    std::string out = to_base64url(as_bytes(write_json(header))) + "." +
                      to_base64url(as_bytes(write_json(claims)));
    ByteVector signature;
    if (key->pkey) {
      SL_TRY(signature, sign_with(key->pkey.get(), key->algorithm, out));
    } else {
      signature = hmac(key->secret, out);
    }
    return out + "." + to_base64url(signature);
  }
  return Error(ErrorCode::unsupported, "the key file holds no secret and no private key");
}

}  // namespace syncline
