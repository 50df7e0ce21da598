// Replicas that are the engine over a file: what happens to them, and what must hold.
#include <algorithm>

#include "sim/words.h"
#include "sim/world.h"
#include "wire/codec.h"

namespace syncline::sim {

void World::open_real(std::size_t index) {
  Node& node = *nodes_[index];
  ReplicaFile& file = node.real->file();
  const ReplicaFile::Answered answered = file.answered();
  if (!node.real->open(now())) {
    // The disk is still full or failing, or died once more: tried again a little later.
    count("real_open_failed");
    wake_client(index, 1000);
    return;
  }
  const auto facts = node.real->facts();
  if (facts) {
    file.set_known_as(facts->replica);
  }
  if (facts && facts->replica == answered.first && facts->last_sequence < answered.second) {
    violate("a local write that was answered did not survive its process");
  }
  carried_.clear();  // its machine may have forgotten what files brought, or said
  pump_client(index);
}

void World::pump_real(std::size_t index) {
  Node& node = *nodes_[index];
  while (auto wish = node.real->next_wish()) {
    switch (wish->want) {
      case RealReplica::Want::send:
        tell(index, "sends " + frame_words(wish->frame));
        check_speaker(index, wish->frame);
        if (const std::string wrong = witness_.saw_sent(wish->frame); !wrong.empty()) {
          violate(wrong);
        }
        send_up(index, std::move(wish->frame));
        break;
      case RealReplica::Want::dial:
        dial_soon(index);
        break;
      case RealReplica::Want::hang_up:
        hang_up(index, true);
        break;
      case RealReplica::Want::wake:
        wake_client(index, wish->at.ms - time_);
        break;
    }
  }
  if (node.real->takes_work()) {
    wake_client(index, static_cast<std::int64_t>(random_.below(8)));
  }
  check_identity(index);
  if (node.real->is_dead()) {
    count("real_died");
    const bool is_told = random_.chance(1, 2);
    const std::vector<std::size_t> gone =
        node.real->disk().is_dead() ? sharing(index) : std::vector<std::size_t>{index};
    for (const std::size_t i : gone) {
      hang_up(i, is_told);
      nodes_[i]->real->close();
    }
    for (const std::size_t i : gone) {
      open_replica(i);
    }
    return;
  }
  check_real(index);
}

void World::check_identity(std::size_t index) {
  ReplicaFile& file = nodes_[index]->real->file();
  const std::optional<ReplicaId> now_as = nodes_[index]->real->identity();
  if (now_as && *now_as != file.known_as()) {
    count("real_forked");
    forked(file.known_as(), "real replica " + std::to_string(index));
    // What it shares with another copy gives both the same new name.
    witness_.saw_copy(*now_as);
    file.set_known_as(*now_as);
  }
}

void World::add_real(std::size_t index, std::shared_ptr<ReplicaFile> file) {
  Node& node = *nodes_[index];
  node.real = std::make_unique<RealReplica>(
      RealReplica::Parts{index, &node.clock, &random_, storm_.ledger > 0}, workspace_,
      std::move(file));
  node.real->set_meddling(stormy_ ? storm_.meddle : 0, [this] { return any_writes(); });
}

std::vector<std::size_t> World::sharing(std::size_t index) const {
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i]->real && nodes_[i]->real->shared_file() == nodes_[index]->real->shared_file()) {
      out.push_back(i);
    }
  }
  return out;
}

void World::close_sharing(std::size_t index) {
  for (const std::size_t i : sharing(index)) {
    hang_up(i, true);
    nodes_[i]->real->close_all();
  }
}

void World::open_sharing(std::size_t index) {
  for (const std::size_t i : sharing(index)) {
    open_replica(i);
  }
}

void World::write_real(std::size_t index, const PeopleWrites& writes) {
  count("real_writes");
  if (!nodes_[index]->real->write(writes)) {
    count("real_write_failed");
  }
  pump_client(index);
}

void World::storm_disk(Disk& disk) {
  if (happens("real_dies_at_write", storm_.replica_disk)) {
    disk.crash_at_write(1 + random_.below(30));
  }
  if (happens("real_disk_fails", storm_.replica_disk)) {
    disk.fail_writes(1 + random_.below(5));
  }
  if (happens("real_disk_full", storm_.replica_disk)) {
    disk.set_full(true);
  } else if (random_.chance(1, 4)) {
    disk.set_full(false);
  }
}

void World::storm_real(std::size_t index) {
  Node& node = *nodes_[index];
  RealReplica& real = *node.real;
  if (happens("replica_crash", storm_.replica_crash)) {
    count("real_crash");
    const bool is_told = random_.chance(1, 2);
    real.crash();
    for (const std::size_t i : sharing(index)) {
      hang_up(i, is_told);
      nodes_[i]->real->close_all();
    }
    open_sharing(index);
  }
  storm_disk(real.disk());
  if (random_.chance(1, 50) && real.is_open()) {
    count("real_copied");
    close_sharing(index);
    real.file().copy();
    open_sharing(index);
  }
  if (real.file().has_copy() && happens("replica_old_copy", storm_.replica_old_copy)) {
    count("real_old_copy");
    close_sharing(index);
    witness_.saw_copy(real.file().put_copy_back());
    open_sharing(index);
  }
  beside_turn(index);
  carry_turn(index);
  if (happens("replica_clone", storm_.replica_clone)) {
    copy_replica(index);
    return;
  }
  if (happens("clock_jump", storm_.clock_jump)) {
    count("real_clock_jump");
    const std::int64_t day = 86'400'000;
    const std::int64_t spans[] = {-2000 * day, -120'000, 0, 0, 90'000, 2000 * day};
    node.clock.offset = spans[random_.below(6)];
  }
  if (happens("long_sleep", storm_.long_sleep)) {
    node.partitioned_until = time_ + 600'000;
    hang_up(index, false);
    disconnected(index);
  }
  if (real.is_open() && happens("resync", storm_.resync)) {
    if (random_.chance(1, 2)) {
      real.host().rescan_now(now());
    } else {
      count(real.resync() ? "real_resync" : "real_resync_failed");
      if (!real.is_dead()) {
        real.on_wakeup(now());
      }
    }
    pump_client(index);
  }
  if (real.is_open() && random_.chance(1, 10) && real.resolve(random_.below(1000))) {
    count("real_resolved");
    pump_client(index);
  }
  if (real.is_open() && real.file().columns() < 3 && happens("real_upgrade", storm_.upgrade)) {
    if (!real.upgrade()) {
      count("real_upgrade_failed");
    }
    pump_client(index);
  }
}

// Who speaks is who the file is, whatever happened to it since it was opened.
void World::check_speaker(std::size_t index, Bytes frame) {
  const auto message = decode_message(frame);
  const Hello* hello = message ? std::get_if<Hello>(&*message) : nullptr;
  const auto identity = nodes_[index]->real->identity();
  if (hello != nullptr && identity && hello->replica != *identity) {
    violate("real replica " + std::to_string(index) + " speaks for " +
            hello->replica.hex().substr(0, 4) + ", and its file is " +
            identity->hex().substr(0, 4) + " now");
  }
}

bool World::differ_only_in_counters(std::size_t index) {
  const std::string where = differing_tables(index);
  return where == ", in accounts" || where == ", in counts" || where == ", in accounts counts";
}

std::string World::differing_tables(std::size_t index) {
  const auto room = store_ ? store_->find_workspace(workspace_)
                           : Result<std::optional<WorkspaceRecord>>(std::nullopt);
  if (!room || !*room) {
    return {};
  }
  std::string out = ", in";
  const auto totals = store_->totals((*room)->id);
  for (const auto& [table, sum] : *totals) {
    const auto ours = nodes_[index]->real->digest_of(table);
    if (!ours || !(*ours == sum.digest)) {
      out += " " + table;
    }
  }
  return out;
}

void World::check_real(std::size_t index) {
  Node& node = *nodes_[index];
  // What a file brought and the server's rules refuse is here until a comparison finds it.
  if (node.mismatches() > node.excused) {
    const auto refused = node.real->digest_of("forbidden");
    const bool came = outcome_.counts.count("applied_file") + outcome_.counts.count("imported") > 0;
    node.excused = came && refused && !(*refused == Digest()) ? node.mismatches() : node.excused;
    // What others counted from a value that its author has stamped anew since counts here alone.
    if (came && witness_.any_was_restamped() && differ_only_in_counters(index)) {
      node.excused = node.mismatches();
    }
  }
  if (node.mismatches() > node.excused && !has_restored()) {
    violate("digests differ that had to be equal on real replica " + std::to_string(index) +
            differing_tables(index));
  }
  if (node.mismatches() != node.mismatches_seen) {
    node.mismatches_seen = node.mismatches();
    if (!node.real->sums_up()) {
      violate("the digest of real replica " + std::to_string(index) +
              " is not the sum of its rows");
    }
  }
  if (node.real->is_open() && node.real->host().last_error().find("locked") != std::string::npos) {
    violate("a file that others had locked ended the conversation of real replica " +
            std::to_string(index) + ": " + node.real->host().last_error());
  }
  // Often enough; it reads every row. What a server lost comes back row by row, and whoever heard
  // of a change of two copies from both counts it once when the server has said whose it is.
  ++node.looks;
  if (node.looks % 32 == 0 && !has_restored() && !has_copied() && !node.real->is_in_pieces()) {
    count("real_whole");
    check_ledger(index);
  }
  if (node.status(now()).status != Status::synced) {
    return;
  }
  count("real_synced");
  const auto facts = node.real->facts();
  if (facts && facts->acknowledged != facts->last_sequence) {
    violate("a real replica is synced with unsent changes");
  }
  if (outcome_.counts["real_synced"] % 8 == 0) {
    check_ledger(index);
  }
}

void World::check_real_end(std::size_t index, const std::map<RowName, RowState>& truth) {
  std::map<RowName, std::map<std::string, std::string>> expected;
  for (const auto& [name, row] : truth) {
    if (name.first != "notes" && name.first != "tags" && name.first != "forbidden") {
      continue;  // compared with other engines' (check_ledger_end)
    }
    auto& cells = expected[name];
    for (const CellState& cell : row.cells) {
      const ValueView value = cell.value.view();
      if ((cell.column == "body" || cell.column == "rank") && !value.is_null()) {
        cells[cell.column] = value.type == ValueType::integer ? std::to_string(value.integer)
                                                              : std::string(value.text());
      }
    }
  }
  const auto rows = nodes_[index]->real->rows();
  if (!rows || *rows != expected) {
    violate("real replica " + std::to_string(index) + " has other rows than the server: " +
            std::to_string(rows ? rows->size() : 0) + " and " + std::to_string(expected.size()));
  }
}

}  // namespace syncline::sim
