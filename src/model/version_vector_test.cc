#include "model/version_vector.h"

#include <doctest/doctest.h>

#include <initializer_list>

#include "base/random.h"

using namespace syncline;

namespace {

ReplicaId replica(char name) {
  ReplicaId id;
  id.bytes[0] = static_cast<std::uint8_t>(name);
  return id;
}

Dot dot(char name, std::uint64_t sequence) { return {replica(name), ChangeSequence(sequence)}; }

VersionVector vector(std::initializer_list<std::pair<char, std::uint64_t>> entries) {
  VersionVector out;
  for (const auto& [name, last] : entries) {
    for (std::uint64_t i = 1; i <= last; ++i) {
      REQUIRE(out.observe(dot(name, i)));
    }
  }
  return out;
}

VersionVector random_vector(Random& random) {
  return vector({{'a', random.below(3)}, {'b', random.below(3)}, {'c', random.below(3)}});
}

VersionVector merged(VersionVector a, const VersionVector& b) {
  a.merge(b);
  return a;
}

}  // namespace

TEST_CASE("a vector covers what it observed and nothing else") {
  const VersionVector seen = vector({{'a', 3}, {'b', 1}});
  CHECK(seen.covers(dot('a', 3)));
  CHECK(!seen.covers(dot('a', 4)));
  CHECK(!seen.covers(dot('c', 1)));
  CHECK(seen.of(replica('c')) == ChangeSequence());
}

TEST_CASE("a change is new once, and a gap before it is refused") {
  VersionVector seen;
  CHECK(*seen.observe(dot('a', 1)));
  CHECK(!*seen.observe(dot('a', 1)));
  const auto gap = seen.observe(dot('a', 3));
  REQUIRE(!gap);
  CHECK(gap.error().code() == ErrorCode::out_of_order);
  CHECK(!seen.observe(dot('b', 2)));
  CHECK(seen == vector({{'a', 1}}));
}

TEST_CASE("vectors are before, after, equal or concurrent") {
  const VersionVector one = vector({{'a', 1}});
  CHECK(one.compare(vector({{'a', 1}})) == VectorOrder::equal);
  CHECK(one.compare(vector({{'a', 2}, {'b', 1}})) == VectorOrder::before);
  CHECK(one.compare(VersionVector()) == VectorOrder::after);
  CHECK(one.compare(vector({{'b', 1}})) == VectorOrder::concurrent);
}

TEST_CASE("merging vectors has the laws of a join, and compares as one") {
  SeededRandom random(7);
  for (int i = 0; i < 5000; ++i) {
    const VersionVector a = random_vector(random);
    const VersionVector b = random_vector(random);
    const VersionVector c = random_vector(random);
    REQUIRE(merged(a, b) == merged(b, a));
    REQUIRE(merged(merged(a, b), c) == merged(a, merged(b, c)));
    REQUIRE(merged(a, a) == a);
    REQUIRE(merged(a, b).covers(a));
    const VectorOrder order = a.compare(b);
    REQUIRE((order == VectorOrder::before) == (merged(a, b) == b && a != b));
    REQUIRE((order == VectorOrder::concurrent) == (merged(a, b) != a && merged(a, b) != b));
  }
}

TEST_CASE("a vector reads back as it was written and refuses every cut") {
  const VersionVector seen = vector({{'b', 200}, {'a', 1}});
  Writer out;
  seen.encode(out);
  Reader in(out.bytes());
  const auto back = VersionVector::decode(in);
  REQUIRE(back);
  CHECK(*back == seen);
  CHECK(in.at_end());
  for (std::size_t size = 0; size < out.size(); ++size) {
    Reader cut(out.bytes().first(size));
    CHECK(!VersionVector::decode(cut));
  }
}

TEST_CASE("a vector out of order, twice or with a zero is refused") {
  const auto refused = [](std::initializer_list<std::pair<char, std::uint64_t>> entries) {
    Writer out;
    out.varint(entries.size());
    for (const auto& [name, sequence] : entries) {
      out.raw(replica(name).view());
      out.varint(sequence);
    }
    Reader in(out.bytes());
    return !VersionVector::decode(in).has_value();
  };
  CHECK(!refused({{'a', 1}, {'b', 1}}));
  CHECK(refused({{'b', 1}, {'a', 1}}));
  CHECK(refused({{'a', 1}, {'a', 1}}));
  CHECK(refused({{'a', 0}}));
  Writer out;
  out.varint(vector_replicas_max + 1);
  Reader in(out.bytes());
  CHECK(!VersionVector::decode(in));
}
