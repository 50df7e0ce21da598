#include "routes/delta_values.h"

#include <doctest/doctest.h>

namespace syncline {
namespace {

Value value_of(const std::string& json) {
  const auto read = read_json(json);
  REQUIRE(read.has_value());
  auto value = value_from_json(*read);
  REQUIRE_MESSAGE(value.has_value(), json);
  return std::move(*value);
}

std::string json_of(const Value& value, const ColumnSchema* column = nullptr) {
  std::string out;
  append_cell_json(out, column, value.view());
  return out;
}

TableSchema table_with_key(const std::vector<std::pair<std::string, std::string>>& key) {
  TableSchema table;
  table.name = "t";
  for (const auto& [name, type] : key) {
    table.columns.push_back({name, type, true, false, MergeRule::lww});
    table.key.push_back(name);
  }
  return table;
}

}  // namespace

TEST_CASE("values go out as they came in") {
  for (const char* json : {"null", "7", "-9223372036854775808", "1.5", "1e+300", "\"text\"",
                           R"("\u0000")", R"({"base64":"AAE="})", R"({"base64":""})",
                           R"({"real":"-inf"})", R"({"text_base64":"/w=="})"}) {
    CHECK(json_of(value_of(json)) == json);
  }
  CHECK(json_of(value_of("true")) == "1");
  CHECK(json_of(value_of(R"({"real":"nan"})")) == "null");
}

TEST_CASE("what fits into no value is refused") {
  for (const char* json : {"9223372036854775808", R"({"base64":"?"})", R"({"base64":"AAE"})"}) {
    CHECK_MESSAGE(!value_from_json(*read_json(json)).has_value(), json);
  }
}

TEST_CASE("documents go out as JSON where the column holds documents") {
  const ColumnSchema documents{"d", "", false, false, MergeRule::json};
  CHECK(json_of(value_of(R"({"b":1,"a":[2]})"), &documents) == R"({"a":[2],"b":1})");
  CHECK(json_of(value_of(R"({"b":1,"a":[2]})")) == R"("{\"a\":[2],\"b\":1}")");
  CHECK(json_of(value_of("\"no document\""), &documents) == "\"no document\"");
}

TEST_CASE("a column's type makes of a value what SQLite makes of it") {
  const auto made = [](const char* json, Affinity affinity) {
    return json_of(with_affinity(value_of(json), affinity));
  };
  CHECK(made("\"7\"", Affinity::integer) == "7");
  CHECK(made("7.0", Affinity::integer) == "7");
  CHECK(made("7.5", Affinity::integer) == "7.5");
  CHECK(made("\"x\"", Affinity::integer) == "\"x\"");
  CHECK(made("7", Affinity::real) == "7.0");
  CHECK(made("\"1e2\"", Affinity::numeric) == "100");
  CHECK(made("7", Affinity::text) == "\"7\"");
  CHECK(made("1.5", Affinity::text) == "\"1.5\"");
  CHECK(made("\"7\"", Affinity::blob) == "\"7\"");
  CHECK(made("null", Affinity::integer) == "null");
}

TEST_CASE("keys are texts, numbers, or arrays of values, and come back the same") {
  const TableSchema text = table_with_key({{"id", "TEXT"}});
  const TableSchema number = table_with_key({{"id", "INTEGER"}});
  const TableSchema blob = table_with_key({{"id", "BLOB"}});
  const TableSchema pair = table_with_key({{"a", "INTEGER"}, {"b", "TEXT"}});
  const struct {
    const TableSchema* table;
    const char* entity;
  } keys[] = {{nullptr, "a"},
              {&text, "[1,2]"},
              {&text, "7"},
              {&number, "-7"},
              {&number, "[\"x\"]"},
              {&pair, "[1,\"x\"]"},
              {&blob, R"([{"base64":"AAE="}])"}};
  for (const auto& one : keys) {
    const auto key = key_from_entity(one.table, one.entity);
    REQUIRE_MESSAGE(key.has_value(), one.entity);
    CHECK(entity_from_key(one.table, key->view()) == one.entity);
  }
  CHECK(*key_from_entity(&number, "[\"7\"]") == *key_from_entity(&number, "7"));
  for (const char* entity : {"x", "[]", "[1]", "[1,2,3]", "[1,null]", "{}", ""}) {
    CHECK_MESSAGE(!key_from_entity(&pair, entity).has_value(), entity);
  }
}

TEST_CASE("a table is open until a replica declares its columns") {
  TableSchema table = open_table("t");
  CHECK(is_open_table(table));
  table.columns.push_back({"tags", "", false, false, MergeRule::json});
  CHECK(is_open_table(table));
  table.columns.push_back({"body", "TEXT", false, false, MergeRule::lww});
  CHECK_FALSE(is_open_table(table));
  CHECK_FALSE(is_open_table(table_with_key({{"key", "TEXT"}})));
}

}  // namespace syncline
