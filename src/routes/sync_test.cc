#include "routes/sync.h"

#include <doctest/doctest.h>

namespace syncline {
namespace {

Request from(const std::string& origin, const std::string& host) {
  Request out;
  out.method = "GET";
  out.path = sync_path;
  out.headers = {{"Host", host}, {"Origin", origin}};
  return out;
}

TEST_CASE("a server's own page may connect when the server was called by a loopback address") {
  SyncOptions options;
  options.own_pages = true;
  CHECK(!refuse_upgrade(from("http://127.0.0.1:8080", "127.0.0.1:8080"), options));
  CHECK(!refuse_upgrade(from("https://localhost:8080", "localhost:8080"), options));
  CHECK(!refuse_origin(from("http://[::1]:8080", "[::1]:8080"), options));
}

TEST_CASE("a name that somebody pointed here makes no page our own") {
  SyncOptions options;
  options.own_pages = true;
  CHECK(refuse_upgrade(from("http://evil.example:8080", "evil.example:8080"), options));
  CHECK(refuse_upgrade(from("http://evil.example", "127.0.0.1:8080"), options));
  CHECK(refuse_upgrade(from("http://127.0.0.1:9000", "127.0.0.1:8080"), options));
  CHECK(refuse_upgrade(from("null", "127.0.0.1:8080"), options));
}

TEST_CASE("no page is our own unless the server gives pages out") {
  CHECK(refuse_upgrade(from("http://127.0.0.1:8080", "127.0.0.1:8080"), SyncOptions{}));
}

}  // namespace
TEST_CASE("a server without tokens answers to this machine's own names, and to those it was told") {
  SyncOptions options;
  const auto is_refused = [&](const char* host) {
    Request request;
    request.method = "GET";
    request.path = sync_path;
    request.headers = {{"Host", host}};
    CHECK(refuse_host(request, options).has_value() ==
          refuse_upgrade(request, options).has_value());
    return refuse_host(request, options).has_value();
  };
  CHECK(!is_refused("evil.example"));
  options.loopback_only = true;
  options.hosts = {"demo.test"};
  for (const char* host : {"evil.example", "127.0.0.1.evil.example:80", "", "demo.test.evil"}) {
    CHECK(is_refused(host));
  }
  for (const char* host :
       {"localhost:8080", "127.0.0.1", "[::1]:80", "demo.test", "demo.test:80"}) {
    CHECK(!is_refused(host));
  }
}

}  // namespace syncline
