#include "model/concurrency.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "model/merge_world.h"

using namespace syncline;
using namespace syncline::merge_world;

namespace {

// Replicas and times small enough to read: at(3, 'b') is the third tick, on replica b.
Stamp at(std::uint64_t time, char replica = 'a') {
  Stamp stamp;
  stamp.time = time;
  stamp.replica.bytes[0] = static_cast<std::uint8_t>(replica);
  return stamp;
}

CellEdit cell(const char* column, const char* text, const Stamp& replaced = {}) {
  return {column, CellForm::plain, Value::text(text), replaced};
}

RowEdit put(std::vector<CellEdit> cells, const Stamp& replaced = {}) {
  return {EditKind::put, "t", {}, replaced, std::move(cells)};
}
RowEdit set(std::vector<CellEdit> cells) { return {EditKind::set, "t", {}, {}, std::move(cells)}; }
RowEdit erase(const Stamp& replaced = {}) { return {EditKind::erase, "t", {}, replaced, {}}; }

RowState after(std::initializer_list<std::pair<RowEdit, Stamp>> edits) {
  RowState row;
  for (const auto& [edit, stamp] : edits) {
    merge_edit(row, edit, stamp);
  }
  return row;
}

}  // namespace

TEST_CASE("two sets of one cell that had not seen each other are concurrent, in either order") {
  const RowEdit ours = set({cell("a", "ours", at(1))});
  const RowEdit theirs = set({cell("a", "theirs", at(1))});
  const Concurrency expected{Concurrency::Kind::cell, "a", at(3, 'a'), at(4, 'b'),
                             Value::text("ours")};
  RowState row = after({{put({cell("a", "0")}), at(1, 'c')}, {ours, at(3, 'a')}});
  CHECK(merge_edit(row, theirs, at(4, 'b')).concurrent == std::vector{expected});
  row = after({{put({cell("a", "0")}), at(1, 'c')}, {theirs, at(4, 'b')}});
  CHECK(merge_edit(row, ours, at(3, 'a')).concurrent == std::vector{expected});
}

TEST_CASE("an edit that had seen the cell is not concurrent with it") {
  RowState row = after({{put({cell("a", "0")}), at(1, 'c')}});
  CHECK(merge_edit(row, set({cell("a", "1", at(1, 'c'))}), at(3)).concurrent.empty());
  CHECK(merge_edit(row, set({cell("a", "2", at(3))}), at(4, 'b')).concurrent.empty());
}

TEST_CASE("edits of different cells are never concurrent") {
  RowState row = after({{put({cell("a", "0"), cell("b", "0")}), at(1, 'c')},
                        {set({cell("a", "1", at(1, 'c'))}), at(3)}});
  CHECK(merge_edit(row, set({cell("b", "1", at(1, 'c'))}), at(4, 'b')).concurrent.empty());
}

TEST_CASE("a late edit is concurrent with a winner that was written over an earlier winner") {
  // b wrote twice; a's edit lies before both, and b saw it at neither.
  RowState row = after({{put({cell("a", "0")}), at(1, 'c')},
                        {set({cell("a", "b1", at(1, 'c'))}), at(4, 'b')},
                        {set({cell("a", "b2", at(4, 'b'))}), at(5, 'b')}});
  const MergeEffect effect = merge_edit(row, set({cell("a", "a1", at(1, 'c'))}), at(3, 'a'));
  REQUIRE(effect.concurrent.size() == 1);
  CHECK(effect.concurrent[0].loser == at(3, 'a'));
  CHECK(effect.concurrent[0].winner == at(5, 'b'));
  CHECK(effect.concurrent[0].loser_value == Value::text("a1"));
}

TEST_CASE("two puts of one key that had not seen each other are concurrent, cell by cell too") {
  RowState row = after({{put({cell("a", "1"), cell("b", "1")}), at(3, 'a')}});
  const MergeEffect effect = merge_edit(row, put({cell("a", "2")}), at(4, 'b'));
  REQUIRE(effect.concurrent.size() == 3);
  CHECK(effect.concurrent[0].kind == Concurrency::Kind::life);
  CHECK(effect.concurrent[1].column == "a");
  CHECK(effect.concurrent[1].loser_value == Value::text("1"));
  CHECK(effect.concurrent[2].column == "b");
}

TEST_CASE("a put that had seen the row is concurrent with nothing in it") {
  RowState row = after({{put({cell("a", "1")}), at(3, 'a')}});
  CHECK(merge_edit(row, put({cell("a", "2")}, at(3, 'a')), at(4, 'b')).concurrent.empty());
}

TEST_CASE("an edit of a row that somebody deleted is told, in either order") {
  const RowEdit edit = set({cell("a", "2", at(1))});
  for (const std::uint64_t time : {3U, 6U}) {
    RowState row = after({{put({cell("a", "1")}), at(1)}, {erase(at(1)), at(5, 'b')}});
    const MergeEffect late = merge_edit(row, edit, at(time, 'c'));
    REQUIRE(late.concurrent.size() == 1);
    CHECK(late.concurrent[0].kind == Concurrency::Kind::edit_erased);

    row = after({{put({cell("a", "1")}), at(1)}, {edit, at(time, 'c')}});
    CHECK(merge_edit(row, erase(at(1)), at(5, 'b')).concurrent == late.concurrent);
  }
}

TEST_CASE("deleting what one has seen is no conflict, and neither are two deletions") {
  RowState row = after({{put({cell("a", "1")}), at(1)}});
  CHECK(merge_edit(row, erase(at(1)), at(5, 'b')).concurrent.empty());
  CHECK(merge_edit(row, erase(at(1)), at(6, 'c')).concurrent.empty());
}

TEST_CASE("a set that a concurrent put made void is told with its value") {
  RowState row = after(
      {{put({cell("a", "1"), cell("b", "1")}), at(1)}, {put({cell("a", "5")}, at(1)), at(5, 'b')}});
  const MergeEffect effect = merge_edit(row, set({cell("b", "3", at(1))}), at(3, 'c'));
  REQUIRE(effect.concurrent.size() == 1);
  CHECK(effect.concurrent[0].column == "b");
  CHECK(effect.concurrent[0].winner == at(5, 'b'));
  CHECK(effect.concurrent[0].loser_value == Value::text("3"));
}

TEST_CASE("merging states tells concurrent cells and lives as merging edits does") {
  const RowState base = after({{put({cell("a", "0")}), at(1, 'c')}});
  RowState ours = base;
  merge_edit(ours, set({cell("a", "1", at(1, 'c'))}), at(3, 'a'));
  RowState theirs = base;
  const RowEdit edit = set({cell("a", "2", at(1, 'c'))});
  RowState by_edit = ours;
  const auto expected = merge_edit(by_edit, edit, at(4, 'b')).concurrent;
  merge_edit(theirs, edit, at(4, 'b'));
  CHECK(merge_state(ours, theirs).concurrent == expected);
  CHECK(ours == by_edit);
}

namespace {

RowState counted_row() {
  return after({{put({{"n", CellForm::plain, Value::integer(10), {}}}), at(1, 'c')}});
}

RowEdit count(const RowState& row, const Stamp& stamp, std::int64_t step) {
  const auto edit = increment(row, "n", stamp, Value::integer(step));
  REQUIRE(edit);
  return set({*edit});
}

RowEdit change_document(const RowState& row, const char* text) {
  const auto before = cell_value(*row.find("j"));
  REQUIRE(before);
  return set({edit_document(row.find("j"), "j", before->view(), ValueView::of(text))});
}

}  // namespace

TEST_CASE("concurrent increments add up and are no conflict") {
  const RowState born = counted_row();
  RowState row = born;
  CHECK(merge_edit(row, count(born, at(3, 'a'), 1), at(3, 'a')).concurrent.empty());
  CHECK(merge_edit(row, count(born, at(4, 'b'), 1), at(4, 'b')).concurrent.empty());
}

TEST_CASE("an increment that a concurrent reset throws away is told, in either order") {
  const RowState born = counted_row();
  const RowEdit step = count(born, at(3, 'a'), 1);
  const RowEdit reset = set({{"n", CellForm::plain, Value::integer(0), at(1, 'c')}});
  for (const std::uint64_t time : {2U, 4U}) {
    RowState row = born;
    merge_edit(row, step, at(3, 'a'));
    const auto late_reset = merge_edit(row, reset, at(time, 'b')).concurrent;
    REQUIRE(late_reset.size() == 1);
    CHECK(late_reset[0].column == "n");
    row = born;
    merge_edit(row, reset, at(time, 'b'));
    const auto late_step = merge_edit(row, step, at(3, 'a')).concurrent;
    REQUIRE(late_step.size() == 1);
    CHECK(late_step[0].winner == late_reset[0].winner);
    CHECK(late_step[0].loser == late_reset[0].loser);
  }
}

TEST_CASE("edits of different fields are no conflict, edits of one field are") {
  const RowState born = after({{put({cell("j", R"({"x":1,"y":{"z":1}})")}), at(1, 'c')}});
  const RowEdit of_x = change_document(born, R"({"x":2,"y":{"z":1}})");
  const RowEdit of_z = change_document(born, R"({"x":1,"y":{"z":2}})");
  const RowEdit without_y = change_document(born, R"({"x":1})");
  const auto met = [&born](const RowEdit& first, const RowEdit& second) {
    RowState row = born;
    merge_edit(row, first, at(3, 'a'));
    return merge_edit(row, second, at(4, 'b')).concurrent.size();
  };
  CHECK(met(of_x, of_z) == 0);
  CHECK(met(of_x, of_x) == 1);
  CHECK(met(of_z, without_y) == 1);
  CHECK(met(without_y, of_z) == 1);
  CHECK(met(of_x, without_y) == 0);
}

namespace {

// What really happened: neither writer had seen the other's edit.
bool is_truly_concurrent(const History& history, const Stamp& a, const Stamp& b) {
  const auto index_of = [&history](const Stamp& stamp) {
    for (std::size_t i = 0; i < history.size(); ++i) {
      if (history[i].stamp == stamp) {
        return i;
      }
    }
    return history.size();
  };
  const std::size_t first = index_of(a);
  const std::size_t second = index_of(b);
  REQUIRE(std::max(first, second) < history.size());
  const auto saw = [&history](std::size_t who, std::size_t what) {
    const auto& seen = history[who].seen;
    return std::binary_search(seen.begin(), seen.end(), what);
  };
  return first != second && !saw(first, second) && !saw(second, first);
}

bool reports_cell(const MergeEffect& effect, const std::string& column) {
  return std::any_of(effect.concurrent.begin(), effect.concurrent.end(),
                     [&column](const Concurrency& pair) {
                       return pair.kind == Concurrency::Kind::cell && pair.column == column;
                     });
}

struct Tally {
  std::uint64_t reported = 0;
  std::uint64_t sets_judged = 0;
};

// Delivers the history to a newcomer in some causal order and judges each report.
void judge_delivery(Random& random, const History& history, Tally& tally) {
  Replica replica;
  std::vector<std::size_t> ready;
  while (replica.seen.size() < history.size()) {
    ready.clear();
    for (std::size_t i = 0; i < history.size(); ++i) {
      if (is_deliverable(history, replica, i)) {
        ready.push_back(i);
      }
    }
    const std::size_t next = ready[random.below(ready.size())];
    const RowState before = replica.row;
    const MergeEffect effect = replica.hear(history, next);
    const StampedEdit& one = history[next];
    INFO("at edit " << next << " on " << short_text(before) << short_text(history));
    for (const Concurrency& pair : effect.concurrent) {
      REQUIRE(pair.loser < pair.winner);
      REQUIRE(is_truly_concurrent(history, pair.loser, pair.winner));
      ++tally.reported;
    }
    for (const CellEdit& cell : one.edit.cells) {
      const CellState* present = before.find(cell.column);
      const bool is_plain_column = cell.column == "a" || cell.column == "b";
      if (one.edit.kind == EditKind::set && is_plain_column && present != nullptr) {
        REQUIRE(reports_cell(effect, cell.column) ==
                is_truly_concurrent(history, one.stamp, present->stamp));
        ++tally.sets_judged;
      }
    }
  }
}

}  // namespace

TEST_CASE(
    "in causal delivery no pair is reported that had seen each other, and every set is told "
    "exactly whether it met a concurrent cell") {
  Tally tally;
  for (std::uint64_t seed = 6'000'000; seed < 6'040'000; ++seed) {
    SeededRandom random(seed);
    const History history = honest_history(random, {"a", "b"}, 1 + random.below(7));
    INFO("seed " << seed);
    judge_delivery(random, history, tally);
  }
  MESSAGE("40000 deliveries: " << tally.reported << " pairs reported, " << tally.sets_judged
                               << " sets judged");
  CHECK(tally.reported > 10'000);
  CHECK(tally.sets_judged > 10'000);
}

TEST_CASE("in causal delivery no false pair is reported for counters and documents") {
  Tally tally;
  for (std::uint64_t seed = 7'000'000; seed < 7'010'000; ++seed) {
    SeededRandom random(seed);
    const History history = honest_history(random, {"n", "j"}, 1 + random.below(6));
    INFO("seed " << seed);
    judge_delivery(random, history, tally);
  }
  CHECK(tally.reported > 1'000);
}
