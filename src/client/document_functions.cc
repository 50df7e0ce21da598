#include "client/document_functions.h"

#include <string>

#include "base/base64.h"
#include "base/json.h"
#include "sqlite/function.h"

namespace syncline {
namespace {

using Arguments = std::span<const ValueView>;
using Answer = Result<SqlValue>;

Error wrong_argument(const std::string& message) {
  return Error(ErrorCode::invalid_argument, message);
}

// As base/value_json writes values.
Result<Value> value_of(const Json& json) {
  switch (json.kind()) {
    case Json::Kind::null:
      return Value();
    case Json::Kind::boolean:
      return Value::integer(*json.boolean() ? 1 : 0);
    case Json::Kind::number: {
      const auto integer = json.as_int64();
      return integer.has_value() ? Value::integer(*integer) : Value::real(*json.as_double());
    }
    case Json::Kind::string:
      return Value::text(*json.string());
    case Json::Kind::array:
    case Json::Kind::object:
      break;
  }
  const Json* bytes = json.find("base64");
  if (bytes == nullptr || bytes->string() == nullptr) {
    return wrong_argument("a part of a key is a number, a text, or {\"base64\":...} for a blob");
  }
  SL_TRY(const ByteVector decoded, from_base64(*bytes->string()));
  return Value::blob(decoded);
}

// A key of several columns comes as a JSON array of its values.
Result<std::vector<Value>> key_of(Engine& engine, const std::string& table, const ValueView& key) {
  SL_TRY(const TrackedTable* tracked, engine.catalog().find(table));
  if (tracked == nullptr || tracked->key.size() == 1) {
    return std::vector<Value>{Value(key)};
  }
  const auto parsed =
      key.type == ValueType::text ? read_json(key.text()) : Result<Json>(wrong_argument("no text"));
  if (!parsed || parsed->array() == nullptr) {
    return wrong_argument("the key of table '" + table +
                          "' has several columns: give json_array(...) of them");
  }
  std::vector<Value> out;
  for (const Json& part : *parsed->array()) {
    SL_TRY(Value value, value_of(part));
    out.push_back(std::move(value));
  }
  return out;
}

// The first three arguments of every function here.
Result<Documents::Place> place_of(Engine& engine, Arguments arguments) {
  for (const std::size_t name : {0U, 2U}) {
    if (arguments[name].type != ValueType::text) {
      return wrong_argument("a document is named by a table, a key and a column");
    }
  }
  Documents::Place place;
  place.table = std::string(arguments[0].text());
  place.column = std::string(arguments[2].text());
  SL_TRY(place.key, key_of(engine, place.table, arguments[1]));
  return place;
}

Result<std::uint64_t> count_argument(const ValueView& value) {
  if (value.type != ValueType::integer || value.integer < 0) {
    return wrong_argument("positions and counts are integers from 0 on");
  }
  return static_cast<std::uint64_t>(value.integer);
}

Result<std::string_view> text_argument(const ValueView& value, const char* what) {
  if (value.type != ValueType::text) {
    return wrong_argument(std::string(what) + " must be a text");
  }
  return value.text();
}

Result<Bytes> blob_argument(const ValueView& value, const char* what) {
  if (value.type != ValueType::blob) {
    return wrong_argument(std::string(what) + " must be a blob");
  }
  return value.data;
}

Answer done(const Result<void>& result) {
  if (!result) {
    return result.error();
  }
  return SqlValue();
}

template <typename T>
Answer given(Result<T> result) {
  if (!result) {
    return std::move(result).error();
  }
  return SqlValue(std::move(*result));
}

Answer text_insert(Documents& documents, const Documents::Place& place, Arguments rest) {
  SL_TRY(const std::uint64_t index, count_argument(rest[0]));
  SL_TRY(const std::string_view text, text_argument(rest[1], "what is inserted"));
  return done(documents.insert_text(place, index, text));
}

Answer text_delete(Documents& documents, const Documents::Place& place, Arguments rest) {
  SL_TRY(const std::uint64_t index, count_argument(rest[0]));
  SL_TRY(const std::uint64_t count, count_argument(rest[1]));
  return done(documents.delete_text(place, index, count));
}

Answer text_format(Documents& documents, const Documents::Place& place, Arguments rest) {
  SL_TRY(const std::uint64_t index, count_argument(rest[0]));
  SL_TRY(const std::uint64_t count, count_argument(rest[1]));
  SL_TRY(const std::string_view attributes, text_argument(rest[2], "attributes"));
  return done(documents.format_text(place, index, count, attributes));
}

Answer text_delta(Documents& documents, const Documents::Place& place, Arguments /*rest*/) {
  return given(documents.text_delta(place));
}

Answer doc_apply(Documents& documents, const Documents::Place& place, Arguments rest) {
  SL_TRY(const Bytes update, blob_argument(rest[0], "a document's update"));
  return done(documents.apply(place, update));
}

Answer doc_json(Documents& documents, const Documents::Place& place, Arguments /*rest*/) {
  return given(documents.json(place));
}

Answer doc_state_vector(Documents& documents, const Documents::Place& place, Arguments /*rest*/) {
  return given(documents.state_vector(place));
}

Answer doc_diff(Documents& documents, const Documents::Place& place, Arguments rest) {
  SL_TRY(const Bytes state, blob_argument(rest[0], "a state vector"));
  return given(documents.diff(place, state));
}

Answer doc_update(Documents& documents, const Documents::Place& place, Arguments /*rest*/) {
  return given(documents.diff(place, Bytes()));
}

Answer doc_name(Documents& documents, const Documents::Place& place, Arguments /*rest*/) {
  return given(documents.name(place));
}

// Null where no such row is: live queries ask this, and rows come and go.
Answer doc_mark(Documents& documents, const Documents::Place& place, Arguments /*rest*/) {
  Result<std::string> mark = documents.mark(place);
  if (!mark && mark.error().code() == ErrorCode::not_found) {
    return SqlValue();
  }
  return given(std::move(mark));
}

struct Entry {
  const char* name;
  int argument_count;
  Answer (*body)(Documents& documents, const Documents::Place& place, Arguments rest);
};

constexpr Entry entries[] = {
    {"syncline_text_insert", 5, text_insert},
    {"syncline_text_delete", 5, text_delete},
    {"syncline_text_format", 6, text_format},
    {"syncline_text_delta", 3, text_delta},
    {"syncline_doc_apply", 4, doc_apply},
    {"syncline_doc_json", 3, doc_json},
    {"syncline_doc_state_vector", 3, doc_state_vector},
    {"syncline_doc_diff", 4, doc_diff},
    {"syncline_doc_update", 3, doc_update},
    {"syncline_doc_name", 3, doc_name},
    {"syncline_doc_mark", 3, doc_mark},
};

}  // namespace

Result<void> register_document_functions(Engine& engine) {
  for (const Entry& entry : entries) {
    SL_TRY(register_function(engine.connection(), entry.name, entry.argument_count, Purity::effects,
                             [&engine, &entry](Arguments arguments) -> Answer {
                               SL_TRY(const Documents::Place place, place_of(engine, arguments));
                               return engine.with_documents([&](Documents& documents) {
                                 return entry.body(documents, place, arguments.subspan(3));
                               });
                             }));
  }
  return {};
}

}  // namespace syncline
