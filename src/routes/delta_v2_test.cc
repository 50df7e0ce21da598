#include "routes/delta_v2.h"

#include <doctest/doctest.h>

#include "server/sqlite_log_store.h"
#include "wire/change_codec.h"
#include "wire/wire_samples.h"

namespace syncline {
namespace {

struct StillClock final : WallClock {
  std::int64_t ms = 1'700'000'000'000;
  std::int64_t now_ms() override { return ms; }
};

// The door, and behind it a log in memory.
struct Porch {
  StillClock clock;
  SeededRandom random{7};
  std::unique_ptr<SqliteLogStore> store = *SqliteLogStore::open(":memory:", random, {});
  Hub hub;
  Auth auth{AuthOptions{true, "", ""}};
  RateLimit limit{RateLimit::Options{0, 0, 10}};
  Metrics metrics;
  std::map<RequestId, Reply> replies;
  std::map<RequestId, std::vector<std::string>> chunks;
  std::set<RequestId> ended;
  DeltaDoor door;
  Instant now{1000};
  std::uint64_t next = 1;

  explicit Porch(const DeltaOptions& options = {}, const HubOptions& hub_options = {})
      : hub(*store, clock, hub_options),
        door(DeltaDoor::Parts{&hub, &auth, &clock, &limit, &metrics,
                              [this](RequestId id, Reply reply) { replies[id] = std::move(reply); },
                              [this](RequestId id, std::string text, bool last) {
                                chunks[id].push_back(std::move(text));
                                if (last) {
                                  ended.insert(id);
                                }
                              }},
             options) {}

  void pump() {
    while (auto effect = hub.next_effect()) {
      if (auto* done = std::get_if<HubDoorDone>(&*effect)) {
        door.on_door_done(now, done->ticket, done->is_durable);
      } else if (auto* moved = std::get_if<HubHeadMoved>(&*effect)) {
        door.on_head_moved(now, moved->workspace);
      }
    }
  }
  void commit() {
    hub.commit(now);
    pump();
  }
  void pass(std::int64_t ms) {
    now = now + Duration{ms};
    door.on_time(now);
    pump();
  }
  RequestId ask(const std::string& body, const std::string& path = delta_path,
                const std::string& query = "", const std::string& method = "POST") {
    Request request;
    request.method = method;
    request.path = path;
    request.query = "workspace=team" + query;
    request.body = body;
    const RequestId id(next++);
    door.on_request(now, id, request);
    pump();
    return id;
  }
  bool is_answered(RequestId id) const { return replies.count(id) != 0; }
  Json answer(RequestId id) {
    REQUIRE(is_answered(id));
    return *read_json(replies.at(id).body);
  }
  // Asked, committed, answered.
  Json send(const std::string& body) {
    const RequestId id = ask(body);
    commit();
    return answer(id);
  }
  void put(const std::string& id, const std::string& more = "") {
    static int count = 0;
    const Json sent =
        send(R"({"deviceId":"writer","changes":[{"changeId":"p)" + std::to_string(++count) +
             R"(","type":"CREATED","entityType":"notes","entityId":")" + id +
             R"(","data":{"body":"x"}}],"lastKnownServerVersion":0)" + more + "}");
    REQUIRE(sent.find("accepted")->array()->size() == 1);
  }
  // Moves the fence to the head: nothing before it is in the log any more.
  void forget_log() {
    const auto done = hub.enter(now, DoorTicket(99), "team", [&](Workspace& workspace) {
      const auto run = [&]() -> Result<std::vector<Workspace::Written>> {
        SL_TRY(workspace.trim(workspace.head(), static_cast<std::uint64_t>(clock.ms) << 16U));
        return std::vector<Workspace::Written>();
      };
      return run();
    });
    REQUIRE(done.has_value());
    commit();
  }
};

std::vector<std::string> entities(const Json& answer) {
  std::vector<std::string> out;
  for (const Json& one : *answer.find("newChanges")->array()) {
    out.push_back(*one.find("entityId")->string());
  }
  return out;
}

std::int64_t number(const Json& answer, const char* name) {
  return answer.find(name)->as_int64().value_or(-1);
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("a change is answered after its commit, and readers see it no sooner") {
  Porch porch;
  const RequestId writer = porch.ask(
      R"({"changes":[{"changeId":"1","type":"CREATED","entityType":"notes","entityId":"a","data":{}}]})");
  const RequestId reader = porch.ask(R"({"lastKnownServerVersion":0})");
  CHECK_FALSE(porch.is_answered(writer));
  CHECK_FALSE(porch.is_answered(reader));
  porch.commit();
  CHECK(number(porch.answer(writer), "latestServerVersion") == 1);
  CHECK(entities(porch.answer(reader)) == Names{"a"});
}

TEST_CASE("neighbours share a version until a row, a device or a stamp stands against it") {
  Porch porch;
  const auto change = [](const char* id, const char* row, const char* more) {
    return std::string(R"({"changeId":")") + id +
           R"(","type":"CREATED","entityType":"notes","entityId":")" + row + R"(","data":{})" +
           more + "}";
  };
  const Json sent =
      porch.send("{\"changes\":[" + change("1", "a", "") + "," + change("2", "b", "") + "," +
                 change("3", "a", "") + "," + change("4", "c", ",\"deviceId\":\"d\"") + "," +
                 change("5", "e", ",\"stamp\":1699999999000") + "," + change("6", "f", "") + "]}");
  std::vector<std::int64_t> versions;
  for (const Json& one : *sent.find("accepted")->array()) {
    versions.push_back(number(one, "serverVersion"));
  }
  CHECK(versions == std::vector<std::int64_t>{1, 1, 2, 3, 4, 5});
}

TEST_CASE("a long poll ends with news of others, or with its time") {
  Porch porch;
  porch.put("a");
  const std::string mine = R"({"lastKnownServerVersion":1,"deviceId":"mine","wait":5})";
  const RequestId first = porch.ask(mine);
  CHECK_FALSE(porch.is_answered(first));
  // One's own change is no news.
  porch.send(
      R"({"deviceId":"mine","changes":[{"changeId":"m","type":"CREATED","entityType":"notes","entityId":"m","data":{}}]})");
  CHECK_FALSE(porch.is_answered(first));
  porch.put("b");
  CHECK(entities(porch.answer(first)) == Names{"b"});
  CHECK(number(porch.answer(first), "latestServerVersion") == 3);
  const RequestId second = porch.ask(R"({"lastKnownServerVersion":3,"wait":5})");
  CHECK(*porch.door.next_wake() == porch.now + Duration{5000});
  porch.pass(4999);
  CHECK_FALSE(porch.is_answered(second));
  porch.pass(1);
  CHECK(entities(porch.answer(second)).empty());
  CHECK(porch.door.waiting() == 0);
}

TEST_CASE("a device's own changes come back to it only when it has lost them") {
  Porch porch;
  porch.put("a");
  porch.put("b");
  CHECK(entities(porch.send(R"({"lastKnownServerVersion":1,"deviceId":"writer"})")).empty());
  CHECK(entities(porch.send(R"({"lastKnownServerVersion":0,"deviceId":"writer"})")) ==
        Names{"a", "b"});
  CHECK(entities(
            porch.send(R"({"lastKnownServerVersion":1,"deviceId":"writer","includeOwn":true})")) ==
        Names{"b"});
}

TEST_CASE("a stream tells what happens, shows that it lives, and forgets who left") {
  Porch porch;
  porch.put("a");
  const RequestId id = porch.ask("", "/api/sync/v2/events", "&since=0", "GET");
  REQUIRE(porch.replies.at(id).streams);
  REQUIRE(porch.chunks[id].size() == 1);
  CHECK(porch.chunks[id][0].rfind("id: 1\nevent: changes\ndata: {", 0) == 0);
  CHECK(porch.chunks[id][0].substr(porch.chunks[id][0].size() - 3) == "}\n\n");
  porch.put("b");
  CHECK(porch.chunks[id].size() == 2);
  porch.pass(15'000);
  CHECK(porch.chunks[id].back() == ": alive\n\n");
  porch.door.on_request_gone(id);
  porch.put("c");
  CHECK(porch.chunks[id].size() == 3);
  const RequestId other = porch.ask("", "/api/sync/v2/events", "&since=3", "GET");
  porch.door.hang_up(porch.now, "");
  CHECK(porch.ended.count(other) == 1);
  CHECK(porch.door.waiting() == 0);
}

TEST_CASE("streams of one subject are bounded") {
  DeltaOptions options;
  options.streams_each_max = 2;
  Porch porch(options);
  for (int i = 0; i < 2; ++i) {
    CHECK(porch.replies.at(porch.ask("", "/api/sync/v2/events", "", "GET")).streams);
  }
  const RequestId id = porch.ask("", "/api/sync/v2/events", "", "GET");
  CHECK(porch.replies.at(id).status == 429);
}

TEST_CASE("whoever begins where the log is gone gets the rows by pages, then goes on by versions") {
  Porch porch;
  for (const char* id : {"a", "b", "c", "d", "e"}) {
    porch.put(id);
  }
  porch.send(
      R"({"changes":[{"changeId":"x","type":"DELETED","entityType":"notes","entityId":"c"}]})");
  porch.forget_log();
  std::string cursor;
  Names found;
  std::int64_t known = 0;
  int pages = 0;
  for (bool more = true; more; ++pages) {
    REQUIRE(pages < 10);
    const Json page = porch.send(R"({"limit":2,"lastKnownServerVersion":)" + std::to_string(known) +
                                 ",\"cursor\":\"" + cursor + "\"}");
    const Names here = entities(page);
    found.insert(found.end(), here.begin(), here.end());
    more = *page.find("hasMore")->boolean();
    cursor = page.find("cursor") != nullptr ? *page.find("cursor")->string() : "";
    known = number(page, "latestServerVersion");
    if (pages == 0) {
      porch.put("f");  // meanwhile
    }
  }
  // What came meanwhile may be told by both.
  CHECK(std::set<std::string>(found.begin(), found.end()) ==
        std::set<std::string>{"a", "b", "d", "e", "f"});
  CHECK(known == 7);
}

TEST_CASE("whoever knows what the log has forgotten, or another server, must begin anew") {
  Porch porch;
  porch.put("a");
  porch.put("b");
  porch.forget_log();
  Json gone = porch.send(R"({"lastKnownServerVersion":1})");
  CHECK(*gone.find("resync")->boolean());
  CHECK(number(gone, "latestServerVersion") == 0);
  CHECK(*porch.send(R"({"lastKnownServerVersion":99})").find("resync")->boolean());
  const Json fine = porch.send(R"({"lastKnownServerVersion":2})");
  CHECK(fine.find("resync") == nullptr);
  const std::string lineage = *fine.find("lineage")->string();
  CHECK(porch.send(R"({"lastKnownServerVersion":2,"lineage":")" + lineage + "\"}").find("resync") ==
        nullptr);
  CHECK(*porch.send(R"({"lastKnownServerVersion":2,"lineage":"other"})").find("resync")->boolean());
  // What was pushed with it has landed all the same.
  gone = porch.send(
      R"({"lastKnownServerVersion":1,"changes":[{"changeId":"9","type":"CREATED","entityType":"notes","entityId":"z","data":{}}]})");
  CHECK(*gone.find("resync")->boolean());
  CHECK(gone.find("accepted")->array()->size() == 1);
}

TEST_CASE("an edit that lost a merge does not come out as a change of values") {
  Porch porch;
  porch.put("a");
  porch.send(
      R"({"lastKnownServerVersion":1,"deviceId":"new","changes":[{"changeId":"n","type":"UPDATED","entityType":"notes","entityId":"a","data":{"body":"newer"},"stamp":1700000001000}]})");
  porch.send(
      R"({"lastKnownServerVersion":1,"deviceId":"old","changes":[{"changeId":"o","type":"UPDATED","entityType":"notes","entityId":"a","data":{"body":"older"},"stamp":1700000000500}]})");
  const Json page = porch.send(R"({"lastKnownServerVersion":2})");
  REQUIRE(entities(page) == Names{"a"});
  CHECK(*page.find("newChanges")->array()->front().find("data")->find("body")->string() == "newer");
}

TEST_CASE("a user has so many devices, and a full workspace says so") {
  HubOptions options;
  options.rules.devices_each_max = 2;
  Porch porch({}, options);
  const auto write = [&](const std::string& device, const std::string& id) {
    const Json answer = porch.send(R"({"deviceId":")" + device + R"(","changes":[{"changeId":")" +
                                   id + R"(","type":"CREATED","entityType":"notes","entityId":")" +
                                   id + R"(","data":{"body":"x"}}]})");
    const Json::Array& refused = *answer.find("rejected")->array();
    return refused.empty() ? std::string() : *refused[0].find("code")->string();
  };
  CHECK(write("a", "1").empty());
  CHECK(write("b", "2").empty());
  CHECK(write("c", "3") == "full");
  CHECK(write("a", "4").empty());
  HubOptions small;
  small.rules.rows_max = 1;
  Porch full({}, small);
  const Json two = full.send(
      R"({"deviceId":"a","changes":[)"
      R"({"changeId":"1","type":"CREATED","entityType":"notes","entityId":"1","data":{"b":1}}]})");
  CHECK(two.find("rejected")->array()->empty());
  const Json three = full.send(
      R"({"deviceId":"a","changes":[)"
      R"({"changeId":"2","type":"CREATED","entityType":"notes","entityId":"2","data":{"b":1}},)"
      R"({"changeId":"3","type":"DELETED","entityType":"notes","entityId":"1"}]})");
  REQUIRE(three.find("rejected")->array()->size() == 1);
  CHECK(*three.find("rejected")->array()->front().find("code")->string() == "full");
}

TEST_CASE("a restored server gives no number twice, and nobody knows a device's id before it") {
  SeededRandom random(3);
  const DeltaNames before{LineageId::draw(random), {1, 2}};
  const DeltaNames after{LineageId::draw(random), {1, 2}};
  const DeltaNames elsewhere{before.lineage, {1, 3}};
  const ReplicaId phone = before.author("ann", "phone", false);
  CHECK(phone == before.author("ann", "phone", false));
  CHECK(phone != after.author("ann", "phone", false));
  CHECK(phone != elsewhere.author("ann", "phone", false));
  CHECK(phone != before.author("ben", "phone", false));
  CHECK(phone != before.author("ann", "phone", true));
}

TEST_CASE("no number of columns makes a change or a row that nobody can read") {
  Porch porch;
  const auto wide = [](const std::string& id, const char* type, int from, int count) {
    std::string out = R"({"changeId":")" + id + std::to_string(from) + R"(","type":")" + type +
                      R"(","entityType":"notes","entityId":")" + id + R"(","data":{)";
    for (int i = from; i < from + count; ++i) {
      out += (i == from ? "\"c" : ",\"c") + std::to_string(i) + "\":1";
    }
    return out + "}}";
  };
  std::string changes = wide("first", "CREATED", 0, 100);
  for (int i = 0; i < 20; ++i) {
    changes += "," + wide("row" + std::to_string(i), "CREATED", i * 150, 150);
  }
  const Json sent = porch.send("{\"changes\":[" + changes + "]}");
  CHECK(sent.find("accepted")->array()->size() == 21);
  CHECK(sent.find("rejected")->array()->empty());
  CHECK(entities(porch.send(R"({"lastKnownServerVersion":0})")).size() == 21);
  // One row grows until it is full.
  std::size_t refused = 0;
  for (int i = 0; i < 20; ++i) {
    const Json grown =
        porch.send("{\"changes\":[" + wide("first", "UPDATED", i * 150 + 1, 150) + "]}");
    for (const Json& one : *grown.find("rejected")->array()) {
      CHECK(*one.find("code")->string() == "too_large");
      ++refused;
    }
  }
  CHECK(refused > 10);
  const Json whole = porch.send("{\"changes\":[" + wide("huge", "CREATED", 0, 1001) + "]}");
  CHECK(*whole.find("rejected")->array()->front().find("code")->string() == "too_large");
  CHECK(entities(porch.send(R"({"lastKnownServerVersion":0})")).size() == 21);
}

TEST_CASE("devices of one request are bounded") {
  Porch porch;
  std::string changes;
  for (int i = 0; i < 150; ++i) {
    const std::string number = std::to_string(i);
    changes += (i == 0 ? "" : ",") + (R"({"changeId":")" + number) +
               R"(","type":"CREATED","entityType":"notes","entityId":")" + number +
               R"(","data":{},"deviceId":"d)" + number + "\"}";
  }
  const Json sent = porch.send("{\"changes\":[" + changes + "]}");
  CHECK(sent.find("accepted")->array()->size() == 100);
  CHECK(sent.find("rejected")->array()->size() == 50);
}

TEST_CASE("whoever is turned out hears nothing more") {
  Porch porch;
  porch.put("a");
  const RequestId poll = porch.ask(R"({"lastKnownServerVersion":1,"wait":50})");
  const RequestId stream = porch.ask("", "/api/sync/v2/events", "&since=1", "GET");
  porch.door.hang_up(porch.now, "anyone");
  CHECK(porch.replies.at(poll).status == 401);
  CHECK(porch.ended.count(stream) == 1);
  CHECK(porch.door.waiting() == 0);
}

TEST_CASE("pages of other origins are told that they may") {
  Porch porch;
  Request request;
  request.method = "OPTIONS";
  request.path = delta_path;
  request.headers = {{"Origin", "https://app.example"}, {"Access-Control-Request-Method", "POST"}};
  porch.door.on_request(porch.now, RequestId(77), request);
  const Reply& preflight = porch.replies.at(RequestId(77));
  const auto header = [](const Reply& reply, const char* name) {
    for (const Header& one : reply.headers) {
      if (one.name == name) {
        return one.value;
      }
    }
    return std::string();
  };
  CHECK(preflight.status == 204);
  CHECK(header(preflight, "Access-Control-Allow-Origin") == "https://app.example");
  CHECK(header(preflight, "Access-Control-Allow-Headers").find("Authorization") !=
        std::string::npos);
  request.method = "POST";
  request.query = "workspace=team";
  request.body = "{}";
  porch.door.on_request(porch.now, RequestId(78), request);
  CHECK(header(porch.replies.at(RequestId(78)), "Access-Control-Allow-Origin") ==
        "https://app.example");
  CHECK(header(porch.replies.at(porch.ask("{}")), "Access-Control-Allow-Origin").empty());
}

TEST_CASE("the old endpoints are there only when they were asked for") {
  CHECK_FALSE(Porch().door.takes("/api/sync/push"));
  DeltaOptions options;
  options.legacy = true;
  CHECK(Porch(options).door.takes("/api/sync/push"));
  CHECK(Porch(options).door.takes("/api/sync/pull"));
}

TEST_CASE("a change whose names or size nobody could be told is refused, and the others land") {
  Porch porch;
  porch.put("a");
  const auto change = [](const std::string& id, const std::string& table, const std::string& data) {
    return R"({"changeId":")" + id + R"(","type":"CREATED","entityType":")" + table +
           R"(","entityId":")" + id + R"(","data":)" + data + "}";
  };
  const Json sent = porch.send(R"({"changes":[)" + change("n1", "Notes", "{}") + "," +
                               change("n2", "notes", R"({"a":1,"A":2})") + "," +
                               change("n3", "notes", R"({"doc":[1],"Doc":[2]})") + "," +
                               change("n4", "notes", R"({"body":"y"})") + "]}");
  REQUIRE(sent.find("accepted")->array()->size() == 1);
  CHECK(*(*sent.find("accepted")->array())[0].find("changeId")->string() == "n4");
  CHECK(sent.find("rejected")->array()->size() == 3);
  // A later row is written as if nothing had been.
  porch.put("b");
}

TEST_CASE("a row grows through the door up to the most that can be told, and stays readable") {
  Porch porch;
  porch.put("a");
  const std::string part(std::size_t{12} << 20U, 'x');
  std::size_t landed = 0;
  for (int i = 0; i < 8; ++i) {
    const std::string number = std::to_string(i);
    const Json sent =
        porch.send(R"({"changes":[{"changeId":"g)" + number +
                   R"(","type":"UPDATED","entityType":"notes","entityId":"a","data":{"c)" + number +
                   R"(":")" + part + R"("}}]})");
    landed += sent.find("accepted")->array()->size();
    for (const Json& refused : *sent.find("rejected")->array()) {
      CHECK(*refused.find("code")->string() == "too_large");
    }
  }
  CHECK(landed >= 2);
  CHECK(landed < 8);
  porch.put("b");
  std::set<std::string> told;
  std::int64_t known = 0;
  for (bool has_more = true; has_more;) {
    const Json page = porch.send(R"({"lastKnownServerVersion":)" + std::to_string(known) + "}");
    for (const std::string& entity : entities(page)) {
      told.insert(entity);
    }
    known = *page.find("latestServerVersion")->as_int64();
    has_more = *page.find("hasMore")->boolean();
  }
  CHECK(told == std::set<std::string>{"a", "b"});
}

TEST_CASE("a visit that is done again writes what it would have written") {
  Porch porch;
  const RequestId first =
      porch.ask(R"({"data":{"notes":[{"id":"a","body":"x"}]}})", "/api/sync/v2/migrate");
  const auto failed = porch.hub.enter(porch.now, DoorTicket(99), "team",
                                      [](Workspace&) -> Result<std::vector<Workspace::Written>> {
                                        return Error(ErrorCode::too_large, "not this one");
                                      });
  CHECK_FALSE(failed.has_value());
  porch.commit();
  CHECK(*porch.answer(first).find("migrated")->as_int64() == 1);
  CHECK(entities(porch.send(R"({"lastKnownServerVersion":0})")).size() == 1);
}

TEST_CASE("the OpenAPI document is JSON") {
  Porch porch;
  const Json document = porch.answer(porch.ask("", "/api/sync/v2/openapi.json", "", "GET"));
  CHECK(document.find("paths")->find(delta_path) != nullptr);
}

}  // namespace syncline
