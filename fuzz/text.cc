#include "base/text.h"

#include <cmath>

#include "base/bytes.h"
#include "base/check.h"

using namespace syncline;

namespace {

void check_unicode(std::string_view text) {
  const auto units = utf8_to_utf16(text);
  SL_CHECK(units.has_value() == is_wtf8(text));
  if (units) {
    SL_CHECK(utf16_to_utf8(*units) == text);
    SL_CHECK(utf16_length(text) == units->size());
  }
  SL_CHECK(!is_utf8(text) || is_wtf8(text));
  const std::string valid = to_valid_utf8(text);
  SL_CHECK(is_utf8(valid));
  SL_CHECK(!is_utf8(text) || valid == text);
}

void check_number(std::string_view text) {
  const auto value = parse_double(text);
  SL_CHECK(value.has_value() == is_json_number(text));
  if (value && std::isfinite(*value)) {
    const auto back = parse_double(format_double(*value));
    SL_CHECK(back && *back == *value && std::signbit(*back) == std::signbit(*value));
  }
}

}  // namespace

// Text is judged the same by every function, and numbers survive being written.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = as_text({data, size});
  check_unicode(text);
  check_number(text);
  return 0;
}
