#pragma once

#include <string>

#include "base/json.h"
#include "client/engine.h"
#include "session/status.h"

namespace syncline {

// What the process that leads the conversation last said of itself, kept in the database
// (meta_name::sync_state), so that others can tell where the replica stands.
struct SyncState {
  Status status = Status::disconnected;
  Trouble trouble = Trouble::none;
  std::string message;
  std::string advice;
  std::int64_t at_ms = 0;
  // Zero for never.
  std::int64_t synced_ms = 0;
  // Who says it, for people: "process 4711".
  std::string by;
  // The last wish (meta_name::sync_wish) after which it was synced.
  std::int64_t wish = 0;
  // Somebody is at it; false once the process ended in order.
  bool live = false;
};

// How often a live process repeats itself, and how long its word counts: the freshness bound.
inline constexpr std::int64_t sync_state_every_ms = 2000;
inline constexpr std::int64_t sync_state_counts_ms = 5000;

Result<void> write_sync_state(Engine& engine, const SyncState& state);
// A default one when there is none, or none that can be read.
Result<SyncState> read_sync_state(Engine& engine);
// Somebody is at it, and spoke lately.
bool is_fresh(const SyncState& state, std::int64_t now_ms);
// The word that holds now. A process that fell silent is no proof of anything (P4): what is left
// of it are troubles that do not go away by themselves. Nor is it synced while own changes wait for
// an acknowledgement: it may have spoken before it heard of them.
Status status_now(const SyncState& state, std::int64_t now_ms, std::uint64_t waiting);

}  // namespace syncline
