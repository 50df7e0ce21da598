#include "session/backoff.h"

#include <doctest/doctest.h>

using namespace syncline;

TEST_CASE("each failure waits longer, up to the bound, and never without jitter") {
  SeededRandom random(1);
  Backoff backoff({100, 1600});
  std::int64_t whole = 100;
  bool jitters = false;
  for (int i = 0; i < 40; ++i) {
    const Duration delay = backoff.next(random);
    CHECK(delay.ms >= whole / 2);
    CHECK(delay.ms <= whole);
    jitters = jitters || (delay.ms != whole && delay.ms != whole / 2);
    whole = whole >= 1600 ? 1600 : whole * 2;
  }
  CHECK(jitters);
  CHECK(backoff.failures() == 40);
}

TEST_CASE("success starts from the shortest delay again") {
  SeededRandom random(2);
  Backoff backoff({100, 60'000});
  for (int i = 0; i < 8; ++i) {
    (void)backoff.next(random);
  }
  backoff.reset();
  CHECK(backoff.next(random).ms <= 100);
}
