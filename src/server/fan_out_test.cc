#include "server/fan_out.h"

#include <doctest/doctest.h>

#include "wire/wire_samples.h"

using namespace syncline;

namespace {

ByteVector part(std::size_t bytes) { return ByteVector(bytes, 7); }
Receipt receipt_of(std::uint64_t version) { return {ServerVersion(version), {}}; }

}  // namespace

TEST_CASE("a reader gets what others wrote, in order, and not its own") {
  FanOut recent(1000);
  recent.add(receipt_of(1), sample_replica(1), {part(10)});
  recent.add(receipt_of(2), sample_replica(2), {part(10)});
  recent.add(receipt_of(3), sample_replica(1), {part(10), part(10)});
  const auto slice = recent.read(ServerVersion(0), sample_replica(2), 1000);
  REQUIRE(slice.has_value());
  CHECK(slice->through == receipt_of(3));
  CHECK(slice->parts.size() == 3);
  CHECK(recent.read(ServerVersion(2), sample_replica(1), 1000)->parts.empty());
}

TEST_CASE("who fell behind is sent to the log") {
  // Two frames of ten bytes and what is around them.
  FanOut recent(64);
  for (std::uint64_t version = 1; version <= 5; ++version) {
    recent.add(receipt_of(version), sample_replica(1), {part(10)});
    CHECK(recent.bytes() <= 64);
  }
  CHECK_FALSE(recent.read(ServerVersion(0), sample_replica(2), 1000).has_value());
  CHECK(recent.read(ServerVersion(3), sample_replica(2), 1000).has_value());
  CHECK_FALSE(recent.read(ServerVersion(5), sample_replica(2), 1000).has_value());
}

TEST_CASE("a change larger than the whole buffer leaves it empty") {
  FanOut recent(25);
  recent.add(receipt_of(1), sample_replica(1), {part(100)});
  CHECK(recent.bytes() == 0);
  CHECK_FALSE(recent.read(ServerVersion(0), sample_replica(2), 1000).has_value());
}
