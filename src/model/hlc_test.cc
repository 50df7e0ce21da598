#include "model/hlc.h"

#include <doctest/doctest.h>

#include "base/random.h"
#include "model/stamp.h"

using namespace syncline;

namespace {

class FakeClock final : public WallClock {
 public:
  std::int64_t now_ms() override { return now; }
  std::int64_t now = 1'000'000;
};

constexpr std::uint64_t time_of(std::int64_t ms) {
  return static_cast<std::uint64_t>(ms) << Stamp::counter_bits;
}

}  // namespace

TEST_CASE("a tick follows the wall clock and never repeats while it stands still") {
  FakeClock wall;
  HybridClock clock(wall);
  CHECK(clock.tick() == time_of(wall.now));
  CHECK(clock.tick() == time_of(wall.now) + 1);
  wall.now += 5;
  CHECK(clock.tick() == time_of(wall.now));
}

TEST_CASE("ticks rise whatever the wall clock does and whatever they are shown") {
  SeededRandom random(11);
  FakeClock wall;
  HybridClock clock(wall);
  std::uint64_t last = 0;
  for (int i = 0; i < 20'000; ++i) {
    wall.now += static_cast<std::int64_t>(random.below(2000)) - 1000;
    if (random.chance(1, 4)) {
      const std::uint64_t shown = time_of(wall.now + static_cast<std::int64_t>(random.below(500)));
      REQUIRE(clock.observe(shown));
      last = std::max(last, shown);
    }
    const std::uint64_t next = clock.tick();
    REQUIRE(next > last);
    last = next;
  }
}

TEST_CASE("a burst beyond the counter runs into the milliseconds and still rises") {
  FakeClock wall;
  HybridClock clock(wall);
  clock.advance_to(time_of(wall.now) + 0xFFFF);
  CHECK(clock.tick() == time_of(wall.now + 1));
}

TEST_CASE("a time within the skew is taken in, one beyond it is refused and changes nothing") {
  FakeClock wall;
  HybridClock clock(wall);
  CHECK(clock.observe(time_of(wall.now + skew_ms_max) + 0xFFFF));
  const std::uint64_t last = clock.last();
  const auto refused = clock.observe(time_of(wall.now + skew_ms_max + 1));
  REQUIRE(!refused);
  CHECK(refused.error().code() == ErrorCode::clock_skew);
  CHECK(!clock.observe(UINT64_MAX));
  CHECK(clock.last() == last);
}

TEST_CASE("time is taken relative to the server's clock once it is known") {
  FakeClock wall;
  HybridClock clock(wall);
  clock.set_offset_ms(-3000);
  CHECK(clock.tick() == time_of(wall.now - 3000));
  clock.set_offset_ms(INT32_MIN);
  CHECK(clock.now_ms() == 0);
}
