#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "base/strong.h"

namespace syncline {

using ConnectionId = Strong<std::uint64_t, struct ConnectionIdTag>;

// Counts what all connections together make the server keep, by whose they are, and says who has to
// go when it is too much. One thread.
//
// Invariants:
// 1. Whoever holds less than others stays: when all is used up, the user who holds most loses the
//    connection that holds most.
class Budget {
 public:
  explicit Budget(std::size_t bytes_max) : bytes_max_(bytes_max) {}
  Budget(const Budget&) = delete;
  Budget& operator=(const Budget&) = delete;

 private:
  struct Place;

 public:
  // One connection's; gives everything back at its end. Outlived by the budget.
  class Share {
   public:
    Share(Budget& budget, ConnectionId connection);
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;
    ~Share();

    // From here on, and with what it holds already.
    void belongs_to(const std::string& user);
    void take(std::size_t bytes);
    void give_back(std::size_t bytes);
    // What is held is now so much.
    void set(std::size_t bytes);
    std::size_t bytes() const { return bytes_; }

   private:
    friend class Budget;
    void enter(const std::string& user);
    void leave();

    Budget& budget_;
    ConnectionId connection_;
    std::string user_;
    Place* place_ = nullptr;
    std::size_t bytes_ = 0;
  };

  std::size_t all() const { return all_; }
  // Then everybody gets less.
  bool is_scarce() const { return all_ > bytes_max_ / 2; }
  // Who has to go: invariant 1. Nothing while there is room.
  std::optional<ConnectionId> over() const;

 private:
  struct Place {
    std::size_t bytes = 0;
    std::set<Share*> shares;
  };

  std::size_t bytes_max_;
  std::size_t all_ = 0;
  std::map<std::string, Place> places_;
};

}  // namespace syncline
