#include "client/seen.h"

#include <doctest/doctest.h>

#include <set>

#include "base/random.h"
#include "client/replica_world.h"

namespace syncline {

TEST_CASE("what was added is seen, in whatever order, and survives being stored") {
  WorldReplica world(1);
  REQUIRE(world.engine().initialise());
  SeededRandom random(7);
  for (int round = 0; round < 40; ++round) {
    ReplicaId stranger;
    stranger.bytes[0] = static_cast<std::uint8_t>(round + 1);
    const auto origin = world.engine().origins().id_of(stranger);
    REQUIRE(origin);
    std::set<std::uint64_t> expected;
    Seen seen(world.connection());
    for (int step = 0; step < 120; ++step) {
      const std::uint64_t sequence = 1 + random.below(60);
      REQUIRE(seen.add(*origin, ChangeSequence(sequence)));
      expected.insert(sequence);
      if (random.chance(1, 10)) {
        REQUIRE(seen.store());
        seen.forget();
      }
      const std::uint64_t asked = random.below(62);
      CHECK(*seen.contains(*origin, ChangeSequence(asked)) == (expected.count(asked) != 0));
      CHECK(seen.greatest(*origin)->get() == *expected.rbegin());
    }
    REQUIRE(seen.store());
    Seen again(world.connection());
    for (std::uint64_t sequence = 0; sequence < 62; ++sequence) {
      CHECK(*again.contains(*origin, ChangeSequence(sequence)) == (expected.count(sequence) != 0));
    }
  }
}

TEST_CASE("what was not stored is forgotten with its transaction") {
  WorldReplica world(1);
  REQUIRE(world.engine().initialise());
  Seen seen(world.connection());
  CHECK_FALSE(*seen.contains(first_own_origin, ChangeSequence(3)));
  REQUIRE(seen.add(first_own_origin, ChangeSequence(3)));
  CHECK(*seen.contains(first_own_origin, ChangeSequence(3)));
  seen.forget();
  CHECK_FALSE(*seen.contains(first_own_origin, ChangeSequence(3)));
  CHECK(seen.greatest(first_own_origin)->get() == 0);
}

TEST_CASE("a damaged list is corrupt, not a crash") {
  WorldReplica world(1);
  REQUIRE(world.engine().initialise());
  REQUIRE(world.run("UPDATE syncline_replicas SET seen = x'00' WHERE id = 1") == "");
  Seen seen(world.connection());
  const auto found = seen.contains(first_own_origin, ChangeSequence(3));
  REQUIRE_FALSE(found);
  CHECK(found.error().code() == ErrorCode::corrupt);
}

}  // namespace syncline
