#include "net/tls.h"

#include <boost/asio/ssl.hpp>

namespace syncline {
namespace {

namespace ssl = boost::asio::ssl;
using boost::asio::ip::tcp;
using boost::system::error_code;

class TlsStream final : public ByteStream {
 public:
  TlsStream(tcp::socket socket, std::shared_ptr<ssl::context> context,
            ssl::stream_base::handshake_type role)
      : context_(std::move(context)), stream_(std::move(socket), *context_), role_(role) {}

  SSL* handle() { return stream_.native_handle(); }
  void verify_host(const std::string& host) {
    stream_.set_verify_callback(ssl::host_name_verification(host));
  }

  void handshake(StreamDone done) override {
    stream_.async_handshake(role_,
                            [d = std::move(done)](error_code error) mutable { d(error, 0); });
  }
  void read_some(boost::asio::mutable_buffer into, StreamDone done) override {
    stream_.async_read_some(into, std::move(done));
  }
  void write_some(boost::asio::const_buffer from, StreamDone done) override {
    stream_.async_write_some(from, std::move(done));
  }
  // The conversation above has its own goodbye; TLS's would only wait for a peer that is gone.
  void finish() override {
    error_code ignored;
    (void)stream_.next_layer().shutdown(tcp::socket::shutdown_send, ignored);
  }
  void close() override {
    error_code ignored;
    (void)stream_.next_layer().close(ignored);
  }
  bool is_open() const override { return stream_.next_layer().is_open(); }

 private:
  std::shared_ptr<ssl::context> context_;
  ssl::stream<tcp::socket> stream_;
  ssl::stream_base::handshake_type role_;
};

class Context final : public TlsContext {
 public:
  explicit Context(std::shared_ptr<ssl::context> context) : context_(std::move(context)) {}

  std::unique_ptr<ByteStream> accept(tcp::socket socket) override {
    return std::make_unique<TlsStream>(prepared(std::move(socket)), context_,
                                       ssl::stream_base::server);
  }
  std::unique_ptr<ByteStream> connect(tcp::socket socket, const std::string& host) override {
    auto stream = std::make_unique<TlsStream>(prepared(std::move(socket)), context_,
                                              ssl::stream_base::client);
    // The old C macro casts.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wold-style-cast"
    (void)SSL_set_tlsext_host_name(stream->handle(), host.c_str());
#pragma GCC diagnostic pop
    stream->verify_host(host);
    return stream;
  }

 private:
  static tcp::socket prepared(tcp::socket socket) {
    error_code ignored;
    (void)socket.set_option(tcp::no_delay(true), ignored);
    return socket;
  }
  std::shared_ptr<ssl::context> context_;
};

std::shared_ptr<ssl::context> strict_context() {
  auto context = std::make_shared<ssl::context>(ssl::context::tls);
  context->set_options(ssl::context::default_workarounds | ssl::context::no_sslv2 |
                       ssl::context::no_sslv3 | ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1 |
                       SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF);
  SSL_CTX_set_mode(context->native_handle(), SSL_MODE_RELEASE_BUFFERS);
  // Of TLS 1.2 only what is secret also for whoever gets the key later, and whose records are
  // sealed as a whole: no static RSA, no CBC. TLS 1.3 has nothing else.
  SL_CHECK(SSL_CTX_set_cipher_list(context->native_handle(), "ECDHE+AESGCM:ECDHE+CHACHA20") == 1);
  return context;
}

Error tls_error(const std::string& what, const error_code& error) {
  return Error(ErrorCode::invalid_argument, what + ": " + error.message());
}

}  // namespace

Result<std::shared_ptr<TlsContext>> TlsContext::server(const std::string& certificate_path,
                                                       const std::string& key_path) {
  const auto context = strict_context();
  error_code error;
  if ((void)context->use_certificate_chain_file(certificate_path, error); error) {
    return tls_error("the certificate " + certificate_path + " cannot be used", error);
  }
  if ((void)context->use_private_key_file(key_path, ssl::context::pem, error); error) {
    return tls_error("the key " + key_path + " cannot be used", error);
  }
  if (SSL_CTX_check_private_key(context->native_handle()) != 1) {
    return Error(ErrorCode::invalid_argument, "the key does not belong to the certificate");
  }
  return std::shared_ptr<TlsContext>(std::make_shared<Context>(context));
}

Result<std::shared_ptr<TlsContext>> TlsContext::client(const std::string& authorities_path) {
  const auto context = strict_context();
  error_code error;
  if (authorities_path.empty()) {
    (void)context->set_default_verify_paths(error);
  } else {
    (void)context->load_verify_file(authorities_path, error);
  }
  if (error) {
    return tls_error("the authorities cannot be read", error);
  }
  context->set_verify_mode(ssl::verify_peer);
  return std::shared_ptr<TlsContext>(std::make_shared<Context>(context));
}

}  // namespace syncline
