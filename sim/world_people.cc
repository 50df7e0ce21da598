// What people do, and what the weather does to them.
#include <algorithm>

#include "sim/world.h"

namespace syncline::sim {

std::vector<ModelReplica::Write> World::plain_writes() {
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
    if (random_.chance(1, 12)) {
      // What stood there a while ago comes back: somebody presses "undo".
      count("undo");
      write.value -= std::min(write.value - 1, static_cast<std::int64_t>(random_.below(20)));
    }
    writes.push_back(write);
  }
  return writes;
}

void World::people_write(std::size_t index) {
  Node& node = *nodes_[index];
  count("writes");
  if (node.real && strikes("ledger", storm_.ledger)) {
    write_real(index, ledger_writes());
    return;
  }
  const std::vector<ModelReplica::Write> writes = plain_writes();
  if (node.real) {
    write_real(index, {writes, {}});
    return;
  }
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
  witness_.saw_copy(copy->replica.facts().replica);
  copy->clock.offset = nodes_[from]->clock.offset;
  copy->clock.now = &time_;
  if (nodes_[from]->real) {
    count("real_clone");
    close_sharing(from);
    ReplicaFile& file = nodes_[from]->real->file();
    witness_.saw_copy(file.known_as());
    nodes_.push_back(std::move(copy));
    add_real(nodes_.size() - 1, RealReplica::make_file(nodes_.size() - 1, random_));
    file.copy_to(nodes_.back()->real->file());
    open_sharing(from);
  } else {
    nodes_.push_back(std::move(copy));
  }
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
    disconnected(index);
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
    take_backup();
  }
  if (has_backup_ && happens("server_restore", storm_.server_restore)) {
    restore_server();
  }
  if (strikes("server_folder", storm_.server_put_back * 4) && hub_ && !disk_->is_dead()) {
    copy_folder();
  }
  if (has_folder_ && strikes("server_put_back", storm_.server_put_back)) {
    put_folder_back();
  }
  if (strikes("server_change", storm_.server_change)) {
    change_server();
  }
  if (happens("server_retire", storm_.server_retire) && hub_ && !disk_->is_dead()) {
    (void)hub_->retire(now());
    pump_server();
  }
}

void World::replica_turn(std::size_t index) {
  Node& node = *nodes_[index];
  if (node.real) {
    storm_real(index);
    return;
  }
  if (happens("replica_crash", storm_.replica_crash)) {
    hang_up(index, random_.chance(1, 2));
    open_replica(index);
  }
  if (random_.chance(1, 50)) {
    node.backup = node.replica;
  }
  if (node.backup && happens("replica_old_copy", storm_.replica_old_copy)) {
    hang_up(index, true);
    tell(index, "an old copy is put back");
    node.replica = *node.backup;
    witness_.saw_copy(node.replica.facts().replica);
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
    disconnected(index);
  }
  if (happens("resync", storm_.resync)) {
    node.session->rescan_now(now());
    pump_client(index);
  }
  if (strikes("rot", storm_.rot)) {
    node.replica.lose_row(random_.below(1000));
    node.session->on_local_change(now(), node.replica.facts().last_sequence, node.replica.digest());
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

}  // namespace syncline::sim
