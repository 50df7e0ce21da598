#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>

namespace syncline {

// How much may be received from people whom nobody knows yet: in unfinished requests and in
// messages of connections that were not welcomed. A bound for all, and a smaller one for each
// address, so that one place cannot keep everybody else out. One thread.
class ReceiveBudget {
 public:
  ReceiveBudget(std::size_t all_max, std::size_t address_max)
      : all_max_(all_max), address_max_(address_max) {}

  // One connection's share; gives everything back at its end. Outlived by the budget.
  class Share {
   public:
    Share(ReceiveBudget& budget, std::string address)
        : budget_(budget), address_(std::move(address)) {}
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;
    ~Share() { give_back(); }

    // False when it is too much: the connection has to go.
    bool take(std::size_t bytes) {
      if (!counts_) {
        return true;
      }
      std::size_t& here = budget_.by_address_[address_];
      taken_ += bytes;
      here += bytes;
      budget_.all_ += bytes;
      return here <= budget_.address_max_ && budget_.all_ <= budget_.all_max_;
    }
    // What came so far was handled.
    void give_back() {
      const auto at = budget_.by_address_.find(address_);
      if (at != budget_.by_address_.end() && (at->second -= taken_) == 0) {
        budget_.by_address_.erase(at);
      }
      budget_.all_ -= taken_;
      taken_ = 0;
    }
    // Whoever is known is bounded otherwise.
    void stop_counting() {
      give_back();
      counts_ = false;
    }

   private:
    ReceiveBudget& budget_;
    std::string address_;
    std::size_t taken_ = 0;
    bool counts_ = true;
  };

  std::size_t all() const { return all_; }

 private:
  std::size_t all_max_;
  std::size_t address_max_;
  std::size_t all_ = 0;
  std::map<std::string, std::size_t> by_address_;
};

}  // namespace syncline
