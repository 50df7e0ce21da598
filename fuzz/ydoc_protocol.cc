#include "base/check.h"
#include "ydoc/awareness.h"
#include "ydoc/ids.h"
#include "ydoc/position.h"
#include "ydoc/snapshot.h"
#include "ydoc/sync_protocol.h"

using namespace syncline;
using namespace syncline::ydoc;

namespace {

void read_awareness(Bytes bytes) {
  Awareness awareness(1, Instant{0});
  if (awareness.apply(bytes, Instant{1})) {
    std::vector<ClientId> known;
    for (const auto& [client, record] : awareness.records()) {
      known.push_back(client);
    }
    Awareness other(2, Instant{0});
    SL_CHECK(other.apply(awareness.encode(known), Instant{1}).has_value());
  }
}

void read_snapshot(Bytes bytes) {
  if (const Result<Snapshot> snapshot = decode_snapshot(bytes)) {
    const Result<Snapshot> again = decode_snapshot(encode_snapshot(*snapshot));
    SL_CHECK(again && *again == *snapshot);
  }
}

void read_position(Bytes bytes) {
  if (const Result<RelativePosition> position = decode_relative_position(bytes)) {
    const Result<RelativePosition> again =
        decode_relative_position(encode_relative_position(*position));
    SL_CHECK(again && *again == *position);
  }
}

void read_state_vector(Bytes bytes) {
  if (const Result<StateVector> state = StateVector::decode(bytes)) {
    const Result<StateVector> again = StateVector::decode(state->encode());
    SL_CHECK(again && *again == *state);
  }
}

void read_values(Bytes bytes) {
  Decoder in(bytes);
  const Any value = read_any(in);
  Decoder scanned(bytes);
  SL_CHECK((scan_any(scanned) != Scan::malformed) == in.ok());
  if (in.ok()) {
    Encoder out;
    write_any(out, value);
    Decoder again(out.bytes());
    SL_CHECK(Any::deep_equal(read_any(again), value));
  }
  if (const Result<Any> parsed = from_json(as_text(bytes))) {
    const std::string text = to_json(*parsed);
    SL_CHECK(scan_json(text) == Scan::canonical);
  }
}

}  // namespace

// The first byte picks the decoder. What one accepts, it reads back from what is written for it.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const Bytes bytes(data + 1, size - 1);
  switch (data[0] % 6) {
    case 0:
      read_awareness(bytes);
      break;
    case 1:
      (void)read_frame(bytes);
      break;
    case 2:
      read_snapshot(bytes);
      break;
    case 3:
      read_position(bytes);
      break;
    case 5:
      read_state_vector(bytes);
      break;
    default:
      read_values(bytes);
  }
  return 0;
}
