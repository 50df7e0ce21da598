#include "base/base64.h"

#include "base/check.h"

using namespace syncline;

// Any bytes survive as text, and any text that is accepted is the only one for its bytes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes bytes(data, size);
  const auto back = from_base64(to_base64(bytes));
  SL_CHECK(back && equal_bytes(*back, bytes));
  const auto url_back = from_base64url(to_base64url(bytes));
  SL_CHECK(url_back && equal_bytes(*url_back, bytes));
  const std::string_view text = as_text(bytes);
  if (const auto plain = from_base64(text)) {
    SL_CHECK(to_base64(*plain) == text);
  }
  if (const auto url = from_base64url(text)) {
    SL_CHECK(to_base64url(*url) == text);
  }
  return 0;
}
