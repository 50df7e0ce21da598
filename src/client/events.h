#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace syncline {

// What happened, under a stable name; the payload is a JSON object.
struct Event {
  std::string_view name;
  std::int64_t at_ms = 0;
  std::string payload;
};

namespace event_name {
inline constexpr std::string_view op_captured = "sync.op:action:captured";
inline constexpr std::string_view capture_failed = "sync.capture:action:failed";
inline constexpr std::string_view push_after = "sync.push:action:after";
inline constexpr std::string_view error = "sync.error:action";
inline constexpr std::string_view pull_received = "sync.pull:action:received";
inline constexpr std::string_view pull_applied = "sync.pull:action:applied";
inline constexpr std::string_view pull_error = "sync.pull:action:error";
inline constexpr std::string_view conflict_detected = "sync.conflict:action:detected";
inline constexpr std::string_view document_changed = "sync.document:action:changed";
inline constexpr std::string_view bootstrap_start = "sync.bootstrap:action:start";
inline constexpr std::string_view bootstrap_progress = "sync.bootstrap:action:progress";
inline constexpr std::string_view bootstrap_complete = "sync.bootstrap:action:complete";
inline constexpr std::string_view rescan_starting = "sync.rescan:action:starting";
inline constexpr std::string_view rescan_progressed = "sync.rescan:action:progressed";
inline constexpr std::string_view rescan_completed = "sync.rescan:action:completed";
inline constexpr std::string_view subscription_status = "sync.subscription:action:statusChange";
inline constexpr std::string_view subscription_retries =
    "sync.subscription:action:maxRetriesExceeded";
}  // namespace event_name

// Events of one connection, for whoever drains or listens. Nothing is kept until somebody does; the
// queue is bounded, and says how many it had to drop.
class Events {
 public:
  using Listener = std::function<void(const Event& event)>;

  bool wanted() const { return queueing_ || listener_ != nullptr; }
  // Called at once for each event, inside the call that caused it: it must not use the engine.
  void listen(Listener listener) { listener_ = std::move(listener); }
  void start_queue() { queueing_ = true; }
  void add(std::string_view name, std::int64_t at_ms, std::string payload);
  // The same for what people are notified of: conflicts and errors. Not told while quiet, nor when
  // the same (by `identity`) was told within the last 15 seconds.
  void notify(std::string_view name, std::int64_t at_ms, std::string_view identity,
              std::string payload);
  // During a bootstrap or a rescan.
  void set_quiet(bool quiet) { quiet_ = quiet; }
  // The oldest first; starts the queue at the first call.
  std::vector<Event> drain(std::size_t count_max);
  // What drain() would return; stays queued.
  const std::deque<Event>& queued() const { return queue_; }
  std::uint64_t dropped() const { return dropped_; }

 private:
  static constexpr std::size_t queue_max = 10'000;
  static constexpr std::int64_t same_within_ms = 15'000;
  static constexpr std::size_t notified_max = 10'000;
  bool queueing_ = false;
  bool quiet_ = false;
  // What was notified of, by a hash, and when.
  std::map<std::uint64_t, std::int64_t> notified_;
  Listener listener_;
  std::deque<Event> queue_;
  std::uint64_t dropped_ = 0;
};

}  // namespace syncline
