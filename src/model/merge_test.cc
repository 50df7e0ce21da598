#include "model/merge.h"

#include <doctest/doctest.h>

#include <initializer_list>
#include <utility>

#include "model/cell_content.h"
#include "model/counter.h"

using namespace syncline;

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

std::string text_of(const RowState& row, const char* column) {
  const CellState* found = row.find(column);
  return found == nullptr ? "(none)" : std::string(found->value.view().text());
}

}  // namespace

TEST_CASE("a put begins a life with the cells it names") {
  const RowState row = after({{put({cell("a", "1"), cell("b", "2")}), at(5)}});
  CHECK(row.alive);
  CHECK(row.life == at(5));
  CHECK(text_of(row, "a") == "1");
  CHECK(text_of(row, "b") == "2");
}

TEST_CASE("a set changes only the cells it names, whichever comes first") {
  const RowEdit born = put({cell("a", "1"), cell("b", "2")});
  const RowEdit later = set({cell("b", "3", at(5))});
  const RowState row = after({{born, at(5)}, {later, at(6)}});
  CHECK(text_of(row, "a") == "1");
  CHECK(text_of(row, "b") == "3");
  CHECK(row == after({{later, at(6)}, {born, at(5)}}));
}

TEST_CASE("a cell keeps the edit of the greatest stamp") {
  const RowState row = after({{put({cell("a", "1")}), at(1)},
                              {set({cell("a", "late")}), at(9, 'b')},
                              {set({cell("a", "early")}), at(4, 'c')}});
  CHECK(text_of(row, "a") == "late");
}

TEST_CASE("at one time the greater replica wins") {
  const RowState row = after({{put({cell("a", "0")}), at(1)},
                              {set({cell("a", "of b")}), at(4, 'b')},
                              {set({cell("a", "of a")}), at(4, 'a')}});
  CHECK(text_of(row, "a") == "of b");
}

TEST_CASE("a cell older than the row's life is void") {
  const RowState row = after(
      {{put({cell("a", "new")}), at(5)}, {set({cell("a", "old"), cell("b", "old")}), at(3, 'b')}});
  CHECK(text_of(row, "a") == "new");
  CHECK(row.find("b") == nullptr);
}

TEST_CASE("a put over an older life starts clean but keeps newer cells") {
  const RowState row = after({{put({cell("a", "1"), cell("b", "1")}), at(1)},
                              {set({cell("b", "7")}), at(7, 'b')},
                              {set({cell("c", "3")}), at(3, 'b')},
                              {put({cell("a", "5"), cell("b", "5")}), at(5)}});
  CHECK(row.life == at(5));
  CHECK(text_of(row, "a") == "5");
  CHECK(text_of(row, "b") == "7");
  CHECK(row.find("c") == nullptr);
}

TEST_CASE("a dead row keeps only its life and the cells newer than it") {
  const RowState row = after({{put({cell("a", "1"), cell("b", "1")}), at(1)},
                              {set({cell("b", "9")}), at(9, 'b')},
                              {erase(), at(5)}});
  CHECK(!row.alive);
  CHECK(row.life == at(5));
  CHECK(row.cells.size() == 1);
  CHECK(text_of(row, "b") == "9");
}

TEST_CASE("an edit made concurrently with a delete does not resurrect the row, a new put does") {
  RowState row = after({{put({cell("a", "1")}), at(1)}, {erase(), at(5)}});
  merge_edit(row, set({cell("a", "2", at(1))}), at(9, 'b'));
  CHECK(!row.alive);
  merge_edit(row, put({cell("a", "3"), cell("b", "3")}), at(7, 'c'));
  CHECK(row.alive);
  CHECK(text_of(row, "a") == "2");
  CHECK(text_of(row, "b") == "3");
}

TEST_CASE("a put older than the death stays dead") {
  const RowState row = after({{erase(), at(5)}, {put({cell("a", "1")}), at(3, 'b')}});
  CHECK(!row.alive);
  CHECK(row.cells.empty());
}

TEST_CASE("an erase older than the life is void") {
  const RowEdit born = put({cell("a", "1")});
  const RowState row = after({{born, at(5)}, {erase(), at(3, 'b')}});
  CHECK(row == after({{born, at(5)}}));
}

TEST_CASE("a forged put and erase of one stamp end as a deletion in either order") {
  const RowState row = after({{put({cell("a", "1")}), at(5)}, {erase(), at(5)}});
  CHECK(!row.alive);
  CHECK(row.cells.empty());
  CHECK(row == after({{erase(), at(5)}, {put({cell("a", "1")}), at(5)}}));
}

TEST_CASE("an edit without a stamp changes nothing") {
  RowState row;
  CHECK(!merge_edit(row, put({cell("a", "1")}), Stamp()).changed);
  CHECK(row == RowState());
}

TEST_CASE("a merge says whether the row changed") {
  RowState row;
  const RowEdit born = put({cell("a", "1")});
  CHECK(merge_edit(row, born, at(5)).changed);
  CHECK(!merge_edit(row, born, at(5)).changed);
  CHECK(!merge_edit(row, set({cell("a", "0")}), at(4, 'b')).changed);
  CHECK(merge_edit(row, set({cell("a", "2")}), at(6, 'b')).changed);
  CHECK(merge_edit(row, erase(), at(7)).changed);
  CHECK(!merge_state(row, RowState()).changed);
}

namespace {

CellEdit count(const char* column, const Stamp& base) {
  return {column, CellForm::counter, encode_counter_edit({base, Value::integer(1)}), {}};
}

Stamp numbered(std::uint64_t time, std::size_t replica) {
  Stamp stamp = at(time, 'r');
  stamp.replica.bytes[1] = static_cast<std::uint8_t>(replica >> 16U);
  stamp.replica.bytes[2] = static_cast<std::uint8_t>(replica >> 8U);
  stamp.replica.bytes[3] = static_cast<std::uint8_t>(replica);
  return stamp;
}

// A counter that so many replicas have counted.
RowState counted_by(std::size_t replicas) {
  RowState row = after({{put({}), at(1)}});
  CellContent content;
  for (std::size_t i = 0; i < replicas; ++i) {
    content.counts.push_back({at(1), numbered(2, i), Value::integer(1)});
  }
  row.cells = {*cell_of("n", content)};
  return row;
}

}  // namespace

TEST_CASE("a merge makes no cell that nobody can read, and takes no part of it away") {
  RowState row = counted_by(counter_replicas_max);
  const RowState before = row;
  const MergeEffect beyond = merge_edit(row, set({count("n", at(1))}), at(9, 'z'));
  CHECK(beyond.room == CellRoom::none);
  CHECK_FALSE(beyond.changed);
  CHECK(row == before);
  // Whoever is in it already may go on counting, and a value that is set begins it anew.
  CHECK(merge_edit(row, set({count("n", at(1))}), numbered(9, 3)).room == CellRoom::scarce);
  CHECK(merge_edit(row, set({cell("n", "0")}), at(10)).room == CellRoom::ample);
  CHECK(text_of(row, "n") == "0");
}

TEST_CASE("a merge says when more than half of a cell's room is taken") {
  RowState row = counted_by(counter_replicas_max / 2);
  CHECK(merge_edit(row, set({count("n", at(1))}), numbered(9, 0)).room == CellRoom::ample);
  CHECK(merge_edit(row, set({count("n", at(1))}), at(9, 'z')).room == CellRoom::scarce);
}

TEST_CASE("a cell that does not decode is not replaced, but by a life that makes it void") {
  RowState row = after({{put({cell("n", "0")}), at(1)}});
  row.cells[0].form = CellForm::counter;
  row.cells[0].stamp = at(5);
  row.cells[0].value = Value::blob(as_bytes("?"));
  const RowState damaged = row;
  for (const CellEdit& edit : {count("n", at(1)), cell("n", "9")}) {
    const MergeEffect effect = merge_edit(row, set({edit}), at(9, 'b'));
    CHECK(effect.is_unreadable);
    CHECK(row == damaged);
  }
  merge_edit(row, put({}), at(4));
  CHECK(row.cells == damaged.cells);
  merge_edit(row, put({}), at(6));
  CHECK(row.cells.empty());
}
