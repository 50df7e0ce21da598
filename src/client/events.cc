#include "client/events.h"

namespace syncline {

void Events::add(std::string_view name, std::int64_t at_ms, std::string payload) {
  const Event event{name, at_ms, std::move(payload)};
  if (listener_) {
    listener_(event);
  }
  if (!queueing_) {
    return;
  }
  if (queue_.size() >= queue_max) {
    queue_.pop_front();
    ++dropped_;
  }
  queue_.push_back(event);
}

std::vector<Event> Events::drain(std::size_t count_max) {
  queueing_ = true;
  std::vector<Event> out;
  while (!queue_.empty() && out.size() < count_max) {
    out.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
  return out;
}

}  // namespace syncline
