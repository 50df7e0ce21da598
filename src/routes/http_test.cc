#include "routes/http.h"

#include <doctest/doctest.h>

#include "routes/metrics.h"
#include "routes/rate_limit.h"
#include "routes/sync.h"

namespace syncline {

TEST_CASE("targets that climb, hide a slash or a zero byte are refused") {
  Request request;
  for (const char* target : {"", "x", "/../etc/passwd", "/a/..", "/a/./b", "/a%2fb", "/a%2Fb",
                             "/%2e%2e/x", "/a%00b", "/a%", "/a%g0", "http://x/"}) {
    CHECK_MESSAGE(!split_target(target, request), target);
  }
  CHECK(!split_target("/" + std::string(target_bytes_max, 'a'), request));
  REQUIRE(split_target("/admin/x%20y?workspace=a%2Fb&since=3", request));
  CHECK(request.path == "/admin/x y");
  CHECK(request.parameter("workspace") == "a/b");
  CHECK(request.parameter("since") == "3");
  CHECK(request.parameter("none").empty());
}

TEST_CASE("headers are found in any case") {
  Request request;
  request.headers = {{"authorization", "bearer abc"}, {"X", "1"}};
  CHECK(request.header("x") == "1");
  CHECK(request.bearer() == "abc");
  request.headers = {{"Authorization", "Basic abc"}};
  CHECK(request.bearer().empty());
}

TEST_CASE("a page of another origin may not connect, a program may") {
  SyncOptions options;
  Request request;
  request.method = "GET";
  request.path = sync_path;
  CHECK(!refuse_upgrade(request, options));
  request.headers = {{"Origin", "https://evil.example"}};
  CHECK(refuse_upgrade(request, options)->status == 403);
  options.origins = {"https://app.example"};
  CHECK(refuse_upgrade(request, options)->status == 403);
  request.headers = {{"Origin", "https://app.example"}};
  CHECK(!refuse_upgrade(request, options));
  request.headers.push_back({"Origin", "https://evil.example"});
  CHECK(refuse_upgrade(request, options)->status == 403);
  request.headers = {{"Origin", "null"}};
  CHECK(refuse_upgrade(request, options)->status == 403);
}

TEST_CASE("a token in a URL is refused, and so is any other path") {
  Request request;
  request.method = "GET";
  request.path = sync_path;
  request.query = "token=abc";
  CHECK(refuse_upgrade(request, {})->status == 400);
  request.query = "";
  request.path = "/v1/other";
  CHECK(refuse_upgrade(request, {})->status == 404);
}

TEST_CASE("a bucket lets a burst through and then its rate") {
  RateLimit limit({10, 5, 2});
  Instant now{1000};
  for (int i = 0; i < 5; ++i) {
    CHECK(limit.take(now, "a"));
  }
  CHECK(!limit.take(now, "a"));
  CHECK(limit.take(now, "b"));
  CHECK(limit.take(now + Duration{100}, "a"));
  CHECK(!limit.take(now + Duration{100}, "a"));
  // More names than there is room for share one bucket, and memory stays bounded.
  for (int i = 0; i < 100; ++i) {
    (void)limit.take(now + Duration{100}, "n" + std::to_string(i));
  }
  CHECK(limit.names() <= 3);
  // More than a bucket holds costs all of it.
  CHECK(limit.take(now + Duration{10'000}, "a", 1000));
  CHECK(!limit.take(now + Duration{10'000}, "a"));
}

TEST_CASE("metrics are written as Prometheus reads them") {
  Metrics metrics;
  metrics.add("refusals_total", "reason=\"busy\"", 2);
  metrics.set("connections", 3);
  metrics.observe("commit_seconds", 300);
  const std::string text = metrics.text();
  CHECK(text.find("# TYPE syncline_refusals_total counter\n"
                  "syncline_refusals_total{reason=\"busy\"} 2\n") != std::string::npos);
  CHECK(text.find("syncline_connections 3\n") != std::string::npos);
  CHECK(text.find("syncline_commit_seconds_bucket{le=\"0.00025\"} 0\n") != std::string::npos);
  CHECK(text.find("syncline_commit_seconds_bucket{le=\"0.0005\"} 1\n") != std::string::npos);
  CHECK(text.find("syncline_commit_seconds_count 1\n") != std::string::npos);
}

TEST_CASE("this machine is recognised by its exact spelling") {
  for (const char* host : {"localhost", "LOCALHOST:8080", "127.0.0.1", "127.0.0.1:1", "127.1.2.255",
                           "[::1]", "[::1]:65535"}) {
    CAPTURE(host);
    CHECK(is_loopback_host(host));
  }
  for (const char* host : {"",
                           "127.0.0.1.evil.example",
                           "127.evil.example",
                           "127.0.0.1.nip.io:80",
                           "127.1",
                           "127.0.0",
                           "127.0.0.1.",
                           "127.0.0.256",
                           "127.0.0.0001",
                           "localhost.evil.example",
                           "localhost.",
                           "localhost:",
                           "localhost:70000",
                           "localhost:80:80",
                           "localhost@evil",
                           "[::1]x",
                           "::1x",
                           "[::ffff:127.0.0.1]",
                           "0.0.0.0",
                           "128.0.0.1",
                           "evil.example:127",
                           "0",
                           "[::]"}) {
    CAPTURE(host);
    CHECK(!is_loopback_host(host));
  }
}

TEST_CASE("a head that two servers could read differently is refused") {
  const auto judged = [](std::vector<Header> headers, unsigned version = 11) {
    Request head;
    head.headers = std::move(headers);
    return ambiguity_of(head, version).value_or("");
  };
  CHECK(judged({{"Host", "x"}}).empty());
  CHECK(judged({{"Host", "x"}, {"Content-Length", "3"}}).empty());
  CHECK(judged({{"Host", "x"}, {"Transfer-Encoding", "Chunked"}}).empty());
  CHECK(judged({}, 10).empty());
  CHECK(judged({}).find("Host") != std::string::npos);
  CHECK(!judged({{"Host", "x"}, {"host", "x"}}).empty());
  CHECK(!judged({{"Host", "x"}, {"Host", "y"}}, 10).empty());
  CHECK(!judged({{"Host", "x"}, {"Content-Length", "3"}, {"Content-Length", "3"}}).empty());
  CHECK(
      !judged({{"Host", "x"}, {"Content-Length", "3"}, {"Transfer-Encoding", "chunked"}}).empty());
  CHECK(!judged({{"Host", "x"}, {"Transfer-Encoding", "chunked"}}, 10).empty());
  for (const char* coding : {"gzip, chunked", "identity", "chunked, chunked", "xchunked", "gzip",
                             "chunked;q=1", "", " chunked"}) {
    CAPTURE(coding);
    CHECK(!judged({{"Host", "x"}, {"Transfer-Encoding", coding}}).empty());
  }
}

}  // namespace syncline
