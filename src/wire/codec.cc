#include "wire/codec.h"

#include <array>
#include <optional>
#include <type_traits>
#include <utility>

#include "wire/message_fields.h"

namespace syncline {
namespace {

constexpr std::size_t message_types = std::variant_size_v<Message>;

constexpr std::array<std::string_view, message_types> names = {
    "hello",          "welcome",       "refused",      "push_part",      "ack",
    "rejected",       "pull_part",     "pull_through", "applied",        "snapshot_request",
    "snapshot_begin", "snapshot_page", "snapshot_end", "rescan_request", "range_digests",
    "range_request",  "range_rows",    "heartbeat",    "presence",       "subscribe",
    "token_refresh",  "bye",           "peer_hello",   "peer_part",      "peer_seen",
    "relay_part",     "relay_ack"};

// Writes field after field; what is above its limit is left out, and named.
struct FieldWriter {
  Writer& out;
  std::optional<Error> error;

  bool fits(std::string_view name, std::size_t size, std::size_t max) {
    if (size > max && !error) {
      error = Error(ErrorCode::too_large, std::string(name) + " has " + std::to_string(size) +
                                              ", and the limit is " + std::to_string(max));
    }
    return size <= max;
  }

  void operator()(std::string_view, const ProtocolRange& range) {
    out.varint(range.min);
    out.varint(range.max);
  }
  template <typename Tag>
  void operator()(std::string_view, const RandomId<Tag>& id) {
    out.raw(id.view());
  }
  // Always the last field: without one there are no bytes.
  void operator()(std::string_view name, const Receipt& receipt) {
    if (receipt.version != ServerVersion(0)) {
      (*this)(name, receipt.version);
      (*this)(name, receipt.seal);
    }
  }
  template <typename Tag>
  void operator()(std::string_view, const Strong<std::uint64_t, Tag>& number) {
    out.varint(number.get());
  }
  void operator()(std::string_view, const std::uint64_t& number) { out.varint(number); }
  void operator()(std::string_view, const std::uint32_t& number) { out.varint(number); }
  void operator()(std::string_view, const std::int64_t& number) { out.signed_varint(number); }
  void operator()(std::string_view, const bool& flag) { out.u8(flag ? 1 : 0); }
  void operator()(std::string_view, const Digest& digest) { write_digest(out, digest); }

  void operator()(std::string_view name, const std::string& text, std::size_t max) {
    if (fits(name, text.size(), max)) {
      out.text(text);
    }
  }
  void operator()(std::string_view name, const ByteVector& bytes, std::size_t max) {
    if (fits(name, bytes.size(), max)) {
      out.blob(bytes);
    }
  }
  template <typename E>
  requires std::is_enum_v<E>
  void operator()(std::string_view, const E& value, E) { out.u8(static_cast<std::uint8_t>(value)); }

  void operator()(std::string_view name, const std::vector<EpochId>& ids, std::size_t max) {
    begin_list(name, ids.size(), max);
    for (const EpochId& id : ids) {
      (*this)(name, id);
    }
  }
  void operator()(std::string_view name, const std::vector<std::string>& list, std::size_t max) {
    begin_list(name, list.size(), max);
    for (const std::string& text : list) {
      (*this)(name, text, limits::name_bytes_max);
    }
  }
  void operator()(std::string_view name, const std::vector<KnownChange>& changes, std::size_t max) {
    begin_list(name, changes.size(), max);
    for (const KnownChange& change : changes) {
      fields(*this, change, std::type_identity<KnownChange>());
    }
  }
  void operator()(std::string_view name, const std::vector<RangeDigest>& ranges, std::size_t max) {
    begin_list(name, ranges.size(), max);
    for (const RangeDigest& range : ranges) {
      fields(*this, range, std::type_identity<RangeDigest>());
    }
  }
  void begin_list(std::string_view name, std::size_t count, std::size_t max) {
    if (fits(name, count, max)) {
      out.varint(count);
    }
  }
};

// Reads field after field until one fails; what follows a failure is not read.
struct FieldReader {
  Reader& in;
  std::optional<Error> error;

  template <typename T>
  bool take(Result<T>&& result, T& out) {
    if (!result) {
      error = std::move(result).error();
      return false;
    }
    out = std::move(result).value();
    return true;
  }
  void fail(const char* what) { error = Error(ErrorCode::malformed, what); }

  void operator()(std::string_view name, ProtocolRange& range) {
    (*this)(name, range.min);
    (*this)(name, range.max);
  }
  template <typename Tag>
  void operator()(std::string_view, RandomId<Tag>& id) {
    Bytes raw;
    if (!error && take(in.raw(16), raw)) {
      std::copy(raw.begin(), raw.end(), id.bytes.begin());
    }
  }
  void operator()(std::string_view name, Receipt& receipt) {
    if (error || in.at_end()) {
      return;
    }
    (*this)(name, receipt.version);
    (*this)(name, receipt.seal);
    if (!error && receipt.version == ServerVersion(0)) {
      fail("a receipt of nothing");
    }
  }
  template <typename Tag>
  void operator()(std::string_view, Strong<std::uint64_t, Tag>& number) {
    std::uint64_t value = 0;
    if (!error && take(in.varint(), value)) {
      number = Strong<std::uint64_t, Tag>(value);
    }
  }
  void operator()(std::string_view, std::uint64_t& number) {
    if (!error) {
      take(in.varint(), number);
    }
  }
  void operator()(std::string_view, std::uint32_t& number) {
    std::uint64_t value = 0;
    if (!error && take(in.varint_at_most(UINT32_MAX), value)) {
      number = static_cast<std::uint32_t>(value);
    }
  }
  void operator()(std::string_view, std::int64_t& number) {
    if (!error) {
      take(in.signed_varint(), number);
    }
  }
  void operator()(std::string_view, bool& flag) {
    std::uint8_t value = 0;
    if (!error && take(in.u8(), value)) {
      flag = value == 1;
      if (value > 1) {
        fail("a flag is neither 0 nor 1");
      }
    }
  }
  void operator()(std::string_view, Digest& digest) {
    if (!error) {
      take(read_digest(in), digest);
    }
  }
  void operator()(std::string_view, std::string& text, std::size_t max) {
    std::string_view view;
    if (!error && take(in.text(max), view)) {
      text = view;
    }
  }
  void operator()(std::string_view, ByteVector& bytes, std::size_t max) {
    Bytes view;
    if (!error && take(in.blob(max), view)) {
      bytes = to_vector(view);
    }
  }
  template <typename E>
  requires std::is_enum_v<E>
  void operator()(std::string_view, E& value, E last) {
    std::uint8_t raw = 0;
    if (!error && take(in.u8(), raw)) {
      if (raw == 0 || raw > static_cast<std::uint8_t>(last)) {
        fail("a choice that this version does not know");
        return;
      }
      value = static_cast<E>(raw);
    }
  }
  void operator()(std::string_view name, std::vector<EpochId>& ids, std::size_t max) {
    list(ids, max, [&](EpochId& id) { (*this)(name, id); });
  }
  void operator()(std::string_view name, std::vector<std::string>& texts, std::size_t max) {
    list(texts, max, [&](std::string& text) { (*this)(name, text, limits::name_bytes_max); });
  }
  void operator()(std::string_view, std::vector<KnownChange>& changes, std::size_t max) {
    list(changes, max,
         [&](KnownChange& change) { fields(*this, change, std::type_identity<KnownChange>()); });
  }
  void operator()(std::string_view, std::vector<RangeDigest>& ranges, std::size_t max) {
    list(ranges, max,
         [&](RangeDigest& range) { fields(*this, range, std::type_identity<RangeDigest>()); });
  }

  // Grows as elements really come: a count alone allocates nothing.
  template <typename T, typename One>
  void list(std::vector<T>& out, std::size_t max, const One& one) {
    std::uint64_t count = 0;
    if (error || !take(in.varint_at_most(max), count)) {
      return;
    }
    for (std::uint64_t i = 0; i < count && !error; ++i) {
      out.emplace_back();
      one(out.back());
    }
  }
};

struct FieldLister {
  std::vector<std::string_view>& out;

  template <typename T>
  void operator()(std::string_view name, const T&) {
    out.push_back(name);
  }
  template <typename T, typename Max>
  void operator()(std::string_view name, const T&, Max) {
    out.push_back(name);
  }
};

template <typename M>
Result<Message> decode_as(Bytes body) {
  Reader in(body);
  FieldReader reader{in, {}};
  M message;
  fields(reader, message, std::type_identity<M>());
  if (reader.error) {
    return std::move(*reader.error);
  }
  SL_TRY(in.expect_end("a message"));
  return Message(std::move(message));
}

template <typename M, std::size_t... I>
constexpr std::size_t type_of(std::index_sequence<I...>) {
  return ((std::is_same_v<M, std::variant_alternative_t<I, Message>> ? I + 1 : 0) + ...);
}

using Decode = Result<Message> (*)(Bytes);

// Null for a message that is not of these types.
template <typename... Allowed, std::size_t... I>
constexpr std::array<Decode, sizeof...(I)> make_decoders(std::index_sequence<I...>) {
  const auto decoder = [](auto type) -> Decode {
    using M = typename decltype(type)::type;
    if constexpr (sizeof...(Allowed) == 0 || (std::is_same_v<M, Allowed> || ...)) {
      return &decode_as<M>;
    } else {
      return nullptr;
    }
  };
  return {decoder(std::type_identity<std::variant_alternative_t<I, Message>>())...};
}

template <typename... Allowed>
Result<Message> decode(Bytes frame) {
  static constexpr auto decoders =
      make_decoders<Allowed...>(std::make_index_sequence<message_types>());
  if (frame.empty()) {
    return Error(ErrorCode::malformed, "an empty frame");
  }
  if (frame.size() > limits::frame_bytes_max) {
    return Error(ErrorCode::too_large, "a frame of " + std::to_string(frame.size()) + " bytes");
  }
  const std::size_t type = frame[0];
  if (type == 0 || type > message_types) {
    return Error(ErrorCode::unsupported, "unknown message type " + std::to_string(type));
  }
  if (decoders[type - 1] == nullptr) {
    return Error(ErrorCode::malformed,
                 "a " + std::string(names[type - 1]) + " is not for a replica to hear");
  }
  return decoders[type - 1](frame.subspan(1));
}

template <std::size_t... I>
std::vector<MessageShape> make_shapes(std::index_sequence<I...>) {
  std::vector<MessageShape> out;
  const auto one = [&](auto message, std::string_view name) {
    MessageShape shape{name, {}};
    FieldLister lister{shape.fields};
    fields(lister, message, std::type_identity<decltype(message)>());
    out.push_back(std::move(shape));
  };
  (one(std::variant_alternative_t<I, Message>(), names[I]), ...);
  return out;
}

}  // namespace

Message without_receipt(Message message) {
  std::visit(
      [](auto& m) {
        if constexpr (requires { m.receipt; }) {
          m.receipt = Receipt();
        }
      },
      message);
  return message;
}

std::string_view refusal_name(Refusal reason) {
  switch (reason) {
    case Refusal::schema_incompatible:
      return "schema_incompatible";
    case Refusal::unknown_lineage:
      return "unknown_lineage";
    case Refusal::cursor_expired:
      return "cursor_expired";
    case Refusal::replica_forked:
      return "replica_forked";
    case Refusal::not_allowed:
      return "not_allowed";
    case Refusal::clock_skew:
      return "clock_skew";
    case Refusal::protocol_too_old:
      return "protocol_too_old";
    case Refusal::protocol_too_new:
      return "protocol_too_new";
    case Refusal::malformed:
      return "malformed";
    case Refusal::busy:
      return "busy";
    case Refusal::cannot_store:
      return "cannot_store";
  }
  return "unknown";
}

std::string_view farewell_name(Farewell reason) {
  switch (reason) {
    case Farewell::done:
      return "done";
    case Farewell::draining:
      return "draining";
    case Farewell::replaced:
      return "replaced";
    case Farewell::expired:
      return "expired";
    case Farewell::too_slow:
      return "too_slow";
  }
  return "unknown";
}

template <typename M>
Result<ByteVector> encode_as(const M& message) {
  constexpr std::size_t type = type_of<M>(std::make_index_sequence<message_types>());
  Writer out;
  out.u8(static_cast<std::uint8_t>(type));
  FieldWriter writer{out, {}};
  fields(writer, message, std::type_identity<M>());
  if (writer.error) {
    return Error(ErrorCode::too_large,
                 std::string(names[type - 1]) + ": " + writer.error->message());
  }
  return out.take();
}

Result<ByteVector> encode_message(const Message& message) {
  return std::visit([](const auto& m) { return encode_as(m); }, message);
}

// What a replica says, one by one; all of them are made by encode_message().
template Result<ByteVector> encode_as(const Hello& message);
template Result<ByteVector> encode_as(const PushPart& message);
template Result<ByteVector> encode_as(const Applied& message);
template Result<ByteVector> encode_as(const SnapshotRequest& message);
template Result<ByteVector> encode_as(const RescanRequest& message);
template Result<ByteVector> encode_as(const RangeRequest& message);
template Result<ByteVector> encode_as(const Heartbeat& message);
template Result<ByteVector> encode_as(const Presence& message);
template Result<ByteVector> encode_as(const Subscribe& message);
template Result<ByteVector> encode_as(const TokenRefresh& message);
template Result<ByteVector> encode_as(const Bye& message);
template Result<ByteVector> encode_as(const RelayPart& message);

Result<Message> decode_message(Bytes frame) { return decode<>(frame); }

Result<Message> decode_from_server(Bytes frame) {
  return decode<Welcome, Refused, Ack, Rejected, PullPart, PullThrough, SnapshotBegin, SnapshotPage,
                SnapshotEnd, RangeDigests, RangeRows, Heartbeat, Presence, Bye, RelayAck>(frame);
}

Result<ProtocolRange> read_hello_range(Bytes frame) {
  Reader in(frame);
  SL_TRY(const std::uint8_t type, in.u8());
  if (type != 1) {
    return Error(ErrorCode::malformed,
                 "expected a hello, found message type " + std::to_string(type));
  }
  FieldReader reader{in, {}};
  ProtocolRange range;
  reader("protocol", range);
  if (reader.error) {
    return std::move(*reader.error);
  }
  return range;
}

void append_frame(Writer& out, Bytes frame) { out.blob(frame); }

Result<Bytes> read_frame(Reader& in) { return in.blob(limits::frame_bytes_max); }

std::vector<MessageShape> message_shapes() {
  return make_shapes(std::make_index_sequence<message_types>());
}

std::string_view message_name(const Message& message) { return names[message.index()]; }

}  // namespace syncline
