#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <set>
#include <string>

namespace syncline {

// How much may be received and not be handled yet, of one kind of people: those whom nobody knows
// (in unfinished requests and in messages of connections that were not welcomed), and those who
// showed a token. A bound for all, and a smaller one for each address or user, so that one place
// cannot keep everybody else out. One thread.
//
// Invariants:
// 1. Whoever holds less than others is let in: when all is used up, the place that holds most loses
//    its largest connection.
class ReceiveBudget {
 public:
  ReceiveBudget(std::size_t all_max, std::size_t each_max)
      : all_max_(all_max), each_max_(each_max) {}
  ReceiveBudget(const ReceiveBudget&) = delete;
  ReceiveBudget& operator=(const ReceiveBudget&) = delete;

  // One connection's share; gives everything back at its end. Outlived by the budgets.
  class Share {
   public:
    Share(ReceiveBudget& budget, std::string whose) : budget_(&budget), whose_(std::move(whose)) {}
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;
    ~Share() { give_back(); }

    // What ends the connection when others need the room; must not do so inside the call.
    void on_cut(std::function<void()> cut) { cut_ = std::move(cut); }

    // False when it is too much: the connection has to go.
    bool take(std::size_t bytes) {
      if (!counts_) {
        return true;
      }
      if (is_cut_) {
        return false;
      }
      Place& place = budget_->places_[whose_];
      place.shares.insert(this);
      place.bytes += bytes;
      taken_ += bytes;
      budget_->all_ += bytes;
      return place.bytes <= budget_->each_max_ && budget_->make_room(*this);
    }
    std::size_t taken() const { return taken_; }
    // What came so far was handled.
    void give_back() {
      const auto at = budget_->places_.find(whose_);
      if (at != budget_->places_.end() && at->second.shares.erase(this) != 0) {
        at->second.bytes -= taken_;
        if (at->second.shares.empty()) {
          budget_->places_.erase(at);
        }
      }
      budget_->all_ -= taken_;
      taken_ = 0;
    }
    // Counts from here on against another budget, or for somebody else, what came so far, too.
    void move_to(ReceiveBudget& budget, std::string whose) {
      const std::size_t taken = taken_;
      give_back();
      budget_ = &budget;
      whose_ = std::move(whose);
      if (taken != 0) {
        (void)take(taken);  // what is too much is noticed with the next byte
      }
    }
    // Whoever is known is bounded otherwise.
    void stop_counting() {
      give_back();
      counts_ = false;
    }

   private:
    friend class ReceiveBudget;
    void cut() {
      is_cut_ = true;
      give_back();
      if (cut_) {
        cut_();
      }
    }

    ReceiveBudget* budget_;
    std::string whose_;
    std::function<void()> cut_;
    std::size_t taken_ = 0;
    bool counts_ = true;
    bool is_cut_ = false;
  };

  std::size_t all() const { return all_; }

 private:
  struct Place {
    std::size_t bytes = 0;
    std::set<Share*> shares;
  };

  // Invariant 1. False when it is this share that has to go.
  bool make_room(const Share& newest) {
    while (all_ > all_max_) {
      const Place* most = nullptr;
      for (const auto& [whose, place] : places_) {
        if (most == nullptr || place.bytes > most->bytes) {
          most = &place;
        }
      }
      Share* largest = nullptr;
      for (Share* share : most->shares) {
        if (largest == nullptr || share->taken_ > largest->taken_) {
          largest = share;
        }
      }
      if (largest == &newest) {
        return false;
      }
      largest->cut();
    }
    return true;
  }

  std::size_t all_max_;
  std::size_t each_max_;
  std::size_t all_ = 0;
  std::map<std::string, Place> places_;
};

}  // namespace syncline
