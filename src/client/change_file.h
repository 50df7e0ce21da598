#pragma once

#include "base/bytes.h"
#include "base/function_ref.h"
#include "base/result.h"

namespace syncline {

// Changes in one piece of bytes, as syncline_changes() returns them and exports write them:
//
//   file := "SLC1" { length:varint part } 0:varint hash64 of all before:u64
//
// The hash finds damage; it protects against nobody.
class ChangeFileWriter {
 public:
  ChangeFileWriter();
  // Fails with `too_large` where nobody could read it again.
  Result<void> part(Bytes part);
  ByteVector finish();
  std::size_t size() const { return out_.size(); }

 private:
  Writer out_;
};

// Checks the whole file before `visit` sees its first part. Fails with `malformed` on damage and
// `unsupported` on a format of a later version.
Result<void> read_change_file(Bytes file, FunctionRef<Result<void>(Bytes part)> visit);

}  // namespace syncline
