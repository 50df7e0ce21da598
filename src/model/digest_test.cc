#include "model/digest.h"

#include <doctest/doctest.h>

#include <vector>

using namespace syncline;

namespace {

Stamp at(std::uint64_t time, std::uint8_t replica = 1) {
  Stamp stamp;
  stamp.time = time;
  stamp.replica.bytes[15] = replica;
  return stamp;
}

ByteVector key(const char* text) { return to_vector(as_bytes(text)); }

RowState row(const Stamp& life, std::vector<CellState> cells = {}) {
  RowState out;
  out.life = life;
  out.alive = true;
  out.cells = std::move(cells);
  return out;
}

CellState cell(const char* column, const Stamp& stamp) {
  return {column, CellForm::plain, stamp, Value::text("any"), {}};
}

}  // namespace

TEST_CASE("adding and subtracting carry over 128 bits") {
  Digest sum{1, UINT64_MAX};
  sum.add({2, 3});
  CHECK(sum == Digest{4, 2});
  sum.subtract({2, 3});
  CHECK(sum == Digest{1, UINT64_MAX});
  Digest none;
  none.subtract({0, 1});
  CHECK(none == Digest{UINT64_MAX, UINT64_MAX});
}

TEST_CASE("a digest is the same in any order of rows") {
  const Digest a = digest_of("t", key("a"), row(at(1)));
  const Digest b = digest_of("t", key("b"), row(at(2), {cell("x", at(3))}));
  const Digest c = digest_of("u", key("a"), row(at(1)));
  Digest one = a;
  one.add(b);
  one.add(c);
  Digest other = c;
  other.add(a);
  other.add(b);
  CHECK(one == other);
}

TEST_CASE("a digest sees table, key, life, column and stamp, each for itself") {
  const std::vector<Digest> all{
      digest_of("t", key("a"), row(at(1))),
      digest_of("u", key("a"), row(at(1))),
      digest_of("t", key("b"), row(at(1))),
      digest_of("t", key("a"), row(at(2))),
      digest_of("t", key("a"), row(at(1, 2))),
      digest_of("t", key("a"), row(at(1), {cell("x", at(2))})),
      digest_of("t", key("a"), row(at(1), {cell("y", at(2))})),
      digest_of("t", key("a"), row(at(1), {cell("x", at(3))})),
      digest_of("t", key("a"), row(at(1), {cell("x", at(2, 2))})),
  };
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      CAPTURE(i);
      CAPTURE(j);
      CHECK(!(all[i] == all[j]));
      CHECK(all[i].high != all[j].high);
      CHECK(all[i].low != all[j].low);
    }
  }
}

TEST_CASE("dead rows and the cells of the life itself count nothing") {
  RowState dead = row(at(5), {cell("x", at(7))});
  dead.alive = false;
  CHECK(digest_of("t", key("a"), dead) == Digest());
  CHECK(digest_of("t", key("a"), row(at(5), {cell("x", at(5))})) ==
        digest_of("t", key("a"), row(at(5))));
}

TEST_CASE("a digest kept up to date from stamps equals one made from the rows") {
  const RowDigest parts("t", key("a"));
  Digest sum;
  sum.add(parts.life(at(1)));
  CHECK(sum == digest_of("t", key("a"), row(at(1))));
  sum.add(parts.cell("x", at(2)));
  sum.subtract(parts.cell("x", at(2)));
  sum.add(parts.cell("x", at(4)));
  CHECK(sum == digest_of("t", key("a"), row(at(1), {cell("x", at(4))})));
  sum.subtract(parts.life(at(1)));
  sum.subtract(parts.cell("x", at(4)));
  CHECK(sum == Digest());
}

TEST_CASE("a digest is the same in every release") {
  CHECK(to_text(digest_of("t", key("a"), row(at(1), {cell("x", at(2))}))) ==
        "1a583f0e9ebd0a423c1a4358d4dbb286");
}

TEST_CASE("a digest reads back as it was written") {
  Writer out;
  write_digest(out, {1, 2});
  Reader in(out.bytes());
  const auto back = read_digest(in);
  REQUIRE(back);
  CHECK(*back == Digest{1, 2});
  Reader cut(out.bytes().first(15));
  CHECK(!read_digest(cut));
}
