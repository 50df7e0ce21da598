#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/shared_bytes.h"
#include "net/byte_stream.h"
#include "net/http_stream.h"

namespace syncline {

struct WebSocketOptions {
  std::size_t frame_bytes_max = std::size_t{1} << 20U;
  bool deflate = true;
  Duration handshake{10'000};
  // Without anything from the other end, pings included.
  Duration idle{60'000};
  // Beyond it the other end is too slow, and cut.
  // One change of the largest size fits (wire/limits.h).
  std::size_t queue_bytes_max = std::size_t{280} << 20U;
};

// A message may grow by inflation this much, from a mebibyte on, unless set_known() says more.
inline constexpr std::size_t inflation_max = 100;
// Pings and pongs between two messages.
inline constexpr std::size_t control_frames_max = 1000;

// One WebSocket that carries binary messages, from either end. One thread; owned by shared_ptr,
// because operations under way hold it.
//
// Invariants:
// 1. One read and one write are under way at most; what is to be sent waits in a bounded queue.
// 2. on_closed is called once, last, and after every path to an end.
// 3. Pings are answered, but not for ever: nobody needs more than a few between two messages.
class WebSocket : public std::enable_shared_from_this<WebSocket> {
 public:
  struct Events {
    std::function<void()> on_open;
    std::function<void(ByteVector frame)> on_frame;
    std::function<void(const std::string& reason)> on_closed;
    // Before on_closed, when the other end did what nobody may: a word for a metric. May be empty.
    std::function<void(const char* what)> on_refused;
    // So many bytes of what was sent have left. May be empty.
    std::function<void(std::size_t bytes)> on_sent;
  };

  static std::shared_ptr<WebSocket> make(boost::asio::io_context& context, ErasedStream stream,
                                         const WebSocketOptions& options, Events events);
  virtual ~WebSocket() = default;

  // The server's end: answers the request that asked for the upgrade.
  virtual void accept(HttpUpgrade request) = 0;
  // The client's end.
  virtual void connect(const std::string& host, const std::string& target) = 0;

  virtual void send(SharedBytes frame) = 0;
  // Sends what waits, says goodbye and closes.
  virtual void close(const std::string& reason) = 0;
  // At once.
  virtual void abort(const std::string& reason) = 0;
  // Reading stops after the message under way, until resume().
  virtual void pause() = 0;
  virtual void resume() = 0;
  virtual void set_frame_bytes_max(std::size_t bytes) = 0;
  // Messages that may grow as much as they like, up to the size of a frame; of whoever was let in.
  virtual void set_may_inflate(bool (*may_inflate)(Bytes message)) = 0;
  // What waits to be sent.
  virtual std::size_t queue_bytes() const = 0;
};

}  // namespace syncline
