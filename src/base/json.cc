#include "base/json.h"

#include <algorithm>

#include "base/sort.h"
#include "base/text.h"

namespace syncline {
namespace {

// One pass over the text, one level of recursion for each level of nesting.
class JsonReader {
 public:
  JsonReader(std::string_view text, const JsonLimits& limits)
      : text_(text),
        depth_max_(std::min(limits.depth_max, json_depth_max)),
        values_max_(limits.values_max) {}

  Result<Json> read_all() {
    SL_TRY(Json value, read_value(0));
    skip_space();
    if (at_ != text_.size()) {
      return wrong("more follows the value");
    }
    return value;
  }

 private:
  Error wrong(std::string_view what) const {
    return Error(ErrorCode::malformed,
                 "JSON: " + std::string(what) + " at byte " + std::to_string(at_));
  }
  Error too_much(std::string_view what) const {
    return Error(ErrorCode::too_large,
                 "JSON: " + std::string(what) + " at byte " + std::to_string(at_));
  }

  // NUL at the end, which no rule accepts.
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool take(char wanted) {
    if (at_ < text_.size() && text_[at_] == wanted) {
      ++at_;
      return true;
    }
    return false;
  }
  void skip_space() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) {
      ++at_;
    }
  }

  Result<Json> read_value(std::size_t depth) {
    skip_space();
    if (++values_ > values_max_) {
      return too_much("too many values");
    }
    switch (peek()) {
      case '{':
        return read_object(depth + 1);
      case '[':
        return read_array(depth + 1);
      case '"': {
        SL_TRY(std::string text, read_string());
        return Json(std::move(text));
      }
      case 't':
        return read_word("true", Json(true));
      case 'f':
        return read_word("false", Json(false));
      case 'n':
        return read_word("null", Json());
      default:
        return read_number();
    }
  }

  Result<Json> read_word(std::string_view word, Json value) {
    if (text_.substr(at_, word.size()) != word) {
      return wrong("not a value");
    }
    at_ += word.size();
    return value;
  }

  Result<Json> read_number() {
    const std::size_t end = std::min(text_.find_first_not_of("+-.0123456789eE", at_), text_.size());
    const std::string_view number = text_.substr(at_, end - at_);
    if (!is_json_number(number)) {
      return wrong("not a value");
    }
    at_ = end;
    return Json::number(number);
  }

  Result<std::string> read_string() {
    ++at_;
    std::string out;
    for (;;) {
      const std::size_t start = at_;
      while (at_ < text_.size() && is_plain(text_[at_])) {
        ++at_;
      }
      out.append(text_, start, at_ - start);
      if (take('"')) {
        return out;
      }
      if (take('\\')) {
        SL_TRY(read_escape(out));
        continue;
      }
      if (at_ == text_.size()) {
        return wrong("text ends inside a string");
      }
      if (static_cast<std::uint8_t>(text_[at_]) < 0x20) {
        return wrong("control character in a string");
      }
      const CodePoint point = code_point_at(text_, at_);
      if (!point.is_valid || is_surrogate(point.value)) {
        return wrong("invalid UTF-8 in a string");
      }
      out.append(text_, at_, point.size);
      at_ += point.size;
    }
  }

  static bool is_plain(char c) {
    const auto byte = static_cast<std::uint8_t>(c);
    return byte >= 0x20 && byte < 0x80 && c != '"' && c != '\\';
  }

  Result<void> read_escape(std::string& out) {
    static constexpr std::string_view from = "\"\\/bfnrt";
    static constexpr std::string_view to = "\"\\/\b\f\n\r\t";
    const char letter = peek();
    const std::size_t index = from.find(letter);
    if (index != std::string_view::npos) {
      ++at_;
      out.push_back(to[index]);
      return {};
    }
    if (letter != 'u') {
      return wrong("unknown escape");
    }
    ++at_;
    SL_TRY(const char32_t unit, read_unit());
    if (is_high_surrogate(unit) && text_.substr(at_, 2) == "\\u") {
      const std::size_t before = at_;
      at_ += 2;
      SL_TRY(const char32_t second, read_unit());
      if (is_low_surrogate(second)) {
        append_code_point(out, 0x10000 + ((unit - 0xD800) << 10U) + (second - 0xDC00));
        return {};
      }
      at_ = before;
    }
    append_code_point(out, unit);
    return {};
  }

  Result<char32_t> read_unit() {
    char32_t unit = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      const char c = peek();
      char32_t digit = 0;
      if (c >= '0' && c <= '9') {
        digit = static_cast<char32_t>(c - '0');
      } else if (c >= 'a' && c <= 'f') {
        digit = static_cast<char32_t>(c - 'a' + 10);
      } else if (c >= 'A' && c <= 'F') {
        digit = static_cast<char32_t>(c - 'A' + 10);
      } else {
        return wrong("not a hexadecimal digit");
      }
      unit = unit * 16 + digit;
    }
    return unit;
  }

  Result<Json> read_array(std::size_t depth) {
    if (depth > depth_max_) {
      return too_much("nested too deeply");
    }
    ++at_;
    Json::Array items;
    skip_space();
    if (take(']')) {
      return Json(std::move(items));
    }
    for (;;) {
      SL_TRY(Json item, read_value(depth));
      items.push_back(std::move(item));
      skip_space();
      if (take(']')) {
        return Json(std::move(items));
      }
      if (!take(',')) {
        return wrong("neither comma nor bracket");
      }
    }
  }

  Result<Json> read_object(std::size_t depth) {
    if (depth > depth_max_) {
      return too_much("nested too deeply");
    }
    ++at_;
    Json::Object members;
    skip_space();
    if (take('}')) {
      return Json(std::move(members));
    }
    for (;;) {
      skip_space();
      if (peek() != '"') {
        return wrong("not a member's name");
      }
      SL_TRY(std::string name, read_string());
      skip_space();
      if (!take(':')) {
        return wrong("no colon after a member's name");
      }
      SL_TRY(Json value, read_value(depth));
      members.push_back({std::move(name), std::move(value)});
      skip_space();
      if (take('}')) {
        break;
      }
      if (!take(',')) {
        return wrong("neither comma nor brace");
      }
    }
    if (has_name_twice(members)) {
      return wrong("a name stands twice in the object that ends");
    }
    return Json(std::move(members));
  }

  static bool has_name_twice(const Json::Object& members) {
    std::vector<std::string_view> names;
    names.reserve(members.size());
    for (const Json::Member& member : members) {
      names.emplace_back(member.name);
    }
    syncline::sort(names.begin(), names.end());
    return std::adjacent_find(names.begin(), names.end()) != names.end();
  }

  std::string_view text_;
  std::size_t depth_max_;
  std::size_t values_max_;
  std::size_t at_ = 0;
  std::size_t values_ = 0;
};

enum class Order { as_is, sorted };

void append_value(std::string& out, const Json& value, Order order);

void append_members(std::string& out, const Json::Object& members, Order order) {
  std::vector<const Json::Member*> ordered;
  ordered.reserve(members.size());
  for (const Json::Member& member : members) {
    ordered.push_back(&member);
  }
  if (order == Order::sorted) {
    // std::string compares as unsigned bytes.
    syncline::sort(ordered.begin(), ordered.end(),
                   [](const Json::Member* a, const Json::Member* b) { return a->name < b->name; });
  }
  out.push_back('{');
  for (const Json::Member* member : ordered) {
    if (member != ordered.front()) {
      out.push_back(',');
    }
    append_json_string(out, member->name);
    out.push_back(':');
    append_value(out, member->value, order);
  }
  out.push_back('}');
}

void append_value(std::string& out, const Json& value, Order order) {
  switch (value.kind()) {
    case Json::Kind::null:
      out.append("null");
      return;
    case Json::Kind::boolean:
      out.append(*value.boolean() ? "true" : "false");
      return;
    case Json::Kind::number:
      out.append(*value.number_text());
      return;
    case Json::Kind::string:
      append_json_string(out, *value.string());
      return;
    case Json::Kind::array:
      out.push_back('[');
      for (const Json& item : *value.array()) {
        if (&item != &value.array()->front()) {
          out.push_back(',');
        }
        append_value(out, item, order);
      }
      out.push_back(']');
      return;
    case Json::Kind::object:
      append_members(out, *value.object(), order);
      return;
  }
}

void append_unit_escape(std::string& out, char32_t unit) {
  static constexpr char digits[] = "0123456789abcdef";
  out.append("\\u");
  for (unsigned shift = 16; shift > 0;) {
    shift -= 4;
    out.push_back(digits[(unit >> shift) & 15U]);
  }
}

void append_escaped(std::string& out, char32_t value) {
  switch (value) {
    case '"':
      out.append("\\\"");
      return;
    case '\\':
      out.append("\\\\");
      return;
    case '\b':
      out.append("\\b");
      return;
    case '\f':
      out.append("\\f");
      return;
    case '\n':
      out.append("\\n");
      return;
    case '\r':
      out.append("\\r");
      return;
    case '\t':
      out.append("\\t");
      return;
    default:
      append_unit_escape(out, value);
  }
}

}  // namespace

// Out of line, because they need Member complete.
Json::Json(bool value) : value_(value) {}
Json::Json(std::string value) : value_(std::move(value)) {}
Json::Json(std::string_view value) : value_(std::string(value)) {}
Json::Json(const char* value) : value_(std::string(value)) {}
Json::Json(Array items) : value_(std::move(items)) {}
Json::Json(Object members) : value_(std::move(members)) {}

Json Json::integer(std::int64_t value) {
  Json out;
  out.value_ = Number{std::to_string(value)};
  return out;
}

Json Json::real(double value) {
  Json out;
  std::string text = format_double(value);
  if (is_json_number(text)) {
    out.value_ = Number{std::move(text)};
  }
  return out;
}

Result<Json> Json::number(std::string_view text) {
  if (!is_json_number(text)) {
    return Error(ErrorCode::malformed, "not a JSON number");
  }
  Json out;
  out.value_ = Number{std::string(text)};
  return out;
}

Json::Kind Json::kind() const { return static_cast<Kind>(value_.index()); }

const std::string* Json::number_text() const {
  const Number* number = std::get_if<Number>(&value_);
  return number != nullptr ? &number->text : nullptr;
}

std::optional<std::int64_t> Json::as_int64() const {
  const std::string* text = number_text();
  return text != nullptr ? parse_int64(*text) : std::nullopt;
}

std::optional<double> Json::as_double() const {
  const std::string* text = number_text();
  if (text == nullptr) {
    return std::nullopt;
  }
  const auto value = parse_double(*text);
  SL_CHECK(value);
  return *value;
}

const Json* Json::find(std::string_view name) const {
  if (const Object* members = object()) {
    for (const Member& member : *members) {
      if (member.name == name) {
        return &member.value;
      }
    }
  }
  return nullptr;
}

Json* Json::find(std::string_view name) {
  return const_cast<Json*>(static_cast<const Json*>(this)->find(name));
}

void Json::set(std::string_view name, Json value) {
  if (Json* existing = find(name)) {
    *existing = std::move(value);
    return;
  }
  if (object() == nullptr) {
    value_ = Object();
  }
  object()->push_back({std::string(name), std::move(value)});
}

bool operator==(const Json& a, const Json& b) { return a.value_ == b.value_; }

Result<Json> read_json(std::string_view text, const JsonLimits& limits) {
  if (text.size() > limits.bytes_max) {
    return Error(ErrorCode::too_large, "JSON of " + std::to_string(text.size()) +
                                           " bytes exceeds its limit of " +
                                           std::to_string(limits.bytes_max));
  }
  return JsonReader(text, limits).read_all();
}

void append_json(std::string& out, const Json& value) { append_value(out, value, Order::as_is); }

std::string write_json(const Json& value) {
  std::string out;
  append_value(out, value, Order::as_is);
  return out;
}

std::string write_canonical_json(const Json& value) {
  std::string out;
  append_value(out, value, Order::sorted);
  return out;
}

void append_json_string(std::string& out, std::string_view text) {
  out.push_back('"');
  std::size_t at = 0;
  std::size_t copied = 0;
  while (at < text.size()) {
    const char c = text[at];
    const auto byte = static_cast<std::uint8_t>(c);
    if (byte >= 0x20 && byte < 0x80 && c != '"' && c != '\\') {
      ++at;
      continue;
    }
    const CodePoint point = code_point_at(text, at);
    if (byte >= 0x80 && point.is_valid && !is_surrogate(point.value)) {
      at += point.size;
      continue;
    }
    out.append(text, copied, at - copied);
    if (point.is_valid) {
      append_escaped(out, point.value);
    } else {
      append_code_point(out, point.value);
    }
    at += point.size;
    copied = at;
  }
  out.append(text, copied);
  out.push_back('"');
}

}  // namespace syncline
