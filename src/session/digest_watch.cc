#include "session/digest_watch.h"

namespace syncline {

void DigestWatch::reset() {
  last_.reset();
  covers_us_ = false;
}

void DigestWatch::heard(Instant now, const Heartbeat& heartbeat, bool covers_us) {
  last_ = heartbeat;
  at_ = now;
  covers_us_ = covers_us;
}

DigestWatch::Verdict DigestWatch::compare(const Digest& ours) {
  if (!last_) {
    return Verdict::unknown;
  }
  if (ours == last_->digest) {
    mismatches_ = 0;
    return Verdict::equal;
  }
  ++mismatches_;
  ++ever_;
  // 2, 4, 8, ...: ever more seldom.
  const bool is_power = (mismatches_ & (mismatches_ - 1)) == 0;
  return mismatches_ >= before_rescan && is_power ? Verdict::rescan : Verdict::differs;
}

}  // namespace syncline
