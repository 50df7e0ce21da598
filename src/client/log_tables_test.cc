#include "client/log_tables.h"

#include <doctest/doctest.h>

#include "wire/change_codec.h"

namespace syncline {
namespace {

TEST_CASE("a change in its travelling form names its tables") {
  Change change;
  change.sequence = ChangeSequence(1);
  change.stamp.time = 5;
  change.stamp.replica.bytes[0] = 1;
  const ValueView key[] = {ValueView::of("k")};
  for (const char* table : {"b", "a"}) {
    RowEdit edit;
    edit.table = table;
    edit.key = make_key(key);
    change.edits.push_back(edit);
  }
  LogTables tables;
  REQUIRE(add_log_tables(LogForm::frozen, encode_change(change), tables));
  CHECK(tables.names == std::set<std::string>{"a", "b"});
  CHECK(tables.ids.empty());
}

TEST_CASE("runs name their tables by id, each once") {
  LogBodyWriter body;
  LogRun run;
  body.begin_table(3);
  run.first = 1;
  body.run(run);
  run.first = 9;
  body.run(run);
  body.begin_table(2);
  body.run(run);
  LogTables tables;
  REQUIRE(add_log_tables(LogForm::runs, body.finish(), tables));
  CHECK(tables.ids == std::set<TableId>{2, 3});
}

}  // namespace
}  // namespace syncline
