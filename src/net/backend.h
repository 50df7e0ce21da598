#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "net/system.h"
#include "net/task_queue.h"
#include "routes/service.h"

namespace syncline {

// Runs a Service on a thread of its own, so that sockets never wait for the disk. What waits is
// handled in one go and made durable with one commit: the busier, the larger the groups.
//
// Invariants:
// 1. What one connection brings is done in order; between connections, whoever brought least lately
//    is next. A turn is bounded, so that nobody waits for all that others brought.
// 2. What may take long and only looks is done by a second thread, one after the other.
class Backend {
 public:
  // What came of it, in order, and how many bytes of each socket's frames were read.
  struct Delivery {
    std::vector<ServiceEffect> effects;
    std::vector<std::pair<SocketId, std::size_t>> consumed;
  };
  // Called on the backend's thread.
  using Deliver = std::function<void(Delivery)>;
  using Work = std::function<void(Service& service, Instant now)>;
  static constexpr std::uint64_t the_host = 0;  // no connection has that number

  // `service` and `log` outlive the backend. `stop_looking` ends a look that is under way, from any
  // thread.
  Backend(Service& service, JsonLog& log, std::function<void()> stop_looking);
  ~Backend();
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;

  // Before anything is posted. `save` keeps the list of revocations.
  void start(Deliver deliver, std::function<Result<void>(const std::string&)> save);

  // From any thread; never waits for the disk.
  void socket_open(SocketId socket, std::string address);
  void socket_frame(SocketId socket, ByteVector frame);
  // What was sent to it before has left, so many bytes; the backend hears of little ones when it
  // wakes for something else.
  void socket_sent(SocketId socket, std::size_t bytes);
  void socket_closed(SocketId socket);
  void request(RequestId id, Request request);
  // Whoever asked is gone.
  void request_gone(RequestId id);
  // Runs between the others: for a connection, after what it brought before, or for the host.
  void run(Work work, std::uint64_t source = the_host);
  // Says goodbye to everybody; nothing is taken after it.
  void stop();

 private:
  struct Task {
    enum class Kind { open, frame, closed, request, gone, work, stop } kind = Kind::work;
    std::chrono::steady_clock::time_point posted = std::chrono::steady_clock::now();
    SocketId socket;
    ByteVector frame;
    std::string address;
    RequestId request_id;
    Request request;
    Work work;
  };
  void post(std::uint64_t source, Task task);
  void loop();
  void look_loop();
  void wait_for_tasks();
  // Handles a turn of what waits in the inbox and hands over what needs no commit. True when one is
  // wanted.
  bool take_in();
  // Who had to wait for the last commit writes again as soon as it is told: a commit that began
  // with the first of them would leave all others to the next one.
  void gather();
  void commit();
  void handle(Task& task, Instant now, Delivery& delivery);
  bool work();
  // True when a commit is wanted.
  bool collect(Delivery& delivery);
  // What was only read is told with the next effect, or when it is much, or when nothing happens.
  void hand_over(Delivery&& delivery);
  void tell_consumed();

  Service& service_;
  JsonLog& log_;
  Deliver deliver_;
  std::function<Result<void>(const std::string&)> save_;
  std::mutex mutex_;
  std::condition_variable wake_;
  TaskQueue<Task> inbox_;
  std::vector<std::pair<SocketId, std::size_t>> sent_;
  bool is_sent_urgent_ = false;
  bool stopping_ = false;
  bool stopped_ = false;
  decltype(Delivery::consumed) consumed_;  // and not told yet
  std::size_t consumed_cost_ = 0;
  std::size_t last_writers_ = 0;
  std::chrono::steady_clock::duration last_commit_{};
  std::thread thread_;
  std::function<void()> stop_looking_;
  std::condition_variable looks_wake_;
  std::deque<service_effect::Look> looks_;
  bool is_blind_ = false;  // looks at nothing any more
  bool is_looker_gone_ = false;
  std::thread looker_;
};

}  // namespace syncline
