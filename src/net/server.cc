#include "net/server.h"

#include <algorithm>
#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <limits>
#include <map>
#include <optional>
#include <set>

#include "net/served_connection.h"
#include "net/tcp_stream.h"
#include "net/tls.h"
#include "wire/limits.h"

namespace syncline {
namespace {

using boost::asio::ip::tcp;
using boost::system::error_code;

// Frames that were read and not handled yet: a socket that has so much is not read from. When all
// sockets together have what they may, one that has a little is not, either: who sends small frames
// is never kept waiting by those who send large ones, or whose frames wait for their answers.
constexpr std::size_t unread_bytes_each_max = std::size_t{1} << 20U;
constexpr std::size_t unread_bytes_little = std::size_t{16} << 10U;
// How often the patience of a server that stops is renewed while something still leaves.
constexpr int patience_times = 10;
// A conversation by POST that was silent for longer is over, and nobody knows it any more.
constexpr Duration trust_time{120'000};

// What connections are handed lives before they do, and longer.
struct HallParts {
  explicit HallParts(NetOptions given) : net_options(std::move(given)) {}
  NetOptions net_options;
  boost::asio::io_context io_context{1};
  // One address or user may have half of it, and a request of the largest size.
  ReceiveBudget unknown_budget{net_options.memory.unknown_bytes_max,
                               net_options.memory.unknown_bytes_max / 2};
  ReceiveBudget known_budget{
      net_options.memory.known_bytes_max,
      std::max(net_options.memory.known_bytes_max / 2, limits::post_bytes_max)};
  // A single answer may be larger, and is then alone.
  ReceiveBudget answer_budget{net_options.memory.answer_bytes_max,
                              std::numeric_limits<std::size_t>::max()};
};

class Server final : public NetServer, private HallParts, public ServerHall {
 public:
  Server(const NetOptions& given, Backend& into, JsonLog& told)
      : HallParts(given),
        ServerHall(net_options, into, told, io_context, unknown_budget, known_budget,
                   answer_budget),
        acceptor_(context),
        accept_timer_(context),
        count_timer_(context) {}
  ~Server() override {  // NOLINT(bugprone-exception-escape): handlers throw nothing
    stop(Duration{0});
  }

  Result<void> listen();
  void run(std::function<Result<void>(const std::string&)> save);
  std::uint16_t port() const override { return port_; }
  Result<void> reload_tls() override;
  void stop(Duration patience) override;

  bool is_draining() const override { return draining_; }
  void ended(ServedConnection& connection) override;
  void unread(std::ptrdiff_t change) override {
    all_unread_ = static_cast<std::size_t>(static_cast<std::ptrdiff_t>(all_unread_) + change);
  }
  bool must_pause(std::size_t unread) const override {
    const bool is_much = all_unread_ > options.memory.unread_bytes_max;
    return unread > (is_much ? unread_bytes_little : unread_bytes_each_max);
  }
  void pause(std::uint64_t number, bool is_paused) override {
    is_paused ? (void)paused_.insert(number) : (void)paused_.erase(number);
  }
  void refused(const char* what) override { ++refused_[what]; }
  void log_refused(const std::string& what, const std::string& address,
                   const std::string& message) override;
  void trust(const std::string& session) override { trusted_[session] = instant_now(); }
  bool is_trusted(std::string_view session) override;

 private:
  void accept();
  void accepted(tcp::socket socket);
  bool make_room(const std::string& address);
  void each_second();
  void tell_refusals();
  void tell_queues();
  void wait_for_the_last(Duration patience, int times);
  void deliver(Backend::Delivery delivery);
  std::shared_ptr<ServedConnection> find(std::uint64_t number) const;

  tcp::acceptor acceptor_;
  boost::asio::steady_timer accept_timer_;
  boost::asio::steady_timer count_timer_;
  std::thread thread_;
  std::uint16_t port_ = 0;
  std::shared_ptr<TlsContext> tls_;
  std::mutex tls_mutex_;
  std::uint64_t next_number_ = 1;
  std::map<std::uint64_t, std::shared_ptr<ServedConnection>> connections_;
  std::map<std::string, std::size_t> by_address_;
  std::set<std::uint64_t> paused_;
  std::size_t all_unread_ = 0;
  // As they were last told: bytes received and to be sent.
  std::optional<std::pair<std::size_t, std::size_t>> queues_told_;
  // Since they were last told, by reason.
  std::map<std::string, std::uint64_t> refused_;
  std::size_t refusals_logged_ = 0;  // this second
  // Conversations by POST that were welcomed, and when they were last heard of.
  std::map<std::string, Instant, std::less<>> trusted_;
  bool draining_ = false;
};

// --- The server
// ------------------------------------------------------------------------------------

Result<void> Server::listen() {
  const auto fail = [&](const error_code& error) {
    return Error(ErrorCode::invalid_argument, "cannot listen on " + options.host + " port " +
                                                  std::to_string(options.port) + ": " +
                                                  error.message());
  };
  error_code error;
  tcp::resolver resolver(context);
  const auto found =
      resolver.resolve(options.host, std::to_string(options.port), tcp::resolver::passive, error);
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
  if (!options.tls_certificate.empty()) {
    SL_TRY(reload_tls());
  }
  return {};
}

Result<void> Server::reload_tls() {
  if (options.tls_certificate.empty()) {
    return {};
  }
  SL_TRY(std::shared_ptr<TlsContext> fresh,
         TlsContext::server(options.tls_certificate, options.tls_key));
  const std::lock_guard<std::mutex> guard(tls_mutex_);
  tls_ = std::move(fresh);
  return {};
}

void Server::run(std::function<Result<void>(const std::string&)> save) {
  backend.start(
      [this](Backend::Delivery delivery) {
        boost::asio::post(context,
                          [this, d = std::move(delivery)]() mutable { deliver(std::move(d)); });
      },
      std::move(save));
  accept();
  each_second();
  thread_ = std::thread([this] { context.run(); });
}

void Server::accept() {
  acceptor_.async_accept([this](error_code error, tcp::socket socket) {
    if (draining_ || error == boost::asio::error::operation_aborted) {
      return;
    }
    if (error) {
      // No file descriptors left, most likely: they come back.
      log.warning("accept_failed", log_field("message", error.message()));
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
  if (by_address_[address] >= options.connections_per_address_max || !make_room(address)) {
    refused("too_many_connections");
    if (by_address_[address] == 0) {
      by_address_.erase(address);
    }
    return;  // closes
  }
  ++by_address_[address];
  const auto connection = std::make_shared<ServedConnection>(*this, next_number_++, address);
  connections_.emplace(connection->number(), connection);
  std::shared_ptr<TlsContext> tls;
  {
    const std::lock_guard<std::mutex> guard(tls_mutex_);
    tls = tls_;
  }
  connection->begin(tls ? tls->accept(std::move(socket)) : make_tcp_stream(std::move(socket)));
}

// When all places are taken, the address that holds most of them loses one of whom nobody knows.
bool Server::make_room(const std::string& address) {
  if (connections_.size() < options.connections_max) {
    return true;
  }
  const auto most = std::max_element(
      by_address_.begin(), by_address_.end(),
      [](const auto& one, const auto& other) { return one.second < other.second; });
  if (most == by_address_.end() || most->first == address ||
      most->second <= by_address_[address] + 1) {
    return false;
  }
  for (const auto& [number, connection] : connections_) {
    if (connection->address() == most->first && connection->is_expendable()) {
      connection->cut("too_many_connections");
      return true;
    }
  }
  return false;
}

void Server::each_second() {
  count_timer_.expires_after(std::chrono::seconds(1));
  count_timer_.async_wait([this](error_code error) {
    if (error || draining_) {
      return;
    }
    tell_refusals();
    tell_queues();
    const Instant now = instant_now();
    for (auto at = trusted_.begin(); at != trusted_.end();) {
      at = now - at->second > trust_time ? trusted_.erase(at) : std::next(at);
    }
    each_second();
  });
}

void Server::log_refused(const std::string& what, const std::string& address,
                         const std::string& message) {
  // Whoever is turned away a thousand times a second does not fill the disk as well.
  constexpr std::size_t lines_a_second = 10;
  if (++refusals_logged_ > lines_a_second) {
    return;
  }
  Json fields = log_field("reason", what);
  fields.set("address", Json(address));
  fields.set("message", Json(message.substr(0, 200)));
  log.write(JsonLog::Level::info, "refused", std::move(fields));
}

void Server::tell_refusals() {
  refusals_logged_ = 0;
  if (refused_.empty()) {
    return;
  }
  backend.run([counts = std::exchange(refused_, {})](Service& service, Instant) {
    for (const auto& [what, count] : counts) {
      service.metrics().add("refusals_total", "reason=\"" + what + "\"", count);
    }
  });
}

void Server::tell_queues() {
  std::pair<std::size_t, std::size_t> bytes{all_unread_, 0};
  for (const auto& [number, connection] : connections_) {
    bytes.second += connection->queue_bytes();
  }
  if (bytes == queues_told_) {
    return;
  }
  queues_told_ = bytes;
  backend.run([bytes](Service& service, Instant) {
    service.metrics().set("receive_queue_bytes", static_cast<std::int64_t>(bytes.first));
    service.metrics().set("send_queue_bytes", static_cast<std::int64_t>(bytes.second));
  });
}

bool Server::is_trusted(std::string_view session) {
  const auto at = trusted_.find(session);
  if (at == trusted_.end()) {
    return false;
  }
  at->second = instant_now();
  return true;
}

std::shared_ptr<ServedConnection> Server::find(std::uint64_t number) const {
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
        close->at_once ? connection->abort(close->reason) : connection->close(close->reason);
      }
    } else if (auto* answer = std::get_if<service_effect::Answer>(&effect)) {
      if (const auto connection = find(answer->request.get())) {
        connection->answer(std::move(answer->reply));
      }
    } else if (auto* chunk = std::get_if<service_effect::Chunk>(&effect)) {
      if (const auto connection = find(chunk->request.get())) {
        connection->chunk(chunk->text, chunk->last);
      }
    }
  }
  for (const auto& [socket, bytes] : delivery.consumed) {
    if (const auto connection = find(socket.get())) {
      connection->consumed(bytes);
    }
  }
  if (!paused_.empty() && all_unread_ <= options.memory.unread_bytes_max / 2) {
    for (const std::uint64_t number : std::set<std::uint64_t>(paused_)) {
      if (const auto connection = find(number)) {
        connection->resume();
      }
    }
  }
}

void Server::ended(ServedConnection& connection) {
  const auto at = by_address_.find(connection.address());
  if (at != by_address_.end() && --at->second == 0) {
    by_address_.erase(at);
  }
  paused_.erase(connection.number());
  connections_.erase(connection.number());
  if (draining_ && connections_.empty()) {
    context.stop();
  }
}

void Server::wait_for_the_last(Duration patience, int times) {
  accept_timer_.expires_after(std::chrono::milliseconds(patience.ms));
  accept_timer_.async_wait([this, patience, times, before = *sent_bytes](error_code error) {
    if (error) {
      return;
    }
    if (times > 1 && *sent_bytes != before) {
      wait_for_the_last(patience, times - 1);
    } else {
      context.stop();
    }
  });
}

void Server::stop(Duration patience) {
  if (!thread_.joinable()) {
    return;
  }
  boost::asio::post(context, [this] {
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
  backend.stop();
  boost::asio::post(context, [this, patience] {
    if (connections_.empty()) {
      context.stop();
      return;
    }
    wait_for_the_last(patience, patience_times);
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
