#include "base/check.h"
#include "client/log_body.h"

using namespace syncline;

// Whatever is read can be written and reads back the same.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes part(data, size);
  LogBodyReader reader(part);
  LogBodyWriter writer;
  LogRun run;
  TableId table = 0;
  std::size_t runs = 0;
  for (;;) {
    const auto more = reader.next(run);
    if (!more) {
      return 0;
    }
    if (!*more) {
      break;
    }
    LogRun alone;
    SL_CHECK(LogBodyReader::read_at(part, reader.position(), alone).has_value());
    SL_CHECK(alone.kind == run.kind && alone.count == run.count && alone.has_old == run.has_old);
    if (reader.table() != table) {
      table = reader.table();
      writer.begin_table(table);
    }
    writer.run(run);
    ++runs;
  }
  const ByteVector again = writer.finish();
  LogBodyReader second(again);
  for (std::size_t i = 0; i < runs; ++i) {
    SL_CHECK(second.next(run).value());
  }
  SL_CHECK(!second.next(run).value());
  return 0;
}
