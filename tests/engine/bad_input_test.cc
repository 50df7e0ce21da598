// Foreign bytes that are damaged, lie, or come from a future: a clear error, and nothing half done.
// Values that are easily bent: they come out as they went in.
#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "client/replica_world.h"
#include "wire/limits.h"

namespace syncline {
namespace {

constexpr const char* create_sql = "CREATE TABLE t(k TEXT PRIMARY KEY NOT NULL, a, b)";

void prepare(WorldReplica& replica) {
  REQUIRE(replica.run(create_sql) == "");
  REQUIRE(replica.track("t") == "");
}

// Everything that a replica holds, as text.
std::string contents(WorldReplica& replica) {
  std::string out = joined(replica.rows("SELECT * FROM t ORDER BY k"));
  for (const char* table : {"syncline_log", "syncline_log_parts", "syncline_tombs",
                            "syncline_cells", "syncline_held_rows", "syncline_conflict_rows"}) {
    out += " | " + joined(replica.rows("SELECT * FROM " + std::string(table)));
  }
  return out;
}

ReplicaId stranger(std::uint8_t number) {
  ReplicaId id;
  id.bytes[0] = 0xEE;
  id.bytes[15] = number;
  return id;
}

// A file with one change of a stranger: a put of t[key] with these cells.
ByteVector file_of(const Change& change) {
  ChangeFileWriter file;
  REQUIRE(file.part(encode_change(change)));
  return file.finish();
}

Change strange_put(std::string_view key, std::uint64_t time_ms) {
  Change change;
  change.sequence = ChangeSequence(1);
  change.stamp = Stamp{time_ms << Stamp::counter_bits, stranger(1)};
  RowEdit edit;
  edit.table = "t";
  const ValueView values[] = {ValueView::of(key)};
  edit.key = make_key(values);
  edit.kind = EditKind::put;
  CellEdit cell;
  cell.column = "a";
  cell.value = Value(ValueView::of(std::int64_t{1}));
  edit.cells.push_back(cell);
  change.edits.push_back(edit);
  return change;
}

constexpr std::uint64_t now_ms = 1'700'000'000'000;

}  // namespace

TEST_CASE("a file that is cut off anywhere, or has any byte changed, is refused and does nothing") {
  WorldReplica one(1);
  prepare(one);
  REQUIRE(one.run("INSERT INTO t VALUES('x', 1, 'two'), ('y', NULL, x'00ff')") == "");
  REQUIRE(one.run("UPDATE t SET b = 3; DELETE FROM t WHERE k = 'y'") == "");
  const ByteVector file = one.changes();
  WorldReplica two(2);
  prepare(two);
  const std::string before = contents(two);
  for (std::size_t length = 0; length < file.size(); ++length) {
    CHECK(two.apply(Bytes(file).subspan(0, length)) != "");
  }
  ByteVector damaged = file;
  for (std::size_t at = 0; at < file.size(); ++at) {
    const std::uint8_t kept = damaged[at];
    for (const unsigned flip : {0x01U, 0x80U}) {
      damaged[at] = static_cast<std::uint8_t>(kept ^ flip);
      CHECK(two.apply(damaged) != "");
    }
    damaged[at] = kept;
  }
  CHECK(contents(two) == before);
  REQUIRE(two.apply(file) == "");
  CHECK(two.stamped_rows("t") == one.stamped_rows("t"));
}

TEST_CASE("parts with any byte changed under a right hash are refused whole or applied whole") {
  WorldReplica one(1);
  prepare(one);
  REQUIRE(one.run("INSERT INTO t VALUES('x', 1, 'two')") == "");
  REQUIRE(one.run("INSERT INTO t VALUES('y', 1.5, NULL); UPDATE t SET a = 7") == "");
  std::vector<ByteVector> parts;
  REQUIRE(read_change_file(one.changes(), [&](Bytes part) -> Result<void> {
    parts.push_back(to_vector(part));
    return {};
  }));
  REQUIRE(parts.size() == 3);
  std::size_t refused = 0;
  std::size_t taken = 0;
  for (std::size_t which = 0; which < parts.size(); ++which) {
    for (std::size_t at = 0; at < parts[which].size(); ++at) {
      WorldReplica two(2);
      prepare(two);
      const std::string before = contents(two);
      std::vector<ByteVector> bent = parts;
      bent[which][at] ^= 0x11;
      ChangeFileWriter file;
      for (const ByteVector& part : bent) {
        REQUIRE(file.part(part));
      }
      if (two.apply(file.finish()) != "") {
        ++refused;
        CHECK(contents(two) == before);
      } else {
        ++taken;
        CHECK_FALSE(two.changes().empty());
        CHECK(two.rows("PRAGMA integrity_check") == std::vector<std::string>{"text:6f6b"});
      }
    }
  }
  CHECK(refused > 50);
  CHECK(taken > 0);
}

TEST_CASE("a format of a later version is named as such") {
  WorldReplica one(1);
  prepare(one);
  REQUIRE(one.run("INSERT INTO t VALUES('x', 1, 2)") == "");
  ByteVector file = one.changes();
  file[3] = '9';
  CHECK(one.apply(file).find("later version") != std::string::npos);
  ByteVector part = encode_change(strange_put("x", now_ms));
  part[0] = 2;
  ChangeFileWriter later;
  REQUIRE(later.part(part));
  CHECK(one.apply(later.finish()).find("format 2 is not known here") != std::string::npos);
}

TEST_CASE("stamps from the far future are refused, those within the skew are not") {
  WorldReplica replica(1);
  prepare(replica);
  const std::string before = contents(replica);
  CHECK(replica.apply(file_of(strange_put("x", now_ms + 3'600'000))).find("in the future") !=
        std::string::npos);
  CHECK(replica.apply(file_of(strange_put("x", (std::uint64_t{1} << 48U) - 1))) != "");
  CHECK(contents(replica) == before);
  CHECK(replica.apply(file_of(strange_put("x", now_ms + 50'000))) == "");
  // What is written here next is newer all the same.
  REQUIRE(replica.run("UPDATE t SET a = 2") == "");
  CHECK(replica.apply(file_of(strange_put("x", now_ms + 50'000))) == "");
  CHECK(joined(replica.rows("SELECT a FROM t")) == "2");
}

TEST_CASE("states from the far future are refused, too") {
  WorldReplica replica(1);
  prepare(replica);
  const std::string before = contents(replica);
  const auto file_of_state = [&](const Stamp& life, const Stamp& cell) {
    RowWriter rows(stranger(1));
    const std::vector<std::string> columns = {"a", "b"};
    rows.begin_table("t", 1, columns);
    Writer& out = rows.begin_state(true, life, {});
    write_value(out, ValueView::of("x"));
    rows.begin_newer_cells(1);
    write_value(rows.newer_cell(0, cell), ValueView::of(std::int64_t{1}));
    Writer part;
    write_part_header(part, {ChangeSequence(0), Stamp{1, stranger(1)}, 0, 0, true});
    part.raw(rows.finish());
    ChangeFileWriter file;
    REQUIRE(file.part(part.bytes()));
    return file.finish();
  };
  const Stamp past{(now_ms - 5) << Stamp::counter_bits, stranger(1)};
  const Stamp future{(now_ms + 3'600'000) << Stamp::counter_bits, stranger(1)};
  CHECK(replica.apply(file_of_state(past, future)).find("in the future") != std::string::npos);
  CHECK(replica.apply(file_of_state(future, future)).find("in the future") != std::string::npos);
  CHECK(contents(replica) == before);
  CHECK(replica.apply(file_of_state(past, past)) == "");
}

TEST_CASE("a sequence at the end of all numbers is refused, and harms no later change") {
  WorldReplica replica(1);
  prepare(replica);
  for (const std::uint64_t sequence : {UINT64_MAX, std::uint64_t{INT64_MAX} + 1}) {
    Change change = strange_put("x", now_ms);
    change.sequence = ChangeSequence(sequence);
    CHECK(replica.apply(file_of(change)) != "");
  }
  Change change = strange_put("x", now_ms);
  change.sequence = ChangeSequence(7);
  CHECK(replica.apply(file_of(change)) == "");
  change.sequence = ChangeSequence(5);
  change.stamp.time -= 1;
  CHECK(replica.apply(file_of(change)) == "");
  CHECK(replica.rows("SELECT count(*) FROM t") == std::vector<std::string>{"1"});
}

TEST_CASE("a key of another shape, and parts out of order, are refused whole") {
  WorldReplica replica(1);
  prepare(replica);
  const std::string before = contents(replica);
  Change change = strange_put("x", now_ms);
  RowEdit edit = change.edits[0];
  const ValueView two[] = {ValueView::of("x"), ValueView::of("y")};
  edit.key = make_key(two);
  Change shape = change;
  shape.edits = {edit};
  CHECK(replica.apply(file_of(shape)).find("key columns") != std::string::npos);
  const ByteVector part = encode_change(change);
  Writer second;
  write_part_header(second, {change.sequence, change.stamp, 0, 1, true});
  second.raw(RowWriter(change.stamp.replica).finish());
  ChangeFileWriter file;
  REQUIRE(file.part(second.bytes()));
  CHECK(replica.apply(file.finish()).find("first part") != std::string::npos);
  Writer open;
  write_part_header(open, {change.sequence, change.stamp, 0, 0, false});
  open.raw(RowWriter(change.stamp.replica).finish());
  ChangeFileWriter unfinished;
  REQUIRE(unfinished.part(open.bytes()));
  CHECK(replica.apply(unfinished.finish()).find("last part") != std::string::npos);
  CHECK(contents(replica) == before);
}

TEST_CASE("values that are easily bent come out as they went in") {
  const std::vector<std::string> values = {
      "9223372036854775807",
      "-9223372036854775808",
      "-0.0",
      "0.0",
      "9e999",
      "-9e999",
      "5e-324",
      "1.7976931348623157e308",
      "''",
      "x''",
      "NULL",
      "CAST(x'ff00fe' AS TEXT)",
      "CAST(x'eda080' AS TEXT)",
      "'a' || char(0) || 'b'",
      "char(0)",
      "x'0001'",
      "'\xF0\x9F\x92\xBE'",
      "zeroblob(100000)",
      "replace(hex(zeroblob(50000)), '0', 'long text ')",
  };
  WorldReplica one(1);
  WorldReplica two(2);
  prepare(one);
  prepare(two);
  for (std::size_t i = 0; i < values.size(); ++i) {
    REQUIRE(one.run("INSERT INTO t VALUES('" + std::to_string(i) + "', " + values[i] + ", 0)") ==
            "");
    REQUIRE(one.run("UPDATE t SET b = " + values[i] + " WHERE k = '" + std::to_string(i) + "'") ==
            "");
  }
  // As keys, too: all but NULL, which no key may be, what equals an earlier one, and what is longer
  // than any key may be.
  REQUIRE(one.run("CREATE TABLE keys(k PRIMARY KEY NOT NULL, a)") == "");
  REQUIRE(two.run("CREATE TABLE keys(k PRIMARY KEY NOT NULL, a)") == "");
  REQUIRE(one.track("keys") == "");
  REQUIRE(two.track("keys") == "");
  CHECK(one.run("INSERT INTO keys SELECT a, k FROM t WHERE length(a) >= 100000")
            .find("key_bytes_max") != std::string::npos);
  REQUIRE(one.run("INSERT OR IGNORE INTO keys SELECT a, k FROM t WHERE length(a) < 100000") == "");
  REQUIRE(one.run("INSERT INTO keys VALUES(zeroblob(65000), 'z'), (hex(zeroblob(32500)), 'y')") ==
          "");
  REQUIRE(two.apply(one.changes()) == "");
  const char* const exact =
      "SELECT k, typeof(a), hex(a), length(a), quote(a), typeof(b), hex(b), quote(b) FROM t "
      "ORDER BY k";
  CHECK(two.rows(exact) == one.rows(exact));
  CHECK(two.rows("SELECT * FROM t ORDER BY k") == one.rows("SELECT * FROM t ORDER BY k"));
  CHECK(two.rows("SELECT * FROM keys ORDER BY k") == one.rows("SELECT * FROM keys ORDER BY k"));
  CHECK(one.rows("SELECT * FROM keys").size() >= values.size() - 3);
  CHECK(to_text(*one.engine().digest()) == to_text(*two.engine().digest()));
}

TEST_CASE("names with quotes, blanks and other scripts are names") {
  const std::string table = "we\"ird 'name'; -- [x]";
  const std::string column = "c\"ol 'umn' \xC3\xBC";
  WorldReplica one(1);
  WorldReplica two(2);
  for (WorldReplica* replica : {&one, &two}) {
    REQUIRE(replica->run("CREATE TABLE " + quote_identifier(table) + "(" + quote_identifier("k\"") +
                         " TEXT PRIMARY KEY, " + quote_identifier(column) + ")") == "");
    TrackOptions options;
    options.column_rules[column] = MergeRule::counter;
    REQUIRE(replica->track(table, options) == "");
  }
  REQUIRE(one.run("INSERT INTO " + quote_identifier(table) + " VALUES('x', 5)") == "");
  REQUIRE(two.apply(one.changes()) == "");
  REQUIRE(one.run("UPDATE " + quote_identifier(table) + " SET " + quote_identifier(column) +
                  " = 6") == "");
  REQUIRE(two.run("UPDATE " + quote_identifier(table) + " SET " + quote_identifier(column) +
                  " = 7") == "");
  REQUIRE(two.apply(one.changes()) == "");
  CHECK(joined(two.rows("SELECT * FROM " + quote_identifier(table))) == "text:78|8");
}

}  // namespace syncline
