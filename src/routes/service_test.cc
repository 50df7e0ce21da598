#include "routes/service.h"

#include <doctest/doctest.h>

#include "model/schema.h"
#include "server/sqlite_log_store.h"
#include "wire/change_codec.h"
#include "wire/codec.h"
#include "wire/wire_samples.h"

namespace syncline {
namespace {

constexpr const char* secret = "0123456789abcdef0123456789abcdef";

struct StillClock final : WallClock {
  std::int64_t ms = 1'700'000'000'000;
  std::int64_t now_ms() override { return ms; }
};

// A whole server without sockets.
struct House {
  StillClock clock;
  SeededRandom random{7};
  std::unique_ptr<SqliteLogStore> store;
  std::unique_ptr<Hub> hub;
  Auth auth{AuthOptions{}};
  std::unique_ptr<Service> service;
  Instant now{1000};
  std::uint64_t next_request = 1;
  std::map<SocketId, std::vector<Message>> frames;
  std::map<SocketId, std::string> closed;
  std::map<RequestId, Reply> replies;

  explicit House(ServiceOptions options = {}, const HubOptions& hub_options = {}) {
    store = *SqliteLogStore::open(":memory:", random, {});
    hub = std::make_unique<Hub>(*store, clock, hub_options);
    auth.set_keys(std::move(*JwtKeys::read(secret)));
    service = std::make_unique<Service>(
        Service::Parts{
            store.get(), hub.get(), &auth, nullptr, &clock, &random, [] { return 0; }, {}},
        options);
  }

  std::string token(const std::string& subject, const std::string& workspace,
                    const std::string& rights = "rw") const {
    Json claims;
    claims.set("sub", Json(subject));
    claims.set("exp", Json::integer(clock.ms / 1000 + 60));
    claims.set("iat", Json::integer(clock.ms / 1000));
    claims.set("workspaces", Json(Json::Array{Json(workspace)}));
    claims.set("rights", Json(rights));
    return *JwtKeys::read(secret)->sign(claims);
  }

  void run() {
    bool commit = true;
    while (commit) {
      commit = false;
      while (auto effect = service->next_effect()) {
        if (auto* send = std::get_if<service_effect::SendFrame>(&*effect)) {
          frames[send->socket].push_back(*decode_message(send->frame));
          service->on_socket_sent(now, send->socket, send->frame.size());
        } else if (auto* close = std::get_if<service_effect::CloseSocket>(&*effect)) {
          closed[close->socket] = close->reason;
        } else if (auto* answer = std::get_if<service_effect::Answer>(&*effect)) {
          replies[answer->request] = std::move(answer->reply);
        } else if (auto* look = std::get_if<service_effect::Look>(&*effect)) {
          look->look();
          service->on_looked(look->request);
        } else if (std::holds_alternative<service_effect::CommitWanted>(*effect)) {
          commit = true;
        }
      }
      if (commit) {
        service->commit(now);
      }
      if (service->wants_work(now)) {
        service->work(now);
        commit = true;
      }
    }
  }

  SocketId open(std::uint64_t number) {
    service->on_socket_open(now, SocketId(number), "127.0.0.1");
    run();
    return SocketId(number);
  }
  void send(SocketId socket, const Message& message) {
    service->on_socket_frame(now, socket, *encode_message(message));
    run();
  }
  Reply request(const std::string& method, const std::string& target, const std::string& body = "",
                std::vector<Header> headers = {}) {
    Request request;
    request.method = method;
    REQUIRE(split_target(target, request));
    request.body = body;
    request.headers = std::move(headers);
    request.address = "127.0.0.1";
    const RequestId id(next_request++);
    service->on_request(now, id, request);
    run();
    return replies.count(id) != 0 ? replies.at(id) : Reply{0, "", {}, ""};
  }
};

Schema notes_schema() {
  Schema schema;
  for (const char* name : {"notes", "tags"}) {
    TableSchema table;
    table.name = name;
    table.columns = {{"id", "INTEGER", true, false, MergeRule::lww},
                     {"body", "", false, false, MergeRule::lww},
                     {"rank", "", false, false, MergeRule::lww}};
    table.key = {"id"};
    schema.tables.push_back(table);
  }
  return canonical_schema(schema);
}

Hello hello(int replica, const std::string& workspace, const std::string& token) {
  Hello out;
  out.protocol = protocol_spoken;
  out.workspace = workspace;
  out.replica = sample_replica(replica);
  out.epoch.bytes.fill(static_cast<std::uint8_t>(replica));
  out.schema_version = 2;
  const Schema schema = notes_schema();
  out.fingerprint = schema_fingerprint(schema);
  Writer bytes;
  encode_schema(bytes, schema);
  out.schema = bytes.take();
  out.catch_up = CatchUp::bootstrap;
  out.token = token;
  return out;
}

Change change_of(const House& house, int replica) {
  Change change = sample_change();
  change.sequence = ChangeSequence(1);
  change.stamp = sample_stamp(static_cast<std::uint64_t>(house.clock.ms), replica);
  change.edits = {change.edits[0]};
  return change;
}

std::string body_of(const std::vector<Message>& messages) {
  Writer out;
  for (const Message& message : messages) {
    append_frame(out, *encode_message(message));
  }
  return std::string(as_text(out.bytes()));
}

std::vector<Message> messages_of(const Reply& reply) {
  std::vector<Message> out;
  Reader in(as_bytes(reply.body));
  while (!in.at_end()) {
    const auto frame = read_frame(in);
    REQUIRE(frame);
    out.push_back(*decode_message(*frame));
  }
  return out;
}

template <typename M>
const M* find(const std::vector<Message>& messages) {
  for (const Message& message : messages) {
    if (const M* found = std::get_if<M>(&message)) {
      return found;
    }
  }
  return nullptr;
}

}  // namespace

TEST_CASE("what one pushes over a WebSocket is acknowledged and reaches another by POST") {
  House house;
  const SocketId ann = house.open(1);
  house.send(ann, hello(1, "team", house.token("ann", "team")));
  REQUIRE(find<Welcome>(house.frames[ann]) != nullptr);
  const Reply first =
      house.request("POST", "/v1/sync", body_of({hello(2, "team", house.token("bob", "team"))}));
  REQUIRE(first.status == 200);
  REQUIRE(find<Welcome>(messages_of(first)) != nullptr);
  const std::vector<Header> session{first.headers[0]};
  house.request("POST", "/v1/sync", body_of({Applied{}}), session);
  house.send(ann, PushPart{encode_change(change_of(house, 1))});
  REQUIRE(find<Ack>(house.frames[ann]) != nullptr);
  CHECK(find<Ack>(house.frames[ann])->through == ChangeSequence(1));
  const auto pulled = messages_of(house.request("POST", "/v1/sync", "", session));
  REQUIRE(find<PullPart>(pulled) != nullptr);
  CHECK(find<PullPart>(pulled)->version == ServerVersion(1));
  CHECK(house.service->metrics().counter("acks_total") == 1);
}

TEST_CASE("a push by POST is answered with its acknowledgement") {
  House house;
  const Reply reply =
      house.request("POST", "/v1/sync", body_of({hello(1, "team", house.token("ann", "team"))}));
  const std::vector<Header> session{reply.headers[0]};
  const auto acked = messages_of(house.request(
      "POST", "/v1/sync", body_of({PushPart{encode_change(change_of(house, 1))}}), session));
  REQUIRE(find<Ack>(acked) != nullptr);
}

TEST_CASE("a POST that waits is answered when something comes, or when its time is over") {
  House house;
  const Reply reply =
      house.request("POST", "/v1/sync", body_of({hello(1, "team", house.token("ann", "team"))}));
  std::vector<Header> session{reply.headers[0], {"Syncline-Wait", "500"}};
  CHECK(house.request("POST", "/v1/sync", "", session).status == 0);
  const RequestId waits(house.next_request - 1);
  house.now = house.now + Duration{600};
  house.service->on_time(house.now);
  house.run();
  CHECK(house.replies.count(waits) == 1);
  // A newer one takes over from the one that waits.
  CHECK(house.request("POST", "/v1/sync", "", session).status == 0);
  const RequestId older(house.next_request - 1);
  house.request("POST", "/v1/sync", "", session);
  CHECK(house.replies[older].body.empty());
}

TEST_CASE("a conversation by POST that is over, or was never begun, is gone") {
  House house;
  CHECK(house.request("POST", "/v1/sync", "", {{"Syncline-Session", "0123"}}).status == 410);
  CHECK(house.request("GET", "/v1/sync").status == 405);
  CHECK(house.request("POST", "/v1/sync?token=abc").status == 400);
  const Reply reply = house.request("POST", "/v1/sync", body_of({Bye{Farewell::done, ""}}));
  CHECK(reply.headers.back().name == "Syncline-Closed");
  CHECK(house.request("POST", "/v1/sync", "", {reply.headers[0]}).status == 410);
  CHECK(house.request("POST", "/v1/sync", "\xff\xff\xff\xff\xff\xff\xff\xff\xff").status == 400);
  CHECK(house.hub->connections() == 0);
}

TEST_CASE("another user's workspace is refused in the words of one that does not exist") {
  House house;
  const SocketId ann = house.open(1);
  house.send(ann, hello(1, "team", house.token("ann", "team")));
  const SocketId eve = house.open(2);
  house.send(eve, hello(2, "team", house.token("eve", "own")));
  const SocketId lost = house.open(3);
  house.send(lost, hello(3, "nothing", house.token("eve", "own")));
  const Refused* theirs = find<Refused>(house.frames[eve]);
  const Refused* nothing = find<Refused>(house.frames[lost]);
  REQUIRE((theirs != nullptr && nothing != nullptr));
  CHECK(*theirs == *nothing);
  CHECK(house.closed.count(eve) == 1);
  CHECK(house.service->metrics().counter("refusals_total", "reason=\"not_allowed\"") == 2);
}

TEST_CASE("admin pages are not there for whoever is no admin") {
  House house;
  const std::string ann = "Bearer " + house.token("ann", "team");
  const Reply theirs = house.request("GET", "/admin/workspaces", "", {{"Authorization", ann}});
  const Reply nothing = house.request("GET", "/nothing");
  CHECK(theirs.status == 404);
  CHECK(theirs.body == nothing.body);
  CHECK(house.request("GET", "/admin/workspaces").status == 401);
  CHECK(house.request("GET", "/admin/workspaces?token=x").status == 400);
}

TEST_CASE("health, readiness and metrics answer") {
  House house;
  CHECK(house.request("GET", "/healthz").status == 200);
  CHECK(house.request("GET", "/readyz").status == 200);
  CHECK(house.request("GET", "/metrics").body.find("syncline_connections 0") != std::string::npos);
  CHECK(house.request("POST", "/healthz").status == 404);
}

TEST_CASE("an address that asks too often is told to wait, others are not") {
  ServiceOptions options;
  options.per_address = {1, 2, 100};
  House house(options);
  CHECK(house.request("GET", "/healthz").status == 200);
  CHECK(house.request("GET", "/healthz").status == 200);
  CHECK(house.request("GET", "/healthz").status == 429);
  CHECK(!house.closed[house.open(9)].empty());
  house.now = house.now + Duration{2000};
  CHECK(house.request("GET", "/healthz").status == 200);
}

TEST_CASE("a subject that floods is sent away, and nobody else is harmed") {
  ServiceOptions options;
  options.per_identity = {1, 3, 100};
  House house(options);
  const SocketId ann = house.open(1);
  house.send(ann, hello(1, "team", house.token("ann", "team")));
  for (int i = 0; i < 5; ++i) {
    house.send(ann, Heartbeat{});
  }
  CHECK(house.closed.count(ann) == 1);
  CHECK(find<Refused>(house.frames[ann])->reason == Refusal::busy);
  const SocketId bob = house.open(2);
  house.service->on_socket_closed(house.now, ann);
  CHECK(house.closed.count(bob) == 0);
}

TEST_CASE("revoking a subject ends its sessions and refuses its tokens") {
  House house;
  const std::string token = house.token("ann", "team");
  const SocketId ann = house.open(1);
  house.send(ann, hello(1, "team", token));
  house.auth.revoke("ann", house.clock.ms);
  house.service->recheck(house.now);
  house.run();
  CHECK(find<Bye>(house.frames[ann])->reason == Farewell::expired);
  const SocketId again = house.open(2);
  house.send(again, hello(1, "team", token));
  CHECK(find<Refused>(house.frames[again])->reason == Refusal::not_allowed);
}

TEST_CASE("a conversation by POST is kept only for whoever was let in with its first request") {
  ServiceOptions options;
  options.http_sessions_max = 2;
  House house(options);
  for (int i = 0; i < 5; ++i) {
    CHECK(house.request("POST", "/v1/sync").status == 400);
    const Reply refused =
        house.request("POST", "/v1/sync", body_of({hello(1, "team", "no token")}));
    CHECK(refused.status == 200);
    CHECK(refused.welcomed_session.empty());
    // Not a word of it is kept, and no frame but a hello begins one.
    CHECK(house.request("POST", "/v1/sync", body_of({Heartbeat{}})).welcomed_session.empty());
    CHECK(house.hub->connections() == 0);
  }
  const Reply ann =
      house.request("POST", "/v1/sync", body_of({hello(1, "team", house.token("ann", "team"))}));
  CHECK(!ann.welcomed_session.empty());
  CHECK(house.hub->connections() == 1);
}

TEST_CASE("a user who begins conversation after conversation ends the oldest") {
  ServiceOptions options;
  options.http_sessions_each_max = 3;
  House house(options);
  for (int i = 1; i <= 6; ++i) {
    house.now = house.now + Duration{10};
    const Reply one =
        house.request("POST", "/v1/sync", body_of({hello(i, "team", house.token("ann", "team"))}));
    CHECK(!one.welcomed_session.empty());
  }
  CHECK(house.hub->connections() == 3);
}

TEST_CASE("a user makes so many workspaces, and may use those of others") {
  HubOptions hub;
  hub.workspaces_each_max = 2;
  House house({}, hub);
  const auto meet = [&](int replica, const char* user, const char* workspace) {
    const SocketId socket = house.open(static_cast<std::uint64_t>(replica));
    house.send(socket, hello(replica, workspace, house.token(user, workspace)));
    const Refused* refused = find<Refused>(house.frames[socket]);
    return refused == nullptr ? std::string() : refused->message;
  };
  CHECK(meet(1, "ann", "a").empty());
  CHECK(meet(2, "ann", "b").empty());
  CHECK(meet(3, "ann", "c").find("may make no more") != std::string::npos);
  CHECK(meet(4, "bob", "c").empty());
  CHECK(meet(5, "ann", "c").empty());
  CHECK(meet(6, "ann", "a").empty());
  const Reply json = house.request("POST", "/api/sync/v2?workspace=d", "{}",
                                   {{"Authorization", "Bearer " + house.token("ann", "d")}});
  CHECK(json.status == 403);
}

TEST_CASE("a key that is gone ends the sessions that it opened, and says so") {
  House house;
  const SocketId ann = house.open(1);
  house.send(ann, hello(1, "team", house.token("ann", "team")));
  const Reply post =
      house.request("POST", "/v1/sync", body_of({hello(2, "team", house.token("bob", "team"))}));
  CHECK(post.status == 200);
  house.service->recheck(house.now);
  house.run();
  CHECK(house.closed.count(ann) == 0);
  house.auth.set_keys(std::move(*JwtKeys::read("another secret of thirty-two bytes")));
  house.service->recheck(house.now);
  house.run();
  const Bye* bye = find<Bye>(house.frames[ann]);
  REQUIRE(bye != nullptr);
  CHECK(bye->reason == Farewell::expired);
  CHECK(bye->message.find("key") != std::string::npos);
  CHECK(house.hub->connections() == 0);
}

TEST_CASE("a device is given away by whoever administers its workspace") {
  House house;
  const SocketId ann = house.open(1);
  house.send(ann, hello(1, "team", house.token("ann", "team")));
  const SocketId bob = house.open(2);
  house.send(bob, hello(1, "team", house.token("bob", "team")));
  REQUIRE(find<Refused>(house.frames[bob]) != nullptr);
  CHECK(find<Refused>(house.frames[bob])->reason == Refusal::not_allowed);
  CHECK(house.closed.count(ann) == 0);
  const std::string order =
      R"({"workspace":"team","device":")" + sample_replica(1).hex() + R"(","to":"bob"})";
  const auto give = [&](const std::string& rights) {
    return house
        .request("POST", "/admin/give", order,
                 {{"Authorization", "Bearer " + house.token("op", "team", rights)}})
        .status;
  };
  CHECK(give("rw") == 404);
  CHECK(give("rwa") == 200);
  CHECK(find<Bye>(house.frames[ann])->reason == Farewell::expired);
  const SocketId again = house.open(3);
  house.send(again, hello(1, "team", house.token("bob", "team")));
  CHECK(find<Welcome>(house.frames[again]) != nullptr);
}

TEST_CASE("a token that ends ends the session, unless another one comes") {
  House house;
  const SocketId ann = house.open(1);
  house.send(ann, hello(1, "team", house.token("ann", "team")));
  const SocketId bob = house.open(2);
  house.send(bob, hello(2, "team", house.token("bob", "team")));
  const auto pass = [&](std::int64_t ms) {
    for (std::int64_t passed = 0; passed < ms; passed += 1000) {
      house.now = house.now + Duration{1000};
      house.clock.ms += 1000;
      house.send(ann, Heartbeat{});
      house.send(bob, Heartbeat{});
      house.service->on_time(house.now);
      house.run();
    }
  };
  pass(50'000);
  house.send(bob, TokenRefresh{house.token("bob", "team")});
  pass(50'000);
  CHECK(find<Bye>(house.frames[ann])->reason == Farewell::expired);
  CHECK(house.closed.count(ann) == 1);
  CHECK(house.closed.count(bob) == 0);
}

TEST_CASE("draining says goodbye to everybody") {
  House house;
  const SocketId ann = house.open(1);
  house.send(ann, hello(1, "team", house.token("ann", "team")));
  house.service->drain(house.now);
  house.run();
  CHECK(find<Bye>(house.frames[ann])->reason == Farewell::draining);
  CHECK(house.hub->connections() == 0);
}

}  // namespace syncline
