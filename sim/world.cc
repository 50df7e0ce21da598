#include "sim/world.h"

#include <algorithm>
#include <cstdio>

#include "base/digest.h"
#include "sim/words.h"

namespace syncline::sim {
namespace {

constexpr std::int64_t epoch_ms = 1'700'000'000'000;
// After the storm everything must be green within this much simulated time: the longest back-off
// (60 s), a dial that leads nowhere (30 s) or a connection that only looks open (15 s, and 30 s
// when heartbeats still come), and half a minute for what is to be said then.
constexpr std::int64_t settle_ms = 150'000;
// A heartbeat from before the storm's end may be believed as long as it is fresh (P4: 5 s), and
// replicas look at it once a second.
constexpr std::int64_t believed_ms = 6000;

// Nobody disturbs any more, and whoever held a transaction open ends it.
void calm_down(RealReplica& real) {
  real.disk().be_busy(0);
  real.disk().kill_at_step(real.process(), 0);
  real.kill_beside_at_step(0);
  real.set_meddling(0, {});
  for (std::size_t which = 0; which < RealReplica::others; ++which) {
    (void)real.finish_beside(which);
    real.close_beside(which);
  }
}

}  // namespace

World::World(std::uint64_t seed, const Storm& storm) : random_(seed), storm_(storm) {
  disk_ = std::make_unique<Disk>("sim-disk", random_);
  server_clock_.now = &time_;
  start_server();
  for (std::size_t i = 0; i < storm_.replicas; ++i) {
    nodes_.push_back(std::make_unique<Node>(random_, workspace_));
    if (i < storm_.real) {
      Node& node = *nodes_.back();
      node.clock.now = &time_;
      add_real(i, RealReplica::make_file(i, random_));
    }
  }
  for (std::size_t i = 0; i < storm_.real; ++i) {
    if (strikes("rivals", storm_.rival)) {
      nodes_.push_back(std::make_unique<Node>(random_, workspace_));
      nodes_.back()->clock.now = &time_;
      add_real(nodes_.size() - 1, nodes_[i]->real->shared_file());
    }
  }
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
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
    outcome_.violation = "at " + std::to_string(time_ - epoch_ms) + " ms, step " +
                         std::to_string(outcome_.steps) + ": " + what;
  }
}

void World::tell(std::size_t index, const std::string& what) const {
  if (!storm_.tells) {
    return;
  }
  const ReplicaFacts facts = nodes_[index]->real
                                 ? nodes_[index]->real->facts().value_or(ReplicaFacts())
                                 : nodes_[index]->replica.facts();
  std::printf("%10lld ms %7llu  replica %zu (%s, %llu of %llu acknowledged, at %llu): %s\n",
              static_cast<long long>(time_ - epoch_ms),
              static_cast<unsigned long long>(outcome_.steps), index,
              facts.replica.hex().substr(0, 4).c_str(),
              static_cast<unsigned long long>(facts.acknowledged.get()),
              static_cast<unsigned long long>(facts.last_sequence.get()),
              static_cast<unsigned long long>(facts.cursor.get()), what.c_str());
}

void World::schedule(std::int64_t delay, Event event) {
  events_.emplace(std::make_pair(time_ + delay, ++serial_), std::move(event));
}

bool World::carries(std::size_t index) const {
  const Node& node = *nodes_[index];
  return node.link.open && !node.link.half_open && time_ >= node.partitioned_until;
}

void World::lose(const Event& event) {
  count("frames_lost");
  // A stream does not go on behind a hole in it.
  Node& node = *nodes_[event.node];
  node.holed_link = std::max(node.holed_link, event.link);
  if (node.link.id == event.link) {
    node.link.half_open = true;
  }
}

// What was under way when its sender left the connection, of which the server does not know yet.
bool World::is_under_way(const Event& event) const {
  const Node& node = *nodes_[event.node];
  const bool has_left = node.link.id != event.link || !node.link.open;
  return hub_ && has_left && event.life == server_life_ &&
         connections_.count(event.connection) != 0 && event.link > node.holed_link &&
         time_ >= node.partitioned_until;
}

// It may be heard much later, behind what its sender says on its next connection.
bool World::delays(Event& event) {
  if (event.late || !is_under_way(event) || !happens("frames_late", storm_.late)) {
    return false;
  }
  Node& node = *nodes_[event.node];
  event.late = true;
  node.last_late = std::max(node.last_late, time_ + static_cast<std::int64_t>(random_.below(3000)));
  schedule(node.last_late - time_, std::move(event));
  return true;
}

void World::deliver(const Event& event, Bytes frame) {
  if (event.kind == Kind::up) {
    if (hub_ && connections_.count(event.connection) != 0) {
      hub_->on_frame(now(), event.connection, frame);
      pump_server();
    }
    return;
  }
  Node& node = *nodes_[event.node];
  if (node.link.id != event.link || !carries(event.node)) {
    return;
  }
  if (node.real) {
    tell(event.node, "hears " + frame_words(frame));
    witness_.saw_heard(node.real->file().known_as(), frame);
    note_torn(event.node, frame);
    node.real->host().on_frame(now(), frame);
  } else {
    node.session->on_frame(now(), frame);
  }
  pump_client(event.node);
}

// The connection broke in the middle of a frame, and whoever heard it took what there was for one.
bool World::mangles(const Event& event) {
  if (!stormy_ || event.frame.size() < 2 || !happens("cut_mid_frame", storm_.mangle)) {
    return false;
  }
  deliver(event, Bytes(event.frame).subspan(0, 1 + random_.below(event.frame.size() - 1)));
  lose(event);
  return true;
}

void World::hear(const Event& event) {
  if (mangles(event)) {
    return;
  }
  deliver(event, event.frame);
  if (stormy_ && happens("frames_repeated", storm_.repeat)) {
    nodes_[event.node]->link.repeated = true;
    deliver(event, event.frame);
  }
}

void World::dial(const Event& event) {
  Node& node = *nodes_[event.node];
  if (event.life != node.life) {
    return;
  }
  if (time_ < node.partitioned_until || !hub_ || disk_->is_dead()) {
    disconnected(event.node);
    return;
  }
  const auto connection = hub_->open(now());
  if (!connection) {
    return;
  }
  node.link = {++link_ids_, connection, true, false, false, time_, time_};
  connections_[*connection] = event.node;
  pump_server();
  if (node.real) {
    node.real->host().on_connected(now());
  } else {
    node.session->on_connected(now());
  }
  pump_client(event.node);
}

void World::closed(const Event& event) {
  Node& node = *nodes_[event.node];
  if (node.link.open && node.link.id == event.link) {
    node.link.open = false;
    node.link.connection.reset();
    disconnected(event.node);
  }
}

void World::receive(const Event& event) {
  if (nodes_[event.node]->link.id != event.link || !carries(event.node)) {
    lose(event);
    return;
  }
  hear(event);
}

void World::wake_up(const Event& event) {
  Node& node = *nodes_[event.node];
  if (event.life != node.life || event.link != node.wake_serial) {
    return;
  }
  if (node.real && !node.real->is_open()) {
    open_replica(event.node);
    return;
  }
  if (node.real) {
    node.real->on_wakeup(now());
  } else {
    node.session->on_wakeup(now());
  }
  pump_client(event.node);
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
      const bool carried = link.id == event.link && carries(event.node) && link.connection && hub_;
      if (!carried && delays(event)) {
        return;
      }
      if (!carried && !(event.late && is_under_way(event))) {
        lose(event);
        return;
      }
      hear(event);
      return;
    }
    case Kind::down:
      receive(event);
      return;
    case Kind::closed:
      closed(event);
      return;
    case Kind::wake_client:
      wake_up(event);
      return;
    case Kind::wake_server:
      if (hub_ && connections_.count(event.connection) != 0) {
        hub_->on_wakeup(now(), event.connection);
        pump_server();
      }
      return;
    case Kind::work:
      if (hub_) {
        hub_->work(now());
        pump_server();
      }
      return;
    case Kind::commit:
      if (hub_) {
        hub_->commit(now());
        look_at_log();
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
        if (node->real) {
          node->real->disk().set_full(false);
          node->real->disk().fail_writes(0);
          node->real->disk().crash_at_write(0);
          calm_down(*node->real);
        }
      }
    }
    if (!stormy_ && time_ > storm_end + believed_ms && outcome_.steps % 16 == 0 && all_synced()) {
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
  for (const auto& node : nodes_) {
    if (node->real) {
      outcome_.counts["meddled"] += node->real->meddled();
      outcome_.counts["busy_answers"] += node->real->disk().busy_answers();
      outcome_.counts["real_torn_sectors"] += node->real->disk().torn_sectors();
      outcome_.counts["real_lost_writes"] += node->real->disk().lost_writes();
      outcome_.counts["real_salvaged"] += node->real->salvages();
    }
  }
  return outcome_;
}

}  // namespace syncline::sim
