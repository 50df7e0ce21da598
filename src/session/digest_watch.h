#pragma once

#include <cstdint>
#include <optional>

#include "base/clock.h"
#include "wire/message.h"

namespace syncline {

// What the server's heartbeats say beside what the replica knows (P4): whether they are fresh,
// speak of a time after our last change, and whether digests that have to be equal are.
class DigestWatch {
 public:
  enum class Verdict {
    unknown,
    equal,
    differs,  // may be a change in flight
    rescan,   // it was none
  };

  // A new connection, or other tables: the last heartbeat says nothing any more.
  void reset();
  // `covers_us`: every own change is acknowledged.
  void heard(Instant now, const Heartbeat& heartbeat, bool covers_us);
  // An own change was made, or acknowledged after the last heartbeat.
  void moved() { covers_us_ = false; }

  const std::optional<Heartbeat>& last() const { return last_; }
  Duration age(Instant now) const { return now - at_; }
  bool covers_us() const { return covers_us_; }

  // To be asked only when nothing is pending or on its way and the heartbeat covers us.
  Verdict compare(const Digest& ours);
  // After comparing every row they still differ.
  bool is_stuck() const { return mismatches_ >= before_stuck; }
  // How often they differed when they had to be equal, ever.
  std::uint64_t ever() const { return ever_; }

 private:
  // A mismatch may be a change in flight; two heartbeats in a row are none.
  static constexpr std::uint32_t before_rescan = 2;
  static constexpr std::uint32_t before_stuck = 8;

  std::optional<Heartbeat> last_;
  Instant at_;
  bool covers_us_ = false;
  std::uint32_t mismatches_ = 0;
  std::uint64_t ever_ = 0;
};

}  // namespace syncline
