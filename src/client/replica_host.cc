#include "client/replica_host.h"

#include <algorithm>

#include "base/json.h"
#include "base/mutant.h"
#include "client/sync_state.h"

namespace syncline {
namespace {

constexpr std::size_t effects_per_call_max = 64;
// How soon to look again for the end of an application's transaction.
constexpr Duration transaction_poll{20};
// Commits of other processes are looked for at least this often.
constexpr Duration look_interval{5000};
// How soon a host that does not lead looks whether it may.
constexpr Duration lead_poll{250};
// So many attempts without a welcome are worth an event of their own.
constexpr std::uint32_t dials_in_vain_max = 8;

template <typename... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <typename... F>
Overloaded(F...) -> Overloaded<F...>;

std::string_view activity_name(Activity activity) {
  switch (activity) {
    case Activity::idle:
      return "idle";
    case Activity::pushing:
      return "pushing";
    case Activity::pulling:
      return "pulling";
    case Activity::bootstrap:
      return "bootstrap";
    case Activity::rescan:
      return "rescan";
  }
  return "";
}

std::string quoted(std::string_view text) { return write_json(Json(std::string(text))); }

// For bytes that are wrong the file is not to blame where a server sent them.
ClientSession::Blame blame_for(const ClientEffect& effect, const Error& error) {
  using enum ErrorCode;
  const bool brings = std::holds_alternative<effect::ApplyChanges>(effect) ||
                      std::holds_alternative<effect::ApplyPage>(effect) ||
                      std::holds_alternative<effect::CompareRanges>(effect) ||
                      std::holds_alternative<effect::AdoptRange>(effect) ||
                      std::holds_alternative<effect::RejectChange>(effect);
  constexpr ErrorCode wrong[] = {malformed,  too_large,    unsupported, schema_mismatch,
                                 clock_skew, out_of_order, diverged};
  const bool is_wrong =
      std::find(std::begin(wrong), std::end(wrong), error.code()) != std::end(wrong);
  return brings && is_wrong ? ClientSession::Blame::server : ClientSession::Blame::file;
}

std::string progress_payload(const Progress& progress) {
  return "{\"rows\":" + std::to_string(progress.rows_done) +
         ",\"rows_total\":" + std::to_string(progress.rows_total) +
         ",\"bytes\":" + std::to_string(progress.bytes_done) +
         ",\"bytes_total\":" + std::to_string(progress.bytes_total) +
         ",\"bytes_per_second\":" + std::to_string(progress.bytes_per_second) +
         ",\"left_ms\":" + std::to_string(progress.left.ms) + "}";
}

}  // namespace

ReplicaHost::ReplicaHost(const Parts& parts, const ClientOptions& options)
    : parts_(parts), tables_(options.tables), session_({parts.clock, parts.random}, options) {
  parts_.engine->set_listener(this);
}

ReplicaHost::~ReplicaHost() { parts_.engine->set_listener(parts_.listener); }

// --- Lifecycle ----------------------------------------------------------------------------------

Result<void> ReplicaHost::start(Instant now, const std::string& workspace, std::string token) {
  if (!parts_.engine->connection().autocommit()) {
    return Error(ErrorCode::busy, "a transaction is open: start syncing outside of it");
  }
  workspace_ = workspace;
  token_ = std::move(token);
  const auto tried = try_to_lead(now);
  if (!tried && !is_blocked(tried)) {
    if (parts_.leadership != nullptr) {
      parts_.leadership->resign();
    }
    return tried.error();
  }
  if (stage_ == Stage::running) {
    pump(now);
    return {};
  }
  stage_ = Stage::waiting;
  tell_status(now);
  parts_.link->wake_at(next_try_);
  return {};
}

// False when another host leads.
Result<bool> ReplicaHost::begin(Instant now) {
  if (parts_.leadership != nullptr) {
    SL_TRY(const bool leads, parts_.leadership->take());
    if (!leads) {
      return false;
    }
  }
  SL_TRY(parts_.engine->open_session(workspace_));
  SL_TRY(ReplicaFacts facts, look_at_facts());
  SL_TRY(wish_, parts_.engine->meta().integer(meta_name::sync_wish));
  answered_wish_ = wish_;
  delayed_.reset();
  rejected_ = 0;
  renamed_ = false;
  session_.start(now, std::move(facts), token_);
  if (std::exchange(wants_rescan_, false)) {
    session_.rescan_now(now);
  }
  return true;
}

Result<void> ReplicaHost::try_to_lead(Instant now) {
  next_try_ = now + lead_poll;
  SL_TRY(const bool begun, begin(now));
  blocked_.clear();
  if (begun) {
    stage_ = Stage::running;
    return {};
  }
  // What is told of the leader is told of this workspace's.
  SL_TRY(const std::string known, parts_.engine->meta().text(meta_name::workspace));
  if (!known.empty() && known != workspace_) {
    return Error(ErrorCode::invalid_argument,
                 "this database belongs to workspace '" + known + "', not to '" + workspace_ + "'");
  }
  return leaves_wish_ ? leave_wish() : Result<void>();
}

bool ReplicaHost::is_following() const {
  return stage_ == Stage::waiting && parts_.leadership != nullptr && !parts_.leadership->leads();
}

// Weather: the same is tried again.
bool ReplicaHost::is_blocked(const Result<void>& done) {
  if (done) {
    blocked_.clear();
    return false;
  }
  if (done.error().code() != ErrorCode::busy || SL_MUTANT(41)) {
    return false;
  }
  blocked_ = done.error().message();
  return true;
}

void ReplicaHost::failed(Instant now, const Error& error, ClientSession::Blame blame) {
  const auto resynced = parts_.engine->was_renewed();
  if (resynced && *resynced) {
    return;  // not the database's fault: what the session knew is void, and notice() says so
  }
  renamed_ = false;
  last_error_ = error.message();
  tell_error(error);
  session_.on_host_failure(now, error, blame);
}

void ReplicaHost::stop(Instant now) {
  if (stage_ == Stage::running) {
    session_.stop(now);
    pump(now);
  }
  stage_ = Stage::stopped;
  if (parts_.leadership != nullptr) {
    parts_.leadership->resign();
  }
}

void ReplicaHost::on_connected(Instant now) {
  session_.on_connected(now);
  pump(now);
}

void ReplicaHost::on_disconnected(Instant now, const std::string& reason) {
  parts_.engine->set_quiet(false);
  session_.on_disconnected(now, reason);
  pump(now);
}

void ReplicaHost::on_frame(Instant now, Bytes frame) {
  session_.on_frame(now, frame);
  pump(now);
}

void ReplicaHost::on_wakeup(Instant now) {
  if (stage_ == Stage::waiting) {
    if (now >= next_try_ && parts_.engine->connection().autocommit()) {
      const auto tried = try_to_lead(now);
      if (!tried && !is_blocked(tried) && tried.error().message() != last_error_) {
        last_error_ = tried.error().message();
        tell_error(tried.error());
      }
    }
    if (stage_ == Stage::waiting) {
      tell_status(now);
      parts_.link->wake_at(std::max(next_try_, now + transaction_poll));
      return;
    }
    pump(now);
    return;
  }
  session_.on_wakeup(now);
  pump(now);
}

void ReplicaHost::sync_now(Instant now) {
  if (stage_ == Stage::waiting) {
    leaves_wish_ = true;
    next_try_ = now;
    on_wakeup(now);
    return;
  }
  session_.sync_now(now);
  pump(now);
}

Result<void> ReplicaHost::leave_wish() {
  Meta& meta = parts_.engine->meta();
  SL_TRY(const std::int64_t last, meta.integer(meta_name::sync_wish));
  // Two who leave the same number at once are both served by the one answer.
  SL_TRY(meta.set(meta_name::sync_wish, ValueView::of(last + 1)));
  wish_ = last + 1;
  leaves_wish_ = false;
  return {};
}

// In step, by a heartbeat that is younger than the wish.
void ReplicaHost::answer_wish(Instant now) {
  if (answered_wish_ != wish_ && session_.heartbeat_age(now) < now - wished_at_ &&
      status(now).status == Status::synced) {
    answered_wish_ = wish_;
  }
}

void ReplicaHost::rescan_now(Instant now) {
  if (stage_ == Stage::waiting) {
    wants_rescan_ = true;
    return;
  }
  if (stage_ == Stage::stopped) {
    // Paused: the next start reads it, be it in another process.
    if (const auto noted = parts_.engine->want_rescan(); !noted) {
      tell_error(noted.error());
    }
    return;
  }
  session_.rescan_now(now);
  pump(now);
}

void ReplicaHost::refresh_token(Instant now, std::string token) {
  if (stage_ == Stage::waiting) {
    token_ = std::move(token);
    return;
  }
  session_.refresh_token(now, std::move(token));
  pump(now);
}

void ReplicaHost::subscribe(Instant now, std::vector<std::string> tables) {
  tables_ = tables;
  wants_rescan_ = stage_ == Stage::waiting;
  session_.subscribe(now, std::move(tables));
  pump(now);
}

void ReplicaHost::set_presence(Instant now, std::string key, ByteVector value) {
  session_.set_presence(now, std::move(key), std::move(value));
  pump(now);
}

StatusReport ReplicaHost::status(Instant now) const {
  StatusReport report = is_following() ? status_of_leader() : session_.status(now);
  if (!blocked_.empty() && report.trouble == Trouble::none) {
    report.trouble = Trouble::busy;
    report.message = "another program has locked the database: " + blocked_;
    report.advice = "it is tried again by itself; end what holds the lock if it lasts";
  }
  if (is_following()) {
    return report;
  }
  if (report.status != Status::synced) {
    return report;
  }
  const auto head = parts_.engine->log_head();
  if (!head || head->own_sequence != seen_.own_sequence) {
    report.status = Status::syncing;
    report.activity = Activity::pushing;
    report.pending += head ? head->own_sequence.get() - seen_.own_sequence.get() : 1;
  }
  return report;
}

StatusReport ReplicaHost::status_of_leader() const {
  StatusReport report;
  report.trouble = Trouble::led_elsewhere;
  report.message = "another process syncs this database";
  Engine& engine = *parts_.engine;
  const auto state = read_sync_state(engine);
  const auto head = engine.log_head();
  const auto acknowledged = engine.meta().integer(meta_name::acknowledged_sequence);
  if (!state || !head || !acknowledged) {
    return report;
  }
  report.pending = head->own_sequence.get() - static_cast<std::uint64_t>(*acknowledged);
  report.message += state->by.empty() ? "" : " (" + state->by + ")";
  const std::int64_t now_ms = parts_.clock->now_ms();
  if (!is_fresh(*state, now_ms)) {
    // It may be stopped, or hang; what it once said is no proof of anything.
    report.message += state->live ? ", and has said nothing for " +
                                        std::to_string((now_ms - state->at_ms) / 1000) + " seconds"
                                  : ", and has said nothing yet";
    report.advice = "wait for it, or end it";
    return report;
  }
  report.status = status_now(*state, now_ms, report.pending);
  if (state->trouble != Trouble::none) {
    report.trouble = state->trouble;
    report.message += " and says: " + state->message;
    report.advice = state->advice;
  }
  return report;
}

// --- Commits ------------------------------------------------------------------------------------

void ReplicaHost::on_commit(std::span<const TableId> tables) {
  if (parts_.listener != nullptr) {
    parts_.listener->on_commit(tables);
  }
  if (stage_ == Stage::running) {
    parts_.link->work_waits();
  }
}

// Whatever was committed, by this connection, another or another process, is in the log.
void ReplicaHost::notice(Instant now) {
  if (stage_ != Stage::running || !parts_.engine->connection().autocommit()) {
    return;
  }
  const auto looked = look_at_log(now);
  if (is_blocked(looked)) {
    parts_.link->wake_at(now + transaction_poll);
  } else if (!looked) {
    last_error_ = looked.error().message();
    session_.on_host_failure(now, looked.error());
  }
}

Result<void> ReplicaHost::look_at_log(Instant now) {
  SL_TRY(const bool renewed, parts_.engine->was_renewed());
  if (renewed) {
    parts_.engine->set_quiet(false);
    SL_TRY(ReplicaFacts facts, look_at_facts());
    session_.start_over(now, std::move(facts));
    return {};
  }
  if (parts_.leadership != nullptr) {
    SL_TRY(const std::int64_t wish, parts_.engine->meta().integer(meta_name::sync_wish));
    if (wish != std::exchange(wish_, wish)) {
      wished_at_ = now;
      session_.sync_now(now);
    }
  }
  SL_TRY(const LogHead head, parts_.engine->log_head());
  SL_TRY(const std::int64_t schema, parts_.engine->meta().integer(meta_name::schema_version));
  if (static_cast<std::uint32_t>(schema) != schema_version_) {
    return tell_facts(now);
  }
  if (head.version != seen_.version || head.own_sequence != seen_.own_sequence || rejected_ > 0) {
    return local_change(now);
  }
  return {};
}

Result<void> ReplicaHost::local_change(Instant now) {
  SL_TRY(const bool held, parts_.engine->held().any());
  if (held) {
    // A write may have made room for a row that is held, or taken it from one with an older life.
    SL_TRY(parts_.engine->retry_held());
  }
  SL_TRY(const LogHead before, parts_.engine->log_head());
  SL_TRY(const Digest sum, parts_.engine->digest_of_tables(tables_));
  SL_TRY(const LogHead after, parts_.engine->log_head());
  SL_TRY(const std::int64_t in_pieces, parts_.engine->meta().integer(meta_name::in_pieces));
  // The sum may hold a write that came while it was made; it is compared when that was noticed.
  seen_ = before;
  session_.on_local_change(now, after.own_sequence, sum);
  session_.on_pieces(in_pieces != 0);
  session_.on_rejected(now, std::exchange(rejected_, 0));
  return {};
}

// The facts may hold what others write meanwhile; it is told again then.
Result<ReplicaFacts> ReplicaHost::look_at_facts() {
  SL_TRY(const LogHead before, parts_.engine->log_head());
  SL_TRY(ReplicaFacts facts, parts_.engine->facts(tables_));
  seen_ = before;
  schema_version_ = facts.schema_version;
  return facts;
}

Result<void> ReplicaHost::tell_facts(Instant now) {
  SL_TRY(ReplicaFacts facts, look_at_facts());
  session_.on_facts(now, std::move(facts));
  return {};
}

// What it wrote goes to the server as states, which the session learns as it learns of a write.
Result<void> ReplicaHost::tell_unreadable(Instant now) {
  const std::vector<Engine::Unreadable> changes = parts_.engine->take_unreadable();
  for (const Engine::Unreadable& change : changes) {
    last_error_ = change.message;
    if (!change.file.empty()) {
      parts_.link->salvaged("unreadable_change", change.file);
    }
  }
  return changes.empty() ? Result<void>() : local_change(now);
}

Result<void> ReplicaHost::tell_applied(Instant now, ServerVersion cursor) {
  SL_TRY(const Digest sum, parts_.engine->digest_of_tables(tables_));
  SL_TRY(const LogHead head, parts_.engine->log_head());
  if (head.version != parts_.engine->merged_through()) {
    // The rows hold what was not noticed yet; the server's digest cannot.
    session_.on_local_change(now, head.own_sequence, sum);
  }
  session_.on_applied(now, cursor, sum);
  return {};
}

// --- Effects ------------------------------------------------------------------------------------

void ReplicaHost::pump(Instant now) {
  for (std::size_t done = 0; done < effects_per_call_max; ++done) {
    std::optional<ClientEffect> effect = std::move(delayed_);
    delayed_.reset();
    if (!effect) {
      effect = session_.next_effect();
    }
    if (!effect) {
      notice(now);
      effect = session_.next_effect();
    }
    if (!effect) {
      answer_wish(now);
      tell_status(now);
      return;
    }
    if (hand_on(now, *effect)) {
      continue;
    }
    if (!parts_.engine->connection().autocommit()) {
      delayed_ = std::move(effect);
      tell_status(now);
      parts_.link->wake_at(now + transaction_poll);
      return;
    }
    const auto performed = perform_and_look(now, *effect);
    if (is_blocked(performed)) {
      delayed_ = std::move(effect);
      tell_status(now);
      parts_.link->wake_at(now + transaction_poll);
      return;
    }
    if (!performed) {
      failed(now, performed.error(), blame_for(*effect, performed.error()));
    }
  }
  tell_status(now);
  parts_.link->wake_at(now);
}

// What is not the database's.
bool ReplicaHost::hand_on(Instant now, ClientEffect& effect) {
  return std::visit(Overloaded{
                        [&](effect::Send& e) {
                          parts_.link->send(std::move(e.frame));
                          return true;
                        },
                        [&](effect::HangUp& e) {
                          parts_.link->hang_up(e.reason);
                          return true;
                        },
                        [&](effect::WakeAt& e) {
                          parts_.link->wake_at(std::min(e.at, now + look_interval));
                          return true;
                        },
                        [&](effect::Dial&) {
                          ++dials_in_vain_;
                          // Whatever was quiet ended with its connection.
                          parts_.engine->set_quiet(false);
                          dial(now);
                          return true;
                        },
                        [&](effect::ShowPresence& e) {
                          parts_.link->show_presence(e.presence);
                          return true;
                        },
                        [](auto&) { return false; },
                    },
                    effect);
}

// The hello that follows says what the file says, which others write, too.
void ReplicaHost::dial(Instant now) {
  if (parts_.engine->connection().autocommit()) {
    const auto renewed = parts_.engine->was_renewed();
    if (renewed && *renewed) {
      notice(now);  // all that the session waits for is void: it begins anew, and dials
      return;
    }
    // What the session knows is in the file, too; only others' news are missed while it is locked.
    const auto told = tell_facts(now);
    if (!told && told.error().code() != ErrorCode::busy) {
      failed(now, told.error());
      return;
    }
  }
  parts_.link->dial();
}

// What was merged for the session is no news to it; what came in between is, and is noticed.
Result<void> ReplicaHost::perform_and_look(Instant now, ClientEffect& effect) {
  parts_.engine->follow_merges(seen_.version);
  SL_TRY(perform(now, effect));
  seen_.version = std::max(seen_.version, parts_.engine->merged_through());
  return {};
}

Result<void> ReplicaHost::perform(Instant now, ClientEffect& effect) {
  return std::visit(
      [&](auto& e) -> Result<void> {
        using Effect = std::remove_cvref_t<decltype(e)>;
        constexpr bool is_handed_on =
            std::is_same_v<Effect, effect::Send> || std::is_same_v<Effect, effect::HangUp> ||
            std::is_same_v<Effect, effect::WakeAt> || std::is_same_v<Effect, effect::Dial> ||
            std::is_same_v<Effect, effect::ShowPresence>;
        if constexpr (is_handed_on) {
          return {};
        } else {
          return perform(now, static_cast<const Effect&>(e));
        }
      },
      effect);
}

Result<void> ReplicaHost::perform(Instant now, const effect::LoadFacts& /*e*/) {
  return tell_facts(now);
}

Result<void> ReplicaHost::perform(Instant now, const effect::LoadOutbox& e) {
  SL_TRY(std::vector<OutboxPart> parts, parts_.engine->own_changes(e.after, e.bytes_max));
  session_.on_outbox(now, e.after, std::move(parts));
  if (parts_.engine->take_set_aside()) {
    SL_TRY(local_change(now));
    session_.compare_again(now);
  }
  return tell_unreadable(now);
}

Result<void> ReplicaHost::perform(Instant now, const effect::SetAside& /*e*/) {
  SL_TRY(const ChangeSequence through,
         parts_.engine->set_aside_unsent("read_only", "this device's token may only read"));
  const bool any = parts_.engine->take_set_aside();
  if (any) {
    SL_TRY(local_change(now));
  }
  session_.on_set_aside(now, through, any);
  return {};
}

Result<void> ReplicaHost::perform(Instant /*now*/, const effect::Acknowledge& e) {
  SL_TRY(const std::int64_t before,
         parts_.engine->meta().integer(meta_name::acknowledged_sequence));
  SL_TRY(parts_.engine->acknowledge(e.through));
  SL_TRY(const ReplicaId replica, parts_.engine->replica());
  tell_acknowledged(replica, ChangeSequence(static_cast<std::uint64_t>(before)), e.through);
  return {};
}

// By the names that the changes have on the server.
void ReplicaHost::tell_acknowledged(const ReplicaId& replica, ChangeSequence after,
                                    ChangeSequence through) {
  tell(event_name::push_after, "{\"replica\":\"" + replica.hex() +
                                   "\",\"after\":" + std::to_string(after.get()) +
                                   ",\"through\":" + std::to_string(through.get()) + "}");
}

Result<void> ReplicaHost::perform(Instant now, const effect::RejectChange& e) {
  SL_TRY(const bool complete, parts_.engine->reject(e.rejected));
  ++rejected_;
  // It is not rejected a second time: who finds the file locked now is noticed later.
  const auto told = local_change(now);
  if (!told && told.error().code() != ErrorCode::busy) {
    return told;
  }
  if (!complete) {
    session_.rescan_now(now);
  }
  return {};
}

Result<void> ReplicaHost::perform(Instant now, const effect::ApplyChanges& e) {
  std::size_t bytes = 0;
  std::vector<Bytes> parts;
  for (const ByteVector& part : e.parts) {
    bytes += part.size();
    parts.push_back(part);
  }
  tell(event_name::pull_received,
       "{\"parts\":" + std::to_string(parts.size()) + ",\"bytes\":" + std::to_string(bytes) + "}");
  SL_TRY(parts_.engine->apply_remote(parts, e.cursor));
  return tell_applied(now, e.cursor);
}

Result<void> ReplicaHost::perform(Instant /*now*/, const effect::BeginSnapshot& e) {
  parts_.engine->set_quiet(true);
  tell(event_name::bootstrap_start, "{\"rows_total\":" + std::to_string(e.begin.rows) +
                                        ",\"bytes_total\":" + std::to_string(e.begin.bytes) + "}");
  return {};
}

Result<void> ReplicaHost::perform(Instant now, const effect::ApplyPage& e) {
  SL_TRY(parts_.engine->apply_page(e.page));
  tell(event_name::bootstrap_progress, progress_payload(session_.status(now).progress));
  // Nothing looks at the digest before the snapshot is complete.
  session_.on_page_applied(now, e.page.token, Digest());
  return {};
}

Result<void> ReplicaHost::perform(Instant now, const effect::FinishSnapshot& e) {
  SL_TRY(parts_.engine->finish_snapshot(e.cursor));
  parts_.engine->set_quiet(false);
  tell(event_name::bootstrap_complete, progress_payload(session_.status(now).progress));
  return tell_applied(now, e.cursor);
}

Result<void> ReplicaHost::perform(Instant /*now*/, const effect::BeginRescan& /*e*/) {
  SL_TRY(parts_.engine->begin_rescan());
  parts_.engine->set_quiet(true);
  rescanned_ranges_ = 0;
  tell(event_name::rescan_starting, "{}");
  return {};
}

Result<void> ReplicaHost::perform(Instant now, const effect::CompareRanges& e) {
  SL_TRY(const std::vector<ByteVector> differing, parts_.engine->compare_ranges(e.digests));
  session_.on_compared(now, differing);
  return {};
}

Result<void> ReplicaHost::perform(Instant now, const effect::AdoptRange& e) {
  SL_TRY(const ApplyReport report, parts_.engine->adopt_range(e.rows));
  ++rescanned_ranges_;
  tell(event_name::rescan_progressed, "{\"table\":" + quoted(e.rows.table) +
                                          ",\"rows\":" + std::to_string(report.rows) +
                                          ",\"ranges\":" + std::to_string(rescanned_ranges_) + "}");
  // Nothing looks at the digest before the rescan has ended.
  session_.on_adopted(now, Digest());
  return {};
}

Result<void> ReplicaHost::perform(Instant now, const effect::FinishRescan& e) {
  SL_TRY(parts_.engine->finish_rescan(e.cursor));
  parts_.engine->set_quiet(false);
  tell(event_name::rescan_completed, "{\"ranges\":" + std::to_string(rescanned_ranges_) + "}");
  return tell_applied(now, e.cursor);
}

Result<void> ReplicaHost::perform(Instant /*now*/, const effect::SaveWelcome& e) {
  dials_in_vain_ = 0;
  return parts_.engine->save_welcome(e);
}

Result<void> ReplicaHost::perform(Instant /*now*/, const effect::Unacknowledge& e) {
  return parts_.engine->unacknowledge(e.through);
}

Result<void> ReplicaHost::perform(Instant /*now*/, const effect::KeepReceipt& e) {
  parts_.engine->keep_receipt(e.receipt);
  return {};
}

Result<void> ReplicaHost::perform(Instant /*now*/, const effect::CorrectClock& e) {
  return parts_.engine->correct_clock(e.offset_ms);
}

Result<void> ReplicaHost::perform(Instant now, const effect::Restamp& e) {
  if (!renamed_) {
    SL_TRY(parts_.engine->restamp(e.after));
    renamed_ = true;
  }
  SL_TRY(tell_facts(now));
  renamed_ = false;
  return {};
}

Result<void> ReplicaHost::perform(Instant now, const effect::Reidentify& e) {
  if (!renamed_) {
    SL_TRY(const ReplicaId original, parts_.engine->replica());
    SL_TRY(const std::int64_t before,
           parts_.engine->meta().integer(meta_name::acknowledged_sequence));
    SL_TRY(const ChangeSequence known, parts_.engine->reidentify(e));
    renamed_ = true;
    const ChangeSequence told(static_cast<std::uint64_t>(before));
    if (known > told) {
      // Their acknowledgements were lost, and they stay what they were called.
      tell_acknowledged(original, told, known);
    }
  }
  SL_TRY(tell_facts(now));
  renamed_ = false;
  return {};
}

Result<void> ReplicaHost::perform(Instant /*now*/, const effect::Salvage& e) {
  SL_TRY(const ByteVector file, parts_.engine->salvage(e.reason));
  if (!file.empty()) {
    parts_.link->salvaged(e.reason, file);
  }
  return {};
}

Result<void> ReplicaHost::perform(Instant now, const effect::LoadRelays& e) {
  SL_TRY(Engine::PeerChanges changes,
         parts_.engine->relays(e.first ? LocalVersion(0) : relaying_, e.bytes_max));
  SL_TRY(ByteVector keepsakes, parts_.engine->next_keepsakes(e.first, e.bytes_max));
  relaying_ = changes.through;
  if (!keepsakes.empty()) {
    changes.parts.push_back(std::move(keepsakes));
  }
  session_.on_relays(now, std::move(changes.parts));
  return {};
}

Result<void> ReplicaHost::perform(Instant /*now*/, const effect::FinishRelay& e) {
  return parts_.engine->finish_relay(e);
}

// --- Events -------------------------------------------------------------------------------------

void ReplicaHost::tell(std::string_view name, std::string payload) {
  Events& events = parts_.engine->events();
  if (events.wanted()) {
    events.add(name, parts_.clock->now_ms(), std::move(payload));
  }
}

void ReplicaHost::tell_error(const Error& error) {
  Events& events = parts_.engine->events();
  if (events.wanted()) {
    const std::string payload = error_payload(error);
    events.notify(event_name::error, parts_.clock->now_ms(), payload, payload);
  }
}

void ReplicaHost::tell_status(Instant now) {
  if (dials_in_vain_ == dials_in_vain_max) {
    ++dials_in_vain_;
    tell(event_name::subscription_retries,
         "{\"attempts\":" + std::to_string(dials_in_vain_max) + "}");
  }
  const StatusReport report =
      stage_ == Stage::waiting || !blocked_.empty() ? status(now) : session_.status(now);
  if (report.status == told_status_ && report.activity == told_activity_ &&
      report.trouble == told_trouble_) {
    return;
  }
  told_status_ = report.status;
  told_activity_ = report.activity;
  told_trouble_ = report.trouble;
  // Green is not all that there is to say.
  const auto counts = parts_.engine->events().wanted() ? parts_.engine->counts()
                                                       : Result<Engine::Counts>(Engine::Counts());
  const std::string attention = counts ? Engine::attention_text(*counts) : "";
  tell(event_name::subscription_status,
       "{\"status\":" + quoted(status_name(report.status)) +
           ",\"activity\":" + quoted(activity_name(report.activity)) + ",\"cause\":" +
           quoted(trouble_name(report.trouble)) + ",\"message\":" + quoted(report.message) +
           ",\"advice\":" + quoted(report.advice) + ",\"attention\":" + quoted(attention) +
           ",\"pending\":" + std::to_string(report.pending) + "}");
}

}  // namespace syncline
