#include "base/bytes.h"

#include "base/check.h"

using namespace syncline;

namespace {

// Reads one field of the kind that `choice` names and writes it again.
Result<void> copy_field(Reader& reader, Writer& writer, std::uint8_t choice) {
  switch (choice % 6) {
    case 0: {
      SL_TRY(const std::uint64_t value, reader.varint());
      writer.varint(value);
      return {};
    }
    case 1: {
      SL_TRY(const std::int64_t value, reader.signed_varint());
      writer.signed_varint(value);
      return {};
    }
    case 2: {
      SL_TRY(const Bytes value, reader.blob());
      writer.blob(value);
      return {};
    }
    case 3: {
      SL_TRY(const std::uint32_t value, reader.u32());
      writer.u32(value);
      return {};
    }
    case 4: {
      SL_TRY(const std::uint64_t value, reader.u64());
      writer.u64(value);
      return {};
    }
    default: {
      SL_TRY(const std::uint64_t value, reader.varint_at_most(1000));
      SL_CHECK(value <= 1000);
      writer.varint(value);
      return {};
    }
  }
}

}  // namespace

// Every field that is accepted has one form only: written again, it is the bytes it was read from.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::size_t choices = size / 4;
  Reader reader(Bytes(data, size).subspan(choices));
  for (std::size_t i = 0; i < choices; ++i) {
    const std::size_t start = reader.position();
    Writer writer;
    if (!copy_field(reader, writer, data[i])) {
      break;
    }
    SL_CHECK(equal_bytes(writer.bytes(), reader.since(start)));
  }
  return 0;
}
