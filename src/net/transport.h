#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "net/byte_stream.h"

namespace syncline {

enum class TransportKind : std::uint8_t {
  automatic,  // a WebSocket, and POST where something on the way lets none through
  web_socket,
  http,
};
Result<TransportKind> transport_from_name(std::string_view name);

struct ServerUrl {
  bool tls = false;
  std::string host;
  std::string port;
  std::string path;  // "/v1/sync" when the URL has none
  // As a Host header: with the port where it is not the usual one.
  std::string authority() const;
};
// http, https, ws or wss. Fails with `invalid_argument`, also for a URL that carries a user or a
// query: no secret belongs there.
Result<ServerUrl> parse_server_url(std::string_view url);

struct TransportOptions {
  TransportKind kind = TransportKind::automatic;
  // PEM file of the authorities to trust; the system's when empty.
  std::string authorities;
  Duration dial_timeout{10'000};
};

// The client's end of a connection: frames there and back, over a WebSocket or by POST. One thread,
// its context's.
//
// Invariant: after dial() there is on_open and later on_closed, or only on_closed; nothing after it
// until the next dial().
class Transport {
 public:
  struct Events {
    std::function<void()> on_open;
    std::function<void(ByteVector frame)> on_frame;
    // Why, for a person.
    std::function<void(const std::string& reason)> on_closed;
  };
  static Result<std::unique_ptr<Transport>> make(boost::asio::io_context& context,
                                                 const std::string& url,
                                                 const TransportOptions& options, Events events);
  virtual ~Transport() = default;

  // Ends what was there without a word to anybody.
  virtual void dial() = 0;
  virtual void send(ByteVector frame) = 0;
  // After what was sent; no event follows.
  virtual void hang_up(const std::string& reason) = 0;
  // Nothing more is read, but for what is under way, until resume(); of this connection and those
  // after it.
  virtual void pause() = 0;
  virtual void resume() = 0;
};

}  // namespace syncline
