#include "ydoc/sync_protocol.h"

namespace syncline::ydoc {

namespace {

enum Frame : std::uint8_t { frame_sync = 0, frame_aware = 1, frame_auth = 2, frame_query = 3 };
enum Sync : std::uint8_t { sync_step1 = 0, sync_step2 = 1, sync_update = 2 };

Error malformed_frame() { return Error(ErrorCode::malformed, "malformed sync message"); }

Result<SyncMessage> read_sync(Decoder& in) {
  const std::uint64_t kind = in.var_uint();
  if (in.ok() && kind > sync_update) {
    return SyncMessage(UnknownMessage{});
  }
  const Bytes payload = in.blob();
  if (!in.ok()) {
    return malformed_frame();
  }
  if (kind == sync_step1) {
    SL_TRY(StateVector state, StateVector::decode(payload));
    return SyncMessage(SyncStep1{std::move(state)});
  }
  return kind == sync_step2 ? SyncMessage(SyncStep2{payload}) : SyncMessage(SyncUpdate{payload});
}

ByteVector sync_frame(Sync kind, Bytes payload) {
  Encoder out;
  out.u8(frame_sync);
  out.u8(kind);
  out.blob(payload);
  return out.take();
}

}  // namespace

Result<SyncMessage> read_frame(Bytes frame) {
  Decoder in(frame);
  const std::uint64_t kind = in.var_uint();
  if (!in.ok()) {
    return malformed_frame();
  }
  SyncMessage out = UnknownMessage{};
  if (kind == frame_sync) {
    return read_sync(in);
  }
  if (kind == frame_aware) {
    out = AwarenessMessage{in.blob()};
  } else if (kind == frame_auth) {
    if (in.var_uint() == 0) {
      out = PermissionDenied{std::string(in.string())};
    }
  } else if (kind == frame_query) {
    out = QueryAwareness{};
  }
  if (!in.ok()) {
    return malformed_frame();
  }
  return out;
}

ByteVector frame_step1(const Doc& doc) {
  return sync_frame(sync_step1, doc.state_vector().encode());
}

Result<ByteVector> frame_step2(Doc& doc, const StateVector& state) {
  SL_TRY(const ByteVector update, doc.encode_state_as_update(state));
  return sync_frame(sync_step2, update);
}

ByteVector frame_update(Bytes update) { return sync_frame(sync_update, update); }

ByteVector frame_awareness(Bytes update) {
  Encoder out;
  out.u8(frame_aware);
  out.blob(update);
  return out.take();
}

ByteVector frame_query_awareness() { return {frame_query}; }

ByteVector frame_permission_denied(std::string_view reason) {
  Encoder out;
  out.u8(frame_auth);
  out.u8(0);
  out.string(reason);
  return out.take();
}

}  // namespace syncline::ydoc
