#include "base/check.h"
#include "ydoc/doc.h"
#include "ydoc/update_v2.h"

using namespace syncline;
using namespace syncline::ydoc;

// Whatever the second format unfolds to is bounded, and a document takes it or refuses it.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Limits limits;
  limits.update_bytes_max = 1U << 20U;
  const Result<ByteVector> first = convert_v2_to_v1({data, size}, limits);
  if (!first) {
    return 0;
  }
  SL_CHECK(first->size() <= limits.update_bytes_max);
  DocOptions options;
  options.client_id = 1;
  options.limits.conflict_steps_max = 100000;
  Doc doc(options);
  if (doc.apply_update(*first)) {
    SL_CHECK(convert_v1_to_v2(*first).has_value());
  }
  return 0;
}
