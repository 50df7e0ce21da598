#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "base/clock.h"

namespace syncline {

// What the server keeps and works for over all connections together, in one place (P10). Bounds of
// one message, row or change are in wire/limits.h.

// Memory, in parts of what the operator gives. The rest is for the program, the store's cache and
// what is worked on at the moment.
struct MemoryBounds {
  // Frames that wait to be sent, frames that wait for their answers to leave, and presence.
  std::size_t waiting_bytes_max = 0;
  // Changes whose last part has not come yet: one of the largest size, by default.
  std::size_t unfinished_bytes_max = 0;
  // Committed changes that are kept for those who follow closely.
  std::size_t recent_bytes_max = 0;
  // Frames that were read from sockets and not handled yet.
  std::size_t unread_bytes_max = 0;
  // Of what people send whom nobody knows yet, and of requests of those who are known.
  std::size_t unknown_bytes_max = 0;
  std::size_t known_bytes_max = 0;
  // Answers to requests that their readers have not taken.
  std::size_t answer_bytes_max = 0;

  static constexpr MemoryBounds within(std::size_t bytes) {
    return {bytes / 8, bytes / 4, bytes / 32, bytes / 16, bytes / 16, bytes / 10, bytes / 16};
  }
};
inline constexpr std::size_t memory_bytes_default = std::size_t{1} << 30U;
// A request of the largest size still fits.
inline constexpr std::size_t memory_bytes_min = std::size_t{400} << 20U;

namespace bounds {

// --- One connection ---
// Nothing is read for it, and no frame of its handled, while so much waits to be sent to it, or so
// much when memory is scarce.
inline constexpr std::size_t credit_bytes = std::size_t{1} << 20U;
inline constexpr std::size_t scarce_credit_bytes = std::size_t{64} << 10U;
// Presence is not sent behind so much; the latest of it comes later.
inline constexpr std::size_t presence_credit_bytes = std::size_t{128} << 10U;
// Presence that a connection may have missed; a reader who is further behind is cut.
inline constexpr std::size_t missed_presence_max = 1024;
// Frames that are handled before others have their turn.
inline constexpr std::size_t frames_each_turn = 1024;

// --- Work ---
// A unit is a row or a part of a change that is read, and each 64 bytes of it: a few hundred
// nanoseconds. A page of a snapshot of the usual size is one slice.
inline constexpr std::size_t slice_units = 4096;
// Of all connections, before sockets are looked at again.
inline constexpr std::size_t turn_units = 8192;
// Of a commit that somebody's question forces upon those who write.
inline constexpr std::size_t commit_units = 4096;

// --- Presence, of one workspace ---
// What is told to all its members together, in a second; more is told later, and then the latest.
inline constexpr std::size_t presence_bytes_each_second = std::size_t{16} << 20U;
inline constexpr std::size_t presence_burst_bytes = std::size_t{1} << 20U;

}  // namespace bounds

// What may be read before others are served.
class WorkMeter {
 public:
  explicit WorkMeter(std::size_t units) : left_(units) {}

  // One row or part of so many bytes.
  void charge(std::size_t bytes) { left_ -= std::min(left_, 1 + bytes / 64); }
  void spend(std::size_t units) { left_ -= std::min(left_, units); }
  bool is_spent() const { return left_ == 0; }
  std::size_t left() const { return left_; }

 private:
  std::size_t left_;
};

}  // namespace syncline
