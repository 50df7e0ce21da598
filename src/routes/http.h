#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/strong.h"

namespace syncline {

// Requests and replies as plain values: every route is tested without a socket.

struct Header {
  std::string name;
  std::string value;
};

struct Request {
  std::string method;
  std::string path;   // percent-decoded, without the query
  std::string query;  // as it came
  std::vector<Header> headers;
  std::string body;
  std::string address;  // of the peer, without the port

  // The first header of that name, in any case; empty when there is none.
  std::string_view header(std::string_view name) const;
  // The token of "Authorization: Bearer ..."; empty when there is none.
  std::string_view bearer() const;
  // A parameter of the query, percent-decoded; empty when there is none.
  std::string parameter(std::string_view name) const;
};

struct Reply {
  int status = 200;
  std::string content_type = "application/json";
  std::vector<Header> headers;
  std::string body;
  // Of a conversation by POST whose welcome this answer carries: for the sockets, which do not read
  // frames.
  std::string welcomed_session{};
  // The body is only its beginning: more follows by service_effect::Chunk.
  bool streams = false;
};

using RequestId = Strong<std::uint64_t, struct RequestIdTag>;

inline constexpr std::size_t target_bytes_max = 2048;

// A request's target cut into path and query; false when it is too long, is no path, hides a
// slash or a zero byte behind an escape, or climbs with "..".
bool split_target(std::string_view target, Request& out);
// False when an escape is broken.
bool percent_decode(std::string_view in, std::string& out);
bool equal_ignoring_case(std::string_view a, std::string_view b);

// What is wrong with a request's head, as far as two servers could read it differently: not exactly
// one Host, two lengths, or an encoding of its transfer that is not "chunked" alone. Nothing when
// it is sound.
std::optional<std::string> ambiguity_of(const Request& head, unsigned http_version);
// Whether a Host or an address to listen on, with or without a port, is this machine itself, by
// its spelling: localhost, 127.0.0.0/8 in four numbers, [::1].
bool is_loopback_host(std::string_view host);

// {"ok":false,"error":{"code","message","retryable"}}
Reply error_reply(int status, std::string_view code, std::string_view message);
// The one answer about anything that is not there for this caller, existing or not.
Reply not_found_reply();

}  // namespace syncline
