#include "bench/echo.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <thread>

namespace syncline::bench {
namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;

class Session : public std::enable_shared_from_this<Session> {
 public:
  explicit Session(tcp::socket socket) : stream_(std::move(socket)) { stream_.binary(true); }
  void begin() {
    stream_.async_accept([self = shared_from_this()](error_code error) {
      if (!error) {
        self->read();
      }
    });
  }

 private:
  void read() {
    stream_.async_read(buffer_, [self = shared_from_this()](error_code error, std::size_t) {
      if (!error) {
        self->write();
      }
    });
  }
  void write() {
    stream_.async_write(buffer_.data(), [self = shared_from_this()](error_code error, std::size_t) {
      self->buffer_.clear();
      if (!error) {
        self->read();
      }
    });
  }
  boost::beast::websocket::stream<tcp::socket> stream_;
  boost::beast::flat_buffer buffer_;
};

class Server final : public Echo {
 public:
  Server() : acceptor_(context_, {boost::asio::ip::address_v4::loopback(), 0}) {
    accept();
    thread_ = std::thread([this] { context_.run(); });
  }
  ~Server() override {
    context_.stop();
    thread_.join();
  }
  std::uint16_t port() const override { return acceptor_.local_endpoint().port(); }

 private:
  void accept() {
    acceptor_.async_accept([this](error_code error, tcp::socket socket) {
      if (error) {
        return;
      }
      error_code ignored;
      (void)socket.set_option(tcp::no_delay(true), ignored);
      std::make_shared<Session>(std::move(socket))->begin();
      accept();
    });
  }
  boost::asio::io_context context_{1};
  tcp::acceptor acceptor_;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<Echo> Echo::start() { return std::make_unique<Server>(); }

}  // namespace syncline::bench
