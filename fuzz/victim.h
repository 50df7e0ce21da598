#pragma once

#include <cstdio>
#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/check.h"
#include "client/engine.h"
#include "client/replica_host.h"
#include "client/verify.h"
#include "fuzz/emptied_store.h"
#include "server/hub.h"
#include "sqlite/database.h"
#include "wire/change_codec.h"
#include "wire/codec.h"

// A real replica whose application writes while others lie to it, an honest server that it meets
// before or afterwards, and what must hold whatever was said.
namespace syncline {

struct VictimClock final : WallClock {
  std::int64_t ms = 1'700'000'000'000;
  std::int64_t now_ms() override { return ms; }
};

// One write of the application's: a row of its own that nobody else names.
struct Write {
  std::string id;
  bool is_settled = false;  // somebody said that it is told, refused it, or changed its row
};

// For whoever looks into an input with SYNCLINE_FUZZ_TALK set.
inline void show(const char* who, const Message& message) {
  if (std::getenv("SYNCLINE_FUZZ_TALK") != nullptr) {
    std::fprintf(stderr, "%s: %s\n", who, std::string(message_name(message)).c_str());
  }
}

class Victim final : public ReplicaLink {
 public:
  Victim();
  ~Victim() override;

  // --- The application ---
  void write();
  void check_usable();
  // Every write that nobody took stands in the outbox, or is listed as refused.
  void check_kept();
  // The texts of what waits for a server, by sequence and time.
  struct Waiting {
    std::uint64_t sequence;
    std::uint64_t time;
    std::string id;
    bool is_own;
  };
  std::vector<Waiting> waiting();
  std::set<std::string> refused();
  void settle(const std::string& id);

  // --- The host's link ---
  void dial() override {
    wants_dial = true;
    ++dials;
  }
  void send(ByteVector frame) override { outgoing.push_back(std::move(frame)); }
  void hang_up(const std::string& reason) override {
    hung_up = true;
    why = reason;
  }
  void wake_at(Instant at) override { wake = at; }
  void work_waits() override { wake = now; }
  void salvaged(const std::string& /*reason*/, Bytes /*file*/) override { ++salvages; }

  void start();
  // Lets time pass, and wakes the host when it wanted to be.
  void pass(std::int64_t ms);
  bool wake_if_due();

  VictimClock clock;
  SeededRandom random{11};
  Instant now{1000};
  std::unique_ptr<Engine> engine;
  std::optional<Database> database;
  std::unique_ptr<ReplicaHost> host;
  std::vector<Write> writes;

  bool wants_dial = false;
  bool hung_up = false;
  bool is_up = false;
  std::string why;
  std::uint64_t dials = 0;
  std::uint64_t salvages = 0;
  std::optional<Instant> wake;
  std::deque<ByteVector> outgoing;
};

inline Victim::Victim() {
  OpenOptions how;
  how.synchronous_full = false;
  database.emplace(std::move(*Database::open(":memory:", how)));
  engine = std::move(*Engine::attach({database->connection(), &clock, &random, true}));
  SL_CHECK(database->connection()
               .execute("CREATE TABLE notes(id TEXT PRIMARY KEY, body TEXT NOT NULL DEFAULT '', "
                        "count INTEGER NOT NULL DEFAULT 0, doc TEXT, UNIQUE(body, count));"
                        "CREATE TABLE tags(id INTEGER PRIMARY KEY, note REFERENCES notes(id))")
               .has_value());
  const auto options = parse_track_options(std::vector<std::string>{"count=counter", "doc=json"});
  SL_CHECK(options.has_value());
  SL_CHECK(engine->track("notes", *options).has_value());
  SL_CHECK(engine->track("tags", *parse_track_options({})).has_value());
}

inline Victim::~Victim() {
  host.reset();
  engine->release();
  database.reset();
  engine.reset();
}

inline void Victim::start() {
  host = std::make_unique<ReplicaHost>(
      ReplicaHost::Parts{engine.get(), &clock, &random, this, nullptr, nullptr}, ClientOptions());
  SL_CHECK(host->start(now, "team", "good").has_value());
}

inline void Victim::pass(std::int64_t ms) {
  now.ms += ms;
  clock.ms += ms;
  wake_if_due();
}

inline bool Victim::wake_if_due() {
  if (!wake || *wake > now) {
    return false;
  }
  wake.reset();
  host->on_wakeup(now);
  return true;
}

// --- The application
// -----------------------------------------------------------------------------

inline void Victim::write() {
  const std::string id = "own" + std::to_string(writes.size());
  const auto done = database->connection().execute("INSERT INTO notes(id, body, count) VALUES('" +
                                                   id + "', '" + id + "', 1)");
  if (!done) {
    std::fprintf(stderr, "a write failed: %s\n", done.error().message().c_str());
  }
  SL_CHECK(done.has_value());
  writes.push_back({id});
}

inline void Victim::check_usable() {
  SL_CHECK(database->connection().autocommit());
  write();
  const auto read = database->connection().query_text("SELECT body FROM notes WHERE id = '" +
                                                      writes.back().id + "'");
  SL_CHECK(read.has_value() && read->has_value() && **read == writes.back().id);
}

inline std::vector<Victim::Waiting> Victim::waiting() {
  std::vector<Waiting> out;
  const auto changes = engine->outbox(LocalVersion(0), SIZE_MAX);
  if (!changes) {
    std::fprintf(stderr, "the outbox cannot be read: %s\n", changes.error().message().c_str());
  }
  SL_CHECK(changes.has_value());
  const auto replica = engine->replica();
  SL_CHECK(replica.has_value());
  for (const OutboxChange& change : *changes) {
    const std::vector<Bytes> views(change.parts.begin(), change.parts.end());
    const auto read = decode_parts(views);
    if (!read) {
      continue;  // somebody else's forgery, which is set aside when its turn comes
    }
    const bool is_own = change.stamp.replica == *replica;
    if (read->edits.empty()) {
      out.push_back({change.sequence.get(), change.stamp.time, "", is_own});
    }
    for (const RowEdit& edit : read->edits) {
      const auto key = key_values(edit.key.view());
      const bool is_note = edit.table == "notes" && key && key->size() == 1;
      const std::string id = is_note ? std::string(as_text((*key)[0].view().data)) : std::string();
      out.push_back({change.sequence.get(), change.stamp.time, id, is_own});
    }
  }
  return out;
}

inline std::set<std::string> Victim::refused() {
  std::set<std::string> out;
  const auto listed = engine->rejected().list(100'000);
  SL_CHECK(listed.has_value());
  for (const RejectedChange& one : *listed) {
    std::vector<Bytes> parts;
    Reader in(one.change);
    while (!in.at_end()) {
      const auto part = in.blob();
      SL_CHECK(part.has_value());
      parts.push_back(*part);
    }
    const auto read = decode_parts(parts);
    if (!read) {
      continue;
    }
    for (const RowEdit& edit : read->edits) {
      const auto key = key_values(edit.key.view());
      if (key && !key->empty()) {
        out.insert(std::string(as_text((*key)[0].view().data)));
      }
    }
  }
  return out;
}

inline void Victim::settle(const std::string& id) {
  for (Write& one : writes) {
    one.is_settled = one.is_settled || one.id == id;
  }
}

inline void Victim::check_kept() {
  const std::set<std::string> listed = refused();
  std::set<std::string> waits;
  for (const Waiting& one : waiting()) {
    waits.insert(one.id);
  }
  for (const Write& one : writes) {
    const bool is_kept = one.is_settled || waits.count(one.id) > 0 || listed.count(one.id) > 0;
    if (!is_kept) {
      std::fprintf(stderr, "lost: %s\n", one.id.c_str());
    }
    SL_CHECK(is_kept);
  }
}

// --- An honest server
// ----------------------------------------------------------------------------

// A hub on a store in memory.
class HonestServer {
 public:
  HonestServer();

  // Lets the replica have its conversation until nothing moves at this moment.
  void settle(Victim& victim);
  // Until the replica is in step; false when it is not after so long.
  bool converse(Victim& victim, std::int64_t ms_max);
  void leave(Victim& victim);
  bool has_row(const std::string& id);
  LineageId lineage() { return *store_->lineage(); }

 private:
  static constexpr const char* workspaces[] = {"team"};

  bool step(Victim& victim);
  bool pump(Victim& victim);

  SqliteLogStore* store_;
  struct Time final : WallClock {
    VictimClock* of = nullptr;
    std::int64_t now_ms() override { return of == nullptr ? 1'700'000'000'000 : of->ms; }
  } time_;
  std::unique_ptr<Hub> hub_;
  std::optional<ConnectionId> connection_;
  std::optional<Instant> wake_;
  std::optional<Instant> work_;
};

inline HonestServer::HonestServer() : store_(&emptied_store(workspaces)) {
  hub_ = std::make_unique<Hub>(*store_, time_, HubOptions());
}

inline bool HonestServer::has_row(const std::string& id) {
  const auto space = store_->find_workspace("team");
  SL_CHECK(space.has_value());
  if (!*space) {
    return false;
  }
  const ValueView key[] = {ValueView::of(std::string_view(id))};
  const auto row = store_->find_row((*space)->id, "notes", make_key(key).view());
  SL_CHECK(row.has_value());
  return row->has_value() && !(*row)->state.life.is_zero();
}

inline bool HonestServer::pump(Victim& victim) {
  bool moved = false;
  while (auto effect = hub_->next_effect()) {
    moved = true;
    if (auto* send = std::get_if<HubSend>(&*effect)) {
      hub_->on_sent(victim.now, send->connection, send->frame.size());
      if (connection_ == send->connection) {
        victim.host->on_frame(victim.now, send->frame.view());
      }
    } else if (auto* ask = std::get_if<HubAuthorise>(&*effect)) {
      hub_->on_authorised(victim.now, ask->connection, {true, true, "user", 0, ""});
    } else if (auto* bye = std::get_if<HubHangUp>(&*effect)) {
      hub_->on_closed(victim.now, bye->connection);
      if (connection_ == bye->connection) {
        connection_.reset();
        victim.is_up = false;
        victim.host->on_disconnected(victim.now);
      }
    } else if (auto* at = std::get_if<HubWakeAt>(&*effect)) {
      wake_ = at->at;
    } else if (auto* work = std::get_if<HubWorkWanted>(&*effect)) {
      work_ = work->at;
    } else if (!std::holds_alternative<HubTaken>(*effect)) {
      SL_CHECK(hub_->commit(victim.now));
    }
  }
  return moved;
}

inline bool HonestServer::step(Victim& victim) {
  bool moved = victim.wake_if_due();
  while (!victim.outgoing.empty()) {
    moved = true;
    const ByteVector frame = std::move(victim.outgoing.front());
    victim.outgoing.pop_front();
    if (connection_) {
      hub_->on_frame(victim.now, *connection_, frame);
    }
  }
  if (victim.hung_up) {
    victim.hung_up = false;
    moved = true;
    leave(victim);
  }
  if (victim.wants_dial) {
    victim.wants_dial = false;
    moved = true;
    leave(victim);
    connection_ = hub_->open(victim.now);
    SL_CHECK(connection_.has_value());
    victim.is_up = true;
    victim.host->on_connected(victim.now);
  }
  if (wake_ && *wake_ <= victim.now && connection_) {
    wake_.reset();
    hub_->on_wakeup(victim.now, *connection_);
    moved = true;
  }
  moved = pump(victim) || moved;
  if (work_ && *work_ <= victim.now) {
    work_.reset();
    hub_->work(victim.now);
    moved = true;
  }
  return moved;
}

inline void HonestServer::leave(Victim& victim) {
  if (connection_) {
    hub_->on_closed(victim.now, *connection_);
    connection_.reset();
    victim.is_up = false;
    victim.host->on_disconnected(victim.now);
  }
}

inline void HonestServer::settle(Victim& victim) {
  time_.of = &victim.clock;
  for (int round = 0; step(victim); ++round) {
    SL_CHECK(round < 20'000);
  }
}

inline bool HonestServer::converse(Victim& victim, std::int64_t ms_max) {
  time_.of = &victim.clock;
  for (std::int64_t passed = 0; passed < ms_max;) {
    settle(victim);
    if (victim.host->status(victim.now).status == Status::synced) {
      return true;
    }
    const std::int64_t tick = passed < 10'000 ? 250 : 1000;
    victim.pass(tick);
    passed += tick;
  }
  return false;
}

// --- What must hold
// ------------------------------------------------------------------------------

// The replica is in step with the honest server, which then is away.
inline void meet(Victim& victim, HonestServer& honest) {
  SL_CHECK(honest.converse(victim, 20'000));
  for (Write& one : victim.writes) {
    one.is_settled = true;
  }
  honest.leave(victim);
}

// The application was not harmed; then the replica meets an honest server, which gets everything.
inline void check_recovered(Victim& victim, HonestServer& honest) {
  victim.check_usable();
  victim.check_kept();
  const auto problems = verify(*victim.engine);
  SL_CHECK(problems.has_value());
  for (const std::string& problem : *problems) {
    std::fprintf(stderr, "verify: %s\n", problem.c_str());
  }
  SL_CHECK(problems->empty());
  const bool is_synced = honest.converse(victim, 900'000);
  const StatusReport report = victim.host->status(victim.now);
  if (!is_synced) {
    std::fprintf(stderr, "%s (%s): %s; %s; last error: %s\n",
                 std::string(status_name(report.status)).c_str(),
                 std::string(trouble_name(report.trouble)).c_str(), report.message.c_str(),
                 victim.why.c_str(), victim.host->last_error().c_str());
  }
  SL_CHECK(is_synced);
  const std::set<std::string> listed = victim.refused();
  for (const Write& one : victim.writes) {
    const bool is_there = one.is_settled || listed.count(one.id) > 0 || honest.has_row(one.id);
    if (!is_there) {
      std::fprintf(stderr, "the honest server lacks %s\n", one.id.c_str());
    }
    SL_CHECK(is_there);
  }
  victim.check_usable();
}

}  // namespace syncline
