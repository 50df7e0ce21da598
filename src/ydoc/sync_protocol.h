#pragma once

#include <string>
#include <variant>

#include "ydoc/doc.h"

// The messages with which two Yjs replicas meet, as y-websocket frames them: a frame is one number
// and its payload, a sync message another number and its payload inside.

namespace syncline::ydoc {

// "Send me what I lack", with a state vector.
struct SyncStep1 {
  StateVector state;
};
// The answer, an update.
struct SyncStep2 {
  Bytes update;
};
// A live change, an update.
struct SyncUpdate {
  Bytes update;
};
struct AwarenessMessage {
  Bytes update;
};
struct PermissionDenied {
  std::string reason;
};
struct QueryAwareness {};
// A kind this version does not know; to be ignored.
struct UnknownMessage {};

using SyncMessage = std::variant<SyncStep1, SyncStep2, SyncUpdate, AwarenessMessage,
                                 PermissionDenied, QueryAwareness, UnknownMessage>;

// Reads one frame; what it returns borrows the bytes.
Result<SyncMessage> read_frame(Bytes frame);

ByteVector frame_step1(const Doc& doc);
// Answers step 1.
Result<ByteVector> frame_step2(Doc& doc, const StateVector& state);
ByteVector frame_update(Bytes update);
ByteVector frame_awareness(Bytes update);
ByteVector frame_query_awareness();
ByteVector frame_permission_denied(std::string_view reason);

}  // namespace syncline::ydoc
