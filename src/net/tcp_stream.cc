#include "net/tcp_stream.h"

namespace syncline {
namespace {

class TcpStream final : public ByteStream {
 public:
  explicit TcpStream(boost::asio::ip::tcp::socket socket) : socket_(std::move(socket)) {}

  void handshake(StreamDone done) override {
    // Every socket here is an io_context's.
    auto& context = static_cast<boost::asio::io_context&>(socket_.get_executor().context());
    boost::asio::post(context,
                      [d = std::move(done)]() mutable { d(boost::system::error_code(), 0); });
  }
  void read_some(boost::asio::mutable_buffer into, StreamDone done) override {
    socket_.async_read_some(into, std::move(done));
  }
  void write_some(boost::asio::const_buffer from, StreamDone done) override {
    socket_.async_write_some(from, std::move(done));
  }
  void finish() override {
    boost::system::error_code ignored;
    (void)socket_.shutdown(boost::asio::ip::tcp::socket::shutdown_send, ignored);
  }
  void close() override {
    boost::system::error_code ignored;
    (void)socket_.close(ignored);
  }
  bool is_open() const override { return socket_.is_open(); }

 private:
  boost::asio::ip::tcp::socket socket_;
};

}  // namespace

std::unique_ptr<ByteStream> make_tcp_stream(boost::asio::ip::tcp::socket socket) {
  boost::system::error_code ignored;
  (void)socket.set_option(boost::asio::ip::tcp::no_delay(true), ignored);
  return std::make_unique<TcpStream>(std::move(socket));
}

}  // namespace syncline
