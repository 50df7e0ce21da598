#include "wire/codec.h"

#include <doctest/doctest.h>

#include <map>
#include <set>

#include "base/digest.h"
#include "wire/limits.h"
#include "wire/message_samples.h"

using namespace syncline;

TEST_CASE("every message comes back from its bytes as it was") {
  const std::vector<Message> samples = message_samples();
  REQUIRE(samples.size() == std::variant_size_v<Message>);
  for (std::size_t i = 0; i < samples.size(); ++i) {
    CHECK(samples[i].index() == i);
    const auto back = decode_message(*encode_message(samples[i]));
    REQUIRE(back.has_value());
    CHECK(*back == samples[i]);
  }
}

TEST_CASE("a message cut anywhere, or with one byte too many, is refused") {
  for (const Message& sample : message_samples()) {
    ByteVector frame = *encode_message(sample);
    // Without its receipt it is whole, as version 1 has it.
    const std::size_t first = encode_message(without_receipt(sample))->size();
    for (std::size_t size = 0; size < frame.size(); ++size) {
      CHECK(decode_message(Bytes(frame).first(size)).has_value() == (size == first));
    }
    frame.push_back(0);
    const auto longer = decode_message(frame);
    REQUIRE_FALSE(longer.has_value());
    CHECK(longer.error().code() == ErrorCode::malformed);
  }
}

TEST_CASE("what is above its limit is not encoded, and the error names it") {
  Hello hello;
  hello.token = std::string(limits::token_bytes_max + 1, 'x');
  const auto frame = encode_message(hello);
  REQUIRE_FALSE(frame);
  CHECK(frame.error().code() == ErrorCode::too_large);
  CHECK(frame.error().message().find("hello: token") == 0);
  CHECK_FALSE(encode_message(PushPart{ByteVector(limits::part_bytes_max + 1)}));
  CHECK(encode_message(PushPart{ByteVector(limits::part_bytes_max)})->size() <=
        limits::frame_bytes_max);
  hello.token.clear();
  hello.epochs_before.resize(limits::epochs_max + 1);
  CHECK_FALSE(encode_message(hello));
}

TEST_CASE("a type that nobody gave out yet is unsupported, not malformed") {
  const std::uint8_t unknown[] = {200};
  CHECK(decode_message(unknown).error().code() == ErrorCode::unsupported);
  const std::uint8_t zero[] = {0};
  CHECK(decode_message(zero).error().code() == ErrorCode::unsupported);
}

TEST_CASE("a replica understands what servers say, and nothing else") {
  const std::set<std::string_view> said = {
      "welcome",      "refused",        "ack",           "rejected",     "pull_part",
      "pull_through", "snapshot_begin", "snapshot_page", "snapshot_end", "range_digests",
      "range_rows",   "heartbeat",      "presence",      "bye",          "relay_ack"};
  for (const Message& sample : message_samples()) {
    const std::string name(message_name(sample));
    CAPTURE(name);
    const auto heard = decode_from_server(*encode_message(sample));
    CHECK(heard.has_value() == (said.count(name) == 1));
    if (heard.has_value()) {
      CHECK(*heard == sample);
    } else {
      CHECK(heard.error().code() == ErrorCode::malformed);
      CHECK(heard.error().message().find(name) != std::string::npos);
    }
  }
}

TEST_CASE("a count far beyond its limit allocates nothing and is refused") {
  Writer out;
  out.u8(20);  // subscribe
  out.varint(std::uint64_t{1} << 40U);
  CHECK_FALSE(decode_message(out.bytes()).has_value());
  // Within the limit, but with no bytes behind it.
  Writer few;
  few.u8(20);
  few.varint(limits::subscribed_tables_max);
  CHECK_FALSE(decode_message(few.bytes()).has_value());
}

TEST_CASE("a choice outside its list is refused") {
  Writer out;
  out.u8(22);  // bye
  out.u8(static_cast<std::uint8_t>(Farewell::too_slow) + 1);
  out.text("");
  CHECK(decode_message(out.bytes()).error().code() == ErrorCode::malformed);
}

TEST_CASE("the range of a hello can be read whatever follows it") {
  Writer out;
  out.u8(1);
  out.varint(7);
  out.varint(9);
  out.raw(as_bytes("fields of the future"));
  CHECK_FALSE(decode_message(out.bytes()).has_value());
  const auto range = read_hello_range(out.bytes());
  REQUIRE(range.has_value());
  CHECK(*range == ProtocolRange{7, 9});
  CHECK_FALSE(read_hello_range(*encode_message(Ack{})).has_value());
}

TEST_CASE("frames in one body come out one by one") {
  Writer body;
  append_frame(body, *encode_message(Ack{ChangeSequence(4)}));
  append_frame(body, *encode_message(PullThrough{ServerVersion(9)}));
  Reader in(body.bytes());
  CHECK(*decode_message(*read_frame(in)) == Message(Ack{ChangeSequence(4)}));
  CHECK(*decode_message(*read_frame(in)) == Message(PullThrough{ServerVersion(9)}));
  CHECK(in.at_end());
  CHECK_FALSE(read_frame(in).has_value());
}

// The lock: whoever changes a byte of a protocol version changes its table, and then the version.
TEST_CASE("the bytes of protocol version 1 are these") {
  const std::vector<std::string> golden = {
#include "wire/golden_v1.inc"
  };
  const std::vector<Message> samples = message_samples();
  REQUIRE(golden.size() == samples.size());
  for (std::size_t i = 0; i < samples.size(); ++i) {
    INFO(message_name(samples[i]));
    CHECK(to_hex(*encode_message(without_receipt(samples[i]))) == golden[i]);
  }
}

TEST_CASE("the bytes of protocol version 2 are these where they differ from version 1's") {
  const std::map<std::string_view, std::string> golden = {
#include "wire/golden_v2.inc"
  };
  std::size_t differing = 0;
  for (const Message& sample : message_samples()) {
    const ByteVector bytes = *encode_message(sample);
    if (bytes == *encode_message(without_receipt(sample))) {
      continue;
    }
    ++differing;
    INFO(message_name(sample));
    REQUIRE(golden.count(message_name(sample)) == 1);
    CHECK(to_hex(bytes) == golden.at(message_name(sample)));
    CHECK(*decode_message(bytes) == sample);
  }
  CHECK(differing == golden.size());
}

TEST_CASE("a receipt is whole or not there") {
  Ack ack{ChangeSequence(4), {ServerVersion(9), {}}};
  ByteVector bytes = *encode_message(ack);
  CHECK(decode_message(bytes).has_value());
  bytes.pop_back();
  CHECK_FALSE(decode_message(bytes).has_value());
  bytes = *encode_message(Ack{ChangeSequence(4), {}});
  bytes.resize(bytes.size() + 17);  // of version zero
  CHECK_FALSE(decode_message(bytes).has_value());
}
