#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "wire/message.h"

namespace syncline {

// The one word for the user; derived, never set.
enum class Status : std::uint8_t { disconnected, connecting, syncing, synced, stuck, incompatible };
std::string_view status_name(Status status);

// What keeps a replica from going on, with a name that programs match.
enum class Trouble : std::uint8_t {
  none,
  schema_incompatible,
  protocol_too_old,
  protocol_too_new,
  not_allowed,
  storage,
  malformed,
  unreachable,
  digest_mismatch,
  clock_skew,
  // Another connection has locked the file: weather.
  busy,
  // Another process or connection has the conversation of this file; what is said is its word.
  led_elsewhere,
  too_large,
  server_storage,
};
std::string_view trouble_name(Trouble trouble);
Trouble trouble_of(Refusal reason);
// The replica can do something about it and come back by itself.
bool is_mendable(Refusal reason);

enum class Activity : std::uint8_t { idle, pushing, pulling, bootstrap, rescan };

struct Progress {
  std::uint64_t rows_done = 0;
  std::uint64_t rows_total = 0;
  std::uint64_t bytes_done = 0;
  std::uint64_t bytes_total = 0;
  std::uint64_t bytes_per_second = 0;
  Duration left;
};

// Fills in rate and time left, `bytes` having come within `elapsed`.
void measure(Progress& progress, std::uint64_t bytes, Duration elapsed);

struct StatusReport {
  Status status = Status::disconnected;
  Activity activity = Activity::idle;
  Trouble trouble = Trouble::none;
  std::string message;  // what is wrong, for a person
  std::string advice;   // what to do about it
  std::uint64_t pending = 0;
  Progress progress;
};

// Everything the word is derived from.
struct StatusFacts {
  bool connected = false;  // a connection is up or being made
  bool welcomed = false;   // handshake accepted
  Trouble trouble = Trouble::none;
  std::uint64_t pending = 0;  // own changes not acknowledged
  bool catching_up = false;   // bootstrap, rescan, or changes received and not applied
  bool at_head = false;       // applied up to the last heartbeat's head
  bool heartbeat_fresh = false;
  // The heartbeat speaks of a time after our last change and its acknowledgement.
  bool heartbeat_covers_us = false;
  bool digests_equal = false;
};

// P4: green is a proof. Anything less has another name.
Status derive_status(const StatusFacts& facts);

}  // namespace syncline
