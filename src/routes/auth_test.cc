#include "routes/auth.h"

#include <doctest/doctest.h>

namespace syncline {
namespace {

constexpr std::int64_t now_ms = 1'700'000'000'000;
constexpr const char* secret = "0123456789abcdef0123456789abcdef";

std::string token(const char* claims) {
  auto json = read_json(claims);
  REQUIRE(json);
  json->set("exp", Json::integer(now_ms / 1000 + 60));
  json->set("iat", Json::integer(now_ms / 1000));
  const auto made = JwtKeys::read(secret)->sign(*json);
  REQUIRE(made);
  return *made;
}

Auth auth() {
  Auth out{AuthOptions{}};
  out.set_keys(std::move(*JwtKeys::read(secret)));
  return out;
}

}  // namespace

TEST_CASE("claims map to workspaces and rights") {
  const Auth door = auth();
  const std::string list = token(R"({"sub":"ann","workspaces":["a","b"],"rights":"r"})");
  CHECK(door.authorise(list, "a", now_ms).may_read);
  CHECK(!door.authorise(list, "a", now_ms).may_write);
  const std::string each = token(R"({"sub":"ann","workspaces":{"a":"rw","b":["read"]}})");
  CHECK(door.authorise(each, "a", now_ms).may_write);
  CHECK(!door.authorise(each, "b", now_ms).may_write);
  CHECK(door.authorise(each, "b", now_ms).user == "ann");
  CHECK(door.authorise(token(R"({"sub":"ann","workspaces":["*"]})"), "any", now_ms).may_write);
  CHECK(!door.authorise(token(R"({"sub":"ann"})"), "a", now_ms).may_read);
  for (const char* odd :
       {R"({"sub":"x","workspaces":["a"],"rights":"rx"})",
        R"({"sub":"x","workspaces":["a"],"rights":["all"]})",
        R"({"sub":"x","workspaces":["a"],"rights":7})", R"({"sub":"x","workspaces":"a"})"}) {
    CHECK(!door.authorise(token(odd), "a", now_ms).may_read);
  }
}

TEST_CASE("another user's workspace is refused as one that does not exist") {
  const Auth door = auth();
  const std::string mine = token(R"({"sub":"ann","workspaces":["a"]})");
  const Rights theirs = door.authorise(mine, "b", now_ms);
  CHECK(theirs.refusal == door.authorise(mine, "never made", now_ms).refusal);
  CHECK(theirs.refusal == door.authorise(mine, "", now_ms).refusal);
  CHECK(theirs.refusal == door.authorise(mine, std::string(300, 'a'), now_ms).refusal);
  CHECK(theirs.refusal == door.authorise(mine, "../a", now_ms).refusal);
}

TEST_CASE("administering the server is a claim of its own, and none of a workspace's rights") {
  const Auth door = auth();
  CHECK(door.identify(token(R"({"sub":"op","admin":true})"), now_ms)->is_admin);
  for (const char* less :
       {R"({"sub":"op","rights":"rwa"})", R"({"sub":"op","rights":["admin"]})",
        R"({"sub":"op","workspaces":["*"],"rights":"rwa"})", R"({"sub":"op","admin":"true"})",
        R"({"sub":"op","admin":1})", R"({"sub":"ann","workspaces":{"a":"rwa"}})"}) {
    CHECK(!door.identify(token(less), now_ms)->is_admin);
  }
  // And opens no workspace.
  CHECK(!door.authorise(token(R"({"sub":"op","admin":true})"), "a", now_ms).may_read);
  const std::string ann = token(R"({"sub":"ann","workspaces":{"a":"rwa","b":"rw"}})");
  CHECK(door.authorise(ann, "a", now_ms).may_administer);
  CHECK(!door.authorise(ann, "b", now_ms).may_administer);
  CHECK(!door.authorise(ann, "c", now_ms).may_administer);
  CHECK(!door.identify("", now_ms));
}

TEST_CASE("a revoked subject's tokens are worth nothing, newer ones are") {
  Auth door = auth();
  const std::string old = token(R"({"sub":"ann","workspaces":["a"]})");
  door.revoke("ann", now_ms);
  CHECK(!door.authorise(old, "a", now_ms).may_read);
  CHECK(door.authorise(token(R"({"sub":"bob","workspaces":["a"]})"), "a", now_ms).may_read);
  Auth later = auth();
  REQUIRE(later.load_revocations(door.revocations()));
  CHECK(!later.authorise(old, "a", now_ms).may_read);
  CHECK(!later.load_revocations("no json"));
}

TEST_CASE("what was allowed is looked at again: keys go, and people are revoked") {
  Auth door = auth();
  const Rights ann = door.authorise(token(R"({"sub":"ann","workspaces":["a"]})"), "a", now_ms);
  CHECK(door.recheck(ann));
  door.set_keys(std::move(*JwtKeys::read(std::string(secret) + "\n")));  // the same key
  CHECK(door.recheck(ann));
  door.revoke("bob", now_ms);
  CHECK(door.recheck(ann));
  door.set_keys(std::move(*JwtKeys::read("another secret of thirty-two bytes")));
  CHECK(door.recheck(ann).error().code() == ErrorCode::not_allowed);
  door.set_keys(std::move(*JwtKeys::read(secret)));
  door.revoke("ann", now_ms);
  CHECK(door.recheck(ann).error().message() == "the token was revoked");
}

TEST_CASE("an open server asks for no token, and still refuses names that are none") {
  const Auth door{AuthOptions{.open = true, .issuer = "", .audience = ""}};
  CHECK(door.authorise("", "a", now_ms).may_write);
  CHECK(!door.authorise("", "", now_ms).may_read);
}

}  // namespace syncline
