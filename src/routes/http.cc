#include "routes/http.h"

#include <algorithm>

#include "base/json.h"

namespace syncline {
namespace {

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

int hex_digit(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  c = lower(c);
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

}  // namespace

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) {
    return false;
  }
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) {
      return false;
    }
  }
  return true;
}

bool percent_decode(std::string_view in, std::string& out) {
  out.clear();
  for (std::size_t i = 0; i < in.size(); ++i) {
    if (in[i] != '%') {
      out.push_back(in[i]);
      continue;
    }
    if (i + 2 >= in.size()) {
      return false;
    }
    const int high = hex_digit(in[i + 1]);
    const int low = hex_digit(in[i + 2]);
    if (high < 0 || low < 0) {
      return false;
    }
    out.push_back(static_cast<char>(high * 16 + low));
    i += 2;
  }
  return true;
}

bool split_target(std::string_view target, Request& out) {
  if (target.empty() || target.size() > target_bytes_max || target.front() != '/') {
    return false;
  }
  const std::size_t mark = target.find('?');
  const std::string_view path = target.substr(0, mark);
  out.query = mark == std::string_view::npos ? "" : std::string(target.substr(mark + 1));
  for (std::size_t i = 0; i + 2 < path.size(); ++i) {
    if (path[i] == '%' && path[i + 1] == '2' && lower(path[i + 2]) == 'f') {
      return false;
    }
  }
  if (!percent_decode(path, out.path) || out.path.find('\0') != std::string::npos) {
    return false;
  }
  for (std::size_t at = 0; at < out.path.size();) {
    const std::size_t end = std::min(out.path.find('/', at + 1), out.path.size());
    if (out.path.compare(at, end - at, "/..") == 0 || out.path.compare(at, end - at, "/.") == 0) {
      return false;
    }
    at = end;
  }
  return true;
}

std::string_view Request::header(std::string_view name) const {
  for (const Header& one : headers) {
    if (equal_ignoring_case(one.name, name)) {
      return one.value;
    }
  }
  return {};
}

std::string_view Request::bearer() const {
  constexpr std::string_view scheme = "Bearer ";
  const std::string_view value = header("Authorization");
  if (value.size() <= scheme.size() ||
      !equal_ignoring_case(value.substr(0, scheme.size()), scheme)) {
    return {};
  }
  return value.substr(scheme.size());
}

std::string Request::parameter(std::string_view name) const {
  std::string_view rest = query;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('&'), rest.size());
    const std::string_view pair = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const std::size_t equals = pair.find('=');
    if (pair.substr(0, equals) != name) {
      continue;
    }
    std::string value;
    if (equals != std::string_view::npos && !percent_decode(pair.substr(equals + 1), value)) {
      return {};
    }
    return value;
  }
  return {};
}

std::optional<std::string> ambiguity_of(const Request& head, unsigned http_version) {
  std::size_t hosts = 0;
  std::size_t lengths = 0;
  std::size_t codings = 0;
  for (const Header& one : head.headers) {
    hosts += equal_ignoring_case(one.name, "Host") ? 1 : 0;
    lengths += equal_ignoring_case(one.name, "Content-Length") ? 1 : 0;
    if (equal_ignoring_case(one.name, "Transfer-Encoding")) {
      ++codings;
      if (!equal_ignoring_case(one.value, "chunked")) {
        return "this transfer encoding is not known here";
      }
    }
  }
  constexpr unsigned version_1_1 = 11;
  if (hosts > 1 || (http_version >= version_1_1 && hosts == 0)) {
    return "a request has exactly one Host";
  }
  if (lengths + codings > 1 || (codings == 1 && http_version < version_1_1)) {
    return "a request's body has exactly one length";
  }
  return std::nullopt;
}

bool is_loopback_host(std::string_view host) {
  constexpr std::string_view six = "[::1]";
  std::string_view port;
  if (host.substr(0, six.size()) == six) {
    port = host.substr(six.size());
    host = six;
  } else {
    const std::size_t colon = std::min(host.find(':'), host.size());
    port = host.substr(colon);
    host = host.substr(0, colon);
  }
  const auto is_number = [](std::string_view text, int most) {
    int value = 0;
    for (const char c : text) {
      if (c < '0' || c > '9' || text.size() > 5) {
        return false;
      }
      value = value * 10 + (c - '0');
    }
    return !text.empty() && value <= most;
  };
  if (!port.empty() && !is_number(port.substr(1), 65535)) {
    return false;
  }
  if (host == six || equal_ignoring_case(host, "localhost")) {
    return true;
  }
  int numbers = 0;
  for (std::string_view rest = host;; ++numbers) {
    const std::size_t dot = std::min(rest.find('.'), rest.size());
    const std::string_view number = rest.substr(0, dot);
    if (number.size() > 3 || !is_number(number, 255) || (numbers == 0 && number != "127")) {
      return false;
    }
    if (dot == rest.size()) {
      return numbers == 3;
    }
    rest.remove_prefix(dot + 1);
  }
}

Reply error_reply(int status, std::string_view code, std::string_view message) {
  Json error;
  error.set("code", Json(code));
  error.set("message", Json(message));
  error.set("retryable", Json(status == 429 || status == 503));
  Json whole;
  whole.set("ok", Json(false));
  whole.set("error", std::move(error));
  Reply reply;
  reply.status = status;
  reply.body = write_json(whole) + "\n";
  return reply;
}

Reply not_found_reply() { return error_reply(404, "not_found", "there is nothing here for you"); }

}  // namespace syncline
