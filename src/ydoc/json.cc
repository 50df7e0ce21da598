// tidy-allow(dead-file): what it defines is declared in any.h
#include "base/json.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/text.h"
#include "ydoc/any.h"
#include "ydoc/limits.h"
#include "ydoc/utf.h"

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

class JsonReader {
 public:
  explicit JsonReader(std::string_view text) : text_(text) {}

  std::optional<Any> document() {
    std::optional<Any> out = value(value_depth_max);
    skip_space();
    if (!out || at_ != text_.size()) {
      return std::nullopt;
    }
    return out;
  }
  bool too_deep() const { return too_deep_; }

 private:
  void skip_space() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' || text_[at_] == '\r')) {
      ++at_;
    }
  }
  bool take(char c) {
    if (at_ < text_.size() && text_[at_] == c) {
      ++at_;
      return true;
    }
    return false;
  }
  bool take_word(std::string_view word) {
    if (text_.substr(at_, word.size()) == word) {
      at_ += word.size();
      return true;
    }
    return false;
  }

  std::optional<Any> value(int depth) {
    if (depth == 0) {
      too_deep_ = true;
      return std::nullopt;
    }
    skip_space();
    if (at_ == text_.size()) {
      return std::nullopt;
    }
    switch (text_[at_]) {
      case 'n':
        return take_word("null") ? std::optional(Any::null()) : std::nullopt;
      case 't':
        return take_word("true") ? std::optional(Any::boolean(true)) : std::nullopt;
      case 'f':
        return take_word("false") ? std::optional(Any::boolean(false)) : std::nullopt;
      case '"': {
        std::optional<std::string> text = string();
        return text ? std::optional(Any::string(std::move(*text))) : std::nullopt;
      }
      case '[':
        return array(depth - 1);
      case '{':
        return object(depth - 1);
      default:
        return number();
    }
  }

  std::optional<Any> array(int depth) {
    ++at_;
    Any::Array out;
    skip_space();
    if (take(']')) {
      return Any::array({});
    }
    while (true) {
      std::optional<Any> element = value(depth);
      if (!element) {
        return std::nullopt;
      }
      out.push_back(std::move(*element));
      skip_space();
      if (take(']')) {
        return Any::array(std::move(out));
      }
      if (!take(',')) {
        return std::nullopt;
      }
    }
  }

  std::optional<Any> object(int depth) {
    ++at_;
    Any::Object out;
    skip_space();
    if (take('}')) {
      return Any::object({});
    }
    while (true) {
      skip_space();
      std::optional<std::string> key = string();
      skip_space();
      if (!key || !take(':')) {
        return std::nullopt;
      }
      std::optional<Any> member = value(depth);
      if (!member) {
        return std::nullopt;
      }
      out.emplace_back(std::move(*key), std::move(*member));
      skip_space();
      if (take('}')) {
        return Any::object(std::move(out));
      }
      if (!take(',')) {
        return std::nullopt;
      }
    }
  }

  std::optional<std::uint32_t> hex4() {
    std::uint32_t out = 0;
    for (int i = 0; i < 4; ++i) {
      const char c = at_ < text_.size() ? text_[at_++] : '?';
      const char lower = static_cast<char>(c | 0x20);
      if (c >= '0' && c <= '9') {
        out = out * 16 + static_cast<std::uint32_t>(c - '0');
      } else if (lower >= 'a' && lower <= 'f') {
        out = out * 16 + static_cast<std::uint32_t>(lower - 'a' + 10);
      } else {
        return std::nullopt;
      }
    }
    return out;
  }

  bool escape(std::string& out) {
    if (at_ == text_.size()) {
      return false;
    }
    const char c = text_[at_++];
    constexpr std::string_view names = "\"\\/bfnrt";
    constexpr std::string_view meanings = "\"\\/\b\f\n\r\t";
    if (const std::size_t found = names.find(c); found != std::string_view::npos) {
      out.push_back(meanings[found]);
      return true;
    }
    if (c != 'u') {
      return false;
    }
    std::optional<std::uint32_t> unit = hex4();
    if (!unit) {
      return false;
    }
    if (is_high_surrogate(static_cast<char16_t>(*unit)) && text_.substr(at_, 2) == "\\u") {
      const std::size_t before = at_;
      at_ += 2;
      const std::optional<std::uint32_t> low = hex4();
      if (low && is_low_surrogate(static_cast<char16_t>(*low))) {
        append_code_point(out, 0x10000U + ((*unit & 0x3ffU) << 10U) + (*low & 0x3ffU));
        return true;
      }
      at_ = before;
    }
    append_code_point(out, *unit);
    return true;
  }

  std::optional<std::string> string() {
    if (!take('"')) {
      return std::nullopt;
    }
    std::string out;
    while (at_ < text_.size()) {
      const char c = text_[at_++];
      if (c == '"') {
        return out;
      }
      if (static_cast<unsigned char>(c) < 0x20U) {
        return std::nullopt;
      }
      if (c != '\\') {
        out.push_back(c);
      } else if (!escape(out)) {
        return std::nullopt;
      }
    }
    return std::nullopt;
  }

  std::optional<Any> number() {
    const std::size_t end = std::min(text_.find_first_not_of("+-.0123456789eE", at_), text_.size());
    const std::string_view number = text_.substr(at_, end - at_);
    if (!is_json_number(number)) {
      return std::nullopt;
    }
    at_ = end;
    const Result<double> value = parse_double(number);
    return value ? std::optional(Any::number(*value)) : std::nullopt;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  bool too_deep_ = false;
};

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
  JsonReader reader(text);
  std::optional<Any> value = reader.document();
  if (!value) {
    return reader.too_deep() ? Error(ErrorCode::too_large, "JSON nests too deep")
                             : Error(ErrorCode::malformed, "malformed JSON");
  }
  return std::move(*value);
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
