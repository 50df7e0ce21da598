#include "base/check.h"
#include "base/digest.h"
#include "client/change_file.h"

using namespace syncline;

namespace {

std::size_t parts_of(Bytes file) {
  std::size_t parts = 0;
  const auto read = read_change_file(file, [&](Bytes part) -> Result<void> {
    SL_CHECK(!part.empty());
    ++parts;
    return {};
  });
  SL_CHECK(read.has_value() || !read.error().message().empty());
  return parts;
}

}  // namespace

// The bytes as they come, which the hash mostly refuses, and with a hash that fits.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes bytes(data, size);
  parts_of(bytes);
  Writer hashed(to_vector(bytes));
  hashed.u64(hash64(bytes));
  parts_of(hashed.bytes());
  return 0;
}
