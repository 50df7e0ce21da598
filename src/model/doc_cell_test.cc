#include "model/doc_cell.h"

#include <doctest/doctest.h>

#include "model/cell_content.h"
#include "model/merge.h"

namespace syncline {
namespace {

Stamp at(std::uint64_t time, unsigned replica = 0) {
  Stamp stamp;
  stamp.time = time;
  stamp.replica.bytes[0] = static_cast<std::uint8_t>('a' + replica);
  return stamp;
}

RowState born(const Value& value, const Stamp& stamp = at(1)) {
  RowState row;
  RowEdit edit;
  edit.cells.push_back({"c", CellForm::plain, value, {}});
  merge_edit(row, edit, stamp);
  return row;
}

RowEdit set_of(CellEdit cell) {
  RowEdit edit;
  edit.kind = EditKind::set;
  edit.cells.push_back(std::move(cell));
  return edit;
}

// The edit that makes a row's text another, as a client of its own.
RowEdit rewritten(const RowState& row, std::string_view after, ydoc::ClientId client) {
  auto document = open_document(row.find("c"), row.life, DocKind::text, client);
  REQUIRE(document);
  DocRecorder recorder(*document->doc);
  REQUIRE(recorder.become(after));
  const auto update = recorder.finish();
  REQUIRE(update);
  return set_of(edit_of_document(*document, "c", *update));
}

std::string shown(const RowState& row) {
  const CellState* cell = row.find("c");
  REQUIRE(cell != nullptr);
  const auto value = cell_value(*cell);
  REQUIRE(value);
  return value->is_null() ? "NULL" : std::string(value->view().text());
}

TEST_CASE("concurrent edits of one text both stay") {
  RowState one = born(Value::text("the quick fox"));
  RowState two = one;
  const RowEdit slow = rewritten(one, "the slow fox", 7);
  const RowEdit dogs = rewritten(two, "the quick fox and dogs", 8);
  merge_edit(one, slow, at(2, 1));
  merge_edit(two, dogs, at(3, 2));
  CHECK(shown(one) == "the slow fox");
  merge_edit(one, dogs, at(3, 2));
  merge_edit(two, slow, at(2, 1));
  CHECK(shown(one) == "the slow fox and dogs");
  CHECK(one == two);
}

TEST_CASE("an edit tells its change and not the text around it") {
  const RowState row = born(Value::text(std::string(100'000, 'x')));
  const RowEdit edit = rewritten(row, std::string(100'000, 'x') + "!", 7);
  CHECK(edit.cells[0].value.view().data.size() < 100);
}

TEST_CASE("an edit that comes before what it builds on waits, and shows nothing") {
  const RowState row = born(Value::text("a"));
  RowState writer = row;
  const RowEdit first = rewritten(writer, "ab", 7);
  merge_edit(writer, first, at(2));
  const RowEdit second = rewritten(writer, "abc", 7);
  RowState late = row;
  merge_edit(late, second, at(3));
  CHECK(shown(late) == "a");
  CHECK(content_of(*late.find("c"))->document.waiting.size() == 1);
  merge_edit(late, first, at(2));
  CHECK(shown(late) == "abc");
  CHECK(content_of(*late.find("c"))->document.waiting.empty());
}

TEST_CASE("an edit of a text that was set whole since is void") {
  RowState row = born(Value::text("old"));
  const RowEdit edit = rewritten(row, "older", 7);
  merge_edit(row, set_of({"c", CellForm::plain, Value(), at(1)}), at(2));
  merge_edit(row, edit, at(3, 1));
  CHECK(shown(row) == "NULL");
}

TEST_CASE("a row that is put again begins its documents anew") {
  RowState row = born(Value::text("old"));
  const RowEdit edit = rewritten(row, "older", 7);
  RowEdit erase;
  erase.kind = EditKind::erase;
  merge_edit(row, erase, at(2));
  RowEdit put;
  put.cells.push_back({"c", CellForm::plain, Value::text("new"), {}});
  merge_edit(row, put, at(3));
  merge_edit(row, edit, at(4, 1));
  CHECK(shown(row) == "new");
}

TEST_CASE("two texts that are set in one transaction each are one text on every replica") {
  // The base's characters have the same names wherever they are first edited.
  RowState one = born(Value::text("ab"));
  RowState two = born(Value::text("ab"));
  merge_edit(one, rewritten(one, "a", 7), at(2, 1));
  merge_edit(two, rewritten(two, "a", 8), at(3, 2));
  merge_state(one, two);
  CHECK(shown(one) == "a");
}

TEST_CASE("a cell with a document is stored, checked and read back") {
  RowState row = born(Value::text("a"));
  merge_edit(row, rewritten(row, "ab", 7), at(2, 1));
  const CellState& cell = *row.find("c");
  CHECK(cell.form == CellForm::doc);
  CHECK(cell.stamp == at(2, 1));
  CHECK(check_cell(cell));
  CHECK(stamps_of(cell) == std::vector<Stamp>{at(1), at(2, 1)});
  const auto content = content_of(cell);
  REQUIRE(content);
  CHECK(*cell_of("c", *content) == cell);
}

TEST_CASE("bytes that are no document's edit are refused") {
  CHECK(check_cell(rewritten(born(Value::text("")), "x", 7).cells[0]));
  const DocEdit good{DocKind::text, {at(1), 0}, std::string("\0\0", 2)};
  CHECK(decode_doc_edit(encode_doc_edit(good).view()).value() == good);
  const auto refused = [](const DocEdit& edit) {
    return !check_cell(CellEdit{"c", CellForm::doc, encode_doc_edit(edit), {}});
  };
  CHECK_FALSE(refused(good));
  CHECK(refused({DocKind::text, {at(1), 0}, "\x01"}));
  CHECK(refused({DocKind::text, {at(1), 0}, ""}));
  CHECK(refused({DocKind::text, {Stamp(), 0}, std::string("\0\0", 2)}));
  CHECK_FALSE(decode_doc_edit(ValueView::of("text")));
}

TEST_CASE("a document that came in several updates at once is one edit") {
  ydoc::DocOptions options;
  options.client_id = 5;
  ydoc::Doc page(options);
  std::vector<ByteVector> updates;
  page.on_update(
      [&](const ydoc::UpdateEvent& event) { updates.push_back(to_vector(event.update)); });
  ydoc::Text text = page.text(text_root);
  REQUIRE(text.insert(0, u"one"));
  REQUIRE(text.insert(3, u" two"));
  RowState row = born(Value());
  auto document = open_document(row.find("c"), row.life, DocKind::text, 9);
  REQUIRE(document);
  DocRecorder recorder(*document->doc);
  for (const ByteVector& update : updates) {
    REQUIRE(recorder.apply(update));
  }
  const auto update = recorder.finish();
  REQUIRE(update);
  merge_edit(row, set_of(edit_of_document(*document, "c", *update)), at(2));
  CHECK(shown(row) == "one two");
  // What builds on something that never came goes along and waits.
  REQUIRE(text.insert(7, u" three"));
  REQUIRE(text.insert(13, u" four"));
  document = open_document(row.find("c"), row.life, DocKind::text, 9);
  REQUIRE(document);
  DocRecorder again(*document->doc);
  REQUIRE(again.apply(updates[3]));
  const auto waiting = again.finish();
  REQUIRE(waiting);
  merge_edit(row, set_of(edit_of_document(*document, "c", *waiting)), at(3));
  CHECK(shown(row) == "one two");
  merge_edit(
      row,
      set_of({"c",
              CellForm::doc,
              encode_doc_edit({DocKind::text, document->base, std::string(as_text(updates[2]))}),
              {}}),
      at(4));
  CHECK(shown(row) == "one two three four");
}

}  // namespace
}  // namespace syncline
