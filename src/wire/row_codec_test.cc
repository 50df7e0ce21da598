#include "wire/row_codec.h"

#include <doctest/doctest.h>

#include "wire/wire_samples.h"

using namespace syncline;

namespace {

const std::vector<std::string> columns = {"body", "rank"};

ByteVector puts(std::int64_t count) {
  RowWriter rows(sample_replica(1));
  rows.begin_table("notes", 1, columns);
  const std::uint16_t used[] = {0, 1};
  const Stamp replaced[] = {Stamp()};
  for (std::int64_t i = 0; i < count; ++i) {
    Writer& out = rows.begin_row(RowKind::put, used, replaced);
    out.raw(sample_key(i).view());
    write_value(out, ValueView::of("x"));
    write_value(out, ValueView::of(i));
  }
  return rows.finish();
}

}  // namespace

TEST_CASE("rows that are alike share one header") {
  const std::size_t one = puts(1).size();
  const std::size_t hundred = puts(100).size();
  CHECK(hundred - one <= 99 * 8);
}

TEST_CASE("rows come back one by one, table by table") {
  const ByteVector bytes = puts(3);
  RowReader rows(bytes, sample_replica(1));
  REQUIRE(*rows.next_table());
  CHECK(rows.table() == "notes");
  for (std::int64_t i = 0; i < 3; ++i) {
    REQUIRE(*rows.next_row());
    CHECK(equal_bytes(rows.key(), sample_key(i).view()));
    CHECK(rows.cell_count() == 2);
    CHECK(rows.cell(1).value.view().integer == i);
  }
  CHECK_FALSE(*rows.next_row());
  CHECK_FALSE(*rows.next_table());
}

TEST_CASE("next_table moves past rows that nobody read") {
  const ByteVector bytes = puts(3);
  RowReader rows(bytes, sample_replica(1));
  REQUIRE(*rows.next_table());
  CHECK_FALSE(*rows.next_table());
}

TEST_CASE("a run of no rows, a stray column and an unknown mark are malformed") {
  const auto fails = [](const ByteVector& bytes) {
    RowReader rows(bytes, sample_replica(1));
    for (;;) {
      const auto table = rows.next_table();
      if (!table) {
        return table.error().code() == ErrorCode::malformed;
      }
      if (!*table) {
        return false;
      }
    }
  };
  ByteVector bytes = puts(1);
  CHECK_FALSE(fails(bytes));
  bytes[0] = 9;
  CHECK(fails(bytes));
  // table mark, name "t", one key column, one column "c", then a put run
  const ByteVector no_rows = {1, 1, 't', 1, 1, 1, 'c', 1, 0};
  CHECK(fails(no_rows));
  const ByteVector stray_column = {1, 1, 't', 1, 1, 1, 'c', 1, 1, 0x02, 0};
  CHECK(fails(stray_column));
  const ByteVector no_key = {1, 1, 't', 0, 0};
  CHECK(fails(no_key));
}

TEST_CASE("a stamp is named before it is referred to") {
  // erase run of one row whose replaced stamp refers to number 5
  const ByteVector bytes = {1, 1, 't', 1, 0, 3, 1, 7};
  RowReader rows(bytes, sample_replica(1));
  REQUIRE(*rows.next_table());
  CHECK(rows.next_row().error().code() == ErrorCode::malformed);
}

TEST_CASE("a writer that was finished starts anew") {
  RowWriter rows(sample_replica(1));
  const auto once = [&] {
    rows.begin_table("t", 1, {});
    const Stamp replaced[] = {sample_stamp(5, 2)};
    rows.begin_row(RowKind::erase, {}, replaced).raw(sample_key(1).view());
    return rows.finish();
  };
  const ByteVector first = once();
  CHECK(once() == first);
}
