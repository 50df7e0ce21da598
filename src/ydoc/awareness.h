#pragma once

#include <map>
#include <optional>
#include <span>
#include <vector>

#include "base/clock.h"
#include "ydoc/any.h"
#include "ydoc/ids.h"

// Who is there and where their cursor is: one small state per client, last clock wins, gone when
// its client falls silent. Byte-compatible with y-protocols.

namespace syncline::ydoc {

// What a step did to the known states.
struct AwarenessChange {
  std::vector<ClientId> added;
  std::vector<ClientId> updated;  // announced anew, whether or not it differs
  std::vector<ClientId> changed;  // those of `updated` whose state differs from before
  std::vector<ClientId> removed;

  // Whether there is something to pass on, and something to show.
  bool is_update() const { return !added.empty() || !updated.empty() || !removed.empty(); }
  bool is_change() const { return !added.empty() || !changed.empty() || !removed.empty(); }
};

class Awareness {
 public:
  struct Record {
    std::uint64_t clock = 0;
    Instant seen;
  };
  static constexpr Duration renew_after{15000};
  static constexpr Duration drop_after{30000};
  static constexpr Duration check_every{3000};
  // Clients one awareness keeps records of; announcements of more are ignored.
  static constexpr std::size_t clients_max = 1U << 16U;

  // Starts with an empty object as the own state.
  Awareness(ClientId own, Instant now);

  // Nothing takes the own state away.
  AwarenessChange set_local(std::optional<Any> state, Instant now);
  AwarenessChange set_local_field(std::string_view field, Any value, Instant now);
  const Any* local() const { return state_of(own_); }
  const Any* state_of(ClientId client) const;

  // Takes in what a peer announced.
  Result<AwarenessChange> apply(Bytes update, Instant now);
  // Forgets the states of peers on their behalf; their clocks stay.
  AwarenessChange remove(std::span<const ClientId> clients, Instant now);
  // To be called every check_every: renews the own state and drops silent peers.
  AwarenessChange check(Instant now);
  // An announcement of these clients; unknown ones are left out.
  ByteVector encode(std::span<const ClientId> clients) const;

  const std::map<ClientId, Any>& states() const { return states_; }
  const std::map<ClientId, Record>& records() const { return records_; }

 private:
  void take(ClientId client, std::uint64_t clock, Any state, Instant now, AwarenessChange& out);

  ClientId own_;
  std::map<ClientId, Any> states_;
  std::map<ClientId, Record> records_;
};

}  // namespace syncline::ydoc
