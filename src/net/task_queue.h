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
// (server/fair_order.h). As long as each turn takes all that came, nobody waits for anybody, and
// it is taken as it came. Not synchronised.
template <typename Task>
class TaskQueue {
 public:
  bool empty() const { return size() == 0; }
  std::size_t size() const { return came_.size() + size_; }

  void push(std::uint64_t source, std::size_t cost, Task task) {
    came_.push_back({source, cost, std::move(task)});
    came_cost_ += cost;
  }

  // At least one, when there is any, and no more when they cost `cost_max`.
  std::vector<Task> take(std::size_t cost_max) {
    std::vector<Task> out;
    if (lines_.empty() && came_cost_ <= cost_max) {
      out.reserve(came_.size());
      for (Came& one : came_) {
        out.push_back(std::move(one.task));
      }
      came_.clear();
      came_cost_ = 0;
      return out;
    }
    line_up();
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
    line_up();
    const auto at = lines_.find(source);
    if (at != lines_.end()) {
      size_ -= std::erase_if(at->second, [&](const Item& item) { return useless(item.task); });
    }
  }

 private:
  struct Came {
    std::uint64_t source = 0;
    std::size_t cost = 0;
    Task task;
  };
  struct Item {
    std::size_t cost = 0;
    Task task;
  };

  // Whoever stands in `order_` has a line, and after drop() it may be empty until what is pushed
  // then is in it.
  void line_up() {
    for (Came& one : came_) {
      const auto [at, is_new] = lines_.try_emplace(one.source);
      if (is_new) {
        order_.enter(one.source, one.source);
      }
      at->second.push_back({one.cost, std::move(one.task)});
      ++size_;
    }
    came_ = {};  // it may have been many
    came_cost_ = 0;
  }

  std::vector<Came> came_;  // and nobody was put in a line for it yet
  std::size_t came_cost_ = 0;
  std::map<std::uint64_t, std::deque<Item>> lines_;
  FairOrder<std::uint64_t, std::uint64_t> order_;
  std::size_t size_ = 0;  // of the lines
};

}  // namespace syncline
