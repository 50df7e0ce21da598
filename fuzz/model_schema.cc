#include "base/check.h"
#include "model/conflict.h"
#include "model/schema.h"
#include "model/version_vector.h"

using namespace syncline;

// Schemas, conflicts and version vectors from outside: what decodes encodes to the same bytes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes bytes(data, size);
  {
    Reader in(bytes);
    if (const auto schema = decode_schema(in)) {
      Writer again;
      encode_schema(again, *schema);
      SL_CHECK(equal_bytes(again.bytes(), in.since(0)));
      SL_CHECK(check_compatible(*schema, *schema).has_value());
    }
  }
  {
    Reader in(bytes);
    if (const auto conflict = decode_conflict(in)) {
      Writer again;
      encode_conflict(again, *conflict);
      SL_CHECK(equal_bytes(again.bytes(), in.since(0)));
      SL_CHECK(!conflict_id(*conflict).is_zero());
    }
  }
  Reader in(bytes);
  (void)VersionVector::decode(in);
  return 0;
}
