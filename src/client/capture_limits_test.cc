#include <doctest/doctest.h>

#include "client/row_measure.h"
#include "client/test_replica.h"
#include "wire/change_codec.h"
#include "wire/limits.h"

using namespace syncline;

namespace {

constexpr std::size_t mib = std::size_t{1} << 20U;

std::string blob(std::size_t bytes) { return "zeroblob(" + std::to_string(bytes) + ")"; }

bool names(const Result<void>& done, const std::string& limit) {
  return !done && done.error().message().find(limit) != std::string::npos;
}

struct Notes : TestReplica {
  explicit Notes(const std::string& schema = "CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, a, b)") {
    REQUIRE(execute(schema));
    REQUIRE(execute("PRAGMA journal_mode = MEMORY"));
    REQUIRE(engine->track("t", {}));
  }
  std::uint64_t pending() { return engine->counts()->pending; }
};

}  // namespace

TEST_CASE(
    "a row that is too large is refused by the statement that writes it, with the limit's name") {
  for (const char* schema : {"CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, a, b)",
                             "CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, a, b) WITHOUT ROWID"}) {
    CAPTURE(schema);
    Notes notes(schema);
    REQUIRE(notes.execute("INSERT INTO t VALUES('a', 1, 2)"));
    REQUIRE(notes.execute("BEGIN"));
    REQUIRE(notes.execute("INSERT INTO t VALUES('b', 1, 2)"));
    CHECK(names(notes.execute("INSERT INTO t VALUES('big', " + blob(17 * mib) + ", 0)"),
                "row_bytes_max"));
    CHECK(names(notes.execute("UPDATE t SET a = " + blob(9 * mib) + ", b = " + blob(9 * mib)),
                "row_bytes_max"));
    // The statement did nothing, and the transaction goes on.
    REQUIRE(notes.execute("UPDATE t SET a = " + blob(9 * mib) + " WHERE id = 'b'"));
    REQUIRE(notes.execute("COMMIT"));
    CHECK(notes.text("SELECT group_concat(id || length(a)) FROM t") == "a1,b9437184");
    CHECK(notes.pending() == 2);
    CHECK(notes.engine->outbox(LocalVersion(0), 1)->size() == 1);
  }
}

TEST_CASE("a key that is too long is refused") {
  Notes notes;
  const std::string key = "hex(" + blob(33 * 1024) + ")";
  CHECK(names(notes.execute("INSERT INTO t VALUES(" + key + ", 1, 2)"), "key_bytes_max"));
  REQUIRE(notes.execute("INSERT INTO t VALUES('a', 1, 2)"));
  CHECK(names(notes.execute("UPDATE t SET id = " + key), "key_bytes_max"));
  CHECK(notes.text("SELECT id FROM t") == "a");
}

TEST_CASE("a table of many columns is measured whole, and a NULL in its key is still found") {
  std::string columns;
  std::string values;
  for (int i = 0; i < 250; ++i) {
    columns += ", c" + std::to_string(i);
    values += i == 249 ? "," + blob(10 * mib) : i == 3 ? "," + blob(7 * mib) : ",1";
  }
  Notes notes("CREATE TABLE t(id TEXT PRIMARY KEY" + columns + ")");
  CHECK(names(notes.execute("INSERT INTO t VALUES('a'" + values + ")"), "row_bytes_max"));
  CHECK(names(notes.execute("INSERT INTO t VALUES(NULL" + values + ")"), "primary key is NULL"));
}

TEST_CASE("what is measured is no less than what travels") {
  for (const ValueView& value :
       {ValueView(), ValueView::of(std::int64_t{0}), ValueView::of(std::int64_t{-1}),
        ValueView::of(std::int64_t{63}), ValueView::of(std::int64_t{64}),
        ValueView::of(std::int64_t{-65}), ValueView::of(INT64_MAX), ValueView::of(INT64_MIN),
        ValueView::of(1.5), ValueView::of(""), ValueView::of("some words"),
        ValueView::of(std::string_view("0123456789012345678901234567890123456789012345678901234567"
                                       "890123456789012345678901234567890"))}) {
    Writer out;
    write_value(out, value);
    CHECK(out.size() <= value_bytes(value));
    CHECK(value_bytes(value) <= out.size() + 5);
  }
}

TEST_CASE("a transaction that is too large is refused by its commit, and takes nothing with it") {
  Notes notes;
  REQUIRE(notes.execute("INSERT INTO t VALUES('kept', 1, 2)"));
  REQUIRE(notes.execute("BEGIN"));
  for (int i = 0; i < 10; ++i) {
    REQUIRE(notes.execute("INSERT INTO t VALUES('r" + std::to_string(i) + "', " + blob(14 * mib) +
                          ", 0)"));
  }
  CHECK(names(notes.execute("COMMIT"), "change_bytes_max"));
  (void)notes.execute("ROLLBACK");
  CHECK(notes.text("SELECT group_concat(id) FROM t") == "kept");
  CHECK(notes.pending() == 1);
  REQUIRE(notes.execute("INSERT INTO t VALUES('after', 1, 2)"));
  CHECK(notes.pending() == 2);
}

TEST_CASE("a row that one transaction writes many times counts once") {
  Notes notes;
  REQUIRE(notes.execute("INSERT INTO t VALUES('a', 0, 2)"));
  REQUIRE(notes.execute("BEGIN"));
  for (int i = 0; i < 10; ++i) {
    REQUIRE(notes.execute("UPDATE t SET a = " + blob(14 * mib + static_cast<std::size_t>(i))));
  }
  REQUIRE(notes.execute("COMMIT"));
  // What a savepoint took back does not count either.
  REQUIRE(notes.execute("BEGIN; SAVEPOINT s"));
  for (int i = 0; i < 10; ++i) {
    REQUIRE(notes.execute("INSERT INTO t VALUES('s" + std::to_string(i) + "', " + blob(14 * mib) +
                          ", 0)"));
  }
  REQUIRE(notes.execute("ROLLBACK TO s"));
  REQUIRE(notes.execute("INSERT INTO t VALUES('b', 0, 2)"));
  REQUIRE(notes.execute("COMMIT"));
  CHECK(notes.pending() == 3);
}

TEST_CASE(
    "rows that a table had before it was tracked become several changes of a size for everybody") {
  TestReplica notes;
  REQUIRE(notes.execute("CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, a)"));
  for (int i = 0; i < 10; ++i) {
    REQUIRE(notes.execute("INSERT INTO t VALUES('r" + std::to_string(i) + "', " + blob(14 * mib) +
                          ")"));
  }
  REQUIRE(notes.engine->track("t", {}));
  CHECK(notes.engine->counts()->pending == 4);
  std::size_t rows = 0;
  LocalVersion after(0);
  for (;;) {
    const auto batch = notes.engine->outbox(after, 1);
    REQUIRE(batch);
    if (batch->empty()) {
      break;
    }
    after = (*batch)[0].version;
    const std::vector<Bytes> parts((*batch)[0].parts.begin(), (*batch)[0].parts.end());
    rows += decode_parts(parts)->edits.size();
  }
  CHECK(rows == 10);
}

TEST_CASE("a table with a row that is too large is not tracked, and says why") {
  TestReplica notes;
  REQUIRE(notes.execute("CREATE TABLE t(id TEXT PRIMARY KEY NOT NULL, a)"));
  REQUIRE(notes.execute("INSERT INTO t VALUES('big', " + blob(17 * mib) + ")"));
  CHECK(names(notes.engine->track("t", {}), "row_bytes_max"));
  CHECK(notes.text("SELECT count(*) FROM syncline_tables WHERE name = 't'") == "0");
}

TEST_CASE("tables and columns that no greeting can tell are not tracked") {
  TestReplica notes;
  Result<void> tracked;
  int number = 0;
  for (; tracked && number < 20; ++number) {
    std::string columns;
    for (int i = 0; i < 400; ++i) {
      columns += ", column_with_a_long_name_" + std::string(100, 'x') + std::to_string(i);
    }
    const std::string name = "t" + std::to_string(number);
    REQUIRE(
        notes.execute("CREATE TABLE " + name + "(id TEXT PRIMARY KEY NOT NULL" + columns + ")"));
    tracked = notes.engine->track(name, {});
  }
  CHECK(names(tracked, "schema_bytes_max"));
  CHECK(number > 2);
  CHECK(notes.engine->facts({})->schema.size() <= limits::schema_bytes_max);
}

TEST_CASE("an unsent change that cannot be sent is set aside, and what is behind it goes") {
  Notes notes;
  REQUIRE(notes.execute("INSERT INTO t VALUES('before', 1, 2)"));
  REQUIRE(notes.execute("INSERT INTO t VALUES('big', 1, 2)"));
  REQUIRE(notes.execute("INSERT INTO t VALUES('after', 1, 2)"));
  const auto batch = notes.engine->outbox(LocalVersion(0), SIZE_MAX);
  REQUIRE(batch->size() == 3);
  // As an older version took it, whose limits were others.
  const std::vector<Bytes> parts((*batch)[1].parts.begin(), (*batch)[1].parts.end());
  Change large = *decode_parts(parts);
  large.edits.at(0).cells.at(0).value =
      Value(ValueView::blob(ByteVector(limits::part_bytes_max + 1)));
  auto update =
      notes.database->prepare("UPDATE syncline_log SET form = 2, body = ?1 WHERE version = ?2");
  REQUIRE(update);
  const ByteVector body = encode_change(large);
  update->bind_blob(1, body).bind(2, static_cast<std::int64_t>((*batch)[1].version.get()));
  REQUIRE(update->run());
  *update = Statement();

  std::vector<ChangeSequence> told;
  for (ChangeSequence after(0);;) {
    const auto sent = notes.engine->own_changes(after, 1);
    REQUIRE(sent);
    if (sent->empty()) {
      break;
    }
    for (const OutboxPart& part : *sent) {
      CHECK(part.part.size() <= limits::part_bytes_max);
      if (part.last) {
        told.push_back(part.sequence);
        after = part.sequence;
      }
    }
  }
  CHECK(told ==
        std::vector<ChangeSequence>{ChangeSequence(1), ChangeSequence(2), ChangeSequence(3)});
  CHECK(notes.engine->take_set_aside());
  CHECK_FALSE(notes.engine->take_set_aside());
  CHECK(notes.text("SELECT code || sequence FROM syncline_rejected") == "too_large2");
  CHECK(notes.text("SELECT message FROM syncline_rejected").find("row_bytes_max") !=
        std::string::npos);
  CHECK(notes.engine->counts()->pending == 2);
  CHECK(notes.engine->facts({})->wants_rescan);
}
