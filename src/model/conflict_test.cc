#include "model/conflict.h"

#include <doctest/doctest.h>

#include <vector>

using namespace syncline;

namespace {

Conflict sample() {
  Conflict conflict;
  conflict.table = "notes";
  const ValueView key[] = {ValueView::of("n1")};
  conflict.key = make_key(key);
  conflict.column = "title";
  conflict.loser.time = 3;
  conflict.loser.replica.bytes[0] = 'a';
  conflict.winner.time = 3;
  conflict.winner.replica.bytes[0] = 'b';
  conflict.loser_value = Value::text("mine");
  conflict.winner_value = Value::integer(7);
  conflict.base_value = Value();
  return conflict;
}

ByteVector encoded(const Conflict& conflict) {
  Writer out;
  encode_conflict(out, conflict);
  return out.take();
}

}  // namespace

TEST_CASE("a conflict's id follows from the place and the two stamps alone") {
  const Conflict one = sample();
  Conflict other = one;
  other.loser_value = Value();
  other.winner_value = Value::text("?");
  other.base_value.reset();
  CHECK(conflict_id(one) == conflict_id(other));
  CHECK(conflict_id(one).hex() == "5ddb3728bb8926fb114b5506e283d5a8");
}

TEST_CASE("conflicts that differ in place or stamp have different ids") {
  std::vector<Conflict> all(6, sample());
  all[1].table = "note";
  all[2].column = "text";
  all[3].key.bytes[0] = 0x40;
  all[4].loser.time = 2;
  all[5].winner.time = 4;
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      CHECK(conflict_id(all[i]) != conflict_id(all[j]));
    }
  }
}

TEST_CASE("a conflict reads back as it was written, with an unknown base and with a null one") {
  Conflict conflict = sample();
  for (const bool has_base : {true, false}) {
    if (!has_base) {
      conflict.base_value.reset();
    }
    const ByteVector bytes = encoded(conflict);
    Reader in(bytes);
    const auto back = decode_conflict(in);
    REQUIRE(back);
    CHECK(in.at_end());
    CHECK(*back == conflict);
  }
}

TEST_CASE("a conflict cut short anywhere is refused") {
  const ByteVector bytes = encoded(sample());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    Reader in(Bytes(bytes).first(size));
    CHECK(!decode_conflict(in));
  }
}

TEST_CASE("a conflict of unknown format or kind, or won by the earlier stamp, is refused") {
  const auto refused = [](const ByteVector& bytes) {
    Reader in(bytes);
    return !decode_conflict(in).has_value();
  };
  ByteVector bytes = encoded(sample());
  bytes[0] = 2;
  CHECK(refused(bytes));
  bytes = encoded(sample());
  bytes[1] = 3;
  CHECK(refused(bytes));
  Conflict conflict = sample();
  std::swap(conflict.loser, conflict.winner);
  CHECK(refused(encoded(conflict)));
  conflict = sample();
  conflict.key.bytes = {0x3F};
  CHECK(refused(encoded(conflict)));
}
