#include "wire/table_sections.h"

#include <doctest/doctest.h>

#include "wire/limits.h"

using namespace syncline;

namespace {

std::vector<std::string> names(const std::string& prefix, std::size_t count) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < count; ++i) {
    out.push_back(prefix + std::to_string(i));
  }
  return out;
}

void add(TableSections& to, const std::string& table, std::size_t key,
         const std::vector<std::string>& columns) {
  const std::vector<std::string_view> views(columns.begin(), columns.end());
  to.add(table, key, views);
}

}  // namespace

TEST_CASE("rows of one table stand together, and their columns are named once") {
  TableSections sections;
  add(sections, "notes", 1, {"b", "a"});
  add(sections, "tags", 1, {});
  add(sections, "notes", 1, {"c"});
  const auto out = sections.finish();
  REQUIRE(out.size() == 2);
  CHECK(out[0].table == "notes");
  CHECK(out[0].columns == std::vector<std::string>{"a", "b", "c"});
  CHECK(out[0].rows == std::vector<std::size_t>{0, 2});
  CHECK(out[1].rows == std::vector<std::size_t>{1});
  CHECK(sections.finish().empty());
}

TEST_CASE("keys of other widths stand apart") {
  TableSections sections;
  add(sections, "notes", 1, {"a"});
  add(sections, "notes", 2, {"a"});
  add(sections, "notes", 1, {"a"});
  const auto out = sections.finish();
  REQUIRE(out.size() == 2);
  CHECK(out[0].rows == std::vector<std::size_t>{0, 2});
  CHECK(out[1].key_columns == 2);
}

TEST_CASE("no section has more columns than a reader takes") {
  TableSections sections;
  add(sections, "notes", 1, names("a", limits::columns_max));
  add(sections, "notes", 1, names("a", 3));
  add(sections, "notes", 1, names("b", 1));
  add(sections, "notes", 1, names("a", limits::columns_max));
  const auto out = sections.finish();
  REQUIRE(out.size() == 3);
  for (const auto& section : out) {
    CHECK(section.columns.size() <= limits::columns_max);
  }
  CHECK(out[0].rows == std::vector<std::size_t>{0, 1});
}
