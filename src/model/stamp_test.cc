#include "model/stamp.h"

#include <doctest/doctest.h>

#include "base/random.h"

using namespace syncline;

namespace {

Stamp draw(Random& random) { return {random.below(3) + 1, ReplicaId::draw(random)}; }

}  // namespace

TEST_CASE("stamps order by time, then by the bytes of the replica") {
  Stamp early{1, {}};
  early.replica.bytes[0] = 0xFF;
  Stamp late{2, {}};
  CHECK(early < late);
  Stamp tie = late;
  tie.replica.bytes[15] = 1;
  CHECK(late < tie);
  tie.replica.bytes[0] = 0x80;
  Stamp low = late;
  low.replica.bytes[0] = 0x7F;
  CHECK(low < tie);
}

TEST_CASE("the text of a stamp has one width and sorts as the stamp does") {
  SeededRandom random(3);
  for (int i = 0; i < 5000; ++i) {
    const Stamp a = draw(random);
    const Stamp b = draw(random);
    REQUIRE(to_text(a).size() == 49);
    REQUIRE((a < b) == (to_text(a) < to_text(b)));
    const auto back = stamp_from_text(to_text(a));
    REQUIRE(back);
    REQUIRE(*back == a);
  }
}

TEST_CASE("the text of a stamp is pinned, and anything else is refused") {
  Stamp stamp{(std::uint64_t{5} << Stamp::counter_bits) + 7, {}};
  stamp.replica.bytes[0] = 0xAB;
  const std::string text = "0000000000050007@ab" + std::string(30, '0');
  CHECK(to_text(stamp) == text);
  CHECK(stamp.ms() == 5);
  CHECK(stamp.counter() == 7);
  CHECK(!stamp_from_text(""));
  CHECK(!stamp_from_text(text + "0"));
  CHECK(!stamp_from_text(text.substr(1)));
  for (const std::size_t at : {std::size_t{0}, std::size_t{16}, std::size_t{48}}) {
    std::string bad = text;
    bad[at] = 'x';
    CHECK(!stamp_from_text(bad));
  }
}

TEST_CASE("an id has sixteen bytes, reads back from its text and orders by its bytes") {
  SeededRandom random(5);
  for (int i = 0; i < 1000; ++i) {
    const ReplicaId id = ReplicaId::draw(random);
    const auto back = ReplicaId::from_hex(id.hex());
    REQUIRE(back);
    REQUIRE(*back == id);
    const ReplicaId other = ReplicaId::draw(random);
    REQUIRE((id < other) == (id.hex() < other.hex()));
    REQUIRE(!id.is_zero());
  }
  CHECK(ReplicaId().is_zero());
  CHECK(!ReplicaId::from_hex("00"));
  CHECK(!ReplicaId::from_bytes(ByteVector(17)));
}
