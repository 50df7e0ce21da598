#include "base/check.h"
#include "model/value_codec.h"

using namespace syncline;

// Whatever decodes as a value or a key encodes to the very same bytes: one encoding a value.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes bytes(data, size);
  Reader in(bytes);
  DecodedValue value;
  while (!in.at_end()) {
    const std::size_t start = in.position();
    if (!value.read(in)) {
      break;
    }
    Writer again;
    write_value(again, value.view());
    SL_CHECK(equal_bytes(again.bytes(), in.since(start)));
  }
  if (const auto values = key_values(bytes)) {
    std::vector<ValueView> views;
    for (const Value& part : *values) {
      views.push_back(part.view());
      SL_CHECK(compare_values(part.view(), part.view()) == 0);
    }
    SL_CHECK(equal_bytes(make_key(views).view(), bytes));
  }
  return 0;
}
