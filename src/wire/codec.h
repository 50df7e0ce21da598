#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "wire/message.h"
#include "wire/version.h"

namespace syncline {

// Message to bytes and back. A frame is the message's type (u8), then its fields in the order of
// docs/protocol.md. Each message has exactly one encoding.

// Fails with `too_large`, and says what is, when a field is above its limit (wire/limits.h).
Result<ByteVector> encode_message(const Message& message);
// The same where the type is known: a program carries only the encoders that it uses.
template <typename M>
Result<ByteVector> encode_as(const M& message);

// Takes nothing but what encode_message writes. Fails with `malformed`, `too_large`, or
// `unsupported` for a type that this version does not know.
Result<Message> decode_message(Bytes frame);
// The same for a replica that hears a server: what servers never send is `malformed`.
Result<Message> decode_from_server(Bytes frame);

// The message as a peer of the first protocol version is told it.
Message without_receipt(Message message);

// The protocol range of a hello of any version, even one whose other fields nobody here can read;
// fails when the frame is no hello.
Result<ProtocolRange> read_hello_range(Bytes frame);

// Several frames in one body, each behind its size as a varint (plain HTTP).
void append_frame(Writer& out, Bytes frame);
// The next frame, borrowed from the body.
Result<Bytes> read_frame(Reader& in);

// The message's name as in docs/protocol.md, and its fields in order; for the test that ties that
// document to this code.
struct MessageShape {
  std::string_view name;
  std::vector<std::string_view> fields;
};
std::vector<MessageShape> message_shapes();
std::string_view message_name(const Message& message);

}  // namespace syncline
