#include "routes/delta_values.h"

#include <cmath>
#include <limits>

#include "base/base64.h"
#include "base/text.h"
#include "base/value_json.h"

namespace syncline {
namespace {

Error wrong(const char* message) { return Error(ErrorCode::invalid_argument, message); }

Result<Value> number_from(const Json& json) {
  if (const auto whole = json.as_int64()) {
    return Value::integer(*whole);
  }
  const std::string& text = *json.number_text();
  if (text.find_first_of(".eE") == std::string::npos) {
    return wrong("a whole number beyond 64 bits; send it as a text");
  }
  return Value::real(json.as_double().value_or(0));
}

// {"base64":...}, {"real":...}, {"text_base64":...}; nothing when it is any other object.
Result<std::optional<Value>> special_from(const Json::Object& object) {
  if (object.size() != 1 || object[0].value.string() == nullptr) {
    return std::optional<Value>();
  }
  const std::string& name = object[0].name;
  const std::string& text = *object[0].value.string();
  if (name == "base64" || name == "text_base64") {
    SL_TRY(const ByteVector bytes, from_base64(text));
    return std::optional<Value>(name == "base64" ? Value::blob(bytes)
                                                 : Value::text(as_text(bytes)));
  }
  if (name == "real" && (text == "inf" || text == "-inf")) {
    const double infinity = std::numeric_limits<double>::infinity();
    return std::optional<Value>(Value::real(text == "inf" ? infinity : -infinity));
  }
  if (name == "real" && text == "nan") {
    return std::optional<Value>(Value());  // SQLite stores NULL for it
  }
  return std::optional<Value>();
}

bool is_single(const TableSchema* table, Affinity affinity) {
  return table != nullptr && table->key.size() == 1 &&
         affinity_of(table->find(table->key[0])->type) == affinity;
}

bool is_single_text(const TableSchema* table) {
  return table == nullptr || is_single(table, Affinity::text);
}

// The number a text is for SQLite's numeric columns; the text itself when it is none.
Value number_of_text(const Value& text) {
  const std::string_view digits = text.view().text();
  if (!is_json_number(digits)) {
    return text;
  }
  if (const auto whole = parse_int64(digits)) {
    return Value::integer(*whole);
  }
  const auto real = parse_double(digits);
  return real ? Value::real(*real) : text;
}

}  // namespace

Result<Value> value_from_json(const Json& json) {
  switch (json.kind()) {
    case Json::Kind::null:
      return Value();
    case Json::Kind::boolean:
      return Value::integer(*json.boolean() ? 1 : 0);
    case Json::Kind::number:
      return number_from(json);
    case Json::Kind::string:
      return Value::text(*json.string());
    case Json::Kind::array:
      return Value::text(write_canonical_json(json));
    case Json::Kind::object: {
      SL_TRY(auto special, special_from(*json.object()));
      return special ? std::move(*special) : Value::text(write_canonical_json(json));
    }
  }
  return Value();
}

Value with_affinity(Value value, Affinity affinity) {
  constexpr double whole_max = 9007199254740992.0;  // beyond it a double may not be the integer
  if (affinity == Affinity::blob || value.is_null() || value.type() == ValueType::blob) {
    return value;
  }
  if (affinity == Affinity::text) {
    if (value.type() == ValueType::integer) {
      return Value::text(std::to_string(value.view().integer));
    }
    return value.type() == ValueType::real ? Value::text(format_double(value.view().real)) : value;
  }
  if (value.type() == ValueType::text) {
    value = number_of_text(value);
  }
  if (affinity == Affinity::real && value.type() == ValueType::integer) {
    return Value::real(static_cast<double>(value.view().integer));
  }
  if (affinity != Affinity::real && value.type() == ValueType::real) {
    const double real = value.view().real;
    if (std::abs(real) < whole_max && real == std::floor(real)) {
      return Value::integer(static_cast<std::int64_t>(real));
    }
  }
  return value;
}

Result<RowKey> key_from_entity(const TableSchema* table, const std::string& entity) {
  if (is_single_text(table)) {
    const ValueView values[] = {ValueView::of(entity)};
    return make_key(values);
  }
  if (is_single(table, Affinity::integer)) {
    if (const auto number = parse_int64(entity)) {
      const ValueView values[] = {ValueView::of(*number)};
      return make_key(values);
    }
  }
  const auto json = read_json(entity, {delta_key_json_bytes_max, 8, 256});
  if (!json || json->array() == nullptr || json->array()->size() != table->key.size()) {
    return Error(ErrorCode::invalid_argument, "the key of " + table->name + " is " +
                                                  std::to_string(table->key.size()) +
                                                  " value(s); send entityId as an array of them");
  }
  std::vector<Value> values;
  for (std::size_t i = 0; i < table->key.size(); ++i) {
    SL_TRY(Value value, value_from_json((*json->array())[i]));
    if (value.is_null()) {
      return wrong("a key holds no null");
    }
    values.push_back(
        with_affinity(std::move(value), affinity_of(table->find(table->key[i])->type)));
  }
  std::vector<ValueView> views;
  views.reserve(values.size());
  for (const Value& value : values) {
    views.push_back(value.view());
  }
  return make_key(views);
}

std::string entity_from_key(const TableSchema* table, Bytes key) {
  const auto values = key_values(key);
  if (!values || values->empty()) {
    return "";
  }
  const Value& first = values->front();
  if (values->size() == 1 && first.type() == ValueType::text && is_single_text(table) &&
      is_wtf8(first.view().text())) {
    return std::string(first.view().text());
  }
  if (values->size() == 1 && first.type() == ValueType::integer &&
      is_single(table, Affinity::integer)) {
    return std::to_string(first.view().integer);
  }
  std::string out = "[";
  for (const Value& value : *values) {
    out += out.size() > 1 ? "," : "";
    append_value_json(out, value.view());
  }
  return out + "]";
}

void append_cell_json(std::string& out, const ColumnSchema* column, const ValueView& value) {
  if (column != nullptr && column->rule == MergeRule::json && value.type == ValueType::text) {
    const auto json = read_json(value.text(), {delta_document_bytes_max, 100, 1U << 20U});
    if (json && (json->object() != nullptr || json->array() != nullptr)) {
      append_json(out, *json);
      return;
    }
  }
  append_value_json(out, value);
}

bool is_open_table(const TableSchema& table) {
  if (table.key != std::vector<std::string>{"id"}) {
    return false;
  }
  for (const ColumnSchema& column : table.columns) {
    if (column.name != "id" && (!column.type.empty() || column.rule != MergeRule::json)) {
      return false;
    }
  }
  return true;
}

TableSchema open_table(const std::string& name) {
  TableSchema table;
  table.name = name;
  table.columns = {{"id", "TEXT", true, false, MergeRule::lww}};
  table.key = {"id"};
  return table;
}

}  // namespace syncline
