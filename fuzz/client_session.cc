#include "fuzz/chosen_cells.h"
#include "fuzz/forged_rows.h"
#include "fuzz/victim.h"

// A hostile server against a whole client: engine, session and host. What it says is a conversation
// of its time but for what the input makes of it. Whatever that was, the application goes on, no
// write that the server did not take is gone, and the next honest server gets them all.
using namespace syncline;

namespace {

class HostileServer {
 public:
  HostileServer(Choices& choices, Victim& victim, const LineageId& honest)
      : choices_(choices), forged_(choices), victim_(victim), lineage_(honest) {
    if (!choices_.one_in(3)) {
      lineage_.bytes.fill(7);
    }
  }

  void run() {
    for (int i = 0; i < 80 && !choices_.at_end(); ++i) {
      move();
      pump();
      SL_CHECK(victim_.host->session().bytes_held() <= std::size_t{512} << 20U);
    }
    leave();
  }

 private:
  // --- The link
  // -----------------------------------------------------------------------------

  void pump() {
    for (int round = 0;; ++round) {
      SL_CHECK(round < 1000);  // it does not run in circles while no time passes
      bool moved = victim_.wake_if_due();
      while (!victim_.outgoing.empty()) {
        const ByteVector frame = std::move(victim_.outgoing.front());
        victim_.outgoing.pop_front();
        if (victim_.is_up) {
          hear(frame);
        }
        moved = true;
      }
      if (victim_.hung_up) {
        leave();
        moved = true;
      }
      if (victim_.wants_dial) {
        victim_.wants_dial = false;
        leave();
        moved = true;
        victim_.is_up = !choices_.one_in(32);
        is_greeted_ = false;
        hello_.reset();
        asked_.clear();
        told_ = 0;
        if (victim_.is_up) {
          victim_.host->on_connected(victim_.now);
        } else {
          victim_.host->on_disconnected(victim_.now);
        }
      }
      if (victim_.is_up && hello_ && !is_greeted_ && stubborn_) {
        say(*stubborn_);
        moved = true;
      }
      if (!moved) {
        return;
      }
    }
  }

  void leave() {
    victim_.hung_up = false;
    if (victim_.is_up) {
      victim_.is_up = false;
      victim_.host->on_disconnected(victim_.now);
    }
  }

  void hear(Bytes frame) {
    SL_CHECK(frame.size() <= limits::frame_bytes_max);
    auto message = decode_message(frame);
    SL_CHECK(message.has_value());
    show("client", *message);
    if (auto* hello = std::get_if<Hello>(&*message)) {
      hello_ = *hello;
      pushed_ = hello->acknowledged.get();
      version_ = hello->cursor.get();
    } else if (auto* part = std::get_if<PushPart>(&*message)) {
      Reader in(part->part);
      const auto header = read_part_header(in);
      SL_CHECK(header.has_value());
      pushed_ = header->sequence.get();
    } else if (auto* relay = std::get_if<RelayPart>(&*message)) {
      Reader in(relay->part);
      const auto header = read_part_header(in);
      SL_CHECK(header.has_value());
      relayed_ = {header->stamp.replica, header->sequence, false};
    } else if (auto* beat = std::get_if<Heartbeat>(&*message)) {
      digest_ = beat->digest;
    } else if (std::holds_alternative<SnapshotRequest>(*message) ||
               std::holds_alternative<RescanRequest>(*message) ||
               std::holds_alternative<RangeRequest>(*message)) {
      asked_.push_back(std::move(*message));
      SL_CHECK(asked_.size() < 100'000);
    }
  }

  void say(const Message& message) {
    if (const auto frame = encode_message(message)) {
      ByteVector bytes = *frame;
      if (choices_.one_in(32) && !bytes.empty()) {
        for (std::size_t left = 1 + choices_.below(3); left > 0; --left) {
          bytes[choices_.below(256) % bytes.size()] = choices_.byte();
        }
        if (choices_.one_in(4)) {
          bytes.resize(bytes.size() - choices_.below(bytes.size()));
        }
      }
      raw(bytes);
    }
  }

  void raw(Bytes bytes) {
    if (!victim_.is_up || bytes.size() > limits::frame_bytes_max) {
      return;
    }
    if (const auto message = decode_from_server(bytes)) {
      show("server", *message);
      note(*message);
    }
    victim_.host->on_frame(victim_.now, bytes);
  }

  // What the server says that it has it is believed.
  void note(const Message& message) {
    if (const auto* ack = std::get_if<Ack>(&message)) {
      for (const Victim::Waiting& one : victim_.waiting()) {
        if (one.is_own && one.sequence <= ack->through.get() && one.sequence <= pushed_) {
          victim_.settle(one.id);
        }
      }
    } else if (const auto* refused = std::get_if<Refused>(&message)) {
      for (const Victim::Waiting& one : victim_.waiting()) {
        for (const KnownChange& known : refused->known) {
          if (one.is_own && one.time == known.time) {
            victim_.settle(one.id);
          }
        }
      }
    } else if (std::holds_alternative<Welcome>(message)) {
      is_greeted_ = true;
    }
  }

  // --- Moves
  // --------------------------------------------------------------------------------

  void move() {
    if (!victim_.is_up) {
      victim_.pass(choices_.one_in(2) ? 60'000 : 700);
      return;
    }
    if (!is_greeted_ && hello_) {
      greet();
      return;
    }
    if (!asked_.empty() && !choices_.one_in(4)) {
      answer();
      return;
    }
    switch (choices_.below(20)) {
      case 0:
      case 1:
        say(Ack{ChangeSequence(near(pushed_)), receipt()});
        return;
      case 2:
        say(rejection());
        return;
      case 3:
      case 4:
      case 5:
      case 6:
        pull();
        return;
      case 7:
        version_ = near(version_);
        say(PullThrough{ServerVersion(version_), receipt()});
        return;
      case 8:
      case 9:
        say(Heartbeat{ServerVersion(near(version_)), time_ms(),
                      choices_.one_in(4) ? Digest() : digest_});
        return;
      case 10:
        say(Presence{forged_.replica(), choices_.text(choices_.below(3)),
                     to_vector(choices_.bytes(2))});
        return;
      case 11:
        refuse();
        return;
      case 12:
        relay_ack();
        return;
      case 13:
        unasked();
        return;
      case 14:
        say(Bye{static_cast<Farewell>(1 + choices_.below(5)), choices_.text(choices_.below(8))});
        return;
      case 15:
        choices_.one_in(2) ? raw(choices_.bytes(choices_.below(64))) : greet();
        return;
      case 16:
        leave();
        return;
      case 17:
        application();
        return;
      case 18:
        victim_.write();
        return;
      default:
        victim_.pass(choices_.one_in(4) ? 20'000 : 1000);
    }
  }

  void application() {
    switch (choices_.below(6)) {
      case 0:
        victim_.host->sync_now(victim_.now);
        return;
      case 1:
        victim_.host->rescan_now(victim_.now);
        return;
      case 2:
        victim_.host->refresh_token(victim_.now, "good");
        return;
      case 3:
        victim_.host->set_presence(victim_.now, "at", to_vector(choices_.bytes(3)));
        return;
      default:
        victim_.check_usable();
    }
  }

  void greet() {
    if (choices_.one_in(8)) {
      refuse();
      return;
    }
    Welcome m;
    m.protocol = choices_.one_in(32) ? choices_.byte() : protocol_spoken.max;
    m.lineage = lineage_;
    if (choices_.one_in(16)) {
      m.lineage.bytes.fill(choices_.byte());
    }
    m.head = ServerVersion(near(version_ + 3));
    m.resume_after = ServerVersion(choices_.one_in(6) ? near(version_) : version_);
    m.known_sequence =
        choices_.one_in(6) ? ChangeSequence(near(pushed_)) : hello_.value_or(Hello()).acknowledged;
    m.known_time = choices_.one_in(8) ? forged_.time() : hello_.value_or(Hello()).acknowledged_time;
    m.server_time_ms = time_ms();
    m.frame_bytes_max = choices_.one_in(8) ? choices_.byte() : limits::frame_bytes_max;
    m.row_bytes_max = limits::row_bytes_max;
    m.change_bytes_max = limits::change_bytes_max;
    m.heartbeat_ms = choices_.one_in(8) ? static_cast<std::uint32_t>(choices_.u64()) : 1000;
    m.may_write = !choices_.one_in(16);
    m.receipt = receipt();
    say(m);
  }

  void refuse() {
    Refused m;
    m.reason = static_cast<Refusal>(1 + choices_.below(11));
    m.message = choices_.text(choices_.below(8));
    m.server_time_ms = time_ms();
    m.protocol = protocol_spoken;
    if (choices_.one_in(8)) {
      m.protocol.max = choices_.byte();
    }
    m.known_sequence = ChangeSequence(near(pushed_));
    if (choices_.one_in(2)) {
      for (const Victim::Waiting& one : victim_.waiting()) {
        if (m.known.size() < 4) {
          m.known.push_back({choices_.one_in(4) ? forged_.time() : one.time, choices_.byte()});
        }
      }
    }
    if (choices_.one_in(4)) {
      stubborn_ = m;
    }
    say(m);
    pump();
    stubborn_.reset();
  }

  Rejected rejection() {
    Rejected m;
    m.sequence = ChangeSequence(near(pushed_));
    m.code = choices_.one_in(2) ? "conflict" : choices_.text(choices_.below(4));
    m.message = choices_.text(choices_.below(4));
    if (!choices_.one_in(3)) {
      m.states = forged_.states(1 + choices_.below(3)).first;
    }
    return m;
  }

  void pull() {
    if (!choices_.one_in(16)) {
      version_ = choices_.one_in(16) ? near(version_) : version_ + 1;
    }
    if (choices_.one_in(8)) {
      say(PullPart{ServerVersion(version_), forged_.states(1 + choices_.below(3)).first,
                   receipt()});
      return;
    }
    const auto own = victim_.engine->replica();
    const auto head = victim_.engine->log_head();
    SL_CHECK(own.has_value() && head.has_value());
    ReplicaId author = forged_.replica();
    std::uint64_t sequence = ++told_;
    if (choices_.one_in(6)) {
      author = *own;
      sequence = head->own_sequence.get() + choices_.below(3);
    }
    if (choices_.one_in(12)) {
      sequence = near(sequence);
    }
    for (const ByteVector& part : forged_.change(author, sequence)) {
      say(PullPart{ServerVersion(version_), part, receipt()});
    }
  }

  void relay_ack() {
    RelayAck m = relayed_;
    if (choices_.one_in(4)) {
      m.through = ChangeSequence(near(m.through.get()));
      m.refused = choices_.one_in(2);
    }
    if (choices_.one_in(8)) {
      m.replica = forged_.replica();
    }
    say(m);
  }

  // What was asked for, in the shape that it was asked for.
  void answer() {
    const Message asked = std::move(asked_.front());
    asked_.pop_front();
    if (std::holds_alternative<SnapshotRequest>(asked)) {
      snapshot();
    } else if (const auto* rescan = std::get_if<RescanRequest>(&asked)) {
      digests(*rescan);
    } else if (const auto* range = std::get_if<RangeRequest>(&asked)) {
      rows(*range);
    }
  }

  void snapshot() {
    if (rows_sent_ == 0 || choices_.one_in(4)) {
      rows_sent_ = bytes_sent_ = 0;
      version_ = choices_.one_in(8) ? near(version_) : version_ + 5;
      say(SnapshotBegin{ServerVersion(version_), 5, 500, choices_.one_in(8) ? choices_.u64() : 0,
                        0});
    }
    SnapshotPage page;
    page.token = to_vector(choices_.bytes(choices_.below(8)));
    if (choices_.one_in(32)) {
      page.token.resize(limits::page_token_bytes_max);
    }
    std::tie(page.states, page.rows) = forged_.states(1 + choices_.below(4));
    page.bytes = choices_.one_in(16) ? choices_.u64() : page.states.size();
    rows_sent_ += page.rows;
    bytes_sent_ += page.bytes;
    say(page);
    if (!choices_.one_in(3)) {
      say(SnapshotEnd{ServerVersion(version_), choices_.one_in(16) ? choices_.u64() : rows_sent_,
                      bytes_sent_, receipt()});
      rows_sent_ = bytes_sent_ = 0;
    }
  }

  void digests(const RescanRequest& asked) {
    RangeDigests m;
    m.table = choices_.one_in(16) ? forged_.table() : asked.table;
    m.after = choices_.one_in(16) ? forged_.key().bytes : asked.after;
    for (std::size_t left = choices_.below(4); left > 0; --left) {
      RangeDigest range;
      range.rows = choices_.one_in(3) ? choices_.u64() : choices_.below(100);
      const std::string table = forged_.table();
      range.through = asked.table.empty() ? to_vector(as_bytes(table)) : forged_.key().bytes;
      range.digest.low = choices_.byte();
      m.ranges.push_back(range);
    }
    if (!asked.table.empty() && !choices_.one_in(8)) {
      std::sort(m.ranges.begin(), m.ranges.end(), [](const auto& a, const auto& b) {
        return compare_bytes(a.through, b.through) < 0;
      });
      m.ranges.push_back({asked.through, choices_.below(3), {}});
    }
    say(m);
  }

  void rows(const RangeRequest& asked) {
    RangeRows m{asked.table, asked.after, asked.through, {}};
    if (choices_.one_in(8)) {
      m.table = forged_.table();
    }
    if (choices_.one_in(6)) {
      m.through = forged_.key().bytes;
    }
    if (!choices_.one_in(3)) {
      m.states = forged_.states(choices_.below(4), asked.table).first;
    }
    say(m);
  }

  void unasked() {
    switch (choices_.below(4)) {
      case 0:
        snapshot();
        return;
      case 1:
        digests({});
        return;
      case 2:
        rows({forged_.table(), forged_.key().bytes, forged_.key().bytes});
        return;
      default:
        say(SnapshotEnd{ServerVersion(near(version_)), 0, 0, receipt()});
    }
  }

  // --- Fields
  // --------------------------------------------------------------------------------

  std::uint64_t near(std::uint64_t honest) {
    if (!choices_.one_in(4)) {
      return honest;
    }
    const std::uint64_t all[] = {0,
                                 honest + 1,
                                 honest - 1,
                                 honest + 2,
                                 std::uint64_t{1} << 40U,
                                 limits::sequence_max - 1,
                                 limits::sequence_max,
                                 limits::sequence_max + 1,
                                 INT64_MAX,
                                 std::uint64_t{1} << 63U,
                                 UINT64_MAX};
    return choices_.pick(all);
  }

  std::int64_t time_ms() {
    if (!choices_.one_in(8)) {
      return victim_.clock.ms;
    }
    const std::int64_t all[] = {0,
                                INT64_MIN,
                                INT64_MAX,
                                -1,
                                victim_.clock.ms + 59'000,
                                victim_.clock.ms + 3600'000,
                                victim_.clock.ms - 3600'000,
                                (std::int64_t{1} << 47U) - 1,
                                std::int64_t{1} << 47U,
                                std::int64_t{1} << 48U,
                                std::int64_t{1} << 62U};
    return choices_.pick(all);
  }

  Receipt receipt() {
    Receipt out;
    if (choices_.one_in(8)) {
      out.version = ServerVersion(near(version_ + 1));
      out.seal.bytes.fill(choices_.byte());
    }
    return out;
  }

  Choices& choices_;
  ForgedRows forged_;
  Victim& victim_;
  LineageId lineage_;
  std::optional<Hello> hello_;
  bool is_greeted_ = false;
  std::optional<Refused> stubborn_;
  std::uint64_t pushed_ = 0;
  std::uint64_t told_ = 0;
  std::uint64_t version_ = 0;
  RelayAck relayed_;
  Digest digest_;
  std::deque<Message> asked_;
  std::uint64_t rows_sent_ = 0;
  std::uint64_t bytes_sent_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Choices choices(Bytes(data, size));
  HonestServer honest;
  Victim victim;
  victim.write();
  const bool has_met = choices.one_in(2);
  victim.start();
  if (has_met) {
    meet(victim, honest);
  }
  victim.write();
  victim.write();
  HostileServer(choices, victim, honest.lineage()).run();
  check_recovered(victim, honest);
  return 0;
}
