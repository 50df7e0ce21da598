#include "client/change_file.h"

#include "base/digest.h"
#include "wire/limits.h"

namespace syncline {
namespace {

constexpr std::string_view magic = "SLC1";
constexpr std::size_t trailer_bytes = 8;

}  // namespace

ChangeFileWriter::ChangeFileWriter() { out_.raw(as_bytes(magic)); }

Result<void> ChangeFileWriter::part(Bytes part) {
  if (part.size() > limits::part_bytes_max) {
    return Error(ErrorCode::too_large, "a row of " + std::to_string(part.size()) +
                                           " bytes is too large for a file of changes (limit "
                                           "row_bytes_max: " +
                                           std::to_string(limits::row_bytes_max) + " bytes)");
  }
  out_.blob(part);
  return {};
}

ByteVector ChangeFileWriter::finish() {
  out_.varint(0);
  out_.u64(hash64(out_.bytes()));
  return out_.take();
}

Result<void> read_change_file(Bytes file, FunctionRef<Result<void>(Bytes part)> visit) {
  if (file.size() < magic.size() || as_text(file.subspan(0, 3)) != magic.substr(0, 3)) {
    return Error(ErrorCode::malformed, "these bytes are no file of changes");
  }
  if (file[3] != static_cast<std::uint8_t>(magic[3])) {
    return Error(ErrorCode::unsupported,
                 "the file of changes was written by a later version of syncline");
  }
  if (file.size() < magic.size() + 1 + trailer_bytes) {
    return Error(ErrorCode::malformed, "the file of changes is cut off");
  }
  const Bytes body = file.subspan(0, file.size() - trailer_bytes);
  Reader trailer(file.subspan(body.size()));
  SL_TRY(const std::uint64_t hash, trailer.u64());
  if (hash != hash64(body)) {
    return Error(ErrorCode::malformed, "the file of changes is damaged or cut off");
  }
  Reader in(body.subspan(magic.size()));
  for (;;) {
    SL_TRY(const Bytes part, in.blob(limits::part_bytes_max));
    if (part.empty()) {
      return in.expect_end("the last change");
    }
    SL_TRY(visit(part));
  }
}

}  // namespace syncline
