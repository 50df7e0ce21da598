#include "client/peer_host.h"

namespace syncline {
namespace {

constexpr std::size_t effects_per_call_max = 64;
// How soon to look again for the end of an application's transaction.
constexpr Duration transaction_poll{20};

template <typename... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <typename... F>
Overloaded(F...) -> Overloaded<F...>;

}  // namespace

Result<void> PeerHost::start(Instant now, const std::string& token) {
  if (!parts_.engine->connection().autocommit()) {
    return Error(ErrorCode::busy, "a transaction is open: meet peers outside of it");
  }
  SL_TRY(seen_, parts_.engine->log_head());
  SL_TRY(PeerFacts facts, parts_.engine->peer_facts());
  told_ = LocalVersion();
  has_gap_ = false;
  delayed_.reset();
  session_.start(now, std::move(facts), token);
  pump(now);
  return {};
}

void PeerHost::stop(Instant now) {
  session_.stop(now);
  pump(now);
}

void PeerHost::on_disconnected(Instant now) {
  session_.on_disconnected(now);
  pump(now);
}

void PeerHost::on_frame(Instant now, Bytes frame) {
  session_.on_frame(now, frame);
  pump(now);
}

void PeerHost::on_wakeup(Instant now) {
  session_.on_wakeup(now);
  pump(now);
}

void PeerHost::fail(Instant now, const Error& error) {
  last_error_ = error.message();
  session_.on_host_failure(now, error);
}

// What this connection, another host or another process committed is in the log.
Result<void> PeerHost::notice(Instant now) {
  if (session_.is_closed() || !parts_.engine->connection().autocommit()) {
    return {};
  }
  SL_TRY(const LogHead head, parts_.engine->log_head());
  if (head.version == seen_.version) {
    return {};
  }
  seen_ = head;
  SL_TRY(PeerFacts facts, parts_.engine->peer_facts());
  session_.on_local_change(now, std::move(facts.seen), facts.digest);
  return {};
}

void PeerHost::pump(Instant now) {
  for (std::size_t done = 0; done < effects_per_call_max; ++done) {
    std::optional<PeerEffect> effect = std::move(delayed_);
    delayed_.reset();
    if (!effect) {
      effect = session_.next_effect();
    }
    if (!effect) {
      const auto noticed = notice(now);
      if (!noticed && noticed.error().code() == ErrorCode::busy) {
        parts_.link->wake_at(now + transaction_poll);
      } else if (!noticed) {
        fail(now, noticed.error());
      }
      effect = session_.next_effect();
    }
    if (!effect) {
      return;
    }
    const bool is_outside = std::holds_alternative<effect::Send>(*effect) ||
                            std::holds_alternative<effect::HangUp>(*effect) ||
                            std::holds_alternative<effect::WakeAt>(*effect);
    if (!is_outside && !parts_.engine->connection().autocommit()) {
      delayed_ = std::move(effect);
      parts_.link->wake_at(now + transaction_poll);
      return;
    }
    const auto performed = perform(now, *effect);
    if (!performed && performed.error().code() == ErrorCode::busy) {
      // The file is locked: weather.
      delayed_ = std::move(effect);
      parts_.link->wake_at(now + transaction_poll);
      return;
    }
    if (!performed) {
      fail(now, performed.error());
    }
  }
  parts_.link->wake_at(now);
}

Result<void> PeerHost::perform(Instant now, PeerEffect& effect) {
  Engine& engine = *parts_.engine;
  return std::visit(Overloaded{
                        [&](effect::Send& e) -> Result<void> {
                          parts_.link->send(std::move(e.frame));
                          return {};
                        },
                        [&](effect::HangUp& e) -> Result<void> {
                          parts_.link->hang_up(e.reason);
                          return {};
                        },
                        [&](effect::WakeAt& e) -> Result<void> {
                          parts_.link->wake_at(e.at);
                          return {};
                        },
                        [&](effect::MeetPeer& e) -> Result<void> {
                          session_.on_met(now, meet(e.hello));
                          return {};
                        },
                        [&](effect::LoadForPeer& e) -> Result<void> {
                          SL_TRY(Engine::PeerChanges changes,
                                 engine.peer_changes(e.after, told_, e.bytes_max));
                          told_ = changes.through;
                          has_gap_ = has_gap_ || changes.has_gap;
                          session_.on_changes(now, std::move(changes.parts));
                          return {};
                        },
                        [&](effect::LearnChange& e) -> Result<void> {
                          SL_TRY(const ApplyReport report, engine.learn(e.parts));
                          SL_TRY(seen_, engine.log_head());
                          SL_TRY(tell_if_ours(e.parts, report));
                          SL_TRY(PeerFacts facts, engine.peer_facts());
                          session_.on_learned(now, std::move(facts.seen), facts.digest);
                          return {};
                        },
                    },
                    effect);
}

// A file that was put back gets what it lacks of its own from peers, and so it would get what a
// peer made up in its name. Only somebody who knows of the one can tell.
Result<void> PeerHost::tell_if_ours(const std::vector<ByteVector>& parts,
                                    const ApplyReport& report) {
  Reader in(parts.front());
  SL_TRY(const PartHeader header, read_part_header(in));
  SL_TRY(const ReplicaId ours, parts_.engine->replica());
  Events& events = parts_.engine->events();
  if (header.stamp.replica == ours && report.changes > 0 && events.wanted()) {
    const Error error(ErrorCode::diverged,
                      "a peer told a change in this device's name that is not in this file: the "
                      "file was put back, or the peer made it up");
    events.notify(event_name::error, parts_.clock->now_ms(), error.message(), error_payload(error));
  }
  return {};
}

Result<void> PeerHost::meet(const PeerHello& hello) {
  SL_TRY(parts_.link->admit(hello));
  Reader in(hello.schema);
  SL_TRY(const Schema theirs, decode_schema(in));
  SL_TRY(const Schema ours, parts_.engine->schema());
  return check_compatible(ours, theirs);
}

}  // namespace syncline
