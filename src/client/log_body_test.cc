#include "client/log_body.h"

#include <doctest/doctest.h>

#include "base/random.h"
#include "client/byte_arena.h"
#include "model/value_codec.h"

namespace syncline {
namespace {

ByteVector random_bytes(Random& random, std::size_t size_max) {
  ByteVector out(static_cast<std::size_t>(random.below(size_max + 1)));
  for (std::uint8_t& byte : out) {
    byte = static_cast<std::uint8_t>(random.below(256));
  }
  return out;
}

ColumnSet random_columns(Random& random) {
  ColumnSet out;
  for (std::uint64_t i = 1 + random.below(5); i > 0; --i) {
    out.insert(static_cast<std::size_t>(random.below(random.chance(1, 4) ? 900 : 8)));
  }
  return out;
}

// A run of any kind with all that its kind carries. Its bytes live in `kept`.
LogRun random_run(Random& random, std::vector<ByteVector>& kept) {
  const auto keep = [&](ByteVector bytes) { return Bytes(kept.emplace_back(std::move(bytes))); };
  LogRun run;
  run.kind = static_cast<OpKind>(1 + random.below(9));
  run.first = random.chance(1, 8) ? (random.chance(1, 2) ? INT64_MAX : INT64_MIN)
                                  : static_cast<RowId>(random.below(1000)) - 500;
  const bool counted = run.kind == OpKind::put || run.kind == OpKind::set;
  run.count = counted ? 1 + random.below(500) : 1;
  const bool may_have_old =
      run.kind != OpKind::put && run.kind != OpKind::rich && run.kind != OpKind::aside;
  run.has_old = may_have_old && random.chance(1, 2);
  if (run.kind == OpKind::set || run.has_old) {
    run.columns = random_columns(random);
  }
  if (run.has_old) {
    Writer values;
    for (std::size_t i = 0; i < run.columns.size() * run.count; ++i) {
      write_value(values, ValueView::of(static_cast<std::int64_t>(random.below(99))));
    }
    run.old_values = keep(values.take());
  }
  switch (run.kind) {
    case OpKind::over:
      run.old_rowid = static_cast<RowId>(random.below(77));
      [[fallthrough]];
    case OpKind::erase:
    case OpKind::leave:
    case OpKind::aside:
      run.key = keep(random_bytes(random, 30));
      break;
    case OpKind::install:
      run.clock = keep(random_bytes(random, 30));
      break;
    case OpKind::bury:
      run.key = keep(random_bytes(random, 30));
      run.clock = keep(random_bytes(random, 30));
      run.had_row = random.chance(1, 2);
      break;
    case OpKind::rich:
      run.column = static_cast<std::uint16_t>(random.below(900));
      run.form = static_cast<std::uint8_t>(random.below(3));
      run.edit = keep(random_bytes(random, 30));
      break;
    case OpKind::put:
    case OpKind::set:
      break;
  }
  return run;
}

void check_same(const LogRun& found, const LogRun& written) {
  CHECK(found.kind == written.kind);
  if (written.kind != OpKind::aside) {
    CHECK(found.first == written.first);
  }
  CHECK(found.count == written.count);
  CHECK(found.columns == written.columns);
  CHECK(found.has_old == written.has_old);
  CHECK(equal_bytes(found.old_values, written.old_values));
  CHECK(equal_bytes(found.key, written.key));
  CHECK(found.old_rowid == written.old_rowid);
  CHECK(equal_bytes(found.clock, written.clock));
  CHECK(found.had_row == written.had_row);
  CHECK(found.column == written.column);
  CHECK(found.form == written.form);
  CHECK(equal_bytes(found.edit, written.edit));
}

}  // namespace

TEST_CASE("runs of every kind come back as they were written, table by table") {
  SeededRandom random(3);
  for (int round = 0; round < 200; ++round) {
    std::vector<ByteVector> kept;
    kept.reserve(1000);
    std::vector<std::pair<TableId, LogRun>> written;
    LogBodyWriter writer;
    for (TableId table = 1; table <= 3; ++table) {
      writer.begin_table(table);
      for (std::uint64_t i = random.below(12); i > 0; --i) {
        written.emplace_back(table, random_run(random, kept));
        writer.run(written.back().second);
      }
    }
    const ByteVector part = writer.finish();
    LogBodyReader reader(part);
    for (const auto& [table, expected] : written) {
      LogRun run;  // what a kind does not carry stays as it was
      const auto more = reader.next(run);
      REQUIRE_MESSAGE(more, (more ? "" : more.error().message()));
      REQUIRE(*more);
      CHECK(reader.table() == table);
      check_same(run, expected);
    }
    LogRun run;
    CHECK_FALSE(*reader.next(run));
    CHECK(writer.empty());
  }
}

TEST_CASE("a damaged body is an error or other runs, never a crash") {
  SeededRandom random(4);
  std::size_t errors = 0;
  for (int round = 0; round < 2000; ++round) {
    std::vector<ByteVector> kept;
    kept.reserve(1000);
    LogBodyWriter writer;
    writer.begin_table(1);
    for (int i = 0; i < 6; ++i) {
      writer.run(random_run(random, kept));
    }
    ByteVector part = writer.finish();
    if (random.chance(1, 3)) {
      part.resize(static_cast<std::size_t>(random.below(part.size())));
    } else {
      part[static_cast<std::size_t>(random.below(part.size()))] =
          static_cast<std::uint8_t>(random.below(256));
    }
    LogBodyReader reader(part);
    LogRun run;
    for (;;) {
      const auto more = reader.next(run);
      if (!more) {
        ++errors;
        CHECK(more.error().code() == ErrorCode::corrupt);
        break;
      }
      if (!*more) {
        break;
      }
    }
  }
  CHECK(errors > 200);
}

TEST_CASE("a set of columns is what was put in, and travels") {
  SeededRandom random(5);
  for (int round = 0; round < 300; ++round) {
    const ColumnSet set = random_columns(random);
    std::size_t count = 0;
    std::size_t last = 0;
    set.for_each([&](std::size_t column) {
      CHECK(set.contains(column));
      CHECK((count == 0 || column > last));
      last = column;
      ++count;
    });
    CHECK(count == set.size());
    CHECK_FALSE(set.contains(last + 1));
    Writer out;
    set.write(out);
    Reader in(out.bytes());
    const auto read = ColumnSet::read(in);
    REQUIRE(read);
    CHECK(*read == set);
    CHECK(in.at_end());
  }
}

TEST_CASE("an arena keeps every piece in one piece, and cuts off at its end") {
  SeededRandom random(6);
  ByteArena arena;
  std::vector<std::pair<std::uint64_t, ByteVector>> pieces;
  for (int step = 0; step < 3000; ++step) {
    if (random.chance(1, 20) && !pieces.empty()) {
      const std::size_t kept = static_cast<std::size_t>(random.below(pieces.size()));
      arena.truncate(pieces[kept].first);
      pieces.resize(kept);
    } else if (random.chance(1, 3) && !pieces.empty()) {
      const ByteVector more = random_bytes(random, 40);
      auto& [at, bytes] = pieces.back();
      if (arena.extend(more)) {
        bytes.insert(bytes.end(), more.begin(), more.end());
      }
    } else {
      ByteVector bytes = random_bytes(random, random.chance(1, 50) ? 300'000 : 60);
      pieces.emplace_back(arena.append(bytes), bytes);
    }
    if (!pieces.empty()) {
      const auto& [at, bytes] = pieces[static_cast<std::size_t>(random.below(pieces.size()))];
      CHECK(equal_bytes(arena.at(at, bytes.size()), bytes));
    }
  }
}

}  // namespace syncline
