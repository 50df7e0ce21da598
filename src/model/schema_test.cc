#include "model/schema.h"

#include <doctest/doctest.h>

#include <algorithm>

using namespace syncline;

namespace {

ColumnSchema column(const char* name, const char* type, MergeRule rule = MergeRule::lww) {
  return {name, type, false, false, rule};
}

Schema notes_schema() {
  Schema schema;
  schema.version = 3;
  schema.tables.push_back({"notes",
                           {column("id", "TEXT"), column("title", "TEXT"),
                            column("likes", "INTEGER", MergeRule::counter)},
                           {"id"}});
  schema.tables.push_back(
      {"members", {column("person", "TEXT"), column("room", "TEXT")}, {"room", "person"}});
  return schema;
}

std::string refusal(const Schema& ours, const Schema& theirs) {
  const auto result = check_compatible(ours, theirs);
  if (result) {
    return "";
  }
  CHECK(result.error().code() == ErrorCode::schema_mismatch);
  return result.error().message();
}

ByteVector encoded(const Schema& schema) {
  Writer out;
  encode_schema(out, schema);
  return out.take();
}

}  // namespace

TEST_CASE("a fingerprint does not depend on the order of tables and columns, nor on the version") {
  const Schema one = notes_schema();
  Schema other = one;
  other.version = 9;
  std::reverse(other.tables.begin(), other.tables.end());
  std::reverse(other.tables[0].columns.begin(), other.tables[0].columns.end());
  CHECK(schema_fingerprint(one) == schema_fingerprint(other));
}

TEST_CASE("a fingerprint sees every other difference") {
  const SchemaFingerprint one = schema_fingerprint(notes_schema());
  const auto differs = [&one](auto&& change) {
    Schema schema = notes_schema();
    change(schema);
    CHECK(schema_fingerprint(schema) != one);
  };
  differs([](Schema& s) { s.tables[0].name = "note"; });
  differs([](Schema& s) { s.tables[0].columns[1].name = "titel"; });
  differs([](Schema& s) { s.tables[0].columns[1].type = "BLOB"; });
  differs([](Schema& s) { s.tables[0].columns[1].is_not_null = true; });
  differs([](Schema& s) { s.tables[0].columns[1].has_default = true; });
  differs([](Schema& s) { s.tables[0].columns[1].rule = MergeRule::manual; });
  differs([](Schema& s) { std::reverse(s.tables[1].key.begin(), s.tables[1].key.end()); });
  differs([](Schema& s) { s.tables.pop_back(); });
}

TEST_CASE("a fingerprint is the same in every release") {
  CHECK(schema_fingerprint(notes_schema()).hex() == "1d87fc4d6cd5101e2569db3932e2320d");
}

TEST_CASE("tables and columns that one side does not know are compatible") {
  const Schema ours = notes_schema();
  Schema theirs = ours;
  theirs.tables.pop_back();
  theirs.tables[0].columns.push_back(column("colour", "TEXT", MergeRule::json));
  CHECK(refusal(ours, theirs).empty());
  CHECK(refusal(theirs, ours).empty());
}

TEST_CASE("a shared column must merge by one rule") {
  Schema theirs = notes_schema();
  theirs.tables[0].columns[2].rule = MergeRule::lww;
  CHECK(refusal(notes_schema(), theirs) ==
        "table 'notes': column 'likes' merges by the rule 'counter' here and by 'lww' on the other "
        "side");
}

TEST_CASE("a shared table must have one key") {
  Schema theirs = notes_schema();
  theirs.tables[1].key = {"person", "room"};
  CHECK(refusal(notes_schema(), theirs) ==
        "table 'members': the primary key is (room, person) here and (person, room) on the other "
        "side");
}

TEST_CASE("key columns must store a key alike, other columns may differ in type") {
  Schema theirs = notes_schema();
  theirs.tables[0].columns[1].type = "BLOB";
  theirs.tables[0].columns[0].type = "VARCHAR(36)";
  CHECK(refusal(notes_schema(), theirs).empty());
  theirs.tables[0].columns[0].type = "INTEGER";
  CHECK(refusal(notes_schema(), theirs).find("key column 'id'") != std::string::npos);
}

TEST_CASE("affinities follow SQLite's rules") {
  CHECK(affinity_of("bigint") == Affinity::integer);
  CHECK(affinity_of("CHARINT") == Affinity::integer);
  CHECK(affinity_of("varchar(10)") == Affinity::text);
  CHECK(affinity_of("") == Affinity::blob);
  CHECK(affinity_of("Double Precision") == Affinity::real);
  CHECK(affinity_of("FLOATING POINT") == Affinity::integer);
  CHECK(affinity_of("DECIMAL(10,5)") == Affinity::numeric);
  CHECK(affinity_name(Affinity::numeric) == "numeric");
}

TEST_CASE("a schema reads back as it was written, in canonical order") {
  const ByteVector bytes = encoded(notes_schema());
  Reader in(bytes);
  const auto back = decode_schema(in);
  REQUIRE(back);
  CHECK(in.at_end());
  CHECK(*back == canonical_schema(notes_schema()));
  CHECK(encoded(*back) == bytes);
}

TEST_CASE("a schema cut short anywhere is refused") {
  const ByteVector bytes = encoded(notes_schema());
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    Reader in(Bytes(bytes).first(size));
    CHECK(!decode_schema(in));
  }
}

TEST_CASE("a schema that is out of order, twice or without a key is refused") {
  const auto refused = [](std::initializer_list<std::uint8_t> tail) {
    ByteVector bytes{1, 0};
    bytes.insert(bytes.end(), tail);
    Reader in(bytes);
    return !decode_schema(in).has_value();
  };
  CHECK(!refused({1, 1, 't', 1, 1, 'a', 0, 0, 0, 1, 1, 'a'}));
  CHECK(refused({1, 1, 't', 1, 1, 'a', 0, 0, 0, 0}));          // no key
  CHECK(refused({1, 1, 't', 1, 1, 'a', 0, 0, 0, 1, 1, 'b'}));  // a key that is not there
  CHECK(refused({1, 1, 't', 1, 1, 'a', 0, 4, 0, 1, 1, 'a'}));  // flags
  CHECK(refused({1, 1, 't', 1, 1, 'a', 0, 0, 7, 1, 1, 'a'}));  // rule
  CHECK(refused({1, 1, 't', 2, 1, 'a', 0, 0, 0, 1, 'a', 0, 0, 0, 1, 1, 'a'}));  // twice
  CHECK(refused({1, 1, 't', 2, 1, 'b', 0, 0, 0, 1, 'a', 0, 0, 0, 1, 1, 'a'}));  // out of order
  CHECK(refused({1, 1, 't', 1, 1, 'a', 0, 0, 0, 2, 1, 'a', 1, 'a'}));           // key twice
  CHECK(refused({0xFF, 0xFF, 0xFF, 0x7F}));                                     // too many tables
}

TEST_CASE("a name that both sides know is spelled alike, as SQLite compares names") {
  Schema theirs = notes_schema();
  theirs.tables[0].name = "Notes";
  CHECK(refusal(notes_schema(), theirs).find("is spelled 'Notes'") != std::string::npos);
  theirs = notes_schema();
  theirs.tables[0].columns[1].name = "TITLE";
  CHECK(refusal(notes_schema(), theirs).find("is spelled 'TITLE'") != std::string::npos);
  // Letters beyond A to Z have no case for SQLite.
  Schema ours = notes_schema();
  theirs = notes_schema();
  ours.tables[0].columns[1].name = "\xc3\xa4";
  theirs.tables[0].columns[1].name = "\xc3\x84";
  CHECK(refusal(ours, theirs).empty());
}

TEST_CASE("a schema that was put together keeps what its readers bear") {
  const auto fault = [](const Schema& schema) -> std::string {
    const auto checked = check_schema(schema);
    return checked ? "" : std::string(error_code_name(checked.error().code()));
  };
  const auto many = [](std::size_t tables, std::size_t columns, std::size_t keys) {
    Schema schema;
    for (std::size_t i = 0; i < tables; ++i) {
      TableSchema table{"t" + std::to_string(i), {}, {}};
      for (std::size_t j = 0; j < columns; ++j) {
        table.columns.push_back(column(("c" + std::to_string(j)).c_str(), ""));
      }
      for (std::size_t j = 0; j < keys; ++j) {
        table.key.push_back("c" + std::to_string(j));
      }
      schema.tables.push_back(std::move(table));
    }
    return canonical_schema(std::move(schema));
  };
  CHECK(fault(many(schema_tables_max, 1, 1)).empty());
  CHECK(fault(many(schema_tables_max + 1, 1, 1)) == "too_large");
  CHECK(fault(many(1, schema_columns_max, 1)).empty());
  CHECK(fault(many(1, schema_columns_max + 1, 1)) == "too_large");
  CHECK(fault(many(1, 100, schema_key_columns_max)).empty());
  CHECK(fault(many(1, 100, schema_key_columns_max + 1)) == "too_large");
  CHECK(fault(many(200, 2000, 1)) == "too_large");  // of more than a MiB
  Schema twice = notes_schema();
  twice.tables[1].name = "NOTES";
  CHECK(fault(twice) == "malformed");
  Schema zero = notes_schema();
  zero.tables[0].columns[1].name = std::string("a\0b", 3);
  CHECK(fault(zero) == "malformed");
}

TEST_CASE("schemas merge to the tables and columns that either has") {
  Schema theirs = notes_schema();
  theirs.version = 7;
  theirs.tables.pop_back();
  theirs.tables[0].columns.push_back(column("colour", "TEXT"));
  theirs.tables.push_back({"tags", {column("id", "TEXT")}, {"id"}});
  const Schema merged = merge_schemas(notes_schema(), theirs);
  CHECK(merged.version == 7);
  CHECK(merged.tables.size() == 3);
  CHECK(merged.find("notes")->columns.size() == 4);
  CHECK(merged == merge_schemas(theirs, notes_schema()));
}
