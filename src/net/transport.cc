#include "net/transport.h"

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <deque>

#include "net/http_stream.h"
#include "net/tcp_stream.h"
#include "net/tls.h"
#include "net/web_socket.h"
#include "routes/sync.h"
#include "wire/codec.h"
#include "wire/limits.h"

namespace syncline {
namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;

// How long a POST waits for news: what is written here meanwhile waits as long.
constexpr const char* poll_ms = "200";

class Client;

// One attempt and what comes of it. Held by its operations; knows its client while it is wanted.
class Attempt : public std::enable_shared_from_this<Attempt> {
 public:
  Attempt(Client& client, boost::asio::io_context& context, bool http)
      : client_(&client), context_(context), resolver_(context), timer_(context), http_(http) {}

  void begin();
  void send(ByteVector frame);
  void hang_up(const std::string& reason);
  // Nobody listens any more.
  void forget() {
    client_ = nullptr;
    abort("");
  }
  void pause() {
    if (socket_) {
      socket_->pause();
    }
  }
  void resume() {
    if (socket_) {
      socket_->resume();
    }
    post();
  }

 private:
  void connected(tcp::socket socket);
  void ready(std::unique_ptr<ByteStream> stream);
  void start_socket();
  void post();
  void replied(Result<Reply> reply);
  bool take_body(const std::string& body);
  void abort(const std::string& reason);
  void ended(const std::string& reason);

  Client* client_;
  boost::asio::io_context& context_;
  tcp::resolver resolver_;
  boost::asio::steady_timer timer_;
  bool http_;
  bool opened_ = false;
  std::shared_ptr<ErasedStream> stream_;
  std::shared_ptr<tcp::socket> raw_;
  std::shared_ptr<WebSocket> socket_;
  std::shared_ptr<HttpStream> exchange_;
  std::deque<ByteVector> queue_;
  std::string session_;
  bool posting_ = false;
  bool farewell_ = false;
};

class Client final : public Transport {
 public:
  Client(boost::asio::io_context& context, ServerUrl url, const TransportOptions& options,
         std::shared_ptr<TlsContext> tls, Events events)
      : context_(context),
        url_(std::move(url)),
        options_(options),
        tls_(std::move(tls)),
        events_(std::move(events)),
        use_http_(options.kind == TransportKind::http) {}
  ~Client() override {  // NOLINT(bugprone-exception-escape): handlers throw nothing
    drop();
    end_goodbye();
  }

  void dial() override {
    drop();
    attempt_ = std::make_shared<Attempt>(*this, context_, use_http_);
    attempt_->begin();
  }
  void send(ByteVector frame) override {
    if (attempt_) {
      attempt_->send(std::move(frame));
    }
  }
  void hang_up(const std::string& reason) override {
    if (attempt_) {
      const auto attempt = std::move(attempt_);
      end_goodbye();
      leaving_ = attempt;
      attempt->hang_up(reason);
    }
  }

  void pause() override {
    is_paused_ = true;
    if (attempt_) {
      attempt_->pause();
    }
  }
  void resume() override {
    is_paused_ = false;
    if (attempt_) {
      attempt_->resume();
    }
  }
  bool is_paused() const { return is_paused_; }

  void opened() { events_.on_open(); }
  void frame(ByteVector frame) { events_.on_frame(std::move(frame)); }
  void closed(const std::string& reason, bool socket_refused) {
    attempt_.reset();
    if (socket_refused && options_.kind == TransportKind::automatic) {
      use_http_ = true;
    }
    events_.on_closed(reason);
  }

  const ServerUrl& url() const { return url_; }
  const TransportOptions& options() const { return options_; }
  const std::shared_ptr<TlsContext>& tls() const { return tls_; }

 private:
  void drop() {
    if (attempt_) {
      const auto attempt = std::move(attempt_);
      attempt->forget();
    }
  }

  // An attempt and its operations hold one another until they end: nobody else would end these.
  void end_goodbye() {
    if (const auto attempt = leaving_.lock()) {
      attempt->forget();
    }
  }

  boost::asio::io_context& context_;
  ServerUrl url_;
  TransportOptions options_;
  std::shared_ptr<TlsContext> tls_;
  Events events_;
  std::shared_ptr<Attempt> attempt_;
  std::weak_ptr<Attempt> leaving_;  // says goodbye
  bool use_http_;
  bool is_paused_ = false;
};

void Attempt::begin() {
  timer_.expires_after(std::chrono::milliseconds(client_->options().dial_timeout.ms));
  timer_.async_wait([self = shared_from_this()](error_code error) {
    if (!error && !self->opened_) {
      self->ended("the server did not answer in time");
    }
  });
  resolver_.async_resolve(
      client_->url().host, client_->url().port,
      [self = shared_from_this()](error_code error, const tcp::resolver::results_type& found) {
        if (self->client_ == nullptr) {
          return;
        }
        if (error) {
          self->ended("the server's name is not known: " + error.message());
          return;
        }
        self->raw_ = std::make_shared<tcp::socket>(self->context_);
        boost::asio::async_connect(
            *self->raw_, found, [self](error_code failed, const tcp::endpoint&) {
              if (self->client_ == nullptr) {
                return;
              }
              if (failed) {
                self->ended("the server cannot be reached: " + failed.message());
                return;
              }
              self->connected(std::move(*self->raw_));
            });
      });
}

void Attempt::connected(tcp::socket socket) {
  const std::string host = client_->url().host;
  stream_ = std::make_shared<ErasedStream>(
      context_, client_->tls() ? client_->tls()->connect(std::move(socket), host)
                               : make_tcp_stream(std::move(socket)));
  stream_->bytes().handshake(StreamDone([self = shared_from_this()](error_code error, std::size_t) {
    if (self->client_ == nullptr) {
      return;
    }
    if (error) {
      self->ended("the secure connection failed: " + error.message());
      return;
    }
    if (!self->http_) {
      self->start_socket();
      return;
    }
    HttpLimits limits;
    limits.body_bytes_max = limits::frame_bytes_max + (std::size_t{16} << 20U);
    self->exchange_ = HttpStream::make(self->context_, std::move(*self->stream_), limits);
    self->opened_ = true;
    self->timer_.cancel();
    self->client_->opened();
    self->post();
  }));
}

void Attempt::start_socket() {
  WebSocketOptions options;
  options.frame_bytes_max = limits::frame_bytes_max;
  options.deflate = false;
  WebSocket::Events events;
  events.on_open = [self = shared_from_this()] {
    self->opened_ = true;
    self->timer_.cancel();
    if (self->client_ != nullptr) {
      self->client_->opened();
    }
  };
  events.on_frame = [self = shared_from_this()](ByteVector frame) {
    if (self->client_ != nullptr) {
      self->client_->frame(std::move(frame));
    }
  };
  events.on_closed = [self = shared_from_this()](const std::string& reason) {
    self->ended(reason);
  };
  socket_ = WebSocket::make(context_, std::move(*stream_), options, std::move(events));
  if (client_->is_paused()) {
    socket_->pause();
  }
  socket_->connect(client_->url().authority(), client_->url().path);
}

void Attempt::send(ByteVector frame) {
  if (socket_) {
    socket_->send(std::move(frame));
    return;
  }
  queue_.push_back(std::move(frame));
  post();
}

void Attempt::post() {
  // A conversation begins with a hello: an empty request would be refused.
  if (!exchange_ || posting_ || !opened_ || (session_.empty() && queue_.empty())) {
    return;
  }
  if (client_ != nullptr && client_->is_paused()) {
    return;  // what would be answered has to wait
  }
  posting_ = true;
  Request request;
  request.method = "POST";
  request.path = client_ != nullptr ? client_->url().path : sync_path;
  request.headers.push_back({"Content-Type", "application/octet-stream"});
  if (!session_.empty()) {
    request.headers.push_back({"Syncline-Session", session_});
    request.headers.push_back({"Syncline-Wait", queue_.empty() ? poll_ms : "0"});
  }
  Writer body;
  while (!queue_.empty() && body.size() < limits::post_bytes_target) {
    append_frame(body, queue_.front());
    queue_.pop_front();
  }
  request.body = std::string(as_text(body.bytes()));
  exchange_->exchange(request, client_ != nullptr ? client_->url().authority() : "",
                      [self = shared_from_this()](Result<Reply> reply) {
                        self->posting_ = false;
                        self->replied(std::move(reply));
                      });
}

bool Attempt::take_body(const std::string& body) {
  Reader in(as_bytes(body));
  while (!in.at_end()) {
    const auto frame = read_frame(in);
    if (!frame) {
      ended(frame.error().message());
      return false;
    }
    if (client_ == nullptr) {
      return false;
    }
    client_->frame(to_vector(*frame));
  }
  return true;
}

void Attempt::replied(Result<Reply> reply) {
  if (client_ == nullptr && !farewell_) {
    return;
  }
  if (farewell_ && queue_.empty()) {
    abort("");
    return;
  }
  if (!reply) {
    ended(reply.error().message());
    return;
  }
  if (reply->status != 200) {
    ended("the server answered with status " + std::to_string(reply->status));
    return;
  }
  bool closed = false;
  for (const Header& header : reply->headers) {
    if (equal_ignoring_case(header.name, "Syncline-Session")) {
      session_ = header.value;
    }
    closed = closed || equal_ignoring_case(header.name, "Syncline-Closed");
  }
  if (session_.empty()) {
    ended("something on the way answers instead of the server");
    return;
  }
  if (!farewell_ && !take_body(reply->body)) {
    return;
  }
  if (closed) {
    ended("the server closed the connection");
    return;
  }
  post();
}

void Attempt::hang_up(const std::string& reason) {
  if (socket_ && opened_) {
    client_ = nullptr;
    timer_.cancel();
    socket_->close(reason);
    return;
  }
  if (exchange_ && !queue_.empty()) {
    // The goodbye still goes; nobody waits for its answer.
    client_ = nullptr;
    farewell_ = true;
    return;
  }
  forget();
}

void Attempt::abort(const std::string& reason) {
  timer_.cancel();
  resolver_.cancel();
  if (raw_) {
    error_code ignored;
    (void)raw_->close(ignored);
  }
  if (socket_) {
    socket_->abort(reason);
  } else if (exchange_) {
    exchange_->close();
  } else if (stream_) {
    stream_->bytes().close();
  }
}

void Attempt::ended(const std::string& reason) {
  Client* const client = std::exchange(client_, nullptr);
  const bool refused = socket_ != nullptr && !opened_;
  const auto keep = shared_from_this();
  abort(reason);
  if (client != nullptr) {
    client->closed(reason, refused);
  }
}

}  // namespace

Result<TransportKind> transport_from_name(std::string_view name) {
  if (name == "auto") {
    return TransportKind::automatic;
  }
  if (name == "websocket") {
    return TransportKind::web_socket;
  }
  if (name == "http") {
    return TransportKind::http;
  }
  return Error(ErrorCode::invalid_argument, "a transport is auto, websocket or http");
}

std::string ServerUrl::authority() const {
  const bool usual = port == (tls ? "443" : "80");
  const std::string shown = host.find(':') == std::string::npos ? host : "[" + host + "]";
  return usual ? shown : shown + ":" + port;
}

Result<ServerUrl> parse_server_url(std::string_view url) {
  const auto wrong = [](const char* why) {
    return Error(ErrorCode::invalid_argument, std::string("the server's URL ") + why +
                                                  ", such as https://sync.example or "
                                                  "http://127.0.0.1:8080");
  };
  ServerUrl out;
  const std::size_t mark = url.find("://");
  if (mark == std::string_view::npos) {
    return wrong("needs a scheme and a host");
  }
  const std::string_view scheme = url.substr(0, mark);
  if (scheme != "http" && scheme != "https" && scheme != "ws" && scheme != "wss") {
    return wrong("begins with http, https, ws or wss");
  }
  out.tls = scheme == "https" || scheme == "wss";
  std::string_view rest = url.substr(mark + 3);
  if (rest.find_first_of("?#@ \t\r\n") != std::string_view::npos) {
    return wrong("has a host, a port and a path, nothing else");
  }
  const std::size_t slash = std::min(rest.find('/'), rest.size());
  const std::string_view path = rest.substr(slash);
  out.path = path.empty() || path == "/" ? std::string(sync_path) : std::string(path);
  std::string_view place = rest.substr(0, slash);
  if (!place.empty() && place.front() == '[') {
    const std::size_t end = place.find(']');
    if (end == std::string_view::npos) {
      return wrong("has an address that does not end");
    }
    out.host = place.substr(1, end - 1);
    place.remove_prefix(end + 1);
    place.remove_prefix(place.empty() ? 0 : 1);
    out.port = place;
  } else {
    const std::size_t colon = place.find(':');
    out.host = place.substr(0, colon);
    out.port = colon == std::string_view::npos ? "" : std::string(place.substr(colon + 1));
  }
  if (out.host.empty() || out.port.find_first_not_of("0123456789") != std::string::npos) {
    return wrong("needs a host, and a port that is a number");
  }
  if (out.port.empty()) {
    out.port = out.tls ? "443" : "80";
  }
  return out;
}

Result<std::unique_ptr<Transport>> Transport::make(boost::asio::io_context& context,
                                                   const std::string& url,
                                                   const TransportOptions& options, Events events) {
  SL_TRY(ServerUrl parsed, parse_server_url(url));
  std::shared_ptr<TlsContext> tls;
  if (parsed.tls) {
    SL_TRY(tls, TlsContext::client(options.authorities));
  }
  return std::unique_ptr<Transport>(std::make_unique<Client>(context, std::move(parsed), options,
                                                             std::move(tls), std::move(events)));
}

}  // namespace syncline
