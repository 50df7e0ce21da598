#include "net/backend.h"

#include <algorithm>
#include <chrono>
#include <limits>

namespace syncline {
namespace {

// Timers are looked at this often even when nothing is due.
constexpr std::int64_t idle_ms_max = 1000;

// Waiting for more writers costs at most this part of a commit, and so many milliseconds.
constexpr int gather_share = 4;
constexpr std::int64_t gather_ms_max = 2;

// What is handled before others have their turn. A small frame costs about as much as reading so
// many bytes.
constexpr std::size_t turn_cost_max = std::size_t{256} << 10U;
constexpr std::size_t task_cost = 512;

// Reading frames is told when it cost so much: less than the least for which a socket is paused.
constexpr std::size_t consumed_cost_told = std::size_t{8} << 10U;

// Somebody may wait for so much to have left (server/bounds.h); less is told at the next occasion.
constexpr std::size_t urgent_sent_bytes = std::size_t{32} << 10U;

}  // namespace

Backend::Backend(Service& service, JsonLog& log, std::function<void()> stop_looking)
    : service_(service), log_(log), stop_looking_(std::move(stop_looking)) {}

Backend::~Backend() { stop(); }

void Backend::start(Deliver deliver, std::function<Result<void>(const std::string&)> save) {
  deliver_ = std::move(deliver);
  save_ = std::move(save);
  looker_ = std::thread([this] { look_loop(); });
  thread_ = std::thread([this] { loop(); });
}

void Backend::look_loop() {
  for (;;) {
    std::unique_lock<std::mutex> lock(mutex_);
    looks_wake_.wait(lock, [this] { return is_blind_ || !looks_.empty(); });
    if (is_blind_) {
      is_looker_gone_ = true;
      looks_wake_.notify_one();
      return;
    }
    const service_effect::Look one = std::move(looks_.front());
    looks_.pop_front();
    lock.unlock();
    one.look();
    run([id = one.request](Service& service, Instant) { service.on_looked(id); },
        one.request.get());
  }
}

void Backend::post(std::uint64_t source, Task task) {
  bool was_empty = false;
  {
    const std::lock_guard<std::mutex> guard(mutex_);
    if (stopping_) {
      return;
    }
    stopping_ = task.kind == Task::Kind::stop;
    was_empty = inbox_.empty();
    if (task.kind == Task::Kind::closed) {
      // Frames of a closed socket are nobody's question any more.
      inbox_.drop(source, [](const Task& one) { return one.kind == Task::Kind::frame; });
    }
    const std::size_t cost = task_cost + task.frame.size() + task.request.body.size();
    inbox_.push(source, cost, std::move(task));
  }
  if (was_empty) {
    wake_.notify_one();
  }
}

void Backend::socket_open(SocketId socket, std::string address) {
  Task task;
  task.kind = Task::Kind::open;
  task.socket = socket;
  task.address = std::move(address);
  post(socket.get(), std::move(task));
}

void Backend::socket_frame(SocketId socket, ByteVector frame) {
  Task task;
  task.kind = Task::Kind::frame;
  task.socket = socket;
  task.frame = std::move(frame);
  post(socket.get(), std::move(task));
}

void Backend::socket_sent(SocketId socket, std::size_t bytes) {
  bool must_wake = false;
  {
    const std::lock_guard<std::mutex> guard(mutex_);
    must_wake = !is_sent_urgent_ && inbox_.empty() && bytes >= urgent_sent_bytes;
    is_sent_urgent_ = is_sent_urgent_ || must_wake;
    sent_.emplace_back(socket, bytes);
  }
  if (must_wake) {
    wake_.notify_one();
  }
}

void Backend::socket_closed(SocketId socket) {
  Task task;
  task.kind = Task::Kind::closed;
  task.socket = socket;
  post(socket.get(), std::move(task));
}

void Backend::request(RequestId id, Request request) {
  Task task;
  task.kind = Task::Kind::request;
  task.request_id = id;
  task.request = std::move(request);
  post(id.get(), std::move(task));
}

void Backend::request_gone(RequestId id) {
  Task task;
  task.kind = Task::Kind::gone;
  task.request_id = id;
  post(id.get(), std::move(task));
}

void Backend::run(Work work, std::uint64_t source) {
  Task task;
  task.work = std::move(work);
  post(source, std::move(task));
}

void Backend::stop() {
  Task task;
  task.kind = Task::Kind::stop;
  post(the_host, std::move(task));
  if (thread_.joinable()) {
    thread_.join();
  }
  if (looker_.joinable()) {
    {
      const std::lock_guard<std::mutex> guard(mutex_);
      is_blind_ = true;
    }
    looks_wake_.notify_one();
    std::unique_lock<std::mutex> lock(mutex_);
    // A look that is about to begin would not hear it.
    for (; !is_looker_gone_; looks_wake_.wait_for(lock, std::chrono::milliseconds(10))) {
      stop_looking_();
    }
    lock.unlock();
    looker_.join();
  }
}

bool Backend::collect(Delivery& delivery) {
  bool commit_wanted = false;
  while (auto effect = service_.next_effect()) {
    if (std::holds_alternative<service_effect::CommitWanted>(*effect)) {
      commit_wanted = true;
    } else if (const auto* save = std::get_if<service_effect::SaveRevocations>(&*effect)) {
      if (const auto done = save_(save->text); !done) {
        log_.write(JsonLog::Level::error, "revocations_not_saved",
                   log_field("message", done.error().message()));
      }
    } else if (auto* look = std::get_if<service_effect::Look>(&*effect)) {
      const std::lock_guard<std::mutex> guard(mutex_);
      looks_.push_back(std::move(*look));
      looks_wake_.notify_one();
    } else if (const auto* taken = std::get_if<service_effect::FrameTaken>(&*effect)) {
      delivery.consumed.emplace_back(taken->socket, taken->bytes);
    } else if (auto* note = std::get_if<service_effect::Note>(&*effect)) {
      log_.write(note->level == service_effect::Note::Level::error ? JsonLog::Level::error
                                                                   : JsonLog::Level::warning,
                 note->event, std::move(note->fields));
    } else {
      delivery.effects.push_back(std::move(*effect));
    }
  }
  return commit_wanted;
}

void Backend::hand_over(Delivery&& delivery) {
  for (const auto& one : delivery.consumed) {
    consumed_.push_back(one);
    consumed_cost_ += one.second + task_cost;
  }
  if (!delivery.effects.empty() || consumed_cost_ >= consumed_cost_told) {
    delivery.consumed = std::exchange(consumed_, {});
    consumed_cost_ = 0;
    deliver_(std::move(delivery));
  }
}

void Backend::tell_consumed() {
  if (!consumed_.empty()) {
    consumed_cost_ = 0;
    deliver_({{}, std::exchange(consumed_, {})});
  }
}

void Backend::handle(Task& task, Instant now, Delivery& delivery) {
  switch (task.kind) {
    case Task::Kind::open:
      service_.on_socket_open(now, task.socket, task.address);
      return;
    case Task::Kind::frame:
      if (service_.on_socket_frame(now, task.socket, task.frame)) {
        delivery.consumed.emplace_back(task.socket, task.frame.size());
      }
      task.frame = {};  // others of the batch may be large, too
      return;
    case Task::Kind::closed:
      service_.on_socket_closed(now, task.socket);
      return;
    case Task::Kind::request:
      service_.on_request(now, task.request_id, task.request);
      return;
    case Task::Kind::gone:
      service_.on_request_gone(task.request_id);
      return;
    case Task::Kind::work:
      task.work(service_, now);
      return;
    case Task::Kind::stop:
      service_.drain(now);
      stopped_ = true;
      return;
  }
}

void Backend::wait_for_tasks() {
  std::unique_lock<std::mutex> lock(mutex_);
  if (!inbox_.empty() || is_sent_urgent_) {
    return;
  }
  const auto wake = service_.next_wake();
  const std::int64_t wait =
      wake ? std::clamp<std::int64_t>((*wake - instant_now()).ms, 0, idle_ms_max) : idle_ms_max;
  const bool is_work = wake_.wait_for(lock, std::chrono::milliseconds(wait),
                                      [this] { return !inbox_.empty() || is_sent_urgent_; });
  lock.unlock();
  if (!is_work) {
    tell_consumed();
  }
}

bool Backend::take_in() {
  std::vector<Task> tasks;
  std::vector<std::pair<SocketId, std::size_t>> sent;
  std::size_t waiting = 0;
  {
    const std::lock_guard<std::mutex> guard(mutex_);
    waiting = inbox_.size();
    // What came before a stop is still handled.
    tasks = inbox_.take(stopping_ ? std::numeric_limits<std::size_t>::max() : turn_cost_max);
    sent.swap(sent_);
    is_sent_urgent_ = false;
  }
  // Goodbye is said last.
  std::stable_partition(tasks.begin(), tasks.end(),
                        [](const Task& task) { return task.kind != Task::Kind::stop; });
  if (!tasks.empty()) {
    auto first = tasks.front().posted;
    for (const Task& task : tasks) {
      first = std::min(first, task.posted);
    }
    const auto waited = std::chrono::steady_clock::now() - first;
    service_.metrics().set("queue_tasks", static_cast<std::int64_t>(waiting));
    service_.metrics().observe(
        "queue_seconds", std::chrono::duration_cast<std::chrono::microseconds>(waited).count());
  }
  const Instant now = instant_now();
  Delivery delivery;
  bool commit_wanted = false;
  for (const auto& [socket, bytes] : sent) {
    service_.on_socket_sent(now, socket, bytes);
  }
  for (Task& task : tasks) {
    handle(task, now, delivery);
    commit_wanted = collect(delivery) || commit_wanted;
  }
  service_.on_time(now);
  commit_wanted = collect(delivery) || commit_wanted;
  hand_over(std::move(delivery));
  return commit_wanted;
}

void Backend::gather() {
  const auto patience = std::min<std::chrono::steady_clock::duration>(
      last_commit_ / gather_share, std::chrono::milliseconds(gather_ms_max));
  const auto until = std::chrono::steady_clock::now() + patience;
  // There may always be something in the inbox of who is no writer.
  while (service_.writers() < last_writers_ && !stopped_ &&
         std::chrono::steady_clock::now() < until) {
    {
      std::unique_lock<std::mutex> lock(mutex_);
      if (!wake_.wait_until(lock, until, [this] { return !inbox_.empty(); })) {
        return;
      }
    }
    take_in();
  }
}

void Backend::commit() {
  const auto start = std::chrono::steady_clock::now();
  last_writers_ = service_.writers();
  Delivery delivery;
  bool wanted = true;
  while (wanted) {
    service_.commit(instant_now());
    wanted = collect(delivery);
  }
  last_commit_ = std::chrono::steady_clock::now() - start;
  hand_over(std::move(delivery));
}

bool Backend::work() {
  service_.work(instant_now());
  Delivery delivery;
  const bool commit_wanted = collect(delivery);
  hand_over(std::move(delivery));
  return commit_wanted;
}

void Backend::loop() {
  while (!stopped_) {
    wait_for_tasks();
    if (take_in()) {
      gather();
      commit();
    }
    if (!stopped_ && work()) {
      commit();
    }
  }
}

}  // namespace syncline
