// The part of the service that has others look at what takes long.
#include <algorithm>

#include "routes/service.h"

namespace syncline {

void Service::look(RequestId id, const std::string& user, std::function<void(Looking&)> look,
                   std::function<Reply(Looking&)> then) {
  const auto theirs = static_cast<std::size_t>(std::count_if(
      looks_.begin(), looks_.end(), [&](const auto& one) { return one.second.user == user; }));
  if (looks_.size() >= options_.looks_max || theirs >= options_.looks_each_max) {
    metrics_.add("refusals_total", "reason=\"looks\"");
    Reply reply = error_reply(503, "busy", "others are being answered; try again later");
    reply.headers.push_back({"Retry-After", "1"});
    answer(id, std::move(reply));
    return;
  }
  Looking& seen = looks_[id];
  seen.user = user;
  seen.then = std::move(then);
  effects_.emplace_back(service_effect::Look{id, [look = std::move(look), &seen] { look(seen); }});
}

void Service::on_looked(RequestId id) {
  const auto at = looks_.find(id);
  if (at != looks_.end()) {
    Reply reply = at->second.then(at->second);
    looks_.erase(at);
    answer(id, std::move(reply));
  }
}

}  // namespace syncline
