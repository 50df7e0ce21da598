#include "server/budget.h"

#include "base/check.h"

namespace syncline {

Budget::Share::Share(Budget& budget, ConnectionId connection)
    : budget_(budget), connection_(connection) {
  enter({});
}

Budget::Share::~Share() {
  budget_.all_ -= bytes_;
  leave();
}

void Budget::Share::enter(const std::string& user) {
  place_ = &budget_.places_[user];
  user_ = user;
  place_->shares.insert(this);
  place_->bytes += bytes_;
}

void Budget::Share::leave() {
  place_->bytes -= bytes_;
  place_->shares.erase(this);
  if (place_->shares.empty()) {
    budget_.places_.erase(user_);
  }
}

void Budget::Share::belongs_to(const std::string& user) {
  if (user != user_) {
    leave();
    enter(user);
  }
}

void Budget::Share::take(std::size_t bytes) {
  bytes_ += bytes;
  place_->bytes += bytes;
  budget_.all_ += bytes;
}

void Budget::Share::give_back(std::size_t bytes) {
  SL_CHECK(bytes <= bytes_);
  bytes_ -= bytes;
  place_->bytes -= bytes;
  budget_.all_ -= bytes;
}

void Budget::Share::set(std::size_t bytes) {
  if (bytes > bytes_) {
    take(bytes - bytes_);
  } else {
    give_back(bytes_ - bytes);
  }
}

std::optional<ConnectionId> Budget::over() const {
  if (all_ <= bytes_max_) {
    return std::nullopt;
  }
  const Place* most = nullptr;
  for (const auto& [user, place] : places_) {
    if (most == nullptr || place.bytes > most->bytes) {
      most = &place;
    }
  }
  const Share* largest = nullptr;
  for (const Share* share : most->shares) {
    const bool is_larger =
        largest == nullptr || share->bytes_ > largest->bytes_ ||
        (share->bytes_ == largest->bytes_ && largest->connection_ < share->connection_);
    largest = is_larger ? share : largest;
  }
  return largest->connection_;
}

}  // namespace syncline
