// tidy-allow(dead-file): what it defines is declared in store.h
// What waits: structs and deletions of something that has not come yet.
#include <algorithm>

#include "base/check.h"
#include "ydoc/merge.h"
#include "ydoc/store.h"

namespace syncline::ydoc {

// Merging a new piece into one long pending update each time would cost the square of what waits.
// So pieces pile up until they outweigh the first, and are then merged together.
void Store::keep_pending(ByteVector update, const std::map<ClientId, Clock>& missing) {
  if (update.empty()) {
    return;
  }
  for (const auto& [id, clock] : missing) {
    const auto [found, fresh] = pending_missing.try_emplace(id, clock);
    if (!fresh) {
      found->second = std::min(found->second, clock);
    }
  }
  pending_bytes += update.size();
  if (pending_updates.empty()) {
    pending_first_bytes = update.size();
  }
  pending_updates.push_back(std::move(update));
  constexpr std::size_t merged_at_once_bytes = 16384;
  if (pending_updates.size() > 1 &&
      (pending_bytes <= merged_at_once_bytes || pending_bytes > 2 * pending_first_bytes)) {
    const Result<Bytes> merged = merge_pending();
    SL_CHECK(merged.has_value());
  }
}

// Brings everything that waits into one update, which stays.
Result<Bytes> Store::merge_pending() {
  if (pending_updates.size() > 1) {
    const std::vector<Bytes> views(pending_updates.begin(), pending_updates.end());
    SL_TRY(ByteVector merged, merge_updates(views));
    pending_updates.clear();
    pending_updates.push_back(std::move(merged));
    pending_bytes = pending_updates.front().size();
    pending_first_bytes = pending_bytes;
  }
  return Bytes(pending_updates.front());
}

Result<ByteVector> Store::take_pending() {
  SL_TRY(const Bytes merged, merge_pending());
  ByteVector out = to_vector(merged);
  pending_updates.clear();
  pending_missing.clear();
  pending_bytes = 0;
  pending_first_bytes = 0;
  return out;
}

namespace {

void add_interval(std::map<Clock, Clock>& intervals, Clock begin, Clock end) {
  auto next = intervals.upper_bound(begin);
  if (next != intervals.begin()) {
    const auto previous = std::prev(next);
    if (previous->second >= begin) {
      begin = previous->first;
      end = std::max(end, previous->second);
      next = intervals.erase(previous);
    }
  }
  while (next != intervals.end() && next->first <= end) {
    end = std::max(end, next->second);
    next = intervals.erase(next);
  }
  intervals.emplace(begin, end);
}

}  // namespace

void Store::apply_deletes(const DeleteSet& deletes) {
  for (const DeleteRange& range : deletes.ranges()) {
    Client* owner = client(range.client);
    const Clock end = range.clock + range.length;
    if (range.clock < owner->state) {
      delete_known_range(owner, range.clock, std::min(end, owner->state));
    }
    if (end > owner->state) {
      if (owner->pending_deletes == nullptr) {
        owner->pending_deletes = std::make_unique<std::map<Clock, Clock>>();
        pending_delete_clients += 1;
      }
      add_interval(*owner->pending_deletes, std::max(range.clock, owner->state), end);
    }
  }
}

// Only clients whose state moved can have a waiting deletion that became possible.
void Store::apply_ready_deletes() {
  std::vector<Client*> ready = std::move(pending_delete_ready);
  pending_delete_ready.clear();
  for (Client* owner : ready) {
    if (owner->pending_deletes == nullptr) {
      continue;
    }
    std::map<Clock, Clock>& waiting = *owner->pending_deletes;
    while (!waiting.empty() && waiting.begin()->first < owner->state) {
      const auto [begin, end] = *waiting.begin();
      waiting.erase(waiting.begin());
      delete_known_range(owner, begin, std::min(end, owner->state));
      if (end > owner->state) {
        waiting.emplace(owner->state, end);
        break;
      }
    }
    if (waiting.empty()) {
      owner->pending_deletes.reset();
      pending_delete_clients -= 1;
    }
  }
}

DeleteSet Store::pending_deletes() {
  DeleteSet out;
  for (const Client* owner : clients.sorted()) {
    if (owner->pending_deletes != nullptr) {
      for (const auto& [begin, end] : *owner->pending_deletes) {
        out.add({owner->id, begin, end - begin});
      }
    }
  }
  return out;
}

}  // namespace syncline::ydoc
