#include "client/row_net.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "base/random.h"
#include "client/row_content.h"
#include "model/value_codec.h"

namespace syncline {
namespace {

ByteVector encoded(std::int64_t value) {
  Writer out;
  write_value(out, ValueView::of(value));
  return out.take();
}

// A rowid whose rows have one column, which holds their content; 0 is no row.
class Rowid {
 public:
  explicit Rowid(std::int64_t content) : at_(content) { values_.reserve(100); }

  void step_to(std::int64_t content) {
    add(at_, content, content == 0 ? OpKind::erase : at_ == 0 ? OpKind::put : OpKind::set, false);
    at_ = content;
  }
  // REPLACE removes the row, or does not after all.
  void doubt(bool happens) {
    add(at_, 0, OpKind::erase, true);
    at_ = happens ? 0 : at_;
  }
  // The next step is told as one that leads from here.
  void believe(std::int64_t content) { at_ = content; }
  void shuffle(SeededRandom& random) {
    for (std::size_t i = steps_.size(); i > 1; --i) {
      std::swap(steps_[i - 1], steps_[random.below(i)]);
    }
  }
  RowNet net() const {
    RowNet net;
    for (const auto& [run, passage] : steps_) {
      net.note(run, passage);
    }
    REQUIRE(net.settle(
        [&](RowId) -> Result<std::uint64_t> { return static_cast<std::uint64_t>(at_); }));
    return net;
  }
  std::int64_t at() const { return at_; }
  bool empty() const { return steps_.empty(); }

 private:
  void add(std::int64_t before, std::int64_t after, OpKind kind, bool is_in_doubt) {
    LogRun run;
    run.kind = kind;
    RowNet::Passage passage;
    passage.is_known = true;
    passage.is_in_doubt = is_in_doubt;
    passage.before = static_cast<std::uint64_t>(before);
    passage.after = static_cast<std::uint64_t>(after);
    if (kind != OpKind::put) {
      values_.push_back(encoded(before));
      run.key = values_.back();
      run.old_values = values_.back();
      run.columns.insert(0);
      run.has_old = true;
    }
    if (kind == OpKind::set) {
      passage.changed.insert(0);
    }
    run.had_row = !is_in_doubt;
    steps_.emplace_back(run, passage);
  }

  std::int64_t at_;
  std::vector<ByteVector> values_;
  std::vector<std::pair<LogRun, RowNet::Passage>> steps_;
};

// What a net says that the rowid held before; 0 for nothing.
std::int64_t before(const RowNet& net) {
  if (!net.was_there) {
    return 0;
  }
  REQUIRE(net.old_values.count(0) == 1);
  DecodedValue value;
  Reader in(net.old_values.at(0));
  REQUIRE(value.read(in));
  return value.view().integer;
}

}  // namespace

TEST_CASE("operations in any order say what a rowid was before them, and what it is") {
  SeededRandom random(1);
  for (int trial = 0; trial < 20'000; ++trial) {
    const auto start = static_cast<std::int64_t>(random.below(5));
    Rowid rowid(start);
    bool ended = false;
    for (std::uint64_t i = random.below(9); i > 0; --i) {
      const auto next = static_cast<std::int64_t>(random.below(5));
      if (next != rowid.at() || next != 0) {
        rowid.step_to(next);
        ended = ended || next == 0;
      }
    }
    if (rowid.empty()) {
      continue;
    }
    rowid.shuffle(random);
    CAPTURE(trial);
    const RowNet net = rowid.net();
    REQUIRE(before(net) == start);
    REQUIRE(net.is_there == (rowid.at() != 0));
    REQUIRE(net.reborn == (start != 0 && rowid.at() != 0 && ended));
  }
}

TEST_CASE("whether a REPLACE removed a row follows from what led to it") {
  SUBCASE("of one that was there from the beginning, it did") {
    Rowid rowid(1);
    rowid.doubt(true);
    SUBCASE("and nothing came") {}
    SUBCASE("and another came") { rowid.step_to(2); }
    SUBCASE("and an equal one came") { rowid.step_to(1); }
    SUBCASE("which a REPLACE removed again") {
      rowid.step_to(1);
      rowid.doubt(true);
      rowid.step_to(1);
    }
    CHECK(before(rowid.net()) == 1);
    CHECK(rowid.net().reborn == (rowid.at() != 0));
  }
  SUBCASE("of one that had become what it was again") {
    Rowid rowid(1);
    rowid.step_to(2);
    rowid.step_to(1);
    rowid.doubt(true);
    CHECK(before(rowid.net()) == 1);
    CHECK_FALSE(rowid.net().is_there);
  }
  SUBCASE("of one that had ended and come again before") {
    Rowid rowid(1);
    rowid.step_to(0);
    rowid.step_to(1);
    rowid.doubt(true);
    CHECK(before(rowid.net()) == 1);
    CHECK_FALSE(rowid.net().is_there);
  }
  SUBCASE("of one that came before") {
    Rowid rowid(0);
    rowid.step_to(1);
    rowid.doubt(true);
    rowid.step_to(2);
    CHECK(before(rowid.net()) == 0);
    CHECK(rowid.net().is_there);
  }
  SUBCASE("of one that stayed after all") {
    Rowid rowid(1);
    rowid.doubt(false);
    CHECK(before(rowid.net()) == 1);
    CHECK(rowid.net().is_there);
    CHECK_FALSE(rowid.net().reborn);
    CHECK(rowid.net().columns.empty());
    rowid.step_to(2);
    CHECK_FALSE(rowid.net().reborn);
    CHECK_FALSE(rowid.net().columns.empty());
  }
}

TEST_CASE("what a BEFORE trigger made of a row is where the statement's own write began") {
  for (const std::int64_t start : {std::int64_t{0}, std::int64_t{1}}) {
    for (const std::int64_t last : {std::int64_t{0}, std::int64_t{3}}) {
      Rowid rowid(start);
      if (start == 0) {
        rowid.step_to(1);
      }
      rowid.step_to(2);
      rowid.believe(1);  // what SQLite had read before the trigger
      rowid.step_to(last);
      CAPTURE(start);
      CAPTURE(last);
      CHECK(before(rowid.net()) == start);
      CHECK(rowid.net().is_there == (last != 0));
      CHECK_FALSE(rowid.net().reborn);
    }
  }
}

TEST_CASE("contents are equal where each cell is, in whatever order they are added") {
  const auto content = [](std::initializer_list<std::pair<std::size_t, std::int64_t>> cells) {
    RowContent out;
    for (const auto& [index, value] : cells) {
      out.add(index, ValueView::of(value));
    }
    return out.get();
  };
  CHECK(content({{0, 7}, {1, 8}}) == content({{1, 8}, {0, 7}}));
  CHECK(content({{0, 7}, {1, 8}}) != content({{0, 8}, {1, 7}}));
  CHECK(content({{0, 7}}) != content({{0, 7}, {1, 0}}));
}

}  // namespace syncline
