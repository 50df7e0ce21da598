#include "wire/state_part.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "model/value_codec.h"
#include "wire/wire_samples.h"

using namespace syncline;

namespace {

struct Row {
  std::string table;
  RowKey key;
  RowState state;
  friend bool operator==(const Row&, const Row&) = default;
};

Result<std::vector<Row>> read_all(Bytes part) {
  std::vector<Row> out;
  SL_TRY(read_state_part(
      part, [&](const std::string& table, Bytes key, const RowState& state) -> Result<void> {
        out.push_back({table, {to_vector(key)}, state});
        return {};
      }));
  return out;
}

}  // namespace

TEST_CASE("states come back as they were, dead ones and cells without a life too") {
  RowState dead;
  dead.life = sample_stamp(700, 2);
  dead.cells = {{"late", CellForm::plain, sample_stamp(701, 3), Value::text("x"), {}}};
  RowState unborn;
  unborn.cells = {{"early", CellForm::plain, sample_stamp(10, 3), Value::integer(1), {}}};
  const std::vector<Row> rows = {{"notes", sample_key(1), sample_state()},
                                 {"notes", sample_key(2), dead},
                                 {"tags", sample_key(1), unborn}};
  StatePartWriter writer(sample_replica(9));
  for (const Row& row : rows) {
    writer.row(row.table, row.key.view(), row.state);
  }
  CHECK(writer.rows() == 3);
  const auto back = read_all(writer.finish());
  REQUIRE(back.has_value());
  CHECK(*back == rows);
  CHECK(writer.rows() == 0);
}

TEST_CASE("a part of states without rows is one") {
  StatePartWriter writer(sample_replica(9));
  const auto back = read_all(writer.finish());
  REQUIRE(back.has_value());
  CHECK(back->empty());
}

TEST_CASE("a change's part is no part of states") {
  CHECK(read_all(encode_change(sample_change())).error().code() == ErrorCode::malformed);
}

TEST_CASE("states show as edits: put, set and erase, with plain cells") {
  RowState counted;
  counted.life = sample_stamp(700, 2);
  counted.alive = true;
  counted.cells = {{"title", CellForm::plain, sample_stamp(700, 2), Value::text("x"), {}}};
  RowState dead;
  dead.life = sample_stamp(701, 2);
  RowState unborn;
  unborn.cells = {{"early", CellForm::plain, sample_stamp(10, 3), Value::integer(1), {}}};
  StatePartWriter writer(sample_replica(9));
  writer.row("notes", sample_key(1).view(), counted);
  writer.row("notes", sample_key(2).view(), dead);
  writer.row("tags", sample_key(1).view(), unborn);
  const ByteVector part = writer.finish();
  const auto shown = shown_by_parts(std::vector<Bytes>{part});
  REQUIRE(shown);
  REQUIRE(shown->edits.size() == 3);
  CHECK(shown->edits[0].kind == EditKind::put);
  CHECK(shown->edits[0].cells.at(0).value == Value::text("x"));
  CHECK(shown->edits[1].kind == EditKind::erase);
  CHECK(shown->edits[2].kind == EditKind::set);
  CHECK(shown->edits[2].table == "tags");
}

TEST_CASE("states of tables that nobody asked for are left out") {
  StatePartWriter writer(sample_replica(9));
  writer.row("notes", sample_key(1).view(), sample_state());
  writer.row("tags", sample_key(2).view(), sample_state());
  const auto left =
      filter_states(writer.finish(), [](const std::string& table) { return table == "tags"; });
  REQUIRE(left);
  const auto rows = read_all(*left);
  REQUIRE(rows);
  CHECK(*rows == std::vector<Row>{{"tags", sample_key(2), sample_state()}});
}

TEST_CASE("rows that differ in all their columns, or in the width of their keys, come back") {
  std::vector<Row> rows;
  for (int i = 0; i < 3; ++i) {
    RowState state;
    state.life = sample_stamp(500, 1);
    state.alive = true;
    for (int j = 0; j < 900; ++j) {
      std::string name = std::to_string(10'000 * (i + 1) + j);
      state.cells.push_back({name, CellForm::plain, state.life, Value::integer(j), {}});
    }
    rows.push_back({"notes", sample_key(i), state});
  }
  RowKey wide = sample_key(1);
  wide.bytes.insert(wide.bytes.end(), {0x41, 0x42});
  rows.push_back({"notes", wide, sample_state()});
  StatePartWriter writer(sample_replica(9));
  for (const auto& [table, key, state] : rows) {
    writer.row(table, key.view(), state);
  }
  const auto back = read_all(writer.finish());
  REQUIRE(back);
  std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.key < b.key; });
  auto found = *back;
  std::sort(found.begin(), found.end(), [](const Row& a, const Row& b) { return a.key < b.key; });
  CHECK(found == rows);
}

TEST_CASE("a change without the tables that nobody asked for is no longer than it was") {
  // Each row in a section of its own names one column; together they would be a wide table.
  PartHeader header;
  header.sequence = ChangeSequence(7);
  header.stamp = sample_stamp(1000, 1);
  header.index = 3;
  header.last = false;
  RowWriter rows(sample_replica(1));
  const std::uint16_t first[] = {0};
  const Stamp replaced[] = {sample_stamp(900, 2)};
  for (std::int64_t i = 0; i < 3000; ++i) {
    const std::string columns[] = {"c" + std::to_string(i)};
    rows.begin_table(i % 100 == 0 ? "tags" : "notes", 1, columns);
    Writer& out = rows.begin_row(i % 2 == 0 ? RowKind::set : RowKind::put, first, replaced);
    out.raw(sample_key(i).view());
    if (i % 3 == 0) {
      RowWriter::write_formed(out, CellForm::counter, as_bytes("any"));
    } else {
      write_value(out, ValueView::of(i));
    }
  }
  const std::uint16_t none[] = {0};
  rows.begin_table("notes", 1, {});
  rows.begin_row(RowKind::erase, std::span(none, 0), replaced).raw(sample_key(5000).view());
  Writer written;
  write_part_header(written, header);
  written.raw(rows.finish());
  const auto edits_of = [](Bytes part) {
    std::vector<RowEdit> out;
    Reader in(part);
    REQUIRE(read_part_header(in).has_value());
    RowReader reader(in.rest(), sample_replica(1));
    while (*reader.next_table()) {
      while (*reader.next_row()) {
        out.push_back(read_edit(reader));
      }
    }
    return out;
  };
  std::vector<RowEdit> expected = edits_of(written.bytes());
  expected.erase(std::remove_if(expected.begin(), expected.end(),
                                [](const RowEdit& edit) { return edit.table != "notes"; }),
                 expected.end());
  const auto left =
      filter_part(written.bytes(), [](const std::string& table) { return table == "notes"; });
  REQUIRE(left.has_value());
  CHECK(left->size() < written.size());
  Reader in(*left);
  CHECK(*read_part_header(in) == header);
  CHECK(edits_of(*left) == expected);
  const auto all = filter_part(written.bytes(), [](const std::string&) { return true; });
  CHECK(equal_bytes(*all, written.bytes()));
}
