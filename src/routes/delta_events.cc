// The part of the JSON delta door that waits: long polls and streams of events.
#include <algorithm>

#include "base/text.h"
#include "routes/delta_answer.h"
#include "routes/delta_v2.h"

namespace syncline {

void DeltaDoor::events(Instant now, RequestId id, const Request& request) {
  Waiter waiter;
  if (auto refused = let_in(now, request, waiter.visitor)) {
    return reply(id, std::move(*refused));
  }
  if (auto refused = charge(now, waiter.visitor, 0)) {
    return reply(id, std::move(*refused));
  }
  std::string since(request.header("Last-Event-ID"));
  since = since.empty() ? request.parameter("since") : since;
  const auto known = parse_int64(since.empty() ? "0" : since);
  if (!known || *known < 0) {
    return reply(id, error_reply(400, "invalid_argument", "since must be a version, such as 17"));
  }
  const std::string& user = waiter.visitor.rights.user;
  const auto open = streams_.find(user);
  if (waiters_.size() >= options_.waiting_max ||
      (open != streams_.end() && open->second >= options_.streams_each_max)) {
    Reply refused = error_reply(429, "busy", "too many streams are open");
    refused.headers.push_back({"Retry-After", "10"});
    return reply(id, std::move(refused));
  }
  const std::string device = request.parameter("deviceId");
  const auto looked =
      parts_.hub->look(now, waiter.visitor.workspace, [&](Workspace& workspace) -> Result<void> {
        SL_TRY(const DeltaNames names, DeltaNames::of(workspace.store()));
        for (const bool has_stamp : {false, true}) {
          if (!device.empty()) {
            waiter.ask.own.insert(names.author(user, device, has_stamp));
          }
        }
        return {};
      });
  if (!looked) {
    return reply(id, failed(looked.error()));
  }
  waiter.is_stream = true;
  waiter.ask.known = ServerVersion(static_cast<std::uint64_t>(*known));
  waiter.ask.bytes_max = options_.stream_page_bytes;
  const std::int64_t expires = waiter.visitor.rights.expires_ms;
  constexpr Duration for_ever{std::int64_t{365} * 24 * 3600 * 1000};
  waiter.ends_at = now + (expires == 0 ? for_ever : Duration{expires - parts_.clock->now_ms()});
  waiter.wake_at = now;
  ++streams_[user];
  Reply head;
  head.content_type = "text/event-stream";
  head.streams = true;
  head.body = ": here\n\n";
  reply(id, std::move(head));
  wait(now, id, std::move(waiter));
  serve(now, id);
}

void DeltaDoor::wait(Instant now, RequestId id, Waiter waiter) {
  if (waiters_.size() >= options_.waiting_max) {
    waiter.ends_at = now;
    waiter.wake_at = now;
  }
  forget(id);
  by_workspace_[waiter.visitor.workspace].insert(id);
  wakes_.insert({waiter.wake_at, id});
  waiters_.emplace(id, std::move(waiter));
}

void DeltaDoor::forget(RequestId id) {
  const auto at = waiters_.find(id);
  if (at == waiters_.end()) {
    return;
  }
  const Waiter& waiter = at->second;
  wakes_.erase({waiter.wake_at, id});
  if (const auto room = by_workspace_.find(waiter.visitor.workspace);
      room != by_workspace_.end() && room->second.erase(id) != 0 && room->second.empty()) {
    by_workspace_.erase(room);
  }
  if (waiter.is_stream) {
    if (const auto count = streams_.find(waiter.visitor.rights.user);
        count != streams_.end() && --count->second == 0) {
      streams_.erase(count);
    }
  }
  waiters_.erase(at);
}

void DeltaDoor::on_request_gone(RequestId id) {
  forget(id);
  origins_.erase(id);
}

void DeltaDoor::serve(Instant now, RequestId id) {
  const auto at = waiters_.find(id);
  if (at == waiters_.end()) {
    return;
  }
  Waiter& waiter = at->second;
  const bool is_over = waiter.ends_at <= now;
  DeltaPage page;
  std::string text;
  bool is_news = false;
  const auto looked =
      parts_.hub->look(now, waiter.visitor.workspace, [&](Workspace& workspace) -> Result<void> {
        SL_TRY(const LineageId lineage, workspace.store().lineage());
        SL_TRY(page, read_delta(workspace, waiter.ask));
        is_news = page.rows > 0 || page.is_gone;
        const DeltaAnswer answer{nullptr, &page, workspace.head(), lineage.hex(),
                                 parts_.clock->now_ms()};
        // A page may hold nothing but what the reader wrote, and there is more behind it.
        is_news = is_news || (!waiter.is_stream && page.has_more);
        if (!waiter.is_stream && (is_news || is_over)) {
          text = delta_answer(answer);
        } else if (waiter.is_stream && is_news) {
          text = delta_event(answer);
        }
        return {};
      });
  if (!looked) {
    if (waiter.is_stream) {
      parts_.chunk(id, "", true);
    } else {
      reply(id, failed(looked.error()));
    }
    forget(id);
    return;
  }
  // What was the reader's own is not looked at again.
  waiter.ask.known = page.through;
  waiter.ask.cursor = page.cursor;
  if (!waiter.is_stream) {
    if (is_news || is_over) {
      Reply out;
      out.body = std::move(text);
      reply(id, std::move(out));
      forget(id);
    }
    return;
  }
  const bool beats = !is_news && waiter.wake_at <= now;
  if (is_over || page.is_gone) {
    parts_.chunk(id, std::move(text), true);
    forget(id);
    return;
  }
  if (is_news || beats) {
    parts_.chunk(id, is_news ? std::move(text) : ": alive\n\n", false);
  }
  wakes_.erase({waiter.wake_at, id});
  waiter.wake_at =
      std::min(waiter.ends_at, now + (page.has_more ? options_.page_pause : options_.heartbeat));
  wakes_.insert({waiter.wake_at, id});
}

void DeltaDoor::on_head_moved(Instant now, const std::string& workspace) {
  const auto at = by_workspace_.find(workspace);
  if (at == by_workspace_.end()) {
    return;
  }
  for (const RequestId id : std::set<RequestId>(at->second)) {
    serve(now, id);
  }
}

void DeltaDoor::on_time(Instant now) {
  std::vector<RequestId> due;
  for (const auto& [wake_at, id] : wakes_) {
    if (wake_at > now) {
      break;
    }
    due.push_back(id);
  }
  for (const RequestId id : due) {
    serve(now, id);
  }
}

void DeltaDoor::hang_up(Instant now, const std::string& user) {
  std::vector<RequestId> ids;
  for (auto& [id, waiter] : waiters_) {
    if (user.empty() || waiter.visitor.rights.user == user) {
      waiter.ends_at = now;
      ids.push_back(id);
    }
  }
  for (const RequestId id : ids) {
    if (user.empty()) {
      serve(now, id);
    } else if (waiters_.at(id).is_stream) {
      parts_.chunk(id, "", true);
      forget(id);
    } else {
      reply(id, error_reply(401, "not_allowed", "the token was revoked"));
      forget(id);
    }
  }
}

void DeltaDoor::recheck(const Hub::RightsCheck& check) {
  std::vector<std::pair<RequestId, Error>> ids;
  for (const auto& [id, waiter] : waiters_) {
    if (auto allowed = check(waiter.visitor.rights); !allowed) {
      ids.emplace_back(id, std::move(allowed).error());
    }
  }
  for (const auto& [id, error] : ids) {
    if (waiters_.at(id).is_stream) {
      parts_.chunk(id, "", true);
    } else {
      reply(id, error_reply(401, "not_allowed", error.message()));
    }
    forget(id);
  }
}

std::optional<Instant> DeltaDoor::next_wake() const {
  return wakes_.empty() ? std::nullopt : std::optional<Instant>(wakes_.begin()->first);
}

}  // namespace syncline
