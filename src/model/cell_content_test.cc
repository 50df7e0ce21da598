#include "model/cell_content.h"

#include <doctest/doctest.h>

#include "model/digest.h"
#include "model/merge.h"

using namespace syncline;

namespace {

Stamp at(std::uint64_t time, char replica = 'a') {
  Stamp stamp;
  stamp.time = time;
  stamp.replica.bytes[0] = static_cast<std::uint8_t>(replica);
  return stamp;
}

CellEdit plain(const char* column, const Value& value) {
  return {column, CellForm::plain, value, {}};
}

RowEdit edit_of(EditKind kind, std::vector<CellEdit> cells) {
  return {kind, "t", {}, {}, std::move(cells)};
}

RowState born(const Value& value) {
  return state_of(edit_of(EditKind::put, {plain("c", value)}), at(1));
}

void set(RowState& row, const CellEdit& cell, const Stamp& stamp) {
  merge_edit(row, edit_of(EditKind::set, {cell}), stamp);
}

RowEdit step(const RowState& row, const Stamp& stamp, std::int64_t by) {
  const auto edit = increment(row, "c", stamp, Value::integer(by));
  REQUIRE(edit);
  return edit_of(EditKind::set, {*edit});
}

Value shown(const RowState& row) {
  const CellState* cell = row.find("c");
  REQUIRE(cell != nullptr);
  const auto value = cell_value(*cell);
  REQUIRE(value);
  return *value;
}

}  // namespace

TEST_CASE("a plain cell upgrades when it is counted, and the counts of replicas add up") {
  const RowState start = born(Value::integer(10));
  RowState row = start;
  merge_edit(row, step(start, at(2, 'a'), 3), at(2, 'a'));
  merge_edit(row, step(start, at(2, 'b'), 4), at(2, 'b'));
  CHECK(row.find("c")->form == CellForm::counter);
  CHECK(shown(row) == Value::integer(17));
}

TEST_CASE("a replica counts on from its own total") {
  RowState row = born(Value::integer(0));
  for (std::uint64_t time = 2; time < 12; ++time) {
    merge_edit(row, step(row, at(time), 1), at(time));
  }
  CHECK(shown(row) == Value::integer(10));
}

TEST_CASE("an increment that comes twice or late counts once") {
  const RowState start = born(Value::integer(0));
  RowState writer = start;
  const RowEdit first = step(writer, at(2), 1);
  merge_edit(writer, first, at(2));
  const RowEdit second = step(writer, at(3), 1);
  RowState row = start;
  merge_edit(row, second, at(3));
  merge_edit(row, first, at(2));
  merge_edit(row, second, at(3));
  CHECK(shown(row) == Value::integer(2));
}

TEST_CASE("a plain set is a new base: older counts are void and the cell is plain again") {
  const RowState start = born(Value::integer(5));
  RowState row = start;
  merge_edit(row, step(start, at(2, 'b'), 7), at(2, 'b'));
  set(row, plain("c", Value::integer(100)), at(3));
  CHECK(row.find("c")->form == CellForm::plain);
  merge_edit(row, step(start, at(9, 'c'), 7), at(9, 'c'));
  CHECK(shown(row) == Value::integer(100));
}

TEST_CASE("a count that comes before its base waits for it") {
  RowState writer = born(Value::integer(5));
  set(writer, plain("c", Value::integer(100)), at(3));
  const RowEdit counted = step(writer, at(4), 1);
  RowState row = born(Value::integer(5));
  merge_edit(row, counted, at(4));
  CHECK(shown(row) == Value::integer(5));
  set(row, plain("c", Value::integer(100)), at(3));
  CHECK(shown(row) == Value::integer(101));
}

TEST_CASE("a column that the put did not name counts from the row's life") {
  RowState row = state_of(edit_of(EditKind::put, {}), at(1));
  merge_edit(row, step(row, at(2, 'a'), 3), at(2, 'a'));
  merge_edit(row, step(row, at(3, 'b'), 3), at(3, 'b'));
  CHECK(shown(row) == Value::integer(6));
}

TEST_CASE("counts do not outlive the row they counted in") {
  const RowState start = born(Value::integer(5));
  RowState row = start;
  merge_edit(row, edit_of(EditKind::erase, {}), at(4));
  merge_edit(row, step(start, at(9, 'b'), 7), at(9, 'b'));
  CHECK(row.cells.empty());
  merge_edit(row, edit_of(EditKind::put, {plain("c", Value::integer(0))}), at(6));
  CHECK(shown(row) == Value::integer(0));
}

TEST_CASE("a row that was never put, or a step that is no number, cannot be counted") {
  CHECK(!increment(RowState(), "c", at(2), Value::integer(1)));
  CHECK(!increment(born(Value()), "c", at(1), Value::integer(1)));
  CHECK(!increment(born(Value()), "c", at(2), Value::text("1")));
  CHECK(!increment(born(Value()), "c", at(2), Value()));
}

TEST_CASE("a document set whole drops older fields and keeps newer ones") {
  RowState row = born(Value::text(R"({"a":1,"b":1})"));
  const auto change = [&row](const char* text, const Stamp& stamp) {
    const CellState* cell = row.find("c");
    set(row, edit_document(cell, "c", shown(row).view(), ValueView::of(text)), stamp);
  };
  change(R"({"a":2,"b":1})", at(3, 'b'));
  change(R"({"a":2,"b":2})", at(6, 'b'));
  CHECK(row.find("c")->form == CellForm::json);
  set(row, plain("c", Value::text(R"({"z":0})")), at(5));
  CHECK(shown(row) == Value::text(R"({"b":2,"z":0})"));
  set(row, plain("c", Value::text(R"({"z":0})")), at(7));
  CHECK(row.find("c")->form == CellForm::plain);
}

TEST_CASE("a put's plain text is the base that later fields change") {
  RowState row;
  set(row, edit_document(nullptr, "c", ValueView::of(R"({"a":1})"), ValueView::of(R"({"a":2})")),
      at(3));
  CHECK(shown(row) == Value::text(R"({"a":2})"));
  merge_edit(row, edit_of(EditKind::put, {plain("c", Value::text(R"({"a":1,"b":1})"))}), at(1));
  CHECK(shown(row) == Value::text(R"({"a":2,"b":1})"));
}

TEST_CASE("a change to or from what is no document is a plain set") {
  const auto form = [](const ValueView& before, const ValueView& after) {
    return edit_document(nullptr, "c", before, after).form;
  };
  CHECK(form(ValueView::of("{}"), ValueView::of(R"({"a":1})")) == CellForm::json);
  CHECK(form(ValueView::of("{}"), ValueView::of("[1]")) == CellForm::plain);
  CHECK(form(ValueView::null(), ValueView::of("{}")) == CellForm::plain);
  CHECK(form(ValueView::of("{}"), ValueView::null()) == CellForm::plain);
  CHECK(form(ValueView::of("{}"), ValueView::of("{ }")) == CellForm::plain);
}

TEST_CASE("an edit that does not decode changes nothing") {
  RowState row = born(Value::integer(1));
  const RowState before = row;
  set(row, {"c", CellForm::counter, Value::blob(as_bytes("?")), {}}, at(3));
  set(row, {"c", CellForm::json, Value::text("{}"), {}}, at(3));
  set(row, {"c", CellForm::doc, Value::blob(as_bytes("?")), {}}, at(3));
  CHECK(row == before);
}

TEST_CASE("cells are checked before they are merged") {
  const RowState start = born(Value::integer(1));
  RowState row = start;
  const RowEdit counted = step(start, at(2), 1);
  merge_edit(row, counted, at(2));
  CHECK(check_cell(counted.cells[0]));
  CHECK(check_cell(*row.find("c")));
  CHECK(check_cell(*start.find("c")));
  CellState cell = *row.find("c");
  cell.form = CellForm::json;
  CHECK(!check_cell(cell));
  cell = *row.find("c");
  cell.stamp = at(3);
  CHECK(!check_cell(cell));
  const Bytes bytes = cell.value.view().data;
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    CellState cut = *row.find("c");
    cut.value = Value::blob(bytes.first(size));
    CHECK(!check_cell(cut));
  }
  CHECK(!check_cell(CellEdit{"c", CellForm::counter, Value::integer(1), {}}));
  CHECK(!check_cell(CellEdit{"c", CellForm::json, Value::integer(1), {}}));
}

TEST_CASE("a cell names every stamp that is still in it, and so digests tell counters apart") {
  const RowState start = born(Value::integer(1));
  RowState both = start;
  merge_edit(both, step(start, at(2, 'a'), 1), at(2, 'a'));
  merge_edit(both, step(start, at(3, 'b'), 1), at(3, 'b'));
  RowState one = start;
  merge_edit(one, step(start, at(3, 'b'), 1), at(3, 'b'));
  CHECK(stamps_of(*both.find("c")) == std::vector{at(1), at(2, 'a'), at(3, 'b')});
  CHECK(stamps_of(*start.find("c")) == std::vector{at(1)});
  CHECK(one.find("c")->stamp == both.find("c")->stamp);
  CHECK(!(digest_of("t", {}, one) == digest_of("t", {}, both)));
}
