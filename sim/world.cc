#include "sim/world.h"

#include <algorithm>

#include "base/digest.h"

namespace syncline::sim {
namespace {

template <typename... F>
struct Overloaded : F... {
  using F::operator()...;
};
template <typename... F>
Overloaded(F...) -> Overloaded<F...>;

constexpr const char* database = "server.db";
constexpr const char* backup_name = "backup.db";
// After the storm everything must be green within this much simulated time.
constexpr std::int64_t settle_ms = 5 * 60 * 1000;

}  // namespace

Storm Storm::draw(std::uint64_t seed, std::uint64_t steps) {
  SeededRandom random(seed ^ 0x5704EU);
  Storm storm;
  storm.steps = steps;
  storm.replicas = 2 + random.below(3);
  storm.rows = 2 + random.below(40);
  for (std::uint64_t* chance :
       {&storm.cut, &storm.half_open, &storm.partition, &storm.server_crash,
        &storm.server_disk_fails, &storm.server_disk_full, &storm.server_backup,
        &storm.server_restore, &storm.server_retire, &storm.replica_crash, &storm.replica_old_copy,
        &storm.replica_clone, &storm.clock_jump, &storm.long_sleep, &storm.resync, &storm.reject}) {
    // Each kind is absent from some runs and heavy in others.
    const std::uint64_t fate = random.below(4);
    *chance = fate == 0 ? 0 : fate == 3 ? *chance * 3 : *chance;
  }
  if (storm.server_restore > 0 && storm.server_backup == 0) {
    storm.server_backup = 6;
  }
  return storm;
}

World::World(std::uint64_t seed, const Storm& storm) : random_(seed), storm_(storm) {
  disk_ = std::make_unique<Disk>("sim-disk", random_);
  server_clock_.now = &time_;
  start_server();
  for (std::size_t i = 0; i < storm_.replicas; ++i) {
    nodes_.push_back(std::make_unique<Node>(random_, workspace_));
    open_replica(i);
  }
}

World::~World() {
  hub_.reset();
  store_.reset();
}

void World::violate(const std::string& what) {
  if (outcome_.ok) {
    outcome_.ok = false;
    outcome_.violation = "at " + std::to_string(time_ - 1'700'000'000'000) + " ms, step " +
                         std::to_string(outcome_.steps) + ": " + what;
  }
}

void World::schedule(std::int64_t delay, Event event) {
  events_.emplace(std::make_pair(time_ + delay, ++serial_), std::move(event));
}

// --- Server
// ---------------------------------------------------------------------------------------

void World::start_server() {
  // An operator made room and changed the broken disk first.
  disk_->restart();
  disk_->fail_writes(0);
  disk_->set_full(false);
  SqliteLogStore::Options options;
  options.open.vfs = disk_->vfs_name();
  auto store = SqliteLogStore::open(database, random_, options);
  if (!store) {
    violate("the server does not start: " + store.error().message());
    return;
  }
  store_ = std::move(*store);
  if (restoring_) {
    restoring_ = false;
    if (const auto done = store_->begin_lineage(LineageId::draw(random_)); !done) {
      violate("a restored server gets no new lineage: " + done.error().message());
    }
  }
  HubOptions hub;
  hub.rules.read_only_tables = {"forbidden"};
  hub.retention.keep_ms = 60'000;
  hub.fan_out_bytes_max = 4096;
  hub_ = std::make_unique<Hub>(*store_, server_clock_, hub);
}

void World::stop_server() {
  hub_.reset();
  store_.reset();
  connections_.clear();
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    Link& link = nodes_[i]->link;
    if (link.open) {
      link.connection.reset();
      if (!link.half_open) {
        schedule(static_cast<std::int64_t>(random_.below(200)),
                 {Kind::closed, i, link.id, 0, {}, {}, {}});
      }
    }
  }
}

void World::crash_server() {
  disk_->crash();
  stop_server();
  start_server();
}

void World::restore_server() {
  stop_server();
  disk_->remove(database);
  disk_->remove(std::string(database) + "-wal");
  disk_->remove(std::string(database) + "-shm");
  disk_->copy(backup_name, database);
  restoring_ = true;
  start_server();
}

void World::pump_server() {
  while (hub_) {
    auto next = hub_->next_effect();
    if (!next) {
      return;
    }
    std::visit(
        Overloaded{
            [&](HubSend& e) {
              const auto at = connections_.find(e.connection);
              if (at == connections_.end()) {
                return;
              }
              Link& link = nodes_[at->second]->link;
              const std::int64_t arrives = std::max(
                  link.last_down, time_ + 1 + static_cast<std::int64_t>(random_.below(20)));
              link.last_down = arrives;
              schedule(arrives - time_,
                       {Kind::down, at->second, link.id, 0, std::move(e.frame), e.connection, {}});
            },
            [&](HubHangUp& e) {
              const auto at = connections_.find(e.connection);
              if (at == connections_.end()) {
                return;
              }
              const std::size_t node = at->second;
              connections_.erase(at);
              hub_->on_closed(now(), e.connection);
              Link& link = nodes_[node]->link;
              if (link.open && link.connection == e.connection) {
                schedule(std::max<std::int64_t>(link.last_down - time_, 0) + 1,
                         {Kind::closed, node, link.id, 0, {}, {}, {}});
              }
            },
            [&](HubAuthorise& e) {
              hub_->on_authorised(now(), e.connection, {true, true, "user", 0, ""});
            },
            [&](HubWakeAt& e) {
              Event wake;
              wake.kind = Kind::wake_server;
              wake.connection = e.connection;
              schedule(std::max<std::int64_t>(e.at.ms - time_, 1), std::move(wake));
            },
            [&](HubCommitWanted&) {
              Event commit;
              commit.kind = Kind::commit;
              schedule(static_cast<std::int64_t>(random_.below(5)), std::move(commit));
            }},
        *next);
  }
}

// --- Replicas
// -------------------------------------------------------------------------------------

void World::open_replica(std::size_t index) {
  Node& node = *nodes_[index];
  ++node.life;
  node.link.open = false;
  node.clock.now = &time_;
  node.hybrid = std::make_unique<HybridClock>(node.clock);
  node.replica.open(random_);
  node.session =
      std::make_unique<ClientSession>(ClientSession::Parts{&node.clock, &random_}, ClientOptions{});
  node.session->start(now(), node.replica.facts(), "token");
  pump_client(index);
}

void World::hang_up(std::size_t index, bool tell_server) {
  Link& link = nodes_[index]->link;
  if (!link.open) {
    return;
  }
  link.open = false;
  if (link.connection) {
    const ConnectionId connection = *link.connection;
    link.connection.reset();
    if (tell_server && connections_.erase(connection) > 0 && hub_) {
      hub_->on_closed(now(), connection);
      pump_server();
    }
  }
}

void World::pump_client(std::size_t index) {
  Node& node = *nodes_[index];
  while (auto effect = node.session->next_effect()) {
    perform(index, *effect);
  }
  check_status(index);
}

void World::check_welcome(const Node& node, const effect::SaveWelcome& welcome) {
  if (welcome.acknowledged < node.replica.facts().acknowledged && !has_restored()) {
    violate("the server forgot a change that it had acknowledged");
  }
}

void World::perform(std::size_t index, ClientEffect& any) {
  Node& node = *nodes_[index];
  const auto later = [&](std::uint64_t within) {
    Event event;
    event.kind = Kind::answer;
    event.node = index;
    event.life = node.life;
    event.effect = std::move(any);
    schedule(static_cast<std::int64_t>(random_.below(within)), std::move(event));
  };
  std::visit(Overloaded{
                 [&](effect::Send& e) {
                   if (!node.link.open) {
                     return;
                   }
                   const std::int64_t arrives = std::max(
                       node.link.last_up, time_ + 1 + static_cast<std::int64_t>(random_.below(20)));
                   node.link.last_up = arrives;
                   schedule(arrives - time_,
                            {Kind::up, index, node.link.id, 0, std::move(e.frame), {}, {}});
                 },
                 [&](effect::HangUp&) { hang_up(index, true); },
                 [&](effect::WakeAt& e) {
                   Event wake;
                   wake.kind = Kind::wake_client;
                   wake.node = index;
                   wake.life = node.life;
                   wake.link = ++node.wake_serial;
                   schedule(std::max<std::int64_t>(e.at.ms - time_, 1), std::move(wake));
                 },
                 [&](effect::Dial&) {
                   hang_up(index, true);
                   Event dial;
                   dial.kind = Kind::dial;
                   dial.node = index;
                   dial.life = node.life;
                   schedule(1 + static_cast<std::int64_t>(random_.below(50)), std::move(dial));
                 },
                 [&](effect::Acknowledge& e) { node.replica.acknowledge(e.through); },
                 [&](effect::RejectChange& e) {
                   count("rejected");
                   if (e.rejected.code != "not_allowed" && e.rejected.code != "not_found") {
                     violate("a sound change was rejected: " + e.rejected.message);
                   }
                   (void)node.replica.reject(e.rejected);
                   node.session->on_local_change(now(), node.replica.facts().last_sequence,
                                                 node.replica.digest());
                 },
                 [&](effect::SaveWelcome& e) {
                   check_welcome(node, e);
                   node.replica.save_welcome(e);
                 },
                 [&](effect::CorrectClock& e) { node.hybrid->set_offset_ms(e.offset_ms); },
                 [&](effect::Salvage&) {
                   count("salvaged");
                   if (node.salvaged.size() < 4) {
                     node.salvaged.push_back(node.replica);
                   }
                 },
                 [&](effect::BeginRescan&) {
                   count("rescan");
                   node.replica.facts().wants_rescan = true;
                 },
                 [&](effect::BeginSnapshot&) { count("bootstrap"); },
                 [&](effect::ShowPresence&) { count("presence"); },
                 [&](auto&) { later(8); },
             },
             any);
}

void World::answer(std::size_t index, ClientEffect& any) {
  Node& node = *nodes_[index];
  ModelReplica& replica = node.replica;
  ClientSession& session = *node.session;
  const auto failed = [&](const Result<void>& done) {
    if (!done) {
      violate("a replica cannot take what the server sent: " + done.error().message());
    }
    return !done;
  };
  std::visit(
      Overloaded{
          [&](effect::LoadOutbox& e) {
            session.on_outbox(now(), e.after, replica.outbox(e.after, e.bytes_max));
          },
          [&](effect::ApplyChanges& e) {
            if (!failed(replica.apply(e.parts, e.cursor))) {
              session.on_applied(now(), e.cursor, replica.digest());
            }
          },
          [&](effect::ApplyPage& e) {
            if (!failed(replica.apply_page(e.page))) {
              session.on_page_applied(now(), e.page.token, replica.digest());
            }
          },
          [&](effect::FinishSnapshot& e) {
            replica.finish_snapshot(e.cursor);
            session.on_applied(now(), e.cursor, replica.digest());
          },
          [&](effect::FinishRescan& e) {
            replica.finish_snapshot(e.cursor);
            session.on_applied(now(), e.cursor, replica.digest());
          },
          [&](effect::CompareRanges& e) { session.on_compared(now(), replica.compare(e.digests)); },
          [&](effect::AdoptRange& e) {
            if (!failed(replica.adopt(e.rows))) {
              session.on_adopted(now(), replica.digest());
            }
          },
          [&](effect::Restamp& e) {
            count("restamped");
            // A clock that ran ahead never comes back by itself.
            const std::int64_t offset = node.hybrid->offset_ms();
            node.hybrid = std::make_unique<HybridClock>(node.clock);
            node.hybrid->set_offset_ms(offset);
            replica.restamp(*node.hybrid, e.after);
            session.on_facts(now(), replica.facts());
          },
          [&](effect::Reidentify& e) {
            count("forked");
            if (outcome_.counts.count("clone") == 0 &&
                outcome_.counts.count("replica_old_copy") == 0 && !has_restored()) {
              violate("a replica was taken for a copy, and there are none");
            }
            replica.reidentify(random_, e);
            session.on_facts(now(), replica.facts());
          },
          [&](auto&) {},
      },
      any);
  pump_client(index);
}

// --- People and weather
// ---------------------------------------------------------------------------

void World::people_write(std::size_t index) {
  Node& node = *nodes_[index];
  std::vector<ModelReplica::Write> writes;
  const std::uint64_t count_edits = 1 + random_.below(3);
  for (std::uint64_t i = 0; i < count_edits; ++i) {
    ModelReplica::Write write;
    const std::uint64_t kind = random_.below(10);
    write.kind = kind < 2 ? EditKind::erase : kind < 6 ? EditKind::put : EditKind::set;
    write.table = random_.chance(storm_.reject, 1000) ? "forbidden"
                  : random_.chance(1, 3)              ? "tags"
                                                      : "notes";
    write.id = static_cast<std::int64_t>(random_.below(storm_.rows));
    write.value = ++value_;
    writes.push_back(write);
  }
  count("writes");
  node.replica.write(*node.hybrid, writes);
  node.session->on_local_change(now(), node.replica.facts().last_sequence, node.replica.digest());
  pump_client(index);
}

void World::copy_replica(std::size_t from) {
  if (nodes_.size() >= 8) {
    return;
  }
  count("clone");
  auto copy = std::make_unique<Node>(random_, workspace_);
  copy->replica = nodes_[from]->replica;
  copy->clock.offset = nodes_[from]->clock.offset;
  nodes_.push_back(std::move(copy));
  open_replica(nodes_.size() - 1);
}

bool World::happens(const char* name, std::uint64_t chance) {
  const bool yes = random_.chance(chance, 1000);
  if (yes) {
    count(name);
  }
  return yes;
}

void World::storm_turn(std::size_t index) {
  Node& node = *nodes_[index];
  if (happens("cut", storm_.cut) && node.link.open) {
    hang_up(index, random_.chance(1, 2));
    node.session->on_disconnected(now());
    pump_client(index);
  }
  if (happens("half_open", storm_.half_open)) {
    node.link.half_open = node.link.open;
  }
  if (happens("partition", storm_.partition)) {
    node.partitioned_until = time_ + static_cast<std::int64_t>(random_.below(60'000));
  }
  if (happens("server_crash", storm_.server_crash)) {
    crash_server();
  }
  if (happens("server_dies_at_write", storm_.server_crash)) {
    disk_->crash_at_write(1 + random_.below(30));
  }
  if (happens("server_disk_fails", storm_.server_disk_fails)) {
    disk_->fail_writes(1 + random_.below(5));
  }
  if (happens("server_disk_full", storm_.server_disk_full)) {
    disk_->set_full(true);
  } else if (random_.chance(1, 20)) {
    disk_->set_full(false);
  }
  if (happens("server_backup", storm_.server_backup) && hub_ && !disk_->is_dead()) {
    hub_->commit(now());
    pump_server();
    disk_->remove(backup_name);
    has_backup_ = store_ && store_->backup(backup_name).has_value();
  }
  if (has_backup_ && happens("server_restore", storm_.server_restore)) {
    restore_server();
  }
  if (happens("server_retire", storm_.server_retire) && hub_ && !disk_->is_dead()) {
    (void)hub_->retire(now());
    pump_server();
  }
}

void World::replica_turn(std::size_t index) {
  Node& node = *nodes_[index];
  if (happens("replica_crash", storm_.replica_crash)) {
    hang_up(index, random_.chance(1, 2));
    open_replica(index);
  }
  if (random_.chance(1, 50)) {
    node.backup = node.replica;
  }
  if (node.backup && happens("replica_old_copy", storm_.replica_old_copy)) {
    hang_up(index, true);
    node.replica = *node.backup;
    open_replica(index);
  }
  if (happens("replica_clone", storm_.replica_clone)) {
    copy_replica(index);
    return;
  }
  if (happens("clock_jump", storm_.clock_jump)) {
    const std::int64_t spans[] = {-86'400'000, -120'000, 0, 0, 90'000, 86'400'000};
    node.clock.offset = spans[random_.below(6)];
  }
  if (happens("long_sleep", storm_.long_sleep)) {
    node.partitioned_until = time_ + 600'000;
    hang_up(index, false);
    node.session->on_disconnected(now());
    pump_client(index);
  }
  if (happens("resync", storm_.resync)) {
    node.session->rescan_now(now());
    pump_client(index);
  }
}

void World::person_turn() {
  const std::size_t index = static_cast<std::size_t>(random_.below(nodes_.size()));
  if (random_.chance(2, 3)) {
    people_write(index);
  }
  storm_turn(index);
  replica_turn(index);
  if (disk_->is_dead()) {
    crash_server();
  }
  Event next;
  next.kind = Kind::person;
  // Now and then nobody writes for longer than the log is kept, so that fences move.
  schedule(random_.chance(1, 150) ? 90'000 : static_cast<std::int64_t>(random_.below(300)),
           std::move(next));
}

// --- Steps
// ----------------------------------------------------------------------------------------

bool World::carries(std::size_t index) const {
  const Node& node = *nodes_[index];
  return node.link.open && !node.link.half_open && time_ >= node.partitioned_until;
}

void World::lose(const Event& event) {
  count("frames_lost");
  // A stream does not go on behind a hole in it.
  Link& link = nodes_[event.node]->link;
  if (link.id == event.link) {
    link.half_open = true;
  }
}

void World::dial(const Event& event) {
  Node& node = *nodes_[event.node];
  if (event.life != node.life) {
    return;
  }
  if (time_ < node.partitioned_until || !hub_ || disk_->is_dead()) {
    node.session->on_disconnected(now());
    pump_client(event.node);
    return;
  }
  const auto connection = hub_->open(now());
  if (!connection) {
    return;
  }
  node.link = {++link_ids_, connection, true, false, time_, time_};
  connections_[*connection] = event.node;
  pump_server();
  node.session->on_connected(now());
  pump_client(event.node);
}

void World::closed(const Event& event) {
  Node& node = *nodes_[event.node];
  if (node.link.open && node.link.id == event.link) {
    node.link.open = false;
    node.link.connection.reset();
    node.session->on_disconnected(now());
    pump_client(event.node);
  }
}

void World::step(Event& event) {
  ++outcome_.steps;
  outcome_.trace = mix64(outcome_.trace ^ static_cast<std::uint64_t>(time_) ^
                         (static_cast<std::uint64_t>(event.kind) << 56U));
  outcome_.trace = hash64(event.frame, outcome_.trace);
  switch (event.kind) {
    case Kind::person:
      if (stormy_) {
        person_turn();
      }
      return;
    case Kind::dial:
      dial(event);
      return;
    case Kind::up: {
      const Link& link = nodes_[event.node]->link;
      if (link.id != event.link || !carries(event.node) || !link.connection || !hub_) {
        lose(event);
        return;
      }
      hub_->on_frame(now(), *link.connection, event.frame);
      pump_server();
      return;
    }
    case Kind::down: {
      Node& node = *nodes_[event.node];
      if (node.link.id != event.link || !carries(event.node)) {
        lose(event);
        return;
      }
      node.session->on_frame(now(), event.frame);
      pump_client(event.node);
      return;
    }
    case Kind::closed:
      closed(event);
      return;
    case Kind::wake_client: {
      Node& node = *nodes_[event.node];
      if (event.life == node.life && event.link == node.wake_serial) {
        node.session->on_wakeup(now());
        pump_client(event.node);
      }
      return;
    }
    case Kind::wake_server:
      if (hub_ && connections_.count(event.connection) != 0) {
        hub_->on_wakeup(now(), event.connection);
        pump_server();
      }
      return;
    case Kind::commit:
      if (hub_) {
        hub_->commit(now());
        pump_server();
      }
      return;
    case Kind::answer:
      if (event.life == nodes_[event.node]->life) {
        answer(event.node, *event.effect);
      }
      return;
  }
}

// --- Checks
// ---------------------------------------------------------------------------------------

void World::check_status(std::size_t index) {
  Node& node = *nodes_[index];
  if (node.session->status(now()).status != Status::synced) {
    return;
  }
  count("synced");
  if (node.session->mismatches() > 0 && !has_restored()) {
    violate("digests had differed, and only comparing all rows mended it");
  }
  const ReplicaFacts& facts = node.replica.facts();
  if (facts.acknowledged != facts.last_sequence) {
    violate("synced with unsent changes");
  }
  if (!(node.replica.recount() == node.replica.digest())) {
    violate("a replica's digest is not the sum of its rows");
  }
  // The server may have died or been restored behind a dead connection; the heartbeat's age bounds
  // how long that stays unnoticed. While it lives, it must hold every change.
  if (!node.link.open || !node.link.connection || node.link.half_open || !store_ ||
      disk_->is_dead() || facts.last_sequence == ChangeSequence(0)) {
    return;
  }
  const auto room = store_->find_workspace(workspace_);
  if (!room || !*room) {
    return;
  }
  const auto known = store_->find_replica((*room)->id, facts.replica);
  if (!known || !*known || (*known)->last_sequence < facts.last_sequence) {
    violate("synced, but the server lacks a change");
  }
}

bool World::all_synced() {
  for (const auto& node : nodes_) {
    if (node->session->status(now()).status != Status::synced) {
      return false;
    }
  }
  return true;
}

void World::check_end() {
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const StatusReport report = nodes_[i]->session->status(now());
    if (report.status != Status::synced) {
      violate("replica " + std::to_string(i) +
              " does not settle: " + std::string(status_name(report.status)) + ", " +
              std::string(trouble_name(report.trouble)) + " " + report.message + ", pending " +
              std::to_string(report.pending) + ", activity " +
              std::to_string(static_cast<int>(report.activity)));
      return;
    }
  }
  const auto room = store_->find_workspace(workspace_);
  if (!room || !*room) {
    violate("the workspace is gone");
    return;
  }
  std::map<RowName, RowState> truth;
  for (const char* table : {"notes", "tags", "forbidden"}) {
    (void)store_->for_each_row((*room)->id, table, {}, {},
                               [&](const ServerRow& row) -> Result<bool> {
                                 if (row.state.alive) {
                                   truth[{row.table, row.key}] = row.state;
                                 }
                                 return true;
                               });
  }
  const auto plain = [](RowState row) {
    row.life_replaced = {};
    std::vector<CellState> cells;
    for (CellState& cell : row.cells) {
      cell.replaced = {};
      cells.push_back(cell);
    }
    row.cells = cells;
    return row;
  };
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    std::map<RowName, RowState> here;
    for (const auto& [name, row] : nodes_[i]->replica.rows()) {
      if (row.alive) {
        here[name] = plain(row);
      }
    }
    if (here != truth) {
      violate("replica " + std::to_string(i) + " has other rows than the server: " +
              std::to_string(here.size()) + " and " + std::to_string(truth.size()));
      return;
    }
    // Nothing acknowledged is lost: the server knows every change of every living replica.
    const ReplicaFacts& facts = nodes_[i]->replica.facts();
    const auto known = store_->find_replica((*room)->id, facts.replica);
    if (facts.last_sequence > ChangeSequence(0) &&
        (!known || !*known || (*known)->last_sequence != facts.last_sequence)) {
      violate("replica " + std::to_string(i) + " and the server differ on its last change");
    }
  }
}

Outcome World::run() {
  Event first;
  first.kind = Kind::person;
  schedule(10, std::move(first));
  std::int64_t storm_end = 0;
  while (outcome_.ok && !events_.empty()) {
    auto next = events_.extract(events_.begin());
    time_ = next.key().first;
    step(next.mapped());
    if (stormy_ && outcome_.steps >= storm_.steps) {
      stormy_ = false;
      storm_end = time_;
      disk_->set_full(false);
      disk_->fail_writes(0);
      disk_->crash_at_write(0);
      if (disk_->is_dead()) {
        crash_server();
      }
      for (const auto& node : nodes_) {
        node->partitioned_until = 0;
        node->clock.offset = 0;
      }
    }
    // A heartbeat from before the storm's end may be believed as long as it is fresh.
    if (!stormy_ && time_ > storm_end + 6000 && outcome_.steps % 16 == 0 && all_synced()) {
      break;
    }
    if (!stormy_ && time_ > storm_end + settle_ms) {
      break;
    }
  }
  if (outcome_.ok) {
    check_end();
  }
  outcome_.counts["settle_ms"] = static_cast<std::uint64_t>(time_ - storm_end);
  outcome_.counts["torn_sectors"] = disk_->torn_sectors();
  outcome_.counts["lost_writes"] = disk_->lost_writes();
  return outcome_;
}

}  // namespace syncline::sim
