#include "session/snapshot_intake.h"

#include <doctest/doctest.h>

#include "wire/limits.h"

using namespace syncline;

namespace {

SnapshotPage page(std::uint64_t rows) { return {ByteVector{1}, rows, rows * 100, {}}; }

}  // namespace

TEST_CASE("a snapshot is finished when all pages were taken and the totals are the promised ones") {
  SnapshotIntake intake;
  intake.begin({ServerVersion(7), 30, 3000, 0, 0});
  REQUIRE(intake.add(page(10)));
  REQUIRE(intake.add(page(20)));
  intake.end({ServerVersion(7), 30, 3000});
  CHECK_FALSE(intake.finished()->has_value());
  CHECK(intake.take_page()->rows == 10);
  CHECK(intake.progress().rows_done == 10);
  CHECK(intake.progress().rows_total == 30);
  CHECK(intake.take_page()->rows == 20);
  CHECK_FALSE(intake.take_page().has_value());
  REQUIRE(intake.finished()->has_value());
  CHECK((*intake.finished())->version == ServerVersion(7));
}

TEST_CASE("other totals than the promised ones are an error") {
  SnapshotIntake intake;
  intake.begin({ServerVersion(7), 30, 3000, 0, 0});
  REQUIRE(intake.add(page(10)));
  REQUIRE(intake.take_page().has_value());
  intake.end({ServerVersion(7), 30, 3000});
  CHECK(intake.finished().error().code() == ErrorCode::malformed);
}

TEST_CASE("what came before a cut counts, and what came on this connection is told apart") {
  SnapshotIntake intake;
  intake.begin({ServerVersion(7), 30, 3000, 20, 2000});
  REQUIRE(intake.add(page(10)));
  REQUIRE(intake.take_page().has_value());
  CHECK(intake.progress().bytes_done == 3000);
  CHECK(intake.bytes_here() == 1000);
  intake.end({ServerVersion(7), 30, 3000});
  CHECK(intake.finished()->has_value());
}

TEST_CASE("pages that nobody asked for are refused") {
  SnapshotIntake intake;
  for (std::size_t i = 0; i <= limits::snapshot_pages_ahead; ++i) {
    REQUIRE(intake.add(page(1)));
  }
  CHECK(intake.add(page(1)).error().code() == ErrorCode::out_of_order);
  intake.reset();
  intake.end({ServerVersion(7), 0, 0});
  CHECK(intake.add(page(1)).error().code() == ErrorCode::out_of_order);
}
