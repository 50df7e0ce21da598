#include "server/declared.h"

#include <doctest/doctest.h>

#include "wire/limits.h"

using namespace syncline;

namespace {

Declared notes() {
  Schema schema;
  schema.tables.push_back({"notes", {{"body", "TEXT"}, {"id", "TEXT"}}, {"id"}});
  return Declared(schema);
}

std::string fault(const std::string& table, std::vector<std::string_view> columns,
                  std::size_t key_bytes = 1) {
  const ByteVector key(key_bytes, 0x40);
  const auto fits = notes().check(table, key, columns);
  return fits ? "" : std::string(error_code_name(fits.error().code()));
}

}  // namespace

TEST_CASE("rows may name tables and columns that nobody declared") {
  CHECK(fault("notes", {"body"}).empty());
  CHECK(fault("notes", {"body", "colour"}).empty());
  CHECK(fault("tags", {"anything"}).empty());
  CHECK(notes().key_columns("notes") == 1);
  CHECK(notes().key_columns("tags") == 0);
}

TEST_CASE("a name that SQLite takes for a declared one is spelled like it") {
  CHECK(fault("Notes", {"body"}) == "schema_mismatch");
  CHECK(fault("notes", {"BODY"}) == "schema_mismatch");
  CHECK(fault("tags", {"a", "A"}) == "malformed");
  // Of other letters than A to Z SQLite knows no case.
  CHECK(fault("tags", {"\xc3\xa4", "\xc3\x84"}).empty());
}

TEST_CASE("names are text that every door can show") {
  CHECK(fault("", {}) == "malformed");
  CHECK(fault("no\xfftes", {}) == "malformed");
  CHECK(fault("notes", {std::string_view("a\0b", 3)}) == "malformed");
  CHECK(fault("tags", {"bo\xff"
                       "dy"}) == "malformed");
}

TEST_CASE("a key is no longer than a range or a page's token can name") {
  CHECK(fault("notes", {}, limits::key_bytes_max).empty());
  CHECK(fault("notes", {}, limits::key_bytes_max + 1) == "too_large");
}
