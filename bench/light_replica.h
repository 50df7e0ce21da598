#pragma once

#include <map>

#include "base/random.h"
#include "bench/light_client.h"
#include "model/schema.h"
#include "net/system.h"
#include "wire/change_codec.h"
#include "wire/codec.h"

namespace syncline::bench {

// A replica that exists only as frames: it keeps nothing of what it gets.
class LightReplica {
 public:
  LightReplica(std::uint16_t port, const std::string& workspace, Random& random)
      : client_(port, "/v1/sync") {
    Hello hello;
    hello.protocol = protocol_spoken;
    hello.workspace = workspace;
    hello.replica = replica_ = ReplicaId::draw(random);
    hello.epoch = EpochId::draw(random);
    hello.schema_version = 1;
    hello.schema = schema();
    client_.send(*encode_message(hello));
    for (;;) {
      const Message message = decoded(client_.wait_for_next());
      if (const auto* welcome = std::get_if<Welcome>(&message)) {
        head_ = welcome->head;
        return;
      }
      if (const auto* refused = std::get_if<Refused>(&message)) {
        give_up("refused: " + refused->message);
      }
    }
  }

  LightClient& client() { return client_; }
  // Asks for everything after the version.
  void follow(ServerVersion after) { client_.send(*encode_message(Applied{after})); }
  ServerVersion head() const { return head_; }
  std::uint64_t pushed() const { return sequence_; }

  void push(std::size_t bytes = 40) {
    Change change;
    change.sequence = ChangeSequence(++sequence_);
    const auto ms = static_cast<std::uint64_t>(SystemClock().now_ms());
    last_time_ = std::max(last_time_ + 1, ms << Stamp::counter_bits);
    change.stamp = Stamp{last_time_, replica_};
    change.schema_version = 1;
    RowEdit edit;
    edit.kind = EditKind::put;
    edit.table = "t";
    Writer key;
    write_value(key, ValueView::of(replica_.hex() + std::to_string(sequence_ % 1000)));
    edit.key.bytes = key.take();
    edit.cells = {{"a", CellForm::plain, Value::text(std::string(bytes, 'x')), {}}};
    change.edits = {edit};
    client_.send(*encode_message(PushPart{encode_change(change)}));
  }

  static Message decoded(const ByteVector& frame) {
    auto message = decode_message(frame);
    if (!message) {
      give_up("a frame does not decode: " + message.error().message());
    }
    return std::move(*message);
  }

 private:
  static ByteVector schema() {
    Schema out;
    out.version = 1;
    TableSchema table;
    table.name = "t";
    table.columns = {{"a", "TEXT", false, false, MergeRule::lww},
                     {"id", "TEXT", true, false, MergeRule::lww}};
    table.key = {"id"};
    out.tables = {table};
    Writer bytes;
    encode_schema(bytes, canonical_schema(out));
    return bytes.take();
  }

  LightClient client_;
  ReplicaId replica_;
  ServerVersion head_;
  std::uint64_t sequence_ = 0;
  std::uint64_t last_time_ = 0;
};

}  // namespace syncline::bench
