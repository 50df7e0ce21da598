#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>

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
// So much is read for it whatever else waits. What is larger, a part of a large change or a large
// row, is read when there is room for it, which others make by taking theirs; who has taken nothing
// for so long then is cut.
inline constexpr std::size_t free_bytes = std::size_t{512} << 10U;
inline constexpr Duration stalled_time{10'000};
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

// What may be read before others are served, and how much of it may wait to be sent.
class WorkMeter {
 public:
  explicit WorkMeter(std::size_t units, std::size_t room = std::numeric_limits<std::size_t>::max())
      : left_(units), room_(room) {}

  // One row, part or frame of so many bytes.
  static constexpr std::size_t units_of(std::size_t bytes) { return 1 + bytes / 64; }
  void charge(std::size_t bytes) { spend(units_of(bytes)); }
  void spend(std::size_t units) {
    left_ -= std::min(left_, units);
    is_used_ = true;
  }
  // False when there is no room for so many bytes now: then they are not read, and asked for again.
  bool take_room(std::size_t bytes) {
    lacking_ = bytes > room_ ? bytes : 0;
    room_ -= lacking_ == 0 ? bytes : 0;
    return lacking_ == 0;
  }
  // What there was no room for, and whether nothing else was read, either.
  std::size_t lacking() const { return lacking_; }
  bool found_no_room() const { return lacking_ != 0 && !is_used_; }
  bool is_spent() const { return left_ == 0; }
  std::size_t left() const { return left_; }

 private:
  std::size_t left_;
  std::size_t room_;
  std::size_t lacking_ = 0;
  bool is_used_ = false;
};

}  // namespace syncline
