#include "routes/auth.h"

#include "base/text.h"
#include "wire/limits.h"

namespace syncline {
namespace {

// Everybody, where nobody is asked for a token.
constexpr const char* open_user = "anyone";
constexpr const char* no_such_workspace = "there is no such workspace for this token";

// "r", "w" and "a" as a set, from either form; unknown words allow nothing.
std::string letters_of(const Json* rights) {
  if (rights == nullptr) {
    return "rw";
  }
  std::string out;
  if (const std::string* text = rights->string()) {
    for (const char letter : *text) {
      if (letter != 'r' && letter != 'w' && letter != 'a') {
        return "";
      }
      out.push_back(letter);
    }
  } else if (const Json::Array* list = rights->array()) {
    for (const Json& one : *list) {
      const std::string* word = one.string();
      if (word == nullptr || (*word != "read" && *word != "write" && *word != "admin")) {
        return "";
      }
      out.push_back(word->front());
    }
  }
  return out;
}

bool has(const std::string& letters, char letter) {
  return letters.find(letter) != std::string::npos;
}

bool is_workspace_name(const std::string& name) {
  return !name.empty() && name.size() <= limits::workspace_name_bytes_max && is_utf8(name) &&
         name.find('\0') == std::string::npos;
}

}  // namespace

std::optional<std::string> rights_in(const Json& claims, const std::string& workspace) {
  const Json* spaces = claims.find("workspaces");
  const Json* rights = claims.find("rights");
  if (spaces == nullptr) {
    return std::nullopt;
  }
  if (const Json::Object* each = spaces->object()) {
    for (const Json::Member& one : *each) {
      if (one.name == workspace) {
        return letters_of(&one.value);
      }
    }
    return std::nullopt;
  }
  if (const Json::Array* list = spaces->array()) {
    for (const Json& one : *list) {
      if (one.string() != nullptr && (*one.string() == workspace || *one.string() == "*")) {
        return letters_of(rights);
      }
    }
  }
  return std::nullopt;
}

Result<JwtClaims> Auth::check(std::string_view token, std::int64_t now_ms) const {
  if (token.empty()) {
    return Error(ErrorCode::not_allowed, "a token is needed");
  }
  JwtExpectations expected;
  expected.now_s = now_ms / 1000;
  expected.issuer = options_.issuer;
  expected.audience = options_.audience;
  SL_TRY(JwtClaims claims, keys_.verify(token, expected));
  const auto revoked = revoked_.find(claims.subject);
  if (revoked != revoked_.end() && claims.issued_s <= revoked->second) {
    return Error(ErrorCode::not_allowed, "the token was revoked");
  }
  return claims;
}

Rights Auth::authorise(std::string_view token, const std::string& workspace,
                       std::int64_t now_ms) const {
  Rights out;
  if (!is_workspace_name(workspace)) {
    out.refusal = no_such_workspace;
    return out;
  }
  if (options_.open) {
    out.may_read = true;
    out.may_write = true;
    out.may_administer = true;
    out.user = open_user;
    return out;
  }
  const auto claims = check(token, now_ms);
  if (!claims) {
    out.refusal = claims.error().message();
    return out;
  }
  const auto letters = rights_in(claims->all, workspace);
  if (!letters || !has(*letters, 'r')) {
    out.refusal = no_such_workspace;
    return out;
  }
  out.may_read = true;
  out.may_write = has(*letters, 'w');
  out.may_administer = has(*letters, 'a');
  out.key = claims->key;
  out.issued_s = claims->issued_s;
  out.user = claims->subject;
  out.expires_ms = claims->expires_s * 1000;
  return out;
}

Result<Identity> Auth::identify(std::string_view token, std::int64_t now_ms) const {
  if (options_.open) {
    return Identity{open_user, 0, true};
  }
  SL_TRY(const JwtClaims claims, check(token, now_ms));
  // Rights are of workspaces, of all of them, too: the server is a claim of its own.
  const Json* admin = claims.all.find("admin");
  return Identity{claims.subject, claims.expires_s * 1000,
                  admin != nullptr && admin->boolean() != nullptr && *admin->boolean()};
}

Result<std::string> Auth::only_workspace(std::string_view token, std::int64_t now_ms) const {
  const Error several(ErrorCode::not_found, "the token does not name one workspace");
  if (options_.open) {
    return several;
  }
  SL_TRY(const JwtClaims claims, check(token, now_ms));
  const Json* spaces = claims.all.find("workspaces");
  if (spaces == nullptr) {
    return several;
  }
  std::string out;
  if (spaces->object() != nullptr && spaces->object()->size() == 1) {
    out = spaces->object()->front().name;
  } else if (spaces->array() != nullptr && spaces->array()->size() == 1 &&
             spaces->array()->front().string() != nullptr) {
    out = *spaces->array()->front().string();
  }
  return out.empty() || out == "*" ? Result<std::string>(several) : Result<std::string>(out);
}

Result<void> Auth::recheck(const Rights& rights) const {
  if (options_.open) {
    return {};
  }
  if (!keys_.knows(rights.key)) {
    return Error(ErrorCode::not_allowed, "the key that signed the token is not trusted any more");
  }
  const auto revoked = revoked_.find(rights.user);
  if (revoked != revoked_.end() && rights.issued_s <= revoked->second) {
    return Error(ErrorCode::not_allowed, "the token was revoked");
  }
  return {};
}

void Auth::revoke(const std::string& subject, std::int64_t now_ms) {
  revoked_[subject] = now_ms / 1000;
}

std::string Auth::revocations() const {
  std::string out;
  for (const auto& [subject, at] : revoked_) {
    Json line;
    line.set("subject", Json(subject));
    line.set("at", Json::integer(at));
    append_json(out, line);
    out += "\n";
  }
  return out;
}

Result<void> Auth::load_revocations(std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty()) {
      continue;
    }
    SL_TRY(const Json json, read_json(line));
    const Json* subject = json.find("subject");
    const Json* at = json.find("at");
    if (subject == nullptr || subject->string() == nullptr || at == nullptr || !at->as_int64()) {
      return Error(ErrorCode::corrupt, "the list of revocations cannot be read");
    }
    revoked_[*subject->string()] = *at->as_int64();
  }
  return {};
}

}  // namespace syncline
