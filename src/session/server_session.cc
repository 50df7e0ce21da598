#include "session/server_session.h"

#include <algorithm>

#include "base/mutant.h"
#include "wire/codec.h"

namespace syncline {
namespace {

std::string advice_for(Refusal reason) {
  switch (reason) {
    case Refusal::schema_incompatible:
      return "update the application, or the schema on the server";
    case Refusal::unknown_lineage:
      return "the server is another one than before: rows are compared again, nothing unsent is "
             "lost";
    case Refusal::cursor_expired:
      return "this replica was away for long: rows are compared again, nothing unsent is lost";
    case Refusal::replica_forked:
      return "this database is a copy: it goes on under an id of its own";
    case Refusal::not_allowed:
      return "sign in again, or ask for access";
    case Refusal::clock_skew:
      return "set this device's clock";
    case Refusal::protocol_too_old:
      return "update this application";
    case Refusal::protocol_too_new:
      return "update the server";
    case Refusal::malformed:
      return "update this application, or report a bug";
    case Refusal::busy:
      return "it is tried again by itself";
    case Refusal::cannot_store:
      return "tell whoever runs the server; nothing is lost, and it is tried again by itself";
  }
  return "";
}

// They are looked up for every table of a workspace.
void sort_names(std::vector<std::string>& names) {
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
}

}  // namespace

bool is_storage_trouble(ErrorCode code) {
  return code == ErrorCode::storage || code == ErrorCode::full || code == ErrorCode::corrupt;
}

Result<LogPart> make_log_part(const Receipt& receipt, ByteVector part) {
  SL_TRY(ByteVector frame, encode_message(PullPart{receipt.version, std::move(part), receipt}));
  return LogPart{receipt.version, SharedBytes(std::move(frame))};
}

ServerSession::ServerSession(WallClock& clock, const ServerOptions& options)
    : clock_(&clock), options_(options) {}

std::optional<ServerEffect> ServerSession::next_effect() {
  if (effects_.empty()) {
    return std::nullopt;
  }
  ServerEffect out = std::move(effects_.front());
  effects_.pop_front();
  return out;
}

void ServerSession::send(Instant now, const Message& message) {
  auto frame = encode_message(takes_receipts() ? message : without_receipt(message));
  if (frame) {
    effects_.emplace_back(effect::Send{std::move(*frame)});
  } else {
    // What a refusal says is cut to its limits.
    refuse(now, Refusal::malformed, "the server cannot tell this: " + frame.error().message());
  }
}

void ServerSession::send_part(SharedBytes frame) {
  if (takes_receipts()) {
    effects_.emplace_back(effect::SendShared{std::move(frame)});
    return;
  }
  auto message = decode_message(frame.view());
  SL_CHECK(message.has_value());  // make_log_part() wrote it
  auto shorter = encode_message(without_receipt(std::move(*message)));
  SL_CHECK(shorter.has_value());
  effects_.emplace_back(effect::Send{std::move(*shorter)});
}

void ServerSession::close(const std::string& reason) {
  phase_ = Phase::closed;
  change_.clear();
  change_bytes_ = 0;
  window_.clear();
  window_bytes_ = 0;
  effects_.emplace_back(effect::HangUp{reason});
}

void ServerSession::refuse(Instant now, Refused refused) {
  if (phase_ == Phase::closed) {
    return;
  }
  if (refused.advice.empty()) {
    refused.advice = advice_for(refused.reason);
  }
  if (refused.reason == Refusal::cannot_store && !takes_receipts()) {
    refused.reason = Refusal::busy;
  }
  refused.message.resize(std::min(refused.message.size(), limits::text_bytes_max));
  refused.server_time_ms = clock_->now_ms();
  refused.protocol = protocol_spoken;
  send(now, refused);
  close(std::string(refusal_name(refused.reason)));
}

void ServerSession::refuse(Instant now, Refusal reason, const std::string& message) {
  Refused refused;
  refused.reason = reason;
  refused.message = message;
  refuse(now, std::move(refused));
}

void ServerSession::hang_up(Instant now, Farewell reason, const std::string& message) {
  if (phase_ == Phase::closed) {
    return;
  }
  send(now, Bye{reason, message});
  close(std::string(farewell_name(reason)));
}

void ServerSession::on_host_failure(Instant now, const Error& error) {
  if (is_storage_trouble(error.code())) {
    refuse(now, Refusal::cannot_store, "the server cannot store anything now: " + error.message());
  } else {
    refuse(now, Refusal::busy, "the server cannot do it now: " + error.message());
  }
}

void ServerSession::on_open(Instant now) {
  heard_at_ = now;
  wake(now);
}

void ServerSession::wake(Instant now) {
  effects_.emplace_back(effect::WakeAt{now + options_.heartbeat});
}

void ServerSession::on_wakeup(Instant now) {
  if (phase_ == Phase::closed) {
    return;
  }
  if (now - heard_at_ > options_.silence) {
    hang_up(now, Farewell::too_slow, "nothing was heard for too long");
    return;
  }
  if (phase_ == Phase::serving) {
    if (rights_.expires_ms != 0 &&
        clock_->now_ms() > rights_.expires_ms + options_.token_grace.ms) {
      hang_up(now, Farewell::expired, "the token has expired");
      return;
    }
    const bool moved = pulling_ && sent_through_ == head_ && beaten_head_ != head_;
    const Duration since = now - beat_at_;
    if (!reading_head_ &&
        (since >= options_.heartbeat || (moved && since >= options_.heartbeat_soon))) {
      reading_head_ = true;
      effects_.emplace_back(effect::ReadHead{});
    }
  }
  wake(now);
}

void ServerSession::on_head(Instant now, ServerVersion head, const Digest& digest) {
  reading_head_ = false;
  if (phase_ != Phase::serving) {
    return;
  }
  beat_at_ = now;
  beaten_head_ = head;
  send(now, Heartbeat{head, clock_->now_ms(), digest});
}

void ServerSession::on_frame(Instant now, Bytes frame) {
  if (phase_ == Phase::closed) {
    return;
  }
  heard_at_ = now;
  if (phase_ == Phase::silent) {
    // The range first: a hello of a version that we do not speak may not decode.
    const auto range = read_hello_range(frame);
    if (!range) {
      refuse(now, Refusal::malformed, range.error().message());
      return;
    }
    const auto version = negotiate(protocol_spoken, *range);
    if (!version) {
      const bool old = range->max < protocol_spoken.min;
      refuse(now, old ? Refusal::protocol_too_old : Refusal::protocol_too_new,
             version.error().message());
      return;
    }
  }
  auto message = decode_message(frame);
  if (!message) {
    refuse(now, Refusal::malformed, message.error().message());
    return;
  }
  const bool is_hello = std::holds_alternative<Hello>(*message);
  const bool is_bye = std::holds_alternative<Bye>(*message);
  const bool is_early =
      phase_ != Phase::serving && !is_bye && !std::holds_alternative<TokenRefresh>(*message);
  if (is_hello != (phase_ == Phase::silent) && (is_hello || is_early)) {
    refuse(now, Refusal::malformed,
           "a " + std::string(message_name(*message)) + " at the wrong time");
    return;
  }
  std::visit([&](auto&& m) { handle(now, std::forward<decltype(m)>(m)); }, std::move(*message));
}

// --- Handshake
// ------------------------------------------------------------------------------------

void ServerSession::handle(Instant now, Hello&& m) {
  (void)now;
  hello_ = std::move(m);
  sort_names(hello_.tables);
  phase_ = Phase::authorising;
  effects_.emplace_back(effect::Authorise{hello_.workspace, hello_.token, hello_.replica});
  hello_.token.clear();
}

void ServerSession::on_authorised(Instant now, Rights rights) {
  if (phase_ == Phase::closed) {
    return;
  }
  if (!rights.may_read || (refreshing_ && rights.user != rights_.user)) {
    refuse(now, Refusal::not_allowed,
           rights.refusal.empty() ? "this token opens no such workspace" : rights.refusal);
    return;
  }
  rights_ = std::move(rights);
  if (refreshing_) {
    refreshing_ = false;
    return;
  }
  if (phase_ == Phase::authorising) {
    phase_ = Phase::greeting;
    effects_.emplace_back(effect::Greet{hello_});
  }
}

void ServerSession::on_greeting(Instant now, Greeting greeting) {
  if (phase_ != Phase::greeting) {
    return;
  }
  if (auto* refused = std::get_if<Refused>(&greeting)) {
    refuse(now, std::move(*refused));
    return;
  }
  Welcome welcome = std::get<Welcome>(std::move(greeting));
  welcome.protocol = std::min(protocol_spoken.max, hello_.protocol.max);
  welcome.server_time_ms = clock_->now_ms();
  welcome.frame_bytes_max = limits::frame_bytes_max;
  welcome.row_bytes_max = limits::row_bytes_max;
  welcome.change_bytes_max = limits::change_bytes_max;
  welcome.heartbeat_ms = static_cast<std::uint32_t>(options_.heartbeat.ms);
  welcome.features = features::all;
  welcome.may_write = rights_.may_write;
  phase_ = Phase::serving;
  head_ = welcome.head;
  send(now, welcome);
  beat_at_ = now + Duration{-options_.heartbeat.ms};
  wake(now);
}

void ServerSession::handle(Instant now, TokenRefresh&& m) {
  (void)now;
  refreshing_ = phase_ == Phase::serving;
  if (refreshing_) {
    effects_.emplace_back(effect::Authorise{hello_.workspace, std::move(m.token), hello_.replica});
  }
}

void ServerSession::handle(Instant /*now*/, Bye&& /*m*/) { close("the replica said goodbye"); }

// --- Push
// -----------------------------------------------------------------------------------------

void ServerSession::handle(Instant now, PushPart&& m) { take_part(now, std::move(m.part), false); }

void ServerSession::handle(Instant now, RelayPart&& m) { take_part(now, std::move(m.part), true); }

void ServerSession::take_part(Instant now, ByteVector&& part, bool relayed) {
  if (!rights_.may_write) {
    refuse(now, Refusal::not_allowed, "this token may read, not write");
    return;
  }
  Reader in(part);
  const auto header = read_part_header(in);
  if (!header) {
    refuse(now, Refusal::malformed, header.error().message());
    return;
  }
  const bool fits = change_header_
                        ? header->index == change_.size() &&
                              header->sequence == change_header_->sequence &&
                              header->stamp == change_header_->stamp && relayed == change_relayed_
                        : header->index == 0;
  // Rows of a server that is no more are nobody's change, and one part.
  const bool is_states = header->sequence == ChangeSequence(0);
  if (!fits || (is_states && !(relayed && header->last))) {
    refuse(now, Refusal::malformed, "the parts of a change are out of order");
    return;
  }
  change_bytes_ += part.size();
  if (change_bytes_ > limits::change_bytes_max) {
    refuse(now, Refusal::malformed, "a change is larger than any may be");
    return;
  }
  change_header_ = *header;
  change_relayed_ = relayed;
  if (SL_MUTANT(16) && header->last) {  // keeps half a transaction
    change_.clear();
  }
  change_.push_back(std::move(part));
  if (header->last) {
    effects_.emplace_back(effect::Append{std::move(change_), relayed});
    change_.clear();
    change_bytes_ = 0;
    change_header_.reset();
  }
}

void ServerSession::on_admitted(Instant now, Admitted admitted) {
  if (phase_ != Phase::serving) {
    return;
  }
  if (admitted.relayed) {
    send(now, RelayAck{admitted.author, admitted.known_sequence,
                       admitted.admission == Admission::rejected});
    return;
  }
  switch (admitted.admission) {
    case Admission::rejected:
      send(now, admitted.rejected);
      send(now, Ack{admitted.sequence, admitted.receipt});
      return;
    case Admission::admitted:
    case Admission::repeated:
      send(now, Ack{admitted.sequence, admitted.receipt});
      return;
    case Admission::skewed:
    case Admission::diverged: {
      Refused refused;
      const bool skewed = admitted.admission == Admission::skewed;
      refused.reason = skewed ? Refusal::clock_skew : Refusal::replica_forked;
      refused.message = skewed ? "a change is stamped too far in the future"
                               : "this replica's history is not the one that the server knows";
      refused.known_sequence = admitted.known_sequence;
      refused.known = std::move(admitted.known);
      refuse(now, std::move(refused));
      return;
    }
    case Admission::out_of_order:
      refuse(now, Refusal::malformed, "a change is missing before this one");
      return;
    case Admission::foreign:
      refuse(now, Refusal::not_allowed, "this replica belongs to another user now");
      return;
  }
}

// --- Pull
// -----------------------------------------------------------------------------------------

void ServerSession::handle(Instant now, Applied&& m) {
  if (m.version > head_) {
    refuse(now, Refusal::malformed, "a cursor beyond the log");
    return;
  }
  if (!pulling_) {
    pulling_ = true;
    snapshot_ = false;
    sent_through_ = m.version;
    sent_begun_ = 0;
  }
  while (!window_.empty() && window_.front().version <= m.version) {
    window_bytes_ -= window_.front().bytes;
    window_.pop_front();
  }
  effects_.emplace_back(effect::SaveCursor{m.version});
  read_log(now);
}

void ServerSession::on_head_moved(Instant now, ServerVersion head) {
  head_ = std::max(head_, head);
  if (phase_ == Phase::serving) {
    read_log(now);
  }
}

void ServerSession::read_log(Instant now) {
  const bool is_full = window_bytes_ >= limits::pull_window_bytes;
  if (!pulling_ || reading_ || (is_full && sent_begun_ == 0)) {
    return;  // a change that was begun cannot be applied before all of it came
  }
  if (sent_through_ >= head_) {
    if (beaten_head_ != head_) {
      effects_.emplace_back(effect::WakeAt{now + options_.heartbeat_soon});
    }
    return;
  }
  reading_ = true;
  const std::size_t room =
      is_full ? limits::pull_read_bytes : limits::pull_window_bytes - window_bytes_;
  effects_.emplace_back(
      effect::ReadLog{sent_through_, sent_begun_, std::min(limits::pull_read_bytes, room)});
}

void ServerSession::on_log(Instant now, std::vector<LogPart> parts, const Receipt& through,
                           std::uint64_t begun) {
  reading_ = false;
  if (phase_ != Phase::serving) {
    return;
  }
  ServerVersion last = sent_through_;
  for (LogPart& part : parts) {
    last = part.version <= through.version ? part.version : last;
    if (window_.empty() || window_.back().version != part.version) {
      window_.push_back({part.version, 0});
    }
    window_.back().bytes += part.frame.size();
    window_bytes_ += part.frame.size();
    send_part(std::move(part.frame));
  }
  if (through.version > last && !SL_MUTANT(15)) {
    send(now, PullThrough{through.version, through});
  }
  sent_through_ = std::max(last, through.version);
  sent_begun_ = begun;
  head_ = std::max(head_, sent_through_);
  read_log(now);
}

void ServerSession::on_log_gone(Instant now) {
  reading_ = false;
  refuse(now, Refusal::cursor_expired, "the log no longer reaches back to this replica's cursor");
}

// --- Snapshot and rescan
// --------------------------------------------------------------------------

void ServerSession::handle(Instant now, SnapshotRequest&& m) {
  if (pulling_ || snapshot_done_) {
    return;  // the last pages' acknowledgements cross the end of the snapshot
  }
  if (!snapshot_) {
    snapshot_ = true;
    page_credit_ = limits::snapshot_pages_ahead;
    page_token_ = std::move(m.token);
    reading_page_ = true;
    effects_.emplace_back(effect::ReadSnapshot{page_token_, true});
    return;
  }
  if (page_credit_ >= limits::snapshot_pages_ahead) {
    refuse(now, Refusal::malformed, "a page was asked for that was not sent");
    return;
  }
  ++page_credit_;
  read_page();
}

void ServerSession::read_page() {
  if (!snapshot_ || snapshot_done_ || reading_page_ || page_credit_ == 0) {
    return;
  }
  reading_page_ = true;
  effects_.emplace_back(effect::ReadSnapshot{page_token_, false});
}

void ServerSession::on_snapshot_begin(Instant now, const SnapshotBegin& begin) {
  if (phase_ == Phase::serving) {
    send(now, begin);
  }
}

void ServerSession::on_snapshot_page(Instant now, SnapshotPage page) {
  reading_page_ = false;
  if (phase_ != Phase::serving) {
    return;
  }
  page_token_ = page.token;
  --page_credit_;
  send(now, page);
  read_page();
}

void ServerSession::on_snapshot_end(Instant now, const SnapshotEnd& end) {
  reading_page_ = false;
  snapshot_done_ = true;
  if (phase_ == Phase::serving) {
    send(now, end);
  }
}

void ServerSession::handle(Instant /*now*/, RescanRequest&& m) {
  effects_.emplace_back(effect::ReadDigests{std::move(m)});
}

void ServerSession::handle(Instant /*now*/, RangeRequest&& m) {
  effects_.emplace_back(effect::ReadRange{std::move(m)});
}

void ServerSession::on_message_ready(Instant now, const Message& message) {
  if (phase_ == Phase::serving) {
    send(now, message);
  }
}

// --- The rest
// -------------------------------------------------------------------------------------

void ServerSession::handle(Instant /*now*/, Heartbeat&& /*m*/) {}

void ServerSession::handle(Instant now, Presence&& m) {
  if (m.replica != hello_.replica) {
    refuse(now, Refusal::malformed, "presence in another replica's name");
    return;
  }
  if (hello_.catch_up == CatchUp::bequest) {
    return;  // a name that is being given up is nobody who is there
  }
  effects_.emplace_back(effect::Broadcast{std::move(m)});
}

void ServerSession::on_presence(Instant /*now*/, const ReplicaId& of, SharedBytes frame) {
  if (phase_ == Phase::serving && of != hello_.replica) {
    effects_.emplace_back(effect::SendShared{std::move(frame)});
  }
}

void ServerSession::handle(Instant /*now*/, Subscribe&& m) {
  sort_names(m.tables);
  hello_.tables = m.tables;
  effects_.emplace_back(effect::ChangeSubscription{std::move(m.tables)});
}

}  // namespace syncline
