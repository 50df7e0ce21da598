#include "routes/delta_request.h"

#include <doctest/doctest.h>

namespace syncline {
namespace {

DeltaChange change_from(const std::string& members) {
  const auto request = read_delta_request(
      R"({"changes":[{"changeId":"1","type":"UPDATED","entityType":"notes","entityId":"a","data":{},)" +
      members + "}]}");
  REQUIRE(request.has_value());
  REQUIRE_MESSAGE(request->refused.empty(), request->refused[0].reason);
  return request->changes[0].second;
}

std::string refusal_of(const std::string& change) {
  const auto request = read_delta_request("{\"changes\":[" + change + "]}");
  REQUIRE(request.has_value());
  REQUIRE(request->changes.empty());
  REQUIRE(request->refused.size() == 1);
  return request->refused[0].reason;
}

}  // namespace

TEST_CASE("a request says what is known, who asks, and how long it waits") {
  const auto request = read_delta_request(
      R"({"lastKnownServerVersion":7,"deviceId":"d","wait":500,"limit":99999,"lineage":"x",
          "cursor":"c","unknown":[1],"changes":[]})");
  REQUIRE(request.has_value());
  CHECK(request->known == ServerVersion(7));
  CHECK(request->device == "d");
  CHECK(request->wait_ms == 60'000);
  CHECK(request->limit == delta_page_rows_max);
  CHECK(request->lineage == "x");
  CHECK(request->cursor == "c");
  CHECK_FALSE(read_delta_request("{}")->known.has_value());
}

TEST_CASE("a request that is none fails as a whole") {
  for (const char* body :
       {"", "[]", "7", "{", R"({"changes":{}})", R"({"lastKnownServerVersion":-1})",
        R"({"lastKnownServerVersion":1.5})", R"({"wait":"long"})", R"({"deviceId":7})",
        R"({"deviceId":"a\u0000b"})", R"({"limit":-3})"}) {
    CHECK_MESSAGE(!read_delta_request(body).has_value(), body);
  }
  std::string many = "{\"changes\":[{}";
  for (std::size_t i = 0; i < delta_changes_max; ++i) {
    many += ",{}";
  }
  CHECK(read_delta_request(many + "]}").error().code() == ErrorCode::too_large);
}

TEST_CASE("a change that is none is refused alone, with its place and its id") {
  const auto request = read_delta_request(
      R"({"deviceId":"mine","changes":[
        {"changeId":"1","type":"CREATED","entityType":"notes","entityId":"a","data":{"x":1}},
        {"changeId":"2","type":"MOVED","entityType":"notes","entityId":"a","data":{}},
        {"changeId":"3","type":"DELETED","entityType":"notes","entityId":7,"deviceId":"other"}]})");
  REQUIRE(request.has_value());
  REQUIRE(request->changes.size() == 2);
  CHECK(request->changes[0].second.device == "mine");
  CHECK(request->changes[1].first == 2);
  CHECK(request->changes[1].second.device == "other");
  CHECK(request->changes[1].second.entity == "7");
  REQUIRE(request->refused.size() == 1);
  CHECK(request->refused[0].index == 1);
  CHECK(request->refused[0].id == "2");
  CHECK(request->refused[0].code == "invalid_argument");
}

TEST_CASE("every refusal of a change has words") {
  const std::string rest = R"("type":"CREATED","entityType":"t","entityId":"a","data":{}})";
  for (
      const std::string& change :
      {std::string("7"), std::string("null"), "{" + rest, "{\"changeId\":\"\"," + rest,
       "{\"changeId\":\"" + std::string(delta_id_bytes_max + 1, 'x') + "\"," + rest,
       std::string(R"({"changeId":"1","type":"CREATED","entityType":"syncline_x","entityId":"a"})"),
       std::string(R"({"changeId":"1","type":"CREATED","entityType":"","entityId":"a"})"),
       std::string(R"({"changeId":"1","type":"CREATED","entityType":"t","entityId":""})"),
       std::string(R"({"changeId":"1","type":"CREATED","entityType":"t","entityId":1.5})"),
       std::string(R"({"changeId":"1","type":"CREATED","entityType":"t","entityId":"a"})"),
       std::string(
           R"({"changeId":"1","type":"UPDATED","entityType":"t","entityId":"a","data":[]})"),
       std::string(
           R"({"changeId":"1","type":"DELETED","entityType":"t","entityId":"a","stamp":0})"),
       std::string(
           R"({"changeId":"1","type":"DELETED","entityType":"t","entityId":"a","timestamp":"x"})")}) {
    CHECK_MESSAGE(refusal_of(change).size() > 10, change);
  }
}

TEST_CASE("times and stamps come in several forms") {
  CHECK(change_from(R"("timestamp":1767225600123)").author_ms == 1767225600123);
  CHECK(change_from(R"("timestamp":"2026-01-01T00:00:00.123Z")").author_ms == 1767225600123);
  CHECK(change_from(R"("timestamp":null)").author_ms == 0);
  CHECK_FALSE(change_from(R"("timestamp":1)").stamp.has_value());
  CHECK(change_from(R"("stamp":5)").stamp == std::uint64_t{5} << 16U);
  CHECK(change_from(R"("stamp":"0000000000050001")").stamp == ((std::uint64_t{5} << 16U) | 1U));
  CHECK(change_from(R"("baseVersion":3)").base == ServerVersion(3));
}

TEST_CASE("times of ISO 8601") {
  CHECK(parse_iso_time("1970-01-01T00:00:00Z") == 0);
  CHECK(parse_iso_time("1969-12-31 23:59:59.999") == -1);
  CHECK(parse_iso_time("2024-02-29T12:00:00+01:30") == 1709202600000);
  CHECK(parse_iso_time("2024-02-29T12:00:00.5-0130") == 1709213400500);
  for (const char* text : {"", "2024", "2024-13-01T00:00:00Z", "2024-01-01T00:00", "now",
                           "2024-01-01T00:00:00X", "2024-01-01T00:00:00+1"}) {
    CHECK_MESSAGE(!parse_iso_time(text), text);
  }
}

TEST_CASE("a repetition is known by its content, not by its spelling or its clock") {
  const auto hash = [](const std::string& data, const std::string& more) {
    const auto request = read_delta_request(
        R"({"changes":[{"changeId":"1","type":"UPDATED","entityType":"notes","entityId":"a","data":)" +
        data + more + "}]}");
    return request->changes[0].second.hash;
  };
  const std::uint64_t first = hash(R"({"a":1,"b":"x"})", "");
  CHECK(first == hash(R"({ "b":"\u0078", "a":1 })", R"(,"timestamp":5,"deviceId":"d")"));
  CHECK(first != hash(R"({"a":1.0,"b":"x"})", ""));
  CHECK(first != hash(R"({"a":1,"b":"x"})", R"(,"stamp":5)"));
}

}  // namespace syncline
