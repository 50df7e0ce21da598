#include "session/client_session.h"

#include <algorithm>
#include <utility>

#include "base/mutant.h"
#include "model/hlc.h"
#include "wire/codec.h"

namespace syncline {
namespace {

// Refusals that are mended without waiting: a copy of a file that was put back, at a server of
// another lineage, with a wrong clock needs five.
constexpr std::uint32_t mends_at_once_max = 8;
// After so long without one they count anew.
constexpr Duration mends_forgotten_after{600'000};

}  // namespace

ClientSession::ClientSession(const Parts& parts, const ClientOptions& options)
    : clock_(parts.clock),
      random_(parts.random),
      options_(options),
      backoff_(options.backoff),
      mend_backoff_(options.backoff) {}

// --- Connection
// -----------------------------------------------------------------------------------

void ClientSession::start(Instant now, ReplicaFacts facts, std::string token) {
  facts_ = std::move(facts);
  token_ = std::move(token);
  bequest_ = Bequest::none;
  rejecting_ = 0;
  dial(now);
}

void ClientSession::stop(Instant now) {
  if (is_up()) {
    send(now, Bye{Farewell::done, ""});
  }
  close(now, "stopped");
  phase_ = Phase::stopped;
}

void ClientSession::dial(Instant now) {
  reset_connection();
  phase_ = Phase::dialing;
  dialed_at_ = now;
  effects_.emplace_back(effect::Dial{});
  wake(now);
}

void ClientSession::reset_connection() {
  push_.reset();
  relays_.reset();
  received_.start_at(facts_.cursor);
  snapshot_.reset();
  walk_.clear();
  comparing_.reset();
  ack_held_.reset();
  whole_at_.reset();
  watch_.reset();
  setting_aside_ = false;
  set_aside_through_ = ChangeSequence(0);
}

void ClientSession::close(Instant /*now*/, const std::string& reason) {
  if (connected_ || phase_ == Phase::dialing) {
    effects_.emplace_back(effect::HangUp{reason});
  }
  connected_ = false;
  reset_connection();
}

void ClientSession::retry_later(Instant now) {
  phase_ = Phase::waiting;
  next_try_ = now + backoff_.next(*random_);
  wake(now);
}

void ClientSession::give_up(Instant now, Trouble trouble, std::string message, std::string advice) {
  trouble_ = trouble;
  trouble_message_ = std::move(message);
  trouble_advice_ = std::move(advice);
  close(now, trouble_message_);
  retry_later(now);
}

void ClientSession::on_connected(Instant now) {
  if (phase_ != Phase::dialing) {
    return;
  }
  connected_ = true;
  heard_at_ = now;
  phase_ = Phase::greeting;
  if (facts_are_void_) {
    effects_.emplace_back(effect::LoadFacts{});
  } else {
    say_hello(now);
  }
  wake(now);
}

void ClientSession::on_disconnected(Instant now, const std::string& reason) {
  const bool expected = phase_ == Phase::stopped || phase_ == Phase::mending;
  connected_ = false;
  if (expected || phase_ == Phase::waiting) {
    return;
  }
  reset_connection();
  if (trouble_ == Trouble::none || trouble_ == Trouble::unreachable) {
    trouble_ = Trouble::unreachable;
    trouble_message_ =
        "the connection to the server broke off" + (reason.empty() ? "" : ": " + reason);
    trouble_advice_ = "it is tried again by itself";
  }
  retry_later(now);
}

void ClientSession::on_host_failure(Instant now, const Error& error, Blame blame) {
  busy_ = false;
  rejecting_ = 0;
  facts_are_void_ = true;
  if (phase_ == Phase::stopped) {
    return;
  }
  if (blame == Blame::server) {
    protocol_error(now, "what the server sent cannot be taken: " + error.message());
    return;
  }
  if (error.code() == ErrorCode::busy) {
    give_up(now, Trouble::busy, error.message(), "it is tried again by itself");
    return;
  }
  give_up(now, Trouble::storage, error.message(),
          error.code() == ErrorCode::full ? "free some space on the disk"
                                          : "check the database file and its disk");
}

void ClientSession::sync_now(Instant now) {
  backoff_.reset();
  if (phase_ == Phase::waiting) {
    dial(now);
  } else if (is_up()) {
    push(now);
  }
}

void ClientSession::refresh_token(Instant now, std::string token) {
  token_ = std::move(token);
  if (is_up() || phase_ == Phase::greeting) {
    send(now, TokenRefresh{token_});
  } else if (phase_ == Phase::waiting && trouble_ == Trouble::not_allowed) {
    sync_now(now);
  }
}

void ClientSession::subscribe(Instant now, std::vector<std::string> tables) {
  if (tables == options_.tables) {
    return;
  }
  options_.tables = std::move(tables);
  if (is_up()) {
    send(now, Subscribe{options_.tables});
    watch_.reset();
  }
  // Rows that left go, rows that joined come, and neither is a deletion.
  rescan_now(now);
}

void ClientSession::set_presence(Instant now, std::string key, ByteVector value) {
  if (is_up() && phase_ != Phase::bequest && key.size() <= limits::presence_key_bytes_max &&
      value.size() <= limits::presence_value_bytes_max) {
    send(now, Presence{facts_.replica, std::move(key), std::move(value)});
  }
}

void ClientSession::wake(Instant now) {
  Instant at = now + heartbeat_;
  if (phase_ == Phase::waiting) {
    at = next_try_;
  } else if (phase_ == Phase::stopped || phase_ == Phase::mending) {
    return;
  } else if (push_.waits_until()) {
    at = std::min(at, *push_.waits_until());
  }
  effects_.emplace_back(effect::WakeAt{at});
}

bool ClientSession::is_waiting_in_vain(Instant now) const {
  const bool asked = !push_.empty() || relays_.count() > 0 ||
                     ((phase_ == Phase::bootstrap || phase_ == Phase::rescan) && !busy_);
  return asked && now - progress_at_ > options_.patience;
}

void ClientSession::on_wakeup(Instant now) {
  switch (phase_) {
    case Phase::stopped:
    case Phase::mending:
      return;
    case Phase::waiting:
      if (now >= next_try_) {
        dial(now);
        return;
      }
      break;
    case Phase::dialing:
    case Phase::greeting:
      if (now - dialed_at_ > options_.dial_timeout) {
        give_up(now, Trouble::unreachable, "the server does not answer", "check the network");
        return;
      }
      break;
    case Phase::bequest:
    case Phase::bootstrap:
    case Phase::rescan:
    case Phase::live:
      if (now - heard_at_ > options_.silence) {
        give_up(now, Trouble::unreachable, "the server fell silent", "check the network");
        return;
      }
      if (is_waiting_in_vain(now)) {
        give_up(now, Trouble::unreachable, "the server does not answer what it was asked",
                "it is tried again by itself");
        return;
      }
      if (now - spoke_at_ >= heartbeat_) {
        spoke_at_ = now;
        send(now, Heartbeat{facts_.cursor, clock_->now_ms(), facts_.digest});
      }
      push(now);
      break;
  }
  wake(now);
}

// --- Handshake
// ------------------------------------------------------------------------------------

void ClientSession::say_hello(Instant now) {
  Hello hello;
  hello.protocol = protocol_of_hello;
  hello.workspace = facts_.workspace;
  hello.replica = facts_.replica;
  hello.epoch = facts_.epoch;
  hello.epochs_before = SL_MUTANT(26) ? std::vector<EpochId>() : facts_.epochs_before;
  hello.last_sequence = facts_.last_sequence;
  hello.acknowledged = facts_.acknowledged;
  hello.acknowledged_time = facts_.acknowledged_time;
  hello.schema_version = facts_.schema_version;
  hello.fingerprint = facts_.fingerprint;
  hello.schema = facts_.schema;
  hello.lineage = facts_.lineage;
  hello.cursor = facts_.cursor;
  hello.tables = options_.tables;
  hello.token = token_;
  hello.receipt = facts_.receipt;
  if (facts_.wants_rescan) {
    hello.catch_up = CatchUp::rescan;
  } else if (facts_.cursor == ServerVersion(0)) {
    hello.catch_up = CatchUp::bootstrap;
  }
  if (bequest_ == Bequest::leaving) {
    hello.catch_up = CatchUp::bequest;
  }
  spoke_at_ = now;
  send(now, hello);
}

void ClientSession::note(const Receipt& receipt) {
  if (receipt.version > facts_.receipt.version) {
    facts_.receipt = receipt;
    is_receipt_news_ = true;
  }
}

void ClientSession::keep_receipt() {
  if (std::exchange(is_receipt_news_, false)) {
    effects_.emplace_back(effect::KeepReceipt{facts_.receipt});
  }
}

void ClientSession::correct_clock(std::int64_t server_time_ms) {
  const std::int64_t time = std::clamp<std::int64_t>(server_time_ms, 0, clock_ms_max);
  effects_.emplace_back(effect::CorrectClock{time - clock_->now_ms()});
}

void ClientSession::handle(Instant now, Welcome&& m) {
  if (phase_ != Phase::greeting || m.lineage.is_zero()) {
    protocol_error(now, "a welcome that answers nothing");
    return;
  }
  if (m.known_sequence > facts_.acknowledged) {
    // Invariant 8: it was not sent yet, and would never be.
    protocol_error(now, "the server's welcome acknowledges a change that was not sent");
    return;
  }
  trouble_ = Trouble::none;
  backoff_.reset();
  correct_clock(m.server_time_ms);
  if (bequest_ == Bequest::leaving) {
    begin_bequest(now, m);
    return;
  }
  bequest_ = Bequest::none;
  if (m.known_sequence < facts_.acknowledged || m.resume_after < facts_.cursor) {
    effects_.emplace_back(effect::Salvage{"the server was restored from a backup"});
  }
  const bool rescan = facts_.wants_rescan;
  const bool bootstrap = !rescan && facts_.cursor == ServerVersion(0);
  // It was restored, and what others wrote since may be nowhere but here.
  const bool forgot = !rescan && facts_.lineage != m.lineage && m.resume_after < facts_.cursor;
  facts_.lineage = m.lineage;
  refused_lineage_ = LineageId();
  facts_.acknowledged = m.known_sequence;
  facts_.acknowledged_time = m.known_time;
  if (!rescan && !bootstrap) {
    facts_.cursor = std::min(facts_.cursor, m.resume_after);
  }
  facts_.receipt = m.receipt;
  is_receipt_news_ = true;
  keep_receipt();
  effects_.emplace_back(effect::SaveWelcome{facts_.lineage, facts_.epoch, facts_.cursor,
                                            facts_.acknowledged, facts_.acknowledged_time,
                                            rescan || forgot, m.may_write});
  may_write_ = m.may_write;
  set_aside();
  heartbeat_ = {std::clamp<std::int64_t>(m.heartbeat_ms, 50, 60'000)};
  push_.start_at(m.known_sequence);
  resume_after_ = m.resume_after;
  received_.start_at(m.resume_after);
  catch_up_started_ = now;
  if (rescan) {
    phase_ = Phase::rescan;
    effects_.emplace_back(effect::BeginRescan{});
    send(now, RescanRequest{});
  } else if (bootstrap) {
    phase_ = Phase::bootstrap;
    send(now, SnapshotRequest{facts_.snapshot_token});
  } else {
    go_live(now);
    if (forgot) {
      facts_.wants_rescan = true;  // should the connection break before it has begun
      rescan_now(now);
    }
  }
}

void ClientSession::go_live(Instant now) {
  phase_ = Phase::live;
  if (const auto held = std::exchange(ack_held_, std::nullopt)) {
    handle(now, Ack{*held, {}});
  }
  send(now, Applied{facts_.cursor});
  relays_.written();  // a rescan may have found what the server lacks
  push(now);
  pull();
  if (std::exchange(compares_again_, false)) {
    rescan_now(now);
  }
}

void ClientSession::refused_for_good(Instant now, Refused&& m) {
  const Trouble trouble = trouble_of(m.reason);
  give_up(now, trouble, std::move(m.message), std::move(m.advice));
  if (derive_status({.trouble = trouble}) == Status::incompatible) {
    next_try_ = now + options_.refused_retry;
    wake(now);
  }
}

// Mending ends in another hello. A server that refuses that one, too, and the next, would keep this
// device busy for ever, so after some of them it comes back as seldom as to one that is down.
void ClientSession::come_back(Instant now) {
  if (mends_ <= mends_at_once_max) {
    dial(now);
    return;
  }
  trouble_ = Trouble::unreachable;
  trouble_message_ = "the server refuses this device again and again: " + mended_;
  trouble_advice_ = "it is tried again by itself; look at the server's log if it lasts";
  phase_ = Phase::waiting;
  next_try_ = now + mend_backoff_.next(*random_);
  wake(now);
}

void ClientSession::refused_and_mendable(Instant now, Refused&& m) {
  if (now - mended_at_ > mends_forgotten_after) {
    mends_ = 0;
    mend_backoff_.reset();
  }
  ++mends_;
  mended_at_ = now;
  mended_ = std::string(refusal_name(m.reason));
  close(now, mended_);
  effects_.emplace_back(effect::Salvage{m.message});
  if (SL_MUTANT(21)) {  // comes back as it was
    dial(now);
    return;
  }
  switch (m.reason) {
    case Refusal::unknown_lineage:
    case Refusal::cursor_expired:
      // What the server no longer knows of us is found out row by row. A replica that has applied
      // nothing yet simply starts over.
      facts_.wants_rescan = facts_.cursor > ServerVersion(0) || !facts_.lineage.is_zero();
      if (m.reason == Refusal::unknown_lineage) {
        refused_lineage_ = std::exchange(facts_.lineage, LineageId());
      }
      refused_token_ = std::exchange(facts_.snapshot_token, {});
      come_back(now);
      return;
    case Refusal::replica_forked:
      forked(now, std::move(m));
      return;
    case Refusal::clock_skew:
      phase_ = Phase::mending;
      correct_clock(m.server_time_ms);
      effects_.emplace_back(effect::Restamp{std::max(m.known_sequence, facts_.acknowledged)});
      return;
    case Refusal::schema_incompatible:
    case Refusal::not_allowed:
    case Refusal::protocol_too_old:
    case Refusal::protocol_too_new:
    case Refusal::malformed:
    case Refusal::busy:
    case Refusal::cannot_store:
      return;
  }
}

void ClientSession::handle(Instant now, Refused&& m) {
  if (is_mendable(m.reason)) {
    refused_and_mendable(now, std::move(m));
  } else {
    refused_for_good(now, std::move(m));
  }
}

void ClientSession::take_facts(ReplicaFacts facts) {
  const bool rescan = facts_.wants_rescan;
  if (SL_MUTANT(44) && facts_.replica == facts.replica) {  // tells what could not be stored
    const bool is_newer = facts_.acknowledged > facts.acknowledged;
    facts.acknowledged_time = is_newer ? facts_.acknowledged_time : facts.acknowledged_time;
    facts.acknowledged = std::max(facts_.acknowledged, facts.acknowledged);
  }
  facts_ = std::move(facts);
  facts_.wants_rescan = facts_.wants_rescan || rescan;
  if (facts_.lineage == refused_lineage_) {
    facts_.lineage = LineageId();
  }
  if (facts_.snapshot_token == refused_token_) {
    facts_.snapshot_token.clear();
  }
}

void ClientSession::on_facts(Instant now, ReplicaFacts facts) {
  const bool was_void = std::exchange(facts_are_void_, false);
  take_facts(std::move(facts));
  if (phase_ == Phase::greeting && was_void) {
    say_hello(now);
    return;
  }
  if (phase_ == Phase::mending) {
    trouble_ = Trouble::none;
    come_back(now);
  } else if (phase_ == Phase::waiting) {
    trouble_ = Trouble::none;
    dial(now);
  } else if (is_up() || phase_ == Phase::greeting) {
    // Only a handshake tells the schema.
    close(now, "the schema has changed");
    dial(now);
  }
}

void ClientSession::start_over(Instant now, ReplicaFacts facts) {
  if (phase_ == Phase::stopped) {
    return;
  }
  close(now, "the replica begins anew");
  facts_ = std::move(facts);
  facts_are_void_ = false;
  refused_lineage_ = LineageId();
  refused_token_.clear();
  bequest_ = Bequest::none;
  busy_ = false;
  rejecting_ = 0;
  trouble_ = Trouble::none;
  backoff_.reset();
  dial(now);
}

void ClientSession::handle(Instant now, Bye&& m) {
  close(now, m.message);
  if (trouble_ == Trouble::none) {
    trouble_ = m.reason == Farewell::expired ? Trouble::not_allowed : Trouble::unreachable;
    trouble_message_ = "the server said goodbye: " + std::string(farewell_name(m.reason));
    trouble_advice_ =
        m.reason == Farewell::expired ? "sign in again" : "it is tried again by itself";
  }
  retry_later(now);
}

// --- Frames
// ---------------------------------------------------------------------------------------

void ClientSession::on_frame(Instant now, Bytes frame) {
  if (!connected_ || (!is_up() && phase_ != Phase::greeting)) {
    return;
  }
  heard_at_ = now;
  auto message = decode_from_server(frame);
  if (!message) {
    protocol_error(now, "the server's message does not decode: " + message.error().message());
    return;
  }
  const bool greets = std::holds_alternative<Welcome>(*message) ||
                      std::holds_alternative<Refused>(*message) ||
                      std::holds_alternative<Bye>(*message);
  if (phase_ == Phase::greeting && !greets) {
    protocol_error(
        now, "the server sent a " + std::string(message_name(*message)) + " before its welcome");
    return;
  }
  if (!std::holds_alternative<Heartbeat>(*message)) {
    progress_at_ = now;
  }
  std::visit([&](auto&& m) { handle(now, std::forward<decltype(m)>(m)); }, std::move(*message));
}

// --- Push
// -----------------------------------------------------------------------------------------

void ClientSession::on_local_change(Instant now, ChangeSequence last_sequence,
                                    const Digest& digest) {
  if (last_sequence > facts_.last_sequence) {
    push_.written();
  }
  relays_.written();
  facts_.last_sequence = std::max(facts_.last_sequence, last_sequence);
  facts_.digest = digest;
  watch_.moved();
  if (!is_up()) {
    return;
  }
  set_aside();
  if (options_.debounce.ms == 0) {
    push(now);
  } else if (!push_.waits_until()) {
    push_.wait_until(now + options_.debounce);
    wake(now);
  }
}

void ClientSession::push(Instant now) {
  if (!may_push()) {
    return;
  }
  const ChangeSequence last = phase_ == Phase::bequest
                                  ? std::min(facts_.last_sequence, bequest_through_)
                                  : facts_.last_sequence;
  if (auto load = push_.next(now, last)) {
    effects_.emplace_back(*load);
  }
  if (phase_ == Phase::bequest) {
    return;
  }
  if (auto load = relays_.next()) {
    effects_.emplace_back(*load);
  }
}

void ClientSession::on_outbox(Instant now, ChangeSequence after, std::vector<OutboxPart> parts) {
  if (!push_.expects(after)) {
    return;
  }
  if (push_.empty()) {
    progress_at_ = now;
  }
  if (phase_ == Phase::bequest) {
    // What was written since goes by the new name, and by no other.
    std::erase_if(parts, [&](const OutboxPart& part) { return part.sequence > bequest_through_; });
  }
  push_.sent(parts);
  if (parts.empty()) {
    if (phase_ == Phase::bequest && push_.empty()) {
      end_bequest(now);  // there is nothing that can be told
    }
    return;
  }
  for (OutboxPart& part : parts) {
    send(now, PushPart{std::move(part.part)});
    if (!is_up()) {
      return;  // it cannot be said
    }
  }
  spoke_at_ = now;
  push(now);
}

void ClientSession::handle(Instant now, Ack&& m) {
  if (m.through > push_.sent_through()) {
    protocol_error(now, "the server acknowledged a change that was not sent");
    return;
  }
  note(m.receipt);
  if (m.through <= facts_.acknowledged) {
    return;
  }
  if (phase_ == Phase::rescan) {
    // Rows that were read before this change may be on their way and must not replace it: it
    // counts as unsent until the rescan has ended.
    ack_held_ = m.through;
    return;
  }
  facts_.acknowledged = m.through;
  facts_.acknowledged_time = push_.acknowledge(m.through).value_or(facts_.acknowledged_time);
  watch_.moved();
  keep_receipt();
  effects_.emplace_back(effect::Acknowledge{m.through});
  if (phase_ == Phase::bequest && facts_.acknowledged >= bequest_through_) {
    end_bequest(now);
    return;
  }
  push(now);
}

void ClientSession::handle(Instant now, Rejected&& m) {
  if (m.sequence > push_.sent_through()) {
    protocol_error(now, "the server rejected a change that was not sent");
    return;
  }
  ++rejecting_;
  effects_.emplace_back(effect::RejectChange{std::move(m)});
}

void ClientSession::on_rejected(Instant now, std::uint64_t count) {
  rejecting_ -= std::min(rejecting_, count);
  if (count > 0) {
    check_digest(now);
  }
}

// --- Reading only
// -----------------------------------------------------------------------------------------

// What waits can never be sent; it is said so, instead of waiting for ever.
void ClientSession::set_aside() {
  if (!may_write_ && !setting_aside_ && waiting_changes() > 0) {
    setting_aside_ = true;
    effects_.emplace_back(effect::SetAside{});
  }
}

void ClientSession::on_set_aside(Instant now, ChangeSequence through, bool any) {
  setting_aside_ = false;
  if (!is_up() || may_write_) {
    return;
  }
  set_aside_through_ = std::max(set_aside_through_, through);
  facts_.last_sequence = std::max(facts_.last_sequence, through);
  watch_.moved();
  if (any) {
    compare_again(now);
  }
}

void ClientSession::compare_again(Instant now) {
  if (phase_ == Phase::bootstrap || phase_ == Phase::rescan) {
    compares_again_ = true;
  } else {
    rescan_now(now);
  }
}

// Own changes that the server may still get.
std::uint64_t ClientSession::waiting_changes() const {
  const ChangeSequence settled =
      may_write_ ? facts_.acknowledged : std::max(facts_.acknowledged, set_aside_through_);
  return facts_.last_sequence.get() - std::min(settled, facts_.last_sequence).get();
}

// --- Idle
// -----------------------------------------------------------------------------------------

void ClientSession::handle(Instant now, Heartbeat&& m) {
  watch_.heard(now, m, waiting_changes() == 0 && (relays_.done() || !may_write_));
  look_whether_whole(m.head);
  check_digest(now);
}

void ClientSession::check_digest(Instant now) {
  const StatusFacts facts = status_facts(now);
  if (phase_ != Phase::live || !facts.at_head || facts.pending != 0 || facts.catching_up ||
      !facts.heartbeat_covers_us) {
    return;
  }
  const DigestWatch::Verdict verdict = watch_.compare(facts_.digest);
  if (verdict == DigestWatch::Verdict::equal && trouble_ == Trouble::digest_mismatch) {
    trouble_ = Trouble::none;
  }
  if (watch_.is_stuck()) {
    trouble_ = Trouble::digest_mismatch;
    trouble_message_ = "this replica's rows differ from the server's after comparing them all";
    trouble_advice_ = "export unsent changes and resync";
  }
  if (verdict == DigestWatch::Verdict::rescan) {
    rescan_now(now);
  }
}

void ClientSession::handle(Instant /*now*/, Presence&& m) {
  effects_.emplace_back(effect::ShowPresence{std::move(m)});
}

StatusFacts ClientSession::status_facts(Instant now) const {
  StatusFacts facts;
  facts.connected = is_up() || phase_ == Phase::dialing || phase_ == Phase::greeting;
  facts.welcomed = is_up();
  facts.trouble = trouble_;
  facts.pending = waiting_changes() + relays_.count();
  facts.catching_up =
      phase_ != Phase::live || busy_ || rejecting_ > 0 || !received_.empty() || facts_.in_pieces;
  if (watch_.last()) {
    facts.at_head = facts_.cursor == watch_.last()->head;
    facts.heartbeat_fresh = watch_.age(now) <= options_.fresh;
    facts.heartbeat_covers_us = watch_.covers_us();
    facts.digests_equal = facts_.digest == watch_.last()->digest;
  }
  return facts;
}

Progress ClientSession::progress(Instant now) const {
  Progress out;
  if (phase_ == Phase::bootstrap) {
    out = snapshot_.progress();
    measure(out, snapshot_.bytes_here(), now - catch_up_started_);
  }
  return out;
}

StatusReport ClientSession::status(Instant now) const {
  const StatusFacts facts = status_facts(now);
  StatusReport report;
  report.status = derive_status(facts);
  report.trouble = trouble_;
  if (trouble_ != Trouble::none) {
    report.message = trouble_message_;
    report.advice = trouble_advice_;
  }
  report.pending = facts.pending;
  report.progress = progress(now);
  if (phase_ == Phase::bootstrap) {
    report.activity = Activity::bootstrap;
  } else if (phase_ == Phase::rescan) {
    report.activity = Activity::rescan;
  } else if (is_up() && facts.pending > 0) {
    report.activity = Activity::pushing;
  } else if (is_up() && (facts.catching_up || !facts.at_head)) {
    report.activity = Activity::pulling;
  }
  return report;
}

}  // namespace syncline
