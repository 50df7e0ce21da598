#include "net/server.h"

#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <map>
#include <set>

#include "net/tcp_stream.h"
#include "net/tls.h"
#include "wire/limits.h"

namespace syncline {
namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;

// Frames that were read and not handled yet: of one socket, and of all.
constexpr std::size_t unread_bytes_max = std::size_t{8} << 20U;
constexpr std::size_t all_unread_bytes_max = std::size_t{256} << 20U;
constexpr Duration handshake_time{10'000};
constexpr std::uint8_t welcome_frame = 2;  // its place in wire/message.h's variant

class Server;

// One accepted connection, through TLS and HTTP to a WebSocket if that is wanted.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Server& server, std::uint64_t number, std::string address)
      : server_(server), number_(number), address_(std::move(address)) {}

  void begin(std::unique_ptr<ByteStream> stream);
  void answer(Reply reply);
  void send(ByteVector frame);
  void close(const std::string& reason);
  void consumed(std::size_t bytes);
  void resume();
  // The server stops: what is idle goes at once.
  void drain();
  std::uint64_t number() const { return number_; }
  const std::string& address() const { return address_; }

 private:
  void next_request();
  void take(HttpStream::Incoming incoming);
  void upgrade(HttpUpgrade request);
  void end();

  Server& server_;
  std::uint64_t number_;
  std::string address_;
  std::unique_ptr<ErasedStream> stream_;
  std::unique_ptr<boost::asio::steady_timer> timer_;
  std::shared_ptr<HttpStream> http_;
  std::shared_ptr<WebSocket> socket_;
  bool keep_alive_ = false;
  bool head_only_ = false;
  bool waits_for_answer_ = false;
  bool ended_ = false;
  std::size_t unread_ = 0;
};

class Server final : public NetServer {
 public:
  Server(const NetOptions& options, Backend& backend, JsonLog& log)
      : options_(options),
        backend_(backend),
        log_(log),
        acceptor_(context_),
        accept_timer_(context_),
        count_timer_(context_) {}
  ~Server() override { stop(Duration{0}); }

  Result<void> listen();
  void run(std::function<Result<void>(const std::string&)> save);
  std::uint16_t port() const override { return port_; }
  Result<void> reload_tls() override;
  void stop(Duration patience) override;

  void ended(Connection& connection);
  void unread(Connection& connection, std::ptrdiff_t change);
  bool must_pause(std::size_t unread) const {
    return unread > unread_bytes_max || all_unread_ > all_unread_bytes_max;
  }
  void pause(std::uint64_t number) { paused_.insert(number); }

  NetOptions options_;
  Backend& backend_;
  JsonLog& log_;
  boost::asio::io_context context_{1};
  bool draining_ = false;

 private:
  void accept();
  void accepted(tcp::socket socket);
  void count_refusals();
  void deliver(Backend::Delivery delivery);
  std::shared_ptr<Connection> find(std::uint64_t number) const;

  tcp::acceptor acceptor_;
  boost::asio::steady_timer accept_timer_;
  boost::asio::steady_timer count_timer_;
  std::thread thread_;
  std::uint16_t port_ = 0;
  std::shared_ptr<TlsContext> tls_;
  std::mutex tls_mutex_;
  std::uint64_t next_number_ = 1;
  std::map<std::uint64_t, std::shared_ptr<Connection>> connections_;
  std::map<std::string, std::size_t> by_address_;
  std::set<std::uint64_t> paused_;
  std::size_t all_unread_ = 0;
  std::uint64_t refused_ = 0;
};

// --- A connection
// ----------------------------------------------------------------------------------

void Connection::begin(std::unique_ptr<ByteStream> stream) {
  stream_ = std::make_unique<ErasedStream>(server_.context_, std::move(stream));
  timer_ = std::make_unique<boost::asio::steady_timer>(server_.context_);
  timer_->expires_after(std::chrono::milliseconds(handshake_time.ms));
  timer_->async_wait([weak = weak_from_this()](error_code error) {
    if (const auto self = weak.lock(); self && !error && self->stream_) {
      self->stream_->bytes().close();
    }
  });
  stream_->bytes().handshake(StreamDone([self = shared_from_this()](error_code error, std::size_t) {
    self->timer_.reset();
    if (error || self->ended_) {
      self->end();
      return;
    }
    self->http_ = HttpStream::make(self->server_.context_, std::move(*self->stream_),
                                   self->server_.options_.http);
    self->stream_.reset();
    self->next_request();
  }));
}

void Connection::next_request() {
  http_->read_request([self = shared_from_this()](Result<HttpStream::Incoming> incoming) {
    if (!incoming) {
      self->end();
      return;
    }
    self->take(std::move(*incoming));
  });
}

void Connection::take(HttpStream::Incoming incoming) {
  keep_alive_ = incoming.keep_alive && !server_.draining_;
  incoming.request.address = address_;
  head_only_ = incoming.request.method == "HEAD";
  waits_for_answer_ = true;
  if (incoming.upgrade) {
    if (auto refused = refuse_upgrade(incoming.request, server_.options_.sync)) {
      keep_alive_ = false;
      answer(std::move(*refused));
      return;
    }
    waits_for_answer_ = false;
    upgrade(std::move(*incoming.upgrade));
    return;
  }
  server_.backend_.request(RequestId(number_), std::move(incoming.request));
}

void Connection::answer(Reply reply) {
  if (!waits_for_answer_ || ended_) {
    return;
  }
  waits_for_answer_ = false;
  http_->write_reply(std::move(reply), keep_alive_, head_only_,
                     [self = shared_from_this()](const Result<void>& done) {
                       if (done && self->keep_alive_ && !self->server_.draining_) {
                         self->next_request();
                       } else {
                         self->end();
                       }
                     });
}

void Connection::upgrade(HttpUpgrade request) {
  WebSocket::Events events;
  const SocketId id(number_);
  events.on_open = [this, id] { server_.backend_.socket_open(id, address_); };
  events.on_frame = [this, id](ByteVector frame) {
    server_.unread(*this, static_cast<std::ptrdiff_t>(frame.size()));
    unread_ += frame.size();
    if (server_.must_pause(unread_)) {
      socket_->pause();
      server_.pause(number_);
    }
    server_.backend_.socket_frame(id, std::move(frame));
  };
  events.on_closed = [self = shared_from_this(), id](const std::string& reason) {
    Json fields = log_field("address", self->address_);
    fields.set("reason", Json(reason));
    self->server_.log_.write(JsonLog::Level::debug, "disconnected", std::move(fields));
    self->server_.backend_.socket_closed(id);
    self->end();
  };
  socket_ = WebSocket::make(server_.context_, http_->release(), server_.options_.web_socket,
                            std::move(events));
  http_.reset();
  socket_->accept(std::move(request));
}

void Connection::send(ByteVector frame) {
  if (socket_) {
    if (!frame.empty() && frame[0] == welcome_frame) {
      // Whoever was let in may send rows of the largest size.
      socket_->set_frame_bytes_max(limits::frame_bytes_max);
    }
    socket_->send(std::move(frame));
  }
}

void Connection::close(const std::string& reason) {
  if (socket_) {
    socket_->close(reason);
  }
}

void Connection::consumed(std::size_t bytes) {
  unread_ -= bytes;
  server_.unread(*this, -static_cast<std::ptrdiff_t>(bytes));
}

void Connection::resume() {
  if (socket_) {
    socket_->resume();
  }
}

void Connection::drain() {
  if (socket_ || waits_for_answer_) {
    return;  // they are told by the backend
  }
  if (http_) {
    http_->close();
  } else if (stream_) {
    stream_->bytes().close();
  }
}

void Connection::end() {
  if (ended_) {
    return;
  }
  ended_ = true;
  if (http_) {
    http_->close();
  }
  const auto keep = shared_from_this();
  server_.unread(*this, -static_cast<std::ptrdiff_t>(unread_));
  unread_ = 0;
  server_.ended(*this);
}

// --- The server
// ------------------------------------------------------------------------------------

Result<void> Server::listen() {
  const auto fail = [&](const error_code& error) {
    return Error(ErrorCode::invalid_argument, "cannot listen on " + options_.host + " port " +
                                                  std::to_string(options_.port) + ": " +
                                                  error.message());
  };
  error_code error;
  tcp::resolver resolver(context_);
  const auto found =
      resolver.resolve(options_.host, std::to_string(options_.port), tcp::resolver::passive, error);
  if (error || found.empty()) {
    return fail(error);
  }
  const tcp::endpoint endpoint = found.begin()->endpoint();
  if ((void)acceptor_.open(endpoint.protocol(), error); error) {
    return fail(error);
  }
  (void)acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  if (endpoint.address().is_v6()) {
    (void)acceptor_.set_option(boost::asio::ip::v6_only(false), error);
  }
  if ((void)acceptor_.bind(endpoint, error); error) {
    return fail(error);
  }
  constexpr int backlog = 1024;
  if ((void)acceptor_.listen(backlog, error); error) {
    return fail(error);
  }
  port_ = acceptor_.local_endpoint(error).port();
  if (!options_.tls_certificate.empty()) {
    SL_TRY(reload_tls());
  }
  return {};
}

Result<void> Server::reload_tls() {
  if (options_.tls_certificate.empty()) {
    return {};
  }
  SL_TRY(std::shared_ptr<TlsContext> fresh,
         TlsContext::server(options_.tls_certificate, options_.tls_key));
  const std::lock_guard<std::mutex> guard(tls_mutex_);
  tls_ = std::move(fresh);
  return {};
}

void Server::run(std::function<Result<void>(const std::string&)> save) {
  backend_.start(
      [this](Backend::Delivery delivery) {
        boost::asio::post(context_,
                          [this, d = std::move(delivery)]() mutable { deliver(std::move(d)); });
      },
      std::move(save));
  accept();
  count_refusals();
  thread_ = std::thread([this] { context_.run(); });
}

void Server::accept() {
  acceptor_.async_accept([this](error_code error, tcp::socket socket) {
    if (draining_ || error == boost::asio::error::operation_aborted) {
      return;
    }
    if (error) {
      // No file descriptors left, most likely: they come back.
      log_.warning("accept_failed", log_field("message", error.message()));
      accept_timer_.expires_after(std::chrono::milliseconds(100));
      accept_timer_.async_wait([this](error_code cancelled) {
        if (!cancelled) {
          accept();
        }
      });
      return;
    }
    accepted(std::move(socket));
    accept();
  });
}

void Server::accepted(tcp::socket socket) {
  error_code error;
  const tcp::endpoint peer = socket.remote_endpoint(error);
  if (error) {
    return;
  }
  const std::string address = peer.address().to_string();
  if (connections_.size() >= options_.connections_max ||
      by_address_[address] >= options_.connections_per_address_max) {
    ++refused_;
    if (by_address_[address] == 0) {
      by_address_.erase(address);
    }
    return;  // closes
  }
  ++by_address_[address];
  const auto connection = std::make_shared<Connection>(*this, next_number_++, address);
  connections_.emplace(connection->number(), connection);
  std::shared_ptr<TlsContext> tls;
  {
    const std::lock_guard<std::mutex> guard(tls_mutex_);
    tls = tls_;
  }
  connection->begin(tls ? tls->accept(std::move(socket)) : make_tcp_stream(std::move(socket)));
}

void Server::count_refusals() {
  count_timer_.expires_after(std::chrono::seconds(1));
  count_timer_.async_wait([this](error_code error) {
    if (error || draining_) {
      return;
    }
    if (refused_ != 0) {
      backend_.run([count = refused_](Service& service, Instant) {
        service.metrics().add("refusals_total", "reason=\"too_many_connections\"", count);
      });
      refused_ = 0;
    }
    count_refusals();
  });
}

std::shared_ptr<Connection> Server::find(std::uint64_t number) const {
  const auto at = connections_.find(number);
  return at == connections_.end() ? nullptr : at->second;
}

void Server::deliver(Backend::Delivery delivery) {
  for (ServiceEffect& effect : delivery.effects) {
    if (auto* send = std::get_if<service_effect::SendFrame>(&effect)) {
      if (const auto connection = find(send->socket.get())) {
        connection->send(std::move(send->frame));
      }
    } else if (const auto* close = std::get_if<service_effect::CloseSocket>(&effect)) {
      if (const auto connection = find(close->socket.get())) {
        connection->close(close->reason);
      }
    } else if (auto* answer = std::get_if<service_effect::Answer>(&effect)) {
      if (const auto connection = find(answer->request.get())) {
        connection->answer(std::move(answer->reply));
      }
    }
  }
  for (const auto& [socket, bytes] : delivery.consumed) {
    if (const auto connection = find(socket.get())) {
      connection->consumed(bytes);
    }
  }
  if (!paused_.empty() && all_unread_ <= all_unread_bytes_max / 2) {
    for (const std::uint64_t number : std::exchange(paused_, {})) {
      if (const auto connection = find(number)) {
        connection->resume();
      }
    }
  }
}

void Server::unread(Connection& /*connection*/, std::ptrdiff_t change) {
  all_unread_ = static_cast<std::size_t>(static_cast<std::ptrdiff_t>(all_unread_) + change);
}

void Server::ended(Connection& connection) {
  const auto at = by_address_.find(connection.address());
  if (at != by_address_.end() && --at->second == 0) {
    by_address_.erase(at);
  }
  paused_.erase(connection.number());
  connections_.erase(connection.number());
  if (draining_ && connections_.empty()) {
    context_.stop();
  }
}

void Server::stop(Duration patience) {
  if (!thread_.joinable()) {
    return;
  }
  boost::asio::post(context_, [this] {
    draining_ = true;
    error_code ignored;
    (void)acceptor_.close(ignored);
    accept_timer_.cancel();
    count_timer_.cancel();
    const auto all = connections_;
    for (const auto& [number, connection] : all) {
      connection->drain();
    }
  });
  // The backend's goodbyes are delivered before it returns.
  backend_.stop();
  boost::asio::post(context_, [this, patience] {
    if (connections_.empty()) {
      context_.stop();
      return;
    }
    accept_timer_.expires_after(std::chrono::milliseconds(patience.ms));
    accept_timer_.async_wait([this](error_code error) {
      if (!error) {
        context_.stop();
      }
    });
  });
  thread_.join();
  connections_.clear();
}

}  // namespace

Result<std::unique_ptr<NetServer>> NetServer::start(
    const NetOptions& options, Backend& backend, JsonLog& log,
    std::function<Result<void>(const std::string&)> save_revocations) {
  auto server = std::make_unique<Server>(options, backend, log);
  SL_TRY(server->listen());
  server->run(std::move(save_revocations));
  return std::unique_ptr<NetServer>(std::move(server));
}

}  // namespace syncline
