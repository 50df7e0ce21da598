#include "session/digest_watch.h"

#include <doctest/doctest.h>

#include <vector>

using namespace syncline;

namespace {

constexpr Instant now{1000};
constexpr Digest ours{1, 1};
constexpr Digest other{2, 2};

Heartbeat beat(const Digest& digest) { return {ServerVersion(1), 0, digest}; }

}  // namespace

TEST_CASE("without a heartbeat nothing is known") {
  DigestWatch watch;
  CHECK(watch.compare(ours) == DigestWatch::Verdict::unknown);
  watch.heard(now, beat(ours), true);
  CHECK(watch.compare(ours) == DigestWatch::Verdict::equal);
  CHECK(watch.age(now + Duration{70}) == Duration{70});
  watch.reset();
  CHECK(watch.compare(ours) == DigestWatch::Verdict::unknown);
}

TEST_CASE("a mismatch asks for a rescan at the second, fourth and eighth time") {
  DigestWatch watch;
  watch.heard(now, beat(other), true);
  std::vector<int> rescans;
  for (int i = 1; i <= 9; ++i) {
    CHECK_FALSE((i < 8 && watch.is_stuck()));
    if (watch.compare(ours) == DigestWatch::Verdict::rescan) {
      rescans.push_back(i);
    }
  }
  CHECK(rescans == std::vector<int>{2, 4, 8});
  CHECK(watch.is_stuck());
  CHECK(watch.ever() == 9);
}

TEST_CASE("equal digests end the count, not the record of it") {
  DigestWatch watch;
  watch.heard(now, beat(other), true);
  CHECK(watch.compare(ours) == DigestWatch::Verdict::differs);
  watch.heard(now, beat(ours), true);
  CHECK(watch.compare(ours) == DigestWatch::Verdict::equal);
  watch.heard(now, beat(other), true);
  CHECK(watch.compare(ours) == DigestWatch::Verdict::differs);
  CHECK(watch.ever() == 2);
}

TEST_CASE("a heartbeat covers us until the next own change") {
  DigestWatch watch;
  watch.heard(now, beat(ours), true);
  CHECK(watch.covers_us());
  watch.moved();
  CHECK_FALSE(watch.covers_us());
  watch.heard(now, beat(ours), false);
  CHECK_FALSE(watch.covers_us());
}
