#include "ydoc/update_v2.h"
namespace syncline::ydoc {
Result<ByteVector> convert_v2_to_v1(Bytes, const Limits&) {
  return Error(ErrorCode::unsupported, "");
}
Result<ByteVector> convert_v1_to_v2(Bytes) { return Error(ErrorCode::unsupported, ""); }
}  // namespace syncline::ydoc
