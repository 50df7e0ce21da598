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
}  // namespace syncline
