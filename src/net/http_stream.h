#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "net/byte_stream.h"
#include "routes/http.h"

namespace syncline {

// A request that asks for a WebSocket, as Beast needs it back.
class HttpUpgrade {
 public:
  struct Body;
  explicit HttpUpgrade(std::shared_ptr<Body> body) : body_(std::move(body)) {}
  Body& body() { return *body_; }

 private:
  std::shared_ptr<Body> body_;
};

struct HttpLimits {
  std::size_t head_bytes_max = std::size_t{16} << 10U;
  std::size_t body_bytes_max = std::size_t{16} << 20U;
  // What a request may bring, and how long that may take.
  struct Body {
    std::size_t bytes_max = 0;
    Duration time;
    // Nothing is read, and this is the answer; counted as `why`.
    std::optional<Reply> refusal{};
    const char* why = "unknown";
  };
  // Judges a body by its head and the length that it announced (SIZE_MAX when it did not), before
  // it is read; answers at once or later, on the stream's thread. May be empty.
  std::function<void(const Request& head, std::size_t announced, std::function<void(Body)> done)>
      judge_body;
  // From the first byte of a request, or from the connection's beginning, to the end of its head.
  Duration head{10'000};
  Duration body{60'000};
  // Between requests.
  Duration idle{60'000};
};

// HTTP/1.1 over one stream, from either end. One thread; owned by shared_ptr.
class HttpStream : public std::enable_shared_from_this<HttpStream> {
 public:
  static std::shared_ptr<HttpStream> make(boost::asio::io_context& context, ErasedStream stream,
                                          HttpLimits limits);
  virtual ~HttpStream() = default;

  struct Incoming {
    Request request;
    bool keep_alive = false;
    std::optional<HttpUpgrade> upgrade;
  };
  // A request that cannot be read gets its answer here; then `done` gets an error, after which the
  // stream is of no use.
  virtual void read_request(std::function<void(Result<Incoming>)> done) = 0;
  virtual void write_reply(Reply reply, bool keep_alive, bool head_only,
                           std::function<void(Result<void>)> done) = 0;
  // Begins a reply that streams; its body is the first piece.
  virtual void begin_stream(Reply reply, std::function<void(Result<void>)> done) = 0;
  // One more piece, when the one before is written; with `last`, the end of the reply. `done` is
  // not called any more once `gone` was.
  virtual void write_piece(std::string piece, bool last,
                           std::function<void(Result<void>)> done) = 0;
  // Tells when the other end leaves, or sends anything more, which nobody does here.
  virtual void watch(std::function<void()> gone) = 0;
  // The client's end: one request, one reply.
  virtual void exchange(const Request& request, const std::string& host,
                        std::function<void(Result<Reply>)> done) = 0;
  // Why a request was turned away here, as a word for a metric; null when its sender only left.
  virtual const char* refusal() const = 0;
  // While a reply is made nobody reads: tells when the other end is gone. Not to be used with a
  // read under way.
  virtual void close() = 0;
  virtual ErasedStream release() = 0;
};

}  // namespace syncline
