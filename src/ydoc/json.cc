// tidy-allow(dead-file): what it defines is declared in any.h
#include "base/json.h"

#include <cmath>

#include "base/text.h"
#include "ydoc/any.h"
#include "ydoc/limits.h"

// JSON as JavaScript reads and writes it: marks and embeds travel as its text, byte for byte.

namespace syncline::ydoc {

namespace {

bool is_plain(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x20U && byte < 0x80U && c != '"' && c != '\\';
}

void put_value(std::string& out, const Any& value);

// What JSON.stringify makes of a Uint8Array: an object of its indexes.
void put_bytes(std::string& out, const ByteVector& bytes) {
  out.push_back('{');
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i > 0) {
      out.push_back(',');
    }
    out.push_back('"');
    out += std::to_string(i);
    out += "\":";
    out += std::to_string(bytes[i]);
  }
  out.push_back('}');
}

void put_object(std::string& out, const Any::Object& object) {
  out.push_back('{');
  bool first = true;
  for (const auto& [key, member] : object) {
    if (member.is_undefined()) {
      continue;
    }
    if (!first) {
      out.push_back(',');
    }
    first = false;
    append_json_string(out, key);
    out.push_back(':');
    put_value(out, member);
  }
  out.push_back('}');
}

void put_value(std::string& out, const Any& value) {
  switch (value.kind()) {
    case Any::Kind::undefined:  // only reached inside an array, where it reads null
    case Any::Kind::null:
      out += "null";
      break;
    case Any::Kind::boolean:
      out += value.as_boolean() ? "true" : "false";
      break;
    case Any::Kind::number:
      out += std::isfinite(value.as_number()) ? number_to_text(value.as_number()) : "null";
      break;
    case Any::Kind::bigint:  // JavaScript throws here; digits are the useful answer
      out += std::to_string(value.as_bigint());
      break;
    case Any::Kind::string:
      append_json_string(out, value.as_string());
      break;
    case Any::Kind::bytes:
      put_bytes(out, value.as_bytes());
      break;
    case Any::Kind::array: {
      out.push_back('[');
      bool first = true;
      for (const Any& element : value.as_array()) {
        if (!first) {
          out.push_back(',');
        }
        first = false;
        put_value(out, element);
      }
      out.push_back(']');
      break;
    }
    case Any::Kind::object:
      put_object(out, value.as_object());
      break;
  }
}

Any any_of(const Json& json) {
  switch (json.kind()) {
    case Json::Kind::null:
      break;
    case Json::Kind::boolean:
      return Any::boolean(*json.boolean());
    case Json::Kind::number:
      return Any::number(*json.as_double());
    case Json::Kind::string:
      return Any::string(*json.string());
    case Json::Kind::array: {
      Any::Array out;
      for (const Json& element : *json.array()) {
        out.push_back(any_of(element));
      }
      return Any::array(std::move(out));
    }
    case Json::Kind::object: {
      Any::Object out;
      for (const Json::Member& member : *json.object()) {
        out.emplace_back(member.name, any_of(member.value));
      }
      return Any::object(std::move(out));
    }
  }
  return Any::null();
}

}  // namespace

std::string number_to_text(double value) {
  if (std::isnan(value)) {
    return "NaN";
  }
  if (std::isinf(value)) {
    return value < 0 ? "-Infinity" : "Infinity";
  }
  if (std::fabs(value) < 1e15 && std::trunc(value) == value) {
    return std::to_string(static_cast<std::int64_t>(value));
  }
  return format_js_number(value);
}

std::string to_json(const Any& value) {
  std::string out;
  if (!value.is_undefined()) {
    put_value(out, value);
  }
  return out;
}

Result<Any> from_json(std::string_view text) {
  // The innermost level is for what is no container.
  JsonLimits limits;
  limits.depth_max = value_depth_max - 1;
  SL_TRY(const Json json, read_json(text, limits));
  return any_of(json);
}

Scan scan_json(std::string_view text) {
  if (text == "null" || text == "true" || text == "false") {
    return Scan::canonical;
  }
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') {
    const std::string_view inner = text.substr(1, text.size() - 2);
    std::size_t i = 0;
    while (i < inner.size() && is_plain(inner[i])) {
      ++i;
    }
    if (i == inner.size()) {
      return Scan::canonical;
    }
  }
  const Result<Any> value = from_json(text);
  if (!value) {
    return Scan::malformed;
  }
  return to_json(*value) == text ? Scan::canonical : Scan::other;
}

}  // namespace syncline::ydoc
