#include "net/http_fetch.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <chrono>

#include "net/http_stream.h"
#include "net/tcp_stream.h"
#include "net/tls.h"

namespace syncline {
namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;

// Runs the context until `done`, or until the time is over.
bool run_until(boost::asio::io_context& context, Duration time, const bool& done) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(time.ms);
  while (!done && std::chrono::steady_clock::now() < end) {
    context.restart();
    context.run_one_until(end);
  }
  return done;
}

Error unreachable(const std::string& what) { return Error(ErrorCode::unreachable, what); }

class Fetch {
 public:
  Fetch(ServerUrl url, const TransportOptions& options)
      : url_(std::move(url)), options_(options), socket_(context_) {}

  Fetched run(const Request& request) {
    if (auto failed = connect()) {
      return {stage_, std::move(*failed)};
    }
    if (auto failed = secure()) {
      return {stage_, std::move(*failed)};
    }
    return {FetchStage::answer, exchange(request)};
  }

 private:
  std::optional<Error> connect() {
    error_code error;
    tcp::resolver resolver(context_);
    const auto found = resolver.resolve(url_.host, url_.port, error);
    if (error) {
      return unreachable("the server's name is not known: " + error.message());
    }
    stage_ = FetchStage::connection;
    bool done = false;
    boost::asio::async_connect(socket_, found, [&](error_code failed, const tcp::endpoint&) {
      error = failed;
      done = true;
    });
    if (!run_until(context_, options_.dial_timeout, done)) {
      return unreachable("the server does not answer");
    }
    return error ? std::optional<Error>(
                       unreachable("the server cannot be reached: " + error.message()))
                 : std::nullopt;
  }

  std::optional<Error> secure() {
    stage_ = FetchStage::tls;
    std::unique_ptr<ByteStream> stream;
    if (url_.tls) {
      auto context = TlsContext::client(options_.authorities);
      if (!context) {
        return context.error();
      }
      tls_ = std::move(*context);
      stream = tls_->connect(std::move(socket_), url_.host);
    } else {
      stream = make_tcp_stream(std::move(socket_));
    }
    stream_ = std::make_unique<ErasedStream>(context_, std::move(stream));
    bool done = false;
    error_code error;
    stream_->bytes().handshake(StreamDone([&](error_code failed, std::size_t) {
      error = failed;
      done = true;
    }));
    if (!run_until(context_, options_.dial_timeout, done)) {
      return unreachable("the secure connection was not made in time");
    }
    return error ? std::optional<Error>(
                       unreachable("the secure connection failed: " + error.message()))
                 : std::nullopt;
  }

  Result<Reply> exchange(const Request& request) {
    const auto http = HttpStream::make(context_, std::move(*stream_), {});
    Result<Reply> reply = unreachable("the server does not answer");
    bool done = false;
    http->exchange(request, url_.authority(), [&](Result<Reply> got) {
      reply = std::move(got);
      done = true;
    });
    run_until(context_, options_.dial_timeout, done);
    http->close();
    context_.restart();
    context_.poll();
    return reply;
  }

  boost::asio::io_context context_{1};
  ServerUrl url_;
  TransportOptions options_;
  tcp::socket socket_;
  std::shared_ptr<TlsContext> tls_;
  std::unique_ptr<ErasedStream> stream_;
  FetchStage stage_ = FetchStage::name;
};

}  // namespace

Fetched fetch(const std::string& url, const Request& request, const TransportOptions& options) {
  auto parsed = parse_server_url(url);
  if (!parsed) {
    return {FetchStage::name, parsed.error()};
  }
  return Fetch(std::move(*parsed), options).run(request);
}

}  // namespace syncline
