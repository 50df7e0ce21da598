#include "net/sync_loop.h"

#include <algorithm>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>

#include "net/system.h"

namespace syncline {
namespace {

constexpr std::int64_t turn_ms_max = 20;
// Commits of other processes are noticed within it.
constexpr Duration look_every{25};
constexpr Duration arrivals_time_max{50};
constexpr int farewell_turns_max = 25;
// What has come and was not looked at: more is left to the network, which holds it back at whoever
// sends. A small frame costs more than its bytes.
constexpr std::size_t arrival_bytes_max = std::size_t{4} << 20U;
constexpr std::size_t arrival_bytes_each = 128;

}  // namespace

// Boost stays in here.
class SyncLoop::Sockets {
 public:
  // Operations that end now let go of what they hold, and it of them.
  ~Sockets() {  // NOLINT(bugprone-exception-escape): handlers throw nothing
    transport.reset();
    work.reset();
    context.restart();
    context.poll();
  }

  boost::asio::io_context context{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work =
      boost::asio::make_work_guard(context);
  std::unique_ptr<Transport> transport;
};

SyncLoop::SyncLoop() : sockets_(std::make_unique<Sockets>()) {}

SyncLoop::~SyncLoop() = default;

Result<std::unique_ptr<SyncLoop>> SyncLoop::make(const Parts& parts) {
  std::unique_ptr<SyncLoop> out(new SyncLoop());
  SyncLoop* const loop = out.get();
  Transport::Events events;
  events.on_open = [loop] { loop->arrivals_.push_back({Arrival::Kind::open, {}}); };
  events.on_frame = [loop](ByteVector frame) { loop->arrived(std::move(frame)); };
  events.on_closed = [loop](const std::string& reason) {
    loop->last_close_ = reason;
    loop->arrivals_.push_back({Arrival::Kind::closed, {}});
  };
  SL_TRY(loop->sockets_->transport,
         Transport::make(loop->sockets_->context, parts.url, parts.transport, std::move(events)));
  loop->leadership_ = std::make_unique<Leadership>(parts.engine->connection());
  loop->host_ =
      std::make_unique<ReplicaHost>(ReplicaHost::Parts{parts.engine, parts.clock, parts.random,
                                                       loop, nullptr, loop->leadership_.get()},
                                    parts.session);
  return out;
}

Result<void> SyncLoop::start(const std::string& workspace, const std::string& token) {
  return host_->start(instant_now(), workspace, token);
}

void SyncLoop::dial() {
  ++dials_;
  sockets_->transport->dial();
}

void SyncLoop::send(ByteVector frame) { sockets_->transport->send(std::move(frame)); }

void SyncLoop::hang_up(const std::string& reason) { sockets_->transport->hang_up(reason); }

void SyncLoop::arrived(ByteVector frame) {
  arrival_bytes_ += frame.size() + arrival_bytes_each;
  arrivals_.push_back({Arrival::Kind::frame, std::move(frame)});
  if (arrival_bytes_ > arrival_bytes_max && !is_paused_) {
    is_paused_ = true;
    sockets_->transport->pause();
  }
}

void SyncLoop::handle(Instant now, const Arrival& arrival) {
  switch (arrival.kind) {
    case Arrival::Kind::open:
      host_->on_connected(now);
      return;
    case Arrival::Kind::frame:
      arrival_bytes_ -= arrival.frame.size() + arrival_bytes_each;
      host_->on_frame(now, arrival.frame);
      return;
    case Arrival::Kind::closed:
      host_->on_disconnected(now, last_close_);
  }
}

void SyncLoop::turn() {
  Instant now = instant_now();
  std::int64_t wait = turn_ms_max;
  if (!arrivals_.empty()) {
    wait = 0;
  } else if (wake_) {
    wait = std::clamp<std::int64_t>((*wake_ - now).ms, 0, turn_ms_max);
  }
  if (wait == 0 || sockets_->context.run_one_for(std::chrono::milliseconds(wait)) != 0) {
    sockets_->context.poll();
  }
  now = instant_now();
  // A connection that ended takes what came after it along: dial() made a new one.
  // The rest waits for the next turn, so that whoever runs the loop is asked in time.
  const Instant begun = now;
  while (!arrivals_.empty() && now - begun < arrivals_time_max) {
    const Arrival arrival = std::move(arrivals_.front());
    arrivals_.pop_front();
    handle(now, arrival);
    now = instant_now();
  }
  if (is_paused_ && arrivals_.empty()) {
    is_paused_ = false;
    sockets_->transport->resume();
  }
  if ((wake_ && *wake_ <= now) || now - looked_ >= look_every) {
    wake_.reset();
    looked_ = now;
    host_->on_wakeup(now);
  }
}

void SyncLoop::run(const std::function<bool(Instant now)>& more) {
  while (more(instant_now())) {
    turn();
  }
}

void SyncLoop::stop() {
  host_->stop(instant_now());
  for (int turns = 0; turns < farewell_turns_max; ++turns) {
    if (sockets_->context.run_one_for(std::chrono::milliseconds(turn_ms_max)) == 0) {
      break;  // nothing is under way any more
    }
  }
}

}  // namespace syncline
