#include "client/peer_host.h"
#include "fuzz/chosen_cells.h"
#include "fuzz/forged_rows.h"
#include "fuzz/victim.h"

// A hostile peer against a whole replica that also has a server: it tells forged changes of
// anybody, the replica's own among them. The replica goes on, loses nothing of its own, and its
// server gets all of that.
using namespace syncline;

namespace {

class HostilePeer final : public PeerLink {
 public:
  HostilePeer(Choices& choices, Victim& victim)
      : choices_(choices), forged_(choices), victim_(victim) {}

  void send(ByteVector frame) override { outgoing_.push_back(std::move(frame)); }
  void hang_up(const std::string& reason) override {
    is_up_ = false;
    why_ = reason;
  }
  void wake_at(Instant /*at*/) override {}

  void run() {
    for (int i = 0; i < 80 && !choices_.at_end(); ++i) {
      if (!is_up_) {
        connect();
      }
      move();
      hear();
      SL_CHECK(!host_ || host_->session().bytes_held() <= std::size_t{512} << 20U);
    }
    host_.reset();
  }

 private:
  void connect() {
    host_ = std::make_unique<PeerHost>(PeerHost::Parts{victim_.engine.get(), &victim_.clock, this},
                                       PeerOptions());
    is_up_ = true;
    is_greeted_ = false;
    seen_ = VersionVector();
    SL_CHECK(host_->start(victim_.now, "").has_value());
    hear();
  }

  // Whatever it says decodes, and says nothing of what cannot be.
  void hear() {
    while (!outgoing_.empty()) {
      const auto message = decode_message(outgoing_.front());
      outgoing_.pop_front();
      SL_CHECK(message.has_value());
      show("replica", *message);
      if (const auto* hello = std::get_if<PeerHello>(&*message)) {
        hello_ = *hello;
        see(hello->seen);
      } else if (const auto* seen = std::get_if<PeerSeen>(&*message)) {
        digest_ = seen->digest;
        see(seen->seen);
      }
    }
  }

  void see(Bytes bytes) {
    Reader in(bytes);
    auto seen = VersionVector::decode(in);
    SL_CHECK(seen.has_value());
    seen_ = std::move(*seen);
  }

  void say(const Message& message) {
    const auto frame = encode_message(message);
    if (!frame) {
      return;
    }
    ByteVector bytes = *frame;
    if (choices_.one_in(32) && !bytes.empty()) {
      bytes[choices_.below(256) % bytes.size()] = choices_.byte();
    }
    raw(bytes);
  }
  void raw(Bytes bytes) {
    if (is_up_) {
      host_->on_frame(victim_.now, bytes);
    }
  }

  void move() {
    if (!is_greeted_ && !choices_.one_in(16)) {
      is_greeted_ = true;
      greet();
      return;
    }
    switch (choices_.below(12)) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4:
        tell();
        return;
      case 5:
        say(PeerSeen{vector(), choices_.one_in(2) ? digest_ : Digest()});
        return;
      case 6:
        victim_.write();
        host_->on_wakeup(victim_.now);
        return;
      case 7:
        victim_.pass(choices_.one_in(4) ? 20'000 : 1000);
        host_->on_wakeup(victim_.now);
        return;
      case 8:
        leave();
        return;
      case 9:
        victim_.check_usable();
        return;
      case 10:
        raw(choices_.bytes(choices_.below(64)));
        return;
      default:
        say(Presence{forged_.replica(), "at", to_vector(choices_.bytes(3))});
    }
  }

  void leave() {
    switch (choices_.below(3)) {
      case 0: {
        Refused m;
        m.reason = static_cast<Refusal>(1 + choices_.below(11));
        m.protocol = protocol_spoken;
        say(m);
        return;
      }
      case 1:
        say(Bye{Farewell::done, ""});
        return;
      default:
        host_->on_disconnected(victim_.now);
        is_up_ = false;
    }
  }

  void greet() {
    PeerHello m;
    m.protocol = protocol_spoken;
    m.workspace = choices_.one_in(16) ? "other" : "team";
    m.replica = choices_.one_in(16) ? hello_.replica : sample_replica(9);
    m.schema_version = hello_.schema_version;
    m.schema = hello_.schema;
    if (choices_.one_in(16)) {
      m.schema = to_vector(choices_.bytes(choices_.below(40)));
    }
    const std::int64_t skews[] = {0, 59'000, -59'000, 61'000, -61'000, INT64_MAX, INT64_MIN};
    const std::int64_t skew = choices_.one_in(8) ? choices_.pick(skews) : 0;
    const bool is_extreme = skew == INT64_MAX || skew == INT64_MIN;
    m.time_ms = is_extreme ? skew : victim_.clock.ms + skew;
    m.seen = vector();
    say(m);
  }

  // Changes in their order for the most part, of anybody.
  void tell() {
    ReplicaId author = forged_.replica();
    if (choices_.one_in(4)) {
      author = hello_.replica;
    }
    std::uint64_t sequence = seen_.of(author).get() + 1;
    if (choices_.one_in(8)) {
      const std::uint64_t all[] = {0, sequence - 1, sequence + 1, limits::sequence_max};
      sequence = choices_.pick(all);
    }
    for (const ByteVector& part : forged_.change(author, sequence)) {
      say(PeerPart{part});
    }
  }

  ByteVector vector() {
    VersionVector out = choices_.one_in(2) ? seen_ : VersionVector();
    for (std::size_t left = choices_.below(4); left > 0; --left) {
      const std::uint64_t numbers[] = {1, 2, limits::sequence_max, UINT64_MAX};
      const ReplicaId of = choices_.one_in(2) ? hello_.replica : forged_.replica();
      out.cover({of, ChangeSequence(choices_.pick(numbers))});
    }
    Writer encoded;
    out.encode(encoded);
    return encoded.take();
  }

  Choices& choices_;
  ForgedRows forged_;
  Victim& victim_;
  std::unique_ptr<PeerHost> host_;
  std::deque<ByteVector> outgoing_;
  bool is_up_ = false;
  bool is_greeted_ = false;
  std::string why_;
  PeerHello hello_;
  VersionVector seen_;
  Digest digest_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Choices choices(Bytes(data, size));
  HonestServer honest;
  Victim victim;
  victim.write();
  victim.start();
  if (choices.one_in(2)) {
    meet(victim, honest);
  }
  victim.write();
  HostilePeer(choices, victim).run();
  check_recovered(victim, honest);
  return 0;
}
