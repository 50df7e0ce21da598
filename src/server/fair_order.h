#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <tuple>

namespace syncline {

// Who is next, of those who wait for work that one thread does: not who came first, but who would
// have had least when it is done, if it costs what theirs cost the last time. Whoever asks for
// little is next at once, and again, however much others have asked for. One thread.
//
// Invariants:
// 1. Of two who both wait, each is given as much as the other, but for a piece of work of either.
// 2. Nobody saves up: who asked for nothing meanwhile begins where the others are.
template <typename Id, typename Whose>
class FairOrder {
 public:
  bool empty() const { return size_ == 0; }
  std::size_t size() const { return size_; }

  // `id` does not wait yet. What is of one waits in order.
  void enter(const Id& id, const Whose& whose) {
    if (size_ == 0) {
      given_.clear();  // nobody was kept waiting
    }
    const auto [at, is_new] = lines_.try_emplace(whose);
    if (is_new) {
      place(at);
    }
    at->second.waiting.push_back(id);
    ++size_;
  }

  std::optional<Id> next() {
    const auto first = order_.begin();
    if (first == order_.end()) {
      return std::nullopt;
    }
    const auto at = lines_.find(first->second);
    now_ = std::max(now_, *starts_.begin());
    const Id id = at->second.waiting.front();
    at->second.waiting.pop_front();
    --size_;
    if (at->second.waiting.empty()) {
      leave(at);
      lines_.erase(at);
    }
    return id;
  }

  // What was just done was `whose`, and cost so much.
  void charge(const Whose& whose, std::uint64_t cost) {
    Given& given = given_[whose];
    given = {std::max(given.end, now_) + cost, cost};
    if (const auto at = lines_.find(whose); at != lines_.end()) {
      leave(at);
      place(at);
    }
    if (given_.size() > given_max_) {
      std::erase_if(given_, [&](const auto& one) { return one.second.end <= now_; });
      given_max_ = std::max(given_few, 2 * given_.size());
    }
  }

 private:
  // Where the work would end, and when it came.
  using Place = std::pair<std::uint64_t, std::uint64_t>;
  struct Line {
    std::deque<Id> waiting;
    std::uint64_t start = 0;
    Place place;
  };
  // What somebody was given lately: where that ended, and what the last of it cost.
  struct Given {
    std::uint64_t end = 0;
    std::uint64_t cost = 0;
  };
  static constexpr std::size_t given_few = 256;

  void place(typename std::map<Whose, Line>::iterator line) {
    const auto at = given_.find(line->first);
    const Given given = at == given_.end() ? Given() : at->second;
    line->second.start = std::max(now_, given.end);
    line->second.place = {line->second.start + given.cost, count_++};
    order_.emplace(line->second.place, line->first);
    starts_.insert(line->second.start);
  }
  void leave(typename std::map<Whose, Line>::iterator line) {
    order_.erase(line->second.place);
    starts_.erase(starts_.find(line->second.start));
  }

  std::uint64_t now_ = 0;  // where whoever had least begins
  std::uint64_t count_ = 0;
  std::size_t size_ = 0;
  std::map<Whose, Line> lines_;
  std::map<Place, Whose> order_;  // of the lines
  std::multiset<std::uint64_t> starts_;
  std::map<Whose, Given> given_;
  std::size_t given_max_ = given_few;
};

}  // namespace syncline
