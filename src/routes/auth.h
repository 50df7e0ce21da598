#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "routes/jwt.h"
#include "session/server_session.h"

namespace syncline {

struct AuthOptions {
  // Everybody may do everything, without a token: for development, on loopback only.
  bool open = false;
  std::string issuer;
  std::string audience;
};

// Who somebody is, and what of.
struct Identity {
  std::string subject;
  std::int64_t expires_ms = 0;
  bool is_admin = false;  // of the whole server
};

// Tokens to identity and rights. Claims that count beside the registered ones:
//
//   "workspaces": ["team", "home"] or {"team": "rw", "home": "r"}; "*" is any
//   "rights":     "r", "rw" or "rwa", or a list of "read", "write", "admin"; "rw" when missing;
//                 "a" is for what concerns those workspaces alone
//   "admin":      true for whoever administers the server
//
// Revoking a subject refuses every token that was issued before that moment.
class Auth {
 public:
  explicit Auth(AuthOptions options) : options_(std::move(options)) {}

  // Replaces all keys: key files are read again when they change.
  void set_keys(JwtKeys keys) { keys_ = std::move(keys); }

  // What the token allows in the workspace. A refusal reads the same whether the workspace exists
  // or not.
  Rights authorise(std::string_view token, const std::string& workspace, std::int64_t now_ms) const;
  // Fails with `not_allowed` or `malformed`.
  Result<Identity> identify(std::string_view token, std::int64_t now_ms) const;

  // The workspace of a token that names exactly one, and not by "*". Fails with `not_found`.
  Result<std::string> only_workspace(std::string_view token, std::int64_t now_ms) const;

  // Whether what was allowed once still is: its key is there, and its user was not revoked since.
  // Says why not.
  Result<void> recheck(const Rights& rights) const;

  void revoke(const std::string& subject, std::int64_t now_ms);
  bool is_open() const { return options_.open; }

  // Revocations as text, one a line, and back: they must outlive the process.
  std::string revocations() const;
  Result<void> load_revocations(std::string_view text);

 private:
  Result<JwtClaims> check(std::string_view token, std::int64_t now_ms) const;

  AuthOptions options_;
  JwtKeys keys_;
  // Subject to the second before which its tokens are worth nothing.
  std::map<std::string, std::int64_t> revoked_;
};

// What the claims allow in one workspace; nothing when they do not name it.
std::optional<std::string> rights_in(const Json& claims, const std::string& workspace);

}  // namespace syncline
