// Everybody at every door: who is let in, and who is not.
#include "routes/endpoints.h"

#include <doctest/doctest.h>

#include <deque>
#include <filesystem>

#include "model/schema.h"
#include "routes/service.h"
#include "server/sqlite_log_store.h"
#include "wire/codec.h"
#include "wire/wire_samples.h"

namespace syncline {
namespace {

constexpr const char* secret = "0123456789abcdef0123456789abcdef";
constexpr const char* other_secret = "another secret of thirty-two bytes";
constexpr const char* methods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};

struct StillClock final : WallClock {
  std::int64_t ms = 1'700'000'000'000;
  std::int64_t now_ms() override { return ms; }
};

// What somebody may do in the workspace "team", and with the server.
struct Person {
  const char* name;
  std::string token;
  bool is_known = false;
  bool reads = false;
  bool writes = false;
  bool administers = false;
  bool is_operator = false;
};

// The pages read a file beside the store.
std::filesystem::path own_folder() {
  const std::filesystem::path all = std::filesystem::temp_directory_path();
  for (int i = 0;; ++i) {
    const std::filesystem::path one = all / ("syncline_endpoints_" + std::to_string(i));
    if (std::filesystem::create_directory(one)) {
      return one;
    }
  }
}

struct Palace {
  StillClock clock;
  SeededRandom random{7};
  std::filesystem::path folder = own_folder();
  std::unique_ptr<SqliteLogStore> store;
  std::optional<LogReader> reader;
  std::unique_ptr<Hub> hub;
  Auth auth;
  std::unique_ptr<Service> service;
  Instant now{1000};
  std::uint64_t next_request = 1;
  std::map<RequestId, Reply> replies;
  std::deque<service_effect::Look> looks;
  bool looks_at_once = true;

  explicit Palace(bool is_open = false, std::size_t file_bytes_max = std::size_t{1} << 20U)
      : auth(AuthOptions{is_open, "", ""}) {
    const std::filesystem::path path = folder / "log.db";
    store = *SqliteLogStore::open(path.string(), random, {});
    reader.emplace(std::move(*LogReader::open(path.string())));
    hub = std::make_unique<Hub>(*store, clock, HubOptions{});
    auth.set_keys(std::move(*JwtKeys::read(secret)));
    ServiceOptions options;
    options.delta.legacy = true;
    options.per_address.per_second = 0;
    options.sync.loopback_only = is_open;
    options.file_bytes_max = file_bytes_max;
    service = std::make_unique<Service>(
        Service::Parts{
            store.get(), hub.get(), &auth, &*reader, &clock, &random, [] { return 0; }, {}},
        options);
  }
  ~Palace() {
    service.reset();
    hub.reset();
    reader.reset();
    store.reset();
    std::filesystem::remove_all(folder);
  }
  Palace(const Palace&) = delete;
  Palace& operator=(const Palace&) = delete;

  std::string token(const char* claims, const char* key = secret, std::int64_t life_s = 60) const {
    Json json = std::move(*read_json(claims));
    json.set("exp", Json::integer(clock.ms / 1000 + life_s));
    json.set("iat", Json::integer(clock.ms / 1000 - 1000));
    return *JwtKeys::read(key)->sign(json);
  }

  std::vector<Person> people() {
    const auto rights = [&](const char* key = secret, std::int64_t life = 60) {
      return token(R"({"sub":"ann","workspaces":["team"],"rights":"rwa","admin":true})", key, life);
    };
    std::string broken = rights();
    broken[broken.size() / 2] = broken[broken.size() / 2] == 'A' ? 'B' : 'A';
    auth.revoke("gone", clock.ms);
    return {
        {"nobody", ""},
        {"garbage", "a.b.c"},
        {"another key", rights(other_secret)},
        {"a broken token", broken},
        {"expired", rights(secret, -60)},
        {"revoked", token(R"({"sub":"gone","workspaces":["team"],"rights":"rwa","admin":true})")},
        {"a neighbour", token(R"({"sub":"bob","workspaces":{"other":"rwa"}})"), true},
        {"a reader", token(R"({"sub":"rea","workspaces":["team"],"rights":"r"})"), true, true},
        {"a writer", token(R"({"sub":"ann","workspaces":["team"]})"), true, true, true},
        {"administers team", token(R"({"sub":"tia","workspaces":{"team":"rwa","other":"r"}})"),
         true, true, true, true},
        {"administers all workspaces", token(R"({"sub":"al","workspaces":["*"],"rights":"rwa"})"),
         true, true, true, true},
        {"the operator", token(R"({"sub":"op","admin":true})"), true, false, false, true, true},
    };
  }

  void run() {
    for (bool again = true; again;) {
      again = false;
      bool commit = false;
      while (auto effect = service->next_effect()) {
        if (auto* answer = std::get_if<service_effect::Answer>(&*effect)) {
          replies[answer->request] = std::move(answer->reply);
        } else if (auto* look = std::get_if<service_effect::Look>(&*effect)) {
          looks.push_back(std::move(*look));
        } else if (std::holds_alternative<service_effect::CommitWanted>(*effect)) {
          commit = true;
        }
      }
      if (commit) {
        service->commit(now);
        again = true;
      }
      for (; looks_at_once && !looks.empty(); looks.pop_front()) {
        looks.front().look();
        service->on_looked(looks.front().request);
        again = true;
      }
    }
  }
  Reply ask(const std::string& method, const std::string& target, const std::string& body,
            const std::string& token, std::vector<Header> headers = {}) {
    Request request;
    request.method = method;
    REQUIRE(split_target(target, request));
    request.body = body;
    request.headers = std::move(headers);
    if (!token.empty()) {
      request.headers.push_back({"Authorization", "Bearer " + token});
    }
    request.address = "127.0.0.1";
    const RequestId id(next_request++);
    service->on_request(now, id, request);
    run();
    const Reply reply = replies.count(id) != 0 ? replies.at(id) : Reply{0, "", {}, ""};
    service->on_request_gone(id);
    return reply;
  }
};

std::string hello_body(int replica, const std::string& token) {
  Hello out;
  out.protocol = protocol_spoken;
  out.workspace = "team";
  out.replica = sample_replica(replica);
  out.epoch.bytes.fill(static_cast<std::uint8_t>(replica));
  Writer schema;
  encode_schema(schema, Schema());
  out.schema = schema.take();
  out.catch_up = CatchUp::bootstrap;
  out.token = token;
  Writer body;
  append_frame(body, *encode_message(out));
  return std::string(as_text(body.bytes()));
}

// What makes each of them succeed for whoever may. A new endpoint needs a line here.
const std::map<std::string, std::pair<std::string, std::string>>& samples() {
  static const std::map<std::string, std::pair<std::string, std::string>> all = {
      {"/healthz", {"/healthz", ""}},
      {"/readyz", {"/readyz", ""}},
      {"/metrics", {"/metrics", ""}},
      {"/v1/sync", {"/v1/sync", "hello"}},
      {"/api/sync/v2/openapi.json", {"/api/sync/v2/openapi.json", ""}},
      {"/api/sync/v2", {"/api/sync/v2?workspace=team", R"({"deviceId":"d"})"}},
      {"/api/sync/v2/events", {"/api/sync/v2/events?workspace=team&since=0", ""}},
      {"/api/sync/v2/migrate",
       {"/api/sync/v2/migrate?workspace=team",
        R"({"deviceId":"o","data":{"notes":[{"id":"z"}]}})"}},
      {"/api/sync/push",
       {"/api/sync/push?workspace=team", R"({"deviceId":"o","data":{"notes":[{"id":"z"}]}})"}},
      {"/api/sync/pull", {"/api/sync/pull?workspace=team", "{}"}},
      {"/{db}/meta", {"/team/meta", ""}},
      {"/{db}/file", {"/team/file", ""}},
      {"/{db}/exec", {"/team/exec", R"({"sql":"SELECT 1"})"}},
      {"/{db}/reset", {"/team/reset", "{}"}},
      {"/admin/workspaces", {"/admin/workspaces", ""}},
      {"/admin/devices", {"/admin/devices?workspace=team", ""}},
      {"/admin/changes", {"/admin/changes?workspace=team", ""}},
      {"/admin/conflicts", {"/admin/conflicts?workspace=team", ""}},
      {"/admin/conflicts/told", {"/admin/conflicts/told?workspace=team", ""}},
      {"/admin/volume", {"/admin/volume?workspace=team", ""}},
      {"/admin/give", {"/admin/give", R"({"workspace":"team","from":"nobody","to":"ann"})"}},
      {"/admin/connections", {"/admin/connections", ""}},
      {"/admin/revoke", {"/admin/revoke", R"({"subject":"mallory"})"}},
  };
  return all;
}

bool is_let_in(Guard guard, const Person& who) {
  switch (guard) {
    case Guard::none:
      return true;
    case Guard::frames:
    case Guard::reader:
      return who.reads;
    case Guard::writer:
      return who.writes;
    case Guard::workspace_admin:
      return who.administers;
    case Guard::server_admin:
      return who.is_operator;
    case Guard::open_server:
      return false;
  }
  return false;
}

// A door that answers a reader's writes with 200 lists them as rejected.
bool did_it(const Endpoint& what, const Reply& reply) {
  if (what.guard == Guard::frames) {
    return !reply.welcomed_session.empty();
  }
  return reply.status > 0 && reply.status < 400 &&
         (what.guard != Guard::writer || reply.body.find("not_allowed") == std::string::npos);
}

}  // namespace

TEST_CASE("everybody tries everything, and only who may is let in") {
  Palace palace;
  const auto people = palace.people();
  const std::string writer = people[8].token;
  REQUIRE(palace
              .ask("POST", "/api/sync/v2?workspace=team",
                   R"({"deviceId":"w","changes":[{"changeId":"1","type":"CREATED",)"
                   R"("entityType":"notes","entityId":"a","data":{"body":"x"}}]})",
                   writer)
              .status == 200);
  int replica = 1;
  for (const Endpoint& what : endpoints()) {
    const auto sample = samples().find(what.path);
    REQUIRE_MESSAGE(sample != samples().end(), what.path);
    for (const Person& who : people) {
      CAPTURE(std::string(what.method) + " " + what.path);
      CAPTURE(who.name);
      const auto& [target, body] = sample->second;
      const Reply reply = palace.ask(
          what.method, target,
          what.guard == Guard::frames ? hello_body(replica++, who.token) : body, who.token);
      CAPTURE(reply.status);
      CAPTURE(reply.body);
      CHECK(did_it(what, reply) == is_let_in(what.guard, who));
      if (!is_let_in(what.guard, who) && what.guard != Guard::frames &&
          what.guard != Guard::open_server && !who.is_known) {
        CHECK(reply.status == 401);
      }
    }
  }
}

TEST_CASE("pages of other sites are turned away from everything, whoever looks at them") {
  Palace palace;
  const std::string all =
      palace.token(R"({"sub":"op","workspaces":["*"],"rights":"rwa","admin":true})");
  for (const Endpoint& what : endpoints()) {
    const auto& [target, body] = samples().at(what.path);
    CAPTURE(target);
    for (const char* origin : {"https://evil.example", "null", "", "http://127.0.0.1:8080"}) {
      CAPTURE(origin);
      CHECK(palace.ask(what.method, target, body, all, {{"Origin", origin}}).status == 403);
    }
    const std::vector<Header> two{{"Origin", "https://a.example"}, {"origin", "https://b.example"}};
    CHECK(palace.ask(what.method, target, body, all, two).status == 403);
  }
}

TEST_CASE("a server that asks for no token answers to this machine's names alone") {
  Palace palace(true);
  for (const Endpoint& what : endpoints()) {
    const auto& [target, body] = samples().at(what.path);
    CAPTURE(target);
    for (const char* host :
         {"evil.example", "127.0.0.1.evil.example", "localhost.evil", "", "127.1"}) {
      CAPTURE(host);
      CHECK(palace.ask(what.method, target, body, "", {{"Host", host}}).status == 421);
    }
    if (what.guard != Guard::frames) {
      const int status =
          palace.ask(what.method, target, body, "", {{"Host", "localhost:80"}}).status;
      CAPTURE(status);
      CHECK(status != 421);
      CHECK(status != 401);
    }
  }
}

TEST_CASE("what takes long is looked up elsewhere, and others are answered meanwhile") {
  Palace palace;
  palace.looks_at_once = false;
  const std::string ann = palace.token(R"({"sub":"ann","workspaces":["team"],"rights":"rwa"})");
  const std::string bob = palace.token(R"({"sub":"bob","workspaces":["team"]})");
  REQUIRE(palace.ask("POST", "/api/sync/v2?workspace=team", R"({"deviceId":"w"})", ann).status ==
          200);
  const RequestId first(palace.next_request);
  for (const char* target :
       {"/team/file", "/team/meta", "/admin/volume?workspace=team", "/admin/workspaces"}) {
    CAPTURE(target);
    CHECK(palace.ask("GET", target, "", ann).status == 0);
  }
  // One user has so many under way, and nobody else hears of it.
  CHECK(palace.ask("GET", "/team/file", "", ann).status == 503);
  CHECK(palace.ask("GET", "/team/file", "", bob).status == 0);
  CHECK(palace.ask("GET", "/healthz", "", "").status == 200);
  CHECK(palace.looks.size() == 5);
  palace.looks_at_once = true;
  palace.run();
  CHECK(palace.replies.at(first).status == 200);
  CHECK(palace.replies.at(first).body.rfind("SQLite format 3", 0) == 0);
  CHECK(palace.ask("GET", "/team/file", "", ann).status == 200);
}

TEST_CASE("a workspace is no file that is larger than an answer may be") {
  constexpr std::size_t most = std::size_t{64} << 10U;
  Palace palace(false, most);
  const std::string ann = palace.token(R"({"sub":"ann","workspaces":["team"]})");
  // Rows that fill a little more than half a page each.
  for (int i = 0; i < 20; ++i) {
    const std::string id = std::to_string(i);
    const std::string change = R"({"deviceId":"w","changes":[{"changeId":")" + id +
                               R"(","type":"CREATED","entityType":"notes","entityId":")" + id +
                               R"(","data":{"body":")" + std::string(2100, 'x') + R"("}}]})";
    REQUIRE(palace.ask("POST", "/api/sync/v2?workspace=team", change, ann).status == 200);
    const Reply file = palace.ask("GET", "/team/file", "", ann);
    CHECK((file.status == 200 || file.status == 413));
    CHECK(file.body.size() <= most);
  }
  CHECK(palace.ask("GET", "/team/file", "", ann).status == 413);
}

TEST_CASE("no path answers to a method that is not in the list, and none that is not there") {
  Palace palace;
  const std::string all =
      palace.token(R"({"sub":"op","workspaces":["*"],"rights":"rwa","admin":true})");
  for (const Endpoint& what : endpoints()) {
    for (const char* method : methods) {
      const bool is_listed =
          std::any_of(endpoints().begin(), endpoints().end(), [&](const Endpoint& one) {
            const std::string reads = one.method;
            return std::string_view(one.path) == what.path &&
                   (reads == method || (reads == "GET" && std::string_view(method) == "HEAD"));
          });
      if (is_listed) {
        continue;
      }
      const auto& [target, body] = samples().at(what.path);
      CAPTURE(std::string(method) + " " + target);
      const Reply reply = palace.ask(method, target, body, all);
      CAPTURE(reply.status);
      // A preflight tells what a browser may ask, whoever asks.
      CHECK((reply.status == 204 || reply.status >= 400));
    }
  }
  for (const char* target :
       {"/", "/admin", "/admin/", "/admin/other", "/api/sync", "/v1", "/v2/sync", "/team",
        "/team/other", "/_x/meta", "/demo/script", "/index.html"}) {
    for (const char* method : methods) {
      CAPTURE(std::string(method) + " " + target);
      CHECK(palace.ask(method, target, "{}", all).status == 404);
    }
  }
}

}  // namespace syncline
