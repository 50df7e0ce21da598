#include "base/value_json.h"

#include <cmath>

#include "base/base64.h"
#include "base/json.h"
#include "base/text.h"

namespace syncline {

void append_value_json(std::string& out, const ValueView& value) {
  switch (value.type) {
    case ValueType::null:
      out += "null";
      return;
    case ValueType::integer:
      out += std::to_string(value.integer);
      return;
    case ValueType::real:
      if (std::isfinite(value.real)) {
        out += format_double(value.real);
      } else {
        out += "{\"real\":\"" + format_double(value.real) + "\"}";
      }
      return;
    case ValueType::text:
      if (is_wtf8(value.text())) {
        append_json_string(out, value.text());
      } else {
        out += "{\"text_base64\":\"" + to_base64(value.data) + "\"}";
      }
      return;
    case ValueType::blob:
      out += "{\"base64\":\"" + to_base64(value.data) + "\"}";
      return;
  }
}

std::string value_json(const ValueView& value) {
  std::string out;
  append_value_json(out, value);
  return out;
}

}  // namespace syncline
