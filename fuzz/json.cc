#include "base/json.h"

#include "base/bytes.h"
#include "base/check.h"

using namespace syncline;

// Whatever is read can be written and read back the same, in both forms.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto value = read_json(as_text({data, size}));
  if (!value) {
    return 0;
  }
  const std::string text = write_json(*value);
  const auto again = read_json(text);
  SL_CHECK(again && *again == *value && write_json(*again) == text);
  const std::string canonical = write_canonical_json(*value);
  const auto sorted = read_json(canonical);
  SL_CHECK(sorted && write_canonical_json(*sorted) == canonical);
  SL_CHECK(write_json(*sorted) == canonical);
  return 0;
}
