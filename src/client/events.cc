#include "client/events.h"

#include "base/bytes.h"
#include "base/digest.h"

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

void Events::notify(std::string_view name, std::int64_t at_ms, std::string_view identity,
                    std::string payload) {
  if (quiet_) {
    return;
  }
  const auto is_recent = [&](std::int64_t told) {
    return told <= at_ms && at_ms - told < same_within_ms;
  };
  std::erase_if(notified_, [&](const auto& entry) { return !is_recent(entry.second); });
  const std::uint64_t same = hash64(as_bytes(identity), hash64(as_bytes(name)));
  if (notified_.count(same) != 0) {
    return;
  }
  if (notified_.size() < notified_max) {
    notified_[same] = at_ms;
  }
  add(name, at_ms, std::move(payload));
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
