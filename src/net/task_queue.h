#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <utility>
#include <vector>

#include "server/fair_order.h"

namespace syncline {

// What connections want of one thread: in order for each connection, and fair between them
// (server/fair_order.h). Not synchronised.
template <typename Task>
class TaskQueue {
 public:
  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }

  void push(std::uint64_t source, std::size_t cost, Task task) {
    const auto [at, is_new] = lines_.try_emplace(source);
    if (is_new) {
      order_.enter(source, source);
    }
    at->second.push_back({cost, std::move(task)});
    ++size_;
  }

  // At least one, when there is any, and no more when they cost `cost_max`.
  std::vector<Task> take(std::size_t cost_max) {
    std::vector<Task> out;
    std::size_t cost = 0;
    while (size_ > 0 && (out.empty() || cost < cost_max)) {
      const std::uint64_t source = *order_.next();
      const auto at = lines_.find(source);
      Item item = std::move(at->second.front());
      at->second.pop_front();
      --size_;
      cost += item.cost;
      order_.charge(source, item.cost);
      if (at->second.empty()) {
        lines_.erase(at);
      } else {
        order_.enter(source, source);
      }
      out.push_back(std::move(item.task));
    }
    return out;
  }

  // Those of a connection that it is no use to do any more; something of it is pushed next.
  template <typename Useless>
  void drop(std::uint64_t source, const Useless& useless) {
    const auto at = lines_.find(source);
    if (at != lines_.end()) {
      size_ -= std::erase_if(at->second, [&](const Item& item) { return useless(item.task); });
    }
  }

 private:
  struct Item {
    std::size_t cost = 0;
    Task task;
  };

  std::map<std::uint64_t, std::deque<Item>> lines_;
  FairOrder<std::uint64_t, std::uint64_t> order_;
  std::size_t size_ = 0;
};

}  // namespace syncline
