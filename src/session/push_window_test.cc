#include "session/push_window.h"

#include <doctest/doctest.h>

#include "wire/limits.h"

using namespace syncline;

namespace {

constexpr Instant now{1000};

OutboxPart part(std::uint64_t sequence, std::size_t bytes, bool last = true) {
  return {ChangeSequence(sequence), sequence * 10, last, ByteVector(bytes)};
}

}  // namespace

TEST_CASE("the window asks for what follows what was sent, once at a time") {
  PushWindow window;
  window.start_at(ChangeSequence(3));
  const auto first = window.next(now, ChangeSequence(5));
  REQUIRE(first.has_value());
  CHECK(first->after == ChangeSequence(3));
  CHECK(first->bytes_max == limits::push_window_bytes);
  CHECK_FALSE(window.next(now, ChangeSequence(5)).has_value());
  CHECK_FALSE(window.expects(ChangeSequence(2)));
  REQUIRE(window.expects(ChangeSequence(3)));
  window.sent({part(4, 100)});
  CHECK(window.sent_through() == ChangeSequence(4));
  CHECK(window.bytes() == 100);
  const auto second = window.next(now, ChangeSequence(5));
  REQUIRE(second.has_value());
  CHECK(second->after == ChangeSequence(4));
  CHECK(second->bytes_max == limits::push_window_bytes - 100);
}

TEST_CASE("a full window asks for nothing until something is acknowledged") {
  PushWindow window;
  REQUIRE(window.next(now, ChangeSequence(9)).has_value());
  window.sent({part(1, limits::push_window_bytes, false), part(1, 1), part(2, 10)});
  CHECK_FALSE(window.next(now, ChangeSequence(9)).has_value());
  CHECK(window.acknowledge(ChangeSequence(1)) == 10U);
  CHECK(window.bytes() == 10);
  CHECK(window.next(now, ChangeSequence(9)).has_value());
}

TEST_CASE("a window full of small changes asks for nothing either") {
  PushWindow window;
  REQUIRE(window.next(now, ChangeSequence(100'000)).has_value());
  std::vector<OutboxPart> parts;
  for (std::size_t i = 1; i <= limits::push_window_changes; ++i) {
    parts.push_back(part(i, 1));
  }
  window.sent(parts);
  CHECK_FALSE(window.next(now, ChangeSequence(100'000)).has_value());
}

TEST_CASE("once everything was sent the host is not asked again before something is written") {
  PushWindow window;
  window.start_at(ChangeSequence(2));
  CHECK_FALSE(window.next(now, ChangeSequence(2)).has_value());
  CHECK_FALSE(window.next(now, ChangeSequence(3)).has_value());
  window.written();
  CHECK(window.next(now, ChangeSequence(3)).has_value());
  window.sent({});  // the host had nothing after all
  CHECK_FALSE(window.next(now, ChangeSequence(3)).has_value());
}

TEST_CASE("a push waits for the time it was given and then no longer") {
  PushWindow window;
  window.wait_until(now + Duration{50});
  CHECK_FALSE(window.next(now, ChangeSequence(1)).has_value());
  CHECK(window.waits_until() == now + Duration{50});
  CHECK(window.next(now + Duration{50}, ChangeSequence(1)).has_value());
  CHECK_FALSE(window.waits_until().has_value());
}

TEST_CASE("an answer that belongs to the connection before is not expected") {
  PushWindow window;
  REQUIRE(window.next(now, ChangeSequence(1)).has_value());
  window.reset();
  CHECK_FALSE(window.expects(ChangeSequence(0)));
}

TEST_CASE("acknowledging tells the exact time of the last change that it covers") {
  PushWindow window;
  REQUIRE(window.next(now, ChangeSequence(3)).has_value());
  window.sent({part(1, 1), part(2, 1), part(3, 1)});
  CHECK_FALSE(window.acknowledge(ChangeSequence(0)).has_value());
  CHECK(window.acknowledge(ChangeSequence(2)) == 20U);
  CHECK_FALSE(window.empty());
  CHECK(window.acknowledge(ChangeSequence(7)) == 30U);
  CHECK(window.empty());
  CHECK(window.bytes() == 0);
}
