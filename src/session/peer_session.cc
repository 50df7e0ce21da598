#include "session/peer_session.h"

#include <algorithm>

#include "model/hlc.h"
#include "wire/codec.h"
#include "wire/limits.h"

namespace syncline {
namespace {

ByteVector encode_vector(const VersionVector& vector) {
  Writer out;
  vector.encode(out);
  return out.take();
}

Result<VersionVector> decode_vector(Bytes bytes) {
  Reader in(bytes);
  SL_TRY(VersionVector out, VersionVector::decode(in));
  SL_TRY(in.expect_end("a version vector"));
  return out;
}

// What the peer has seen of those whose changes we hold. Who is not among them has nothing that
// could be told, and a peer may name as many of those as it likes.
void merge_known(VersionVector& told, const VersionVector& theirs, const VersionVector& ours) {
  for (const auto& [replica, sequence] : ours.entries()) {
    const ChangeSequence seen = theirs.of(replica);
    if (seen > ChangeSequence(0)) {
      told.cover({replica, seen});
    }
  }
}

}  // namespace

std::optional<PeerEffect> PeerSession::next_effect() {
  if (effects_.empty()) {
    return std::nullopt;
  }
  PeerEffect out = std::move(effects_.front());
  effects_.pop_front();
  return out;
}

void PeerSession::send(const Message& message) {
  auto frame = encode_message(message);
  if (frame) {
    effects_.emplace_back(effect::Send{std::move(*frame)});
  } else if (phase_ != Phase::closed) {
    trouble_ = frame.error().message();
    close("too_large");
  }
}

void PeerSession::wake(Instant now) {
  effects_.emplace_back(effect::WakeAt{now + options_.heartbeat});
}

// --- Connection
// -----------------------------------------------------------------------------------

void PeerSession::start(Instant now, PeerFacts facts, const std::string& token) {
  facts_ = std::move(facts);
  phase_ = Phase::greeting;
  trouble_.clear();
  theirs_ = told_ = VersionVector();
  their_digest_.reset();
  sent_.clear();
  received_.clear();
  sent_bytes_ = received_bytes_ = 0;
  loading_ = drained_ = partial_ = learning_ = false;
  coming_ = facts_.seen;
  heard_at_ = spoke_at_ = now;
  PeerHello hello;
  hello.protocol = protocol_spoken;
  hello.workspace = facts_.workspace;
  hello.replica = facts_.replica;
  hello.schema_version = facts_.schema_version;
  hello.schema = facts_.schema;
  hello.time_ms = clock_->now_ms();
  hello.token = token;
  hello.seen = encode_vector(facts_.seen);
  send(hello);
  wake(now);
}

void PeerSession::stop(Instant /*now*/) {
  if (phase_ != Phase::closed) {
    send(Bye{Farewell::done, ""});
    close("stopped");
  }
}

void PeerSession::close(const std::string& reason) {
  phase_ = Phase::closed;
  sent_.clear();
  received_.clear();
  sent_bytes_ = received_bytes_ = 0;
  effects_.emplace_back(effect::HangUp{reason});
}

void PeerSession::refuse(Refusal reason, const std::string& message) {
  if (phase_ == Phase::closed) {
    return;
  }
  Refused refused;
  refused.reason = reason;
  refused.message = message.substr(0, limits::text_bytes_max);
  refused.server_time_ms = clock_->now_ms();
  refused.protocol = protocol_spoken;
  send(refused);
  trouble_ = message;
  close(std::string(refusal_name(reason)));
}

void PeerSession::on_disconnected(Instant /*now*/) {
  if (phase_ != Phase::closed) {
    trouble_ = "the connection to the peer broke off";
    phase_ = Phase::closed;
    sent_.clear();
    received_.clear();
    sent_bytes_ = received_bytes_ = 0;
  }
}

void PeerSession::on_host_failure(Instant /*now*/, const Error& error) {
  refuse(Refusal::busy, "this replica cannot store anything now: " + error.message());
}

void PeerSession::on_wakeup(Instant now) {
  if (phase_ == Phase::closed) {
    return;
  }
  if (now - heard_at_ > options_.silence) {
    trouble_ = "the peer fell silent";
    close(trouble_);
    return;
  }
  if (phase_ == Phase::met && now - spoke_at_ >= options_.heartbeat) {
    tell_seen(now);
  }
  wake(now);
}

void PeerSession::on_frame(Instant now, Bytes frame) {
  if (phase_ == Phase::closed) {
    return;
  }
  heard_at_ = now;
  auto message = decode_message(frame);
  if (!message) {
    refuse(Refusal::malformed, message.error().message());
    return;
  }
  const bool is_end =
      std::holds_alternative<Refused>(*message) || std::holds_alternative<Bye>(*message);
  const bool is_hello = std::holds_alternative<PeerHello>(*message);
  if (!is_end && is_hello != (phase_ == Phase::greeting)) {
    refuse(Refusal::malformed, "a " + std::string(message_name(*message)) + " at the wrong time");
    return;
  }
  std::visit([&](auto&& m) { handle(now, std::forward<decltype(m)>(m)); }, std::move(*message));
}

void PeerSession::handle(Instant /*now*/, Refused&& m) {
  trouble_ = m.message;
  close(std::string(refusal_name(m.reason)));
}

void PeerSession::handle(Instant /*now*/, Bye&& m) { close(m.message); }

// --- Meeting
// --------------------------------------------------------------------------------------

void PeerSession::handle(Instant /*now*/, PeerHello&& m) {
  if (const auto version = negotiate(protocol_spoken, m.protocol); !version) {
    refuse(m.protocol.max < protocol_spoken.min ? Refusal::protocol_too_old
                                                : Refusal::protocol_too_new,
           version.error().message());
    return;
  }
  if (m.workspace != facts_.workspace) {
    refuse(Refusal::not_allowed, "the peer's workspace is another one");
    return;
  }
  if (m.replica == facts_.replica) {
    refuse(Refusal::replica_forked, "the peer is a copy of this replica");
    return;
  }
  const std::int64_t now_ms = clock_->now_ms();
  if (m.time_ms > now_ms + skew_ms_max || m.time_ms < now_ms - skew_ms_max) {
    refuse(Refusal::clock_skew, "the two clocks are more than a minute apart");
    return;
  }
  auto seen = decode_vector(m.seen);
  if (!seen) {
    refuse(Refusal::malformed, seen.error().message());
    return;
  }
  theirs_ = told_ = std::move(*seen);
  phase_ = Phase::meeting;
  effects_.emplace_back(effect::MeetPeer{std::move(m)});
}

void PeerSession::on_met(Instant now, const Result<void>& welcome) {
  if (phase_ != Phase::meeting) {
    return;
  }
  if (!welcome) {
    refuse(welcome.error().code() == ErrorCode::schema_mismatch ? Refusal::schema_incompatible
                                                                : Refusal::not_allowed,
           welcome.error().message());
    return;
  }
  phase_ = Phase::met;
  tell_seen(now);
  learn();
  push();
}

void PeerSession::tell_seen(Instant now) {
  spoke_at_ = now;
  send(PeerSeen{encode_vector(facts_.seen), facts_.digest});
}

bool PeerSession::is_equal() const {
  return phase_ == Phase::met && their_digest_ == facts_.digest && theirs_ == facts_.seen;
}

// --- Telling
// --------------------------------------------------------------------------------------

void PeerSession::handle(Instant /*now*/, PeerSeen&& m) {
  auto seen = decode_vector(m.seen);
  if (!seen) {
    refuse(Refusal::malformed, seen.error().message());
    return;
  }
  theirs_ = std::move(*seen);
  merge_known(told_, theirs_, facts_.seen);
  their_digest_ = m.digest;
  while (!sent_.empty() && theirs_.covers(sent_.front().dot)) {
    sent_bytes_ -= sent_.front().bytes;
    sent_.pop_front();
  }
  push();
}

void PeerSession::on_local_change(Instant now, VersionVector seen, const Digest& digest) {
  facts_.seen = std::move(seen);
  facts_.digest = digest;
  merge_known(told_, theirs_, facts_.seen);
  coming_.merge(facts_.seen);
  drained_ = false;
  if (phase_ == Phase::met) {
    tell_seen(now);
    push();
  }
}

void PeerSession::push() {
  if (phase_ != Phase::met || loading_ || drained_ || sent_bytes_ >= limits::push_window_bytes ||
      sent_.size() >= limits::push_window_changes) {
    return;
  }
  if (told_.covers(facts_.seen)) {
    drained_ = true;
    return;
  }
  loading_ = true;
  effects_.emplace_back(effect::LoadForPeer{told_, limits::push_window_bytes - sent_bytes_});
}

void PeerSession::on_changes(Instant now, std::vector<ByteVector> parts) {
  if (!loading_ || phase_ != Phase::met) {
    return;
  }
  loading_ = false;
  drained_ = parts.empty();
  std::size_t bytes = 0;
  for (ByteVector& part : parts) {
    Reader in(part);
    const auto header = read_part_header(in);
    SL_CHECK(header.has_value());  // our own bytes
    bytes += part.size();
    if (header->last) {
      const Dot dot{header->stamp.replica, header->sequence};
      const auto told = told_.observe(dot);
      SL_CHECK(told.has_value());
      sent_.push_back({dot, bytes});
      sent_bytes_ += bytes;
      bytes = 0;
    }
    send(PeerPart{std::move(part)});
  }
  spoke_at_ = now;
  push();
}

// --- Learning
// -------------------------------------------------------------------------------------

void PeerSession::handle(Instant /*now*/, PeerPart&& m) {
  if (const auto taken = take_part(std::move(m)); !taken) {
    refuse(Refusal::malformed, taken.error().message());
    return;
  }
  learn();
}

Result<void> PeerSession::take_part(PeerPart&& m) {
  Reader in(m.part);
  SL_TRY(const PartHeader header, read_part_header(in));
  const Dot dot{header.stamp.replica, header.sequence};
  if (header.sequence == ChangeSequence(0)) {
    return Error(ErrorCode::malformed, "a part that is nobody's change");
  }
  if (partial_) {
    if (received_.back().dot != dot || header.index != received_.back().parts.size()) {
      return Error(ErrorCode::out_of_order, "the parts of a change are out of order");
    }
  } else {
    if (header.index != 0) {
      return Error(ErrorCode::out_of_order, "a change begins with its first part");
    }
    received_.push_back({dot, {}, 0});
  }
  const bool large = received_.back().bytes + m.part.size() > limits::change_bytes_max;
  const bool much = received_bytes_ - received_.back().bytes >
                    2 * limits::push_window_bytes + limits::part_bytes_max;
  if (large || much || received_.size() > 2 * limits::push_window_changes) {
    return Error(ErrorCode::too_large, "the peer sent more than its window");
  }
  received_bytes_ += m.part.size();
  received_.back().bytes += m.part.size();
  received_.back().parts.push_back(std::move(m.part));
  partial_ = !header.last;
  if (!header.last) {
    return {};
  }
  SL_TRY(const bool is_new, coming_.observe(dot));
  if (!is_new) {
    // Learned elsewhere meanwhile.
    received_bytes_ -= received_.back().bytes;
    received_.pop_back();
  }
  return {};
}

void PeerSession::learn() {
  if (phase_ != Phase::met || learning_ || received_.empty() ||
      (partial_ && received_.size() == 1)) {
    return;
  }
  learning_ = true;
  effects_.emplace_back(effect::LearnChange{std::move(received_.front().parts)});
  received_bytes_ -= received_.front().bytes;
  received_.pop_front();
}

void PeerSession::on_learned(Instant now, VersionVector seen, const Digest& digest) {
  if (!learning_) {
    return;
  }
  learning_ = false;
  facts_.seen = std::move(seen);
  facts_.digest = digest;
  merge_known(told_, theirs_, facts_.seen);
  if (phase_ != Phase::met) {
    return;
  }
  tell_seen(now);
  drained_ = false;
  learn();
  push();
}

}  // namespace syncline
