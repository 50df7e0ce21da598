#include "session/relay_queue.h"

#include <doctest/doctest.h>

#include "wire/change_codec.h"
#include "wire/limits.h"

using namespace syncline;

namespace {

ReplicaId replica(std::uint8_t number) {
  ReplicaId id;
  id.bytes[0] = number;
  return id;
}

ByteVector part(std::uint8_t author, std::uint64_t sequence, std::size_t padding = 0) {
  Writer out;
  write_part_header(out, {ChangeSequence(sequence), Stamp{sequence, replica(author)}, 0, 0, true});
  ByteVector bytes = out.take();
  bytes.resize(bytes.size() + padding);
  return bytes;
}

}  // namespace

TEST_CASE("relays begin with the first at each connection and end when there are no more") {
  RelayQueue queue;
  REQUIRE(queue.next().has_value());
  CHECK_FALSE(queue.next().has_value());
  queue.sent({part(1, 1), part(2, 5)});
  CHECK(queue.count() == 2);
  const auto more = queue.next();
  REQUIRE(more.has_value());
  CHECK_FALSE(more->first);
  queue.sent({});
  CHECK_FALSE(queue.next().has_value());
  CHECK_FALSE(queue.done());
  REQUIRE(queue.answered({replica(1), ChangeSequence(1), false}));
  REQUIRE(queue.answered({replica(2), ChangeSequence(5), false}));
  CHECK(queue.done());
  CHECK(queue.bytes() == 0);
  queue.written();
  CHECK(queue.next().has_value());
  queue.reset();
  CHECK(queue.next()->first);
}

TEST_CASE("what is settled is what the server knows, or would never take") {
  RelayQueue queue;
  REQUIRE(queue.next().has_value());
  queue.sent({part(1, 3), part(1, 4), part(1, 5)});
  CHECK(queue.answered({replica(1), ChangeSequence(9), false})->through == ChangeSequence(9));
  // One before it is missing: it cannot be taken now.
  const auto missing = queue.answered({replica(1), ChangeSequence(2), false});
  REQUIRE(missing);
  CHECK(missing->through == ChangeSequence(2));
  CHECK(missing->told == ChangeSequence(4));
  CHECK(queue.answered({replica(1), ChangeSequence(2), true})->through == ChangeSequence(5));
}

TEST_CASE("once all are answered it says that some were refused, and says it once") {
  RelayQueue queue;
  REQUIRE(queue.next().has_value());
  queue.sent({part(1, 3), part(1, 4)});
  REQUIRE(queue.answered({replica(1), ChangeSequence(2), true})->refused);
  CHECK_FALSE(queue.answered({replica(1), ChangeSequence(4), false})->refused);
  CHECK_FALSE(queue.takes_refused());  // there may be more
  REQUIRE(queue.next().has_value());
  queue.sent({});
  CHECK(queue.takes_refused());
  CHECK_FALSE(queue.takes_refused());
}

TEST_CASE("an answer that nobody asked for is an error") {
  RelayQueue queue;
  CHECK(queue.answered({replica(1), ChangeSequence(1), false}).error().code() ==
        ErrorCode::malformed);
  REQUIRE(queue.next().has_value());
  queue.sent({part(1, 1)});
  CHECK(queue.answered({replica(2), ChangeSequence(1), false}).error().code() ==
        ErrorCode::malformed);
}

TEST_CASE("a full window waits for answers") {
  RelayQueue queue;
  REQUIRE(queue.next().has_value());
  queue.sent({part(1, 1, limits::push_window_bytes)});
  CHECK_FALSE(queue.next().has_value());
  REQUIRE(queue.answered({replica(1), ChangeSequence(1), false}));
  CHECK(queue.next().has_value());
}
