// Keeps a replica in step with a server, and tells what happens.
#include <signal.h>
#include <unistd.h>

#include "apps/syncline/commands.h"
#include "apps/syncline/token_file.h"
#include "base/text.h"
#include "client/sync_state.h"
#include "net/sync_loop.h"

namespace syncline::cli {
namespace {

constexpr Duration token_look_every{1000};
// The host waits for a locked file by itself, and has a connection to keep alive meanwhile.
constexpr int busy_timeout_ms = 250;

volatile sig_atomic_t ended = 0;
extern "C" void end_sync(int /*signal*/) { ended = 1; }

enum class Until { once, idle, for_ever };

// The engine's events as the lines that are promised.
class Teller {
 public:
  Teller(Replica& replica, Output& out, std::string device, std::int64_t acked)
      : replica_(replica), out_(out), device_(std::move(device)), acked_(acked) {
    replica_.engine().events().listen([this](const Event& event) { tell(event); });
  }
  ~Teller() { replica_.engine().events().listen(nullptr); }
  Teller(const Teller&) = delete;
  Teller& operator=(const Teller&) = delete;

  // The cursor that `pulled` names.
  void watch(const ClientSession* session) { session_ = session; }
  // Somebody else may have sent what is ours.
  void look() { look_ = true; }
  // What became of own changes since the last call, in their order. Not to be called from inside
  // the engine.
  Result<void> settle() {
    while (!acknowledged_.empty()) {
      SL_TRY(tell(acknowledged_.front()));
      acknowledged_.erase(acknowledged_.begin());
    }
    if (!look_) {
      return {};
    }
    SL_TRY(const ReplicaId id, replica_.engine().replica());
    SL_TRY(const std::int64_t through,
           replica_.engine().meta().integer(meta_name::acknowledged_sequence));
    Acknowledged news{id.hex(), 0, through};
    SL_TRY(tell(news));
    look_ = false;
    return {};
  }
  void line(const char* name, Json members = Json(Json::Object{})) {
    Json out;
    out.set("ev", Json(name));
    for (const Json::Member& member : *members.object()) {
      out.set(member.name, member.value);
    }
    out_.row(out);
  }

 private:
  static std::int64_t number(const Json& payload, const char* name) {
    const Json* found = payload.find(name);
    return found == nullptr ? 0 : found->as_int64().value_or(0);
  }

  // Changes of `replica` in (after, through].
  struct Acknowledged {
    std::string replica;
    std::int64_t after = 0;
    std::int64_t through = 0;
  };

  // Each change once, by the name that it has on the server.
  Result<void> tell(Acknowledged& news) {
    SL_TRY(Statement rows,
           replica_.connection().prepare("SELECT sequence, code, message FROM syncline_rejected "
                                         "WHERE replica = ?1 AND sequence > ?2 AND sequence <= ?3 "
                                         "ORDER BY sequence"));
    if (news.replica == device_) {
      news.after = std::max(news.after, acked_);
    }
    rows.bind_text(1, news.replica).bind(2, news.after).bind(3, news.through);
    while (news.after < news.through) {
      SL_TRY(const bool found, rows.step());
      const std::int64_t until = found ? rows.column_int(0) : news.through + 1;
      while (news.after + 1 < until) {
        Json members;
        members.set("op", Json(op(news)));
        members.set("seq", Json::integer(news.after));
        line("acked", std::move(members));
      }
      if (found) {
        Json members;
        members.set("op", Json(op(news)));
        members.set("code", Json(rows.column_text(1)));
        members.set("message", Json(to_valid_utf8(rows.column_text(2))));
        line("rejected", std::move(members));
      }
    }
    return {};
  }
  // The next one's name.
  std::string op(Acknowledged& news) {
    ++news.after;
    device_ = news.replica;
    acked_ = news.after;
    return news.replica + ":" + std::to_string(news.after);
  }

  void tell(const Event& event) {
    const auto payload = read_json(event.payload);
    if (!payload || payload->object() == nullptr) {
      return;
    }
    if (event.name == event_name::push_after) {
      const Json* replica = payload->find("replica");
      if (replica != nullptr && replica->string() != nullptr) {
        acknowledged_.push_back(
            {*replica->string(), number(*payload, "after"), number(*payload, "through")});
      }
    } else if (event.name == event_name::pull_applied) {
      Json members;
      members.set("seq", Json::integer(session_ == nullptr
                                           ? 0
                                           : static_cast<std::int64_t>(session_->cursor().get())));
      members.set("rows", Json::integer(number(*payload, "rows")));
      members.set("held", Json::integer(number(*payload, "held")));
      line("pulled", std::move(members));
    } else if (event.name == event_name::conflict_detected) {
      line("conflict", *payload);
    } else if (event.name == event_name::subscription_status) {
      status(*payload);
    } else if (event.name == event_name::bootstrap_start ||
               event.name == event_name::bootstrap_progress ||
               event.name == event_name::bootstrap_complete) {
      progress("bootstrap", event.name == event_name::bootstrap_complete, *payload);
    } else if (event.name == event_name::rescan_starting ||
               event.name == event_name::rescan_progressed ||
               event.name == event_name::rescan_completed) {
      progress("rescan", event.name == event_name::rescan_completed, *payload);
    } else if (event.name == event_name::error) {
      line("error", *payload);
    }
  }

  void status(const Json& payload) {
    const Json* now = payload.find("status");
    const std::string name = now == nullptr || now->string() == nullptr ? "" : *now->string();
    const Json* cause = payload.find("cause");
    const bool is_ours = cause == nullptr || cause->string() == nullptr ||
                         *cause->string() != trouble_name(Trouble::led_elsewhere);
    const bool is_up = is_ours && (name == "syncing" || name == "synced");
    if (is_up && !was_up_) {
      Json members;
      members.set("lineage", Json(session_ == nullptr ? "" : session_->lineage().hex()));
      line("connected", std::move(members));
    }
    was_up_ = is_up;
    line("status", payload);
  }

  // Ten lines a second are as much as anybody reads, however small the pieces that a server sends.
  void progress(const char* phase, bool is_over, const Json& payload) {
    const std::int64_t now_ms = replica_.clock().now_ms();
    if (!is_over && now_ms - progress_ms_ >= 0 && now_ms - progress_ms_ < 100) {
      return;
    }
    progress_ms_ = now_ms;
    Json members;
    members.set("phase", Json(phase));
    for (const Json::Member& member : *payload.object()) {
      members.set(member.name, member.value);
    }
    line("progress", std::move(members));
  }

  Replica& replica_;
  Output& out_;
  const ClientSession* session_ = nullptr;
  std::vector<Acknowledged> acknowledged_;
  // What was told last.
  std::string device_;
  std::int64_t acked_;
  std::int64_t progress_ms_ = 0;
  bool look_ = false;
  bool was_up_ = false;
};

// The trouble as an error, when waiting does not help.
std::optional<Error> lasting_trouble(const StatusReport& report) {
  const std::string text = report.message + (report.advice.empty() ? "" : "; " + report.advice);
  switch (report.trouble) {
    case Trouble::none:
    case Trouble::unreachable:
    case Trouble::digest_mismatch:
    case Trouble::busy:
    case Trouble::led_elsewhere:
    case Trouble::server_storage:  // until its operator has made room
      return std::nullopt;
    case Trouble::clock_skew:
      return Error(ErrorCode::clock_skew, text);
    case Trouble::schema_incompatible:
      return Error(ErrorCode::schema_mismatch, text);
    case Trouble::protocol_too_old:
    case Trouble::protocol_too_new:
      return Error(ErrorCode::unsupported, text);
    case Trouble::not_allowed:
      return Error(ErrorCode::not_allowed, text);
    case Trouble::storage:
      return Error(ErrorCode::storage, text);
    case Trouble::malformed:
      return Error(ErrorCode::malformed, text);
    case Trouble::too_large:
      return Error(ErrorCode::too_large, text);
  }
  return std::nullopt;
}

struct Plan {
  Until until = Until::idle;
  std::int64_t timeout_ms = 0;  // zero: none
};

Result<Plan> read_plan(const Arguments& arguments) {
  Plan plan;
  const int modes = static_cast<int>(arguments.has("once")) +
                    static_cast<int>(arguments.has("until-idle")) +
                    static_cast<int>(arguments.has("live"));
  if (modes != 1) {
    return Error(ErrorCode::invalid_argument, "choose one of --once, --until-idle and --live");
  }
  plan.until = arguments.has("once")   ? Until::once
               : arguments.has("live") ? Until::for_ever
                                       : Until::idle;
  SL_TRY(plan.timeout_ms,
         parse_duration_ms(arguments.get("timeout", plan.until == Until::for_ever ? "0" : "30")));
  return plan;
}

class Run {
 public:
  Run(const Arguments& arguments, const Plan& plan, Replica& replica, SyncLoop& loop,
      Teller& teller, std::string token)
      : arguments_(arguments),
        plan_(plan),
        replica_(replica),
        loop_(loop),
        teller_(teller),
        token_(std::move(token)) {}

  Result<int> to_the_end() {
    began_ = instant_now();
    token_at_ = began_;
    if (const auto known = read_sync_state(replica_.engine())) {
      state_.synced_ms = known->synced_ms;
      state_.wish = known->wish;
    }
    state_.by = "process " + std::to_string(::getpid());
    if (const auto head = replica_.engine().log_head()) {
      target_ = head->own_sequence;
    }
    loop_.run([this](Instant now) { return more(now); });
    if (!loop_.host().is_following()) {
      // While the file is ours: who leads next has a word of its own.
      state_.live = false;
      write_state();
    }
    loop_.stop();
    if (failed_) {
      return *failed_;
    }
    return exit_ok;
  }

 private:
  bool more(Instant now) {
    if (ended != 0) {
      return false;
    }
    look_at_token(now);
    const bool is_following = loop_.host().is_following();
    if (is_following) {
      follow(now);
    }
    if (const auto told = teller_.settle(); !told && !told.error().retryable()) {
      failed_ = told.error();
      return false;
    }
    const StatusReport report = loop_.host().status(now);
    if (!is_following) {
      remember(now, report);
    }
    const bool is_idle = is_following && plan_.until != Until::for_ever
                             ? is_served(report)
                             : report.status == Status::synced;
    if (is_idle && !was_idle_) {
      tell_idle();
    }
    was_idle_ = is_idle;
    if (plan_.until != Until::for_ever) {
      if (is_idle) {
        return false;
      }
      // What ails the leader may not ail us, once it has ended.
      failed_ = is_following ? std::nullopt : lasting_trouble(report);
      if (failed_) {
        return false;
      }
      if (plan_.until == Until::once && loop_.dials() > 1 && !loop_.last_close().empty() &&
          report.status == Status::disconnected) {
        failed_ = Error(ErrorCode::unreachable, loop_.last_close());
        return false;
      }
    }
    if (plan_.timeout_ms != 0 && (now - began_).ms > plan_.timeout_ms) {
      failed_ = Error(ErrorCode::timed_out,
                      "not in step within the time given; " + why_not(report, is_following));
      return false;
    }
    return true;
  }

  std::string why_not(const StatusReport& report, bool is_following) const {
    if (is_following || report.trouble == Trouble::busy ||
        report.trouble == Trouble::server_storage) {
      return report.message;
    }
    return loop_.last_close().empty() ? "the replica is " + std::string(status_name(report.status))
                                      : loop_.last_close();
  }

  // Another process leads: what it sends is told here, too, and it is asked to look at once.
  void follow(Instant now) {
    if (plan_.until != Until::for_ever && !std::exchange(asked_, true)) {
      loop_.host().sync_now(now);
    }
    const std::uint32_t version = replica_.connection().data_version();
    if (version != followed_version_) {
      followed_version_ = version;
      teller_.look();
    }
  }

  // The leader has sent what waited when we began, and was in step after we asked.
  bool is_served(const StatusReport& report) {
    Engine& engine = replica_.engine();
    const auto state = read_sync_state(engine);
    const auto acknowledged = engine.meta().integer(meta_name::acknowledged_sequence);
    const std::int64_t wish = loop_.host().wish();
    if (!state || !acknowledged || wish == 0 || state->wish < wish ||
        !is_fresh(*state, replica_.clock().now_ms()) || state->status != Status::synced) {
      return false;
    }
    // A leader that gave the file another name counts anew.
    return report.pending == 0 || static_cast<std::uint64_t>(*acknowledged) >= target_.get();
  }

  void tell_idle() {
    const auto counts = replica_.engine().counts();
    Json members;
    const auto cursor = replica_.engine().meta().integer(meta_name::cursor);
    members.set("cursor", Json::integer(cursor ? *cursor : 0));
    members.set("pending", Json::integer(counts ? static_cast<std::int64_t>(counts->pending) : -1));
    if (counts) {
      members.set("rejected", Json::integer(static_cast<std::int64_t>(counts->rejected)));
      members.set("held", Json::integer(static_cast<std::int64_t>(counts->held)));
      members.set("conflicts", Json::integer(static_cast<std::int64_t>(counts->conflicts)));
      members.set("attention", Json(Engine::attention_text(*counts)));
    }
    teller_.line("idle", std::move(members));
  }

  // For `syncline status` beside us. What lives shorter than a moment says its last word only.
  void remember(Instant now, const StatusReport& report) {
    const std::int64_t wish = loop_.host().wish();
    const bool answers = wish != state_.wish;
    const bool changed = report.status != state_.status || report.trouble != state_.trouble;
    state_.wish = wish;
    state_.status = report.status;
    state_.trouble = report.trouble;
    state_.message = report.message;
    state_.advice = report.advice;
    const std::int64_t now_ms = replica_.clock().now_ms();
    if (report.status == Status::synced) {
      state_.synced_ms = now_ms;
    }
    const bool due = (now - remembered_at_).ms >= sync_state_every_ms;
    if (due || answers || (changed && plan_.until == Until::for_ever)) {
      remembered_at_ = now;
      state_.live = true;
      write_state();
    }
  }

  // Nothing is lost when it cannot be written: then nobody takes us for alive.
  void write_state() {
    Engine& engine = replica_.engine();
    state_.at_ms = replica_.clock().now_ms();
    (void)write_sync_state(engine, state_);
    std::string trouble = state_.message;
    if (failed_) {
      trouble = failed_->message();
    } else if (trouble.empty() && state_.status != Status::synced) {
      trouble = loop_.last_close();
    }
    if (trouble != last_error_) {
      last_error_ = trouble;
      (void)engine.meta().set(meta_name::last_error, ValueView::of(std::string_view(trouble)));
    }
  }

  // A token that was renewed on disk is told to the server without a new connection.
  void look_at_token(Instant now) {
    if (!arguments_.has("token-file") || now - token_at_ < token_look_every) {
      return;
    }
    token_at_ = now;
    if (auto fresh = read_token(arguments_); fresh && *fresh != token_) {
      token_ = *fresh;
      loop_.host().refresh_token(now, token_);
    }
  }

  const Arguments& arguments_;
  Plan plan_;
  Replica& replica_;
  SyncLoop& loop_;
  Teller& teller_;
  std::string token_;
  Instant began_;
  Instant token_at_;
  bool was_idle_ = false;
  // Own changes through it waited when we began.
  ChangeSequence target_;
  bool asked_ = false;
  std::uint32_t followed_version_ = 0;
  SyncState state_;
  Instant remembered_at_ = instant_now();
  std::optional<std::string> last_error_;
  std::optional<Error> failed_;
};

// A locked file is weather, for as long as there is time.
Result<std::unique_ptr<Replica>> open_in_time(const std::string& path, const Plan& plan) {
  const Instant began = instant_now();
  for (;;) {
    auto opened = Replica::open_initialised(path);
    const bool is_busy = !opened && opened.error().code() == ErrorCode::busy;
    if (!is_busy || ended != 0 ||
        (plan.timeout_ms != 0 && (instant_now() - began).ms > plan.timeout_ms)) {
      return opened;
    }
  }
}

}  // namespace

Result<int> run_sync(const Arguments& arguments, Output& out) {
  SL_TRY(const Plan plan, read_plan(arguments));
  SL_TRY(const std::string token, read_token(arguments));
  struct sigaction stop {};
  stop.sa_handler = end_sync;
  ::sigaction(SIGTERM, &stop, nullptr);
  ::sigaction(SIGINT, &stop, nullptr);
  SL_TRY(const auto replica, open_in_time(arguments.get("db"), plan));
  Engine& engine = replica->engine();
  SL_TRY(const std::string workspace, engine.meta().text(meta_name::workspace));
  if (workspace.empty()) {
    return Error(ErrorCode::not_found,
                 "this replica belongs to no workspace yet; syncline init --db " +
                     arguments.get("db") + " --workspace NAME");
  }
  SyncLoop::Parts parts;
  parts.engine = &engine;
  parts.clock = &replica->clock();
  parts.random = &replica->random();
  parts.url = arguments.get("server");
  parts.transport.authorities = arguments.get("ca-file");
  SL_TRY(parts.transport.kind, transport_from_name(arguments.get("transport", "auto")));
  SL_TRY(const auto loop, SyncLoop::make(parts));
  SL_TRY(const ReplicaId id, engine.replica());
  SL_TRY(const std::int64_t acked, engine.meta().integer(meta_name::acknowledged_sequence));
  Teller teller(*replica, out, id.hex(), acked);
  teller.watch(&loop->host().session());
  SL_TRY(replica->connection().execute("PRAGMA busy_timeout=" + std::to_string(busy_timeout_ms)));
  SL_TRY(loop->start(workspace, token));
  return Run(arguments, plan, *replica, *loop, teller, token).to_the_end();
}

}  // namespace syncline::cli
