// Others on a replica's file, what people do in the tables that only engines have, and files of
// changes that they carry by hand.
#include <algorithm>

#include "client/change_file.h"
#include "sim/world.h"
#include "wire/codec.h"

namespace syncline::sim {

PeopleWrites World::ledger_writes() {
  PeopleWrites out;
  const std::uint64_t edits = 1 + random_.below(3);
  for (std::uint64_t i = 0; i < edits; ++i) {
    LedgerWrite write;
    // Payments are what everything is accounted for by: every second edit is one.
    write.kind = random_.chance(1, 2)
                     ? LedgerWrite::Kind::pay
                     : static_cast<LedgerWrite::Kind>(random_.below(LedgerWrite::kinds));
    write.number = ++payment_;
    write.pick = random_.next();
    out.ledger.push_back(write);
  }
  return out;
}

// What anybody on the file may write: in any table.
PeopleWrites World::any_writes() {
  if (storm_.ledger > 0 && random_.chance(3, 4)) {
    return ledger_writes();
  }
  return {plain_writes(), {}};
}

void World::beside_turn(std::size_t index) {
  RealReplica& real = *nodes_[index]->real;
  for (std::size_t which = 0; which < RealReplica::others; ++which) {
    if (real.is_held(which) && random_.chance(1, 3)) {
      count(real.finish_beside(which) ? "beside_finished" : "beside_lost");
      pump_client(index);
    }
  }
  if (strikes("beside", storm_.beside)) {
    const auto which = static_cast<std::size_t>(random_.below(RealReplica::others));
    const bool holds = strikes("beside_holds", storm_.beside_holds);
    count(real.write_beside(which, any_writes(), holds) ? "beside_wrote" : "beside_failed");
    pump_client(index);
  }
  if (strikes("beside_closed", storm_.beside / 8)) {
    real.close_beside(static_cast<std::size_t>(random_.below(RealReplica::others)));
    pump_client(index);
  }
  if (strikes("process_dies", storm_.process_dies)) {
    real.disk().kill_at_step(real.process(), 1 + random_.below(60));
  }
  if (strikes("beside_dies", storm_.process_dies)) {
    real.kill_beside_at_step(1 + random_.below(60));
  }
  if (strikes("busy", storm_.busy)) {
    real.disk().be_busy(1 + random_.below(150));
  }
}

void World::carry_turn(std::size_t index) {
  if (storm_.carry == 0 || !random_.chance(storm_.carry, 1000)) {
    return;
  }
  std::vector<std::size_t> others;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i]->real) {
      others.push_back(i);
    }
  }
  const std::size_t to = others[random_.below(others.size())];
  RealReplica& source = *nodes_[index]->real;
  RealReplica& target = *nodes_[to]->real;
  const bool is_unsent = random_.chance(1, 2);
  // Whoever carries files remembers what the other has had, and begins anew when in doubt.
  const std::pair<const ReplicaFile*, const ReplicaFile*> way(&source.file(), &target.file());
  const LocalVersion since = random_.chance(1, 2) ? carried_[way] : LocalVersion(0);
  const auto through = source.version();
  const auto file = is_unsent ? source.export_pending() : source.changes(since);
  if (!file || file->empty()) {
    return;
  }
  (void)read_change_file(*file, [&](Bytes part) -> Result<void> {
    witness_.saw_part(part);
    return {};
  });
  const bool done = is_unsent ? target.import_pending(*file) : target.apply_file(*file);
  if (done && !is_unsent && through) {
    carried_[way] = *through;
  }
  count(!done ? "carry_failed" : is_unsent ? "imported" : "applied_file");
  pump_client(to);
}

// Rows are compared range by range. Whoever meets a server of another lineage in the middle of that
// has halves of transactions whose other halves the first one has, and brings them to this one: it
// cannot know. They come together when the first one, or somebody who was told all of it, comes.
void World::note_torn(std::size_t index, Bytes frame) {
  const auto message = decode_message(frame);
  const Welcome* welcome = message ? std::get_if<Welcome>(&*message) : nullptr;
  if (welcome == nullptr || storm_.ledger == 0) {
    return;
  }
  RealReplica& real = *nodes_[index]->real;
  const auto facts = real.facts();
  if (facts && facts->wants_rescan && facts->lineage != welcome->lineage) {
    torn_accounts_.merge(real.wrong_accounts());
  }
}

void World::check_ledger(std::size_t index) {
  Node& node = *nodes_[index];
  if (storm_.ledger == 0) {
    return;
  }
  std::set<std::int64_t> excused = witness_.parted_accounts();
  excused.insert(torn_accounts_.begin(), torn_accounts_.end());
  if (const std::string wrong = node.real->audit(excused);
      !wrong.empty() && !witness_.may_count_twice()) {
    violate("on real replica " + std::to_string(index) + " " + wrong);
  }
}

// Everything that was answered is there, and so is everything that the server ever had.
void World::check_payments(std::size_t index) {
  const auto numbers = nodes_[index]->real->numbers();
  if (!numbers) {
    violate("a real replica's rows cannot be read");
    return;
  }
  const auto demand = [&](std::int64_t payment, const std::string& whose) {
    if (!std::binary_search(numbers->begin(), numbers->end(), payment)) {
      violate("payment " + std::to_string(payment) + ", " + whose + ", is not on real replica " +
              std::to_string(index));
    }
  };
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i]->real) {
      for (const std::int64_t payment : nodes_[i]->real->file().payments()) {
        if (!witness_.is_rejected(payment)) {
          demand(payment, "answered on real replica " + std::to_string(i));
        }
      }
    }
  }
  if (!has_restored()) {
    witness_.for_each_logged(
        [&](std::int64_t payment) { demand(payment, "which the server had"); });
  }
}

void World::check_ledger_end() {
  std::optional<std::map<std::string, std::string>> first;
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (!nodes_[i]->real || storm_.ledger == 0) {
      continue;
    }
    check_ledger(i);
    check_payments(i);
    if (const std::string wrong = nodes_[i]->real->verify_file(); !wrong.empty()) {
      violate("real replica " + std::to_string(i) + "'s file is damaged: " + wrong);
    }
    const auto rows = nodes_[i]->real->ledger();
    if (!first) {
      first = rows;
      continue;
    }
    for (const auto& [name, row] : *rows) {
      const auto at = first->find(name);
      if (at == first->end() || at->second != row) {
        violate("real replica " + std::to_string(i) + " has " + name + row + ", and another has " +
                (at == first->end() ? "no such row" : at->second));
      }
    }
    if (rows->size() < first->size()) {
      violate("real replica " + std::to_string(i) + " has fewer rows than another");
    }
  }
}

// What the server has made durable since it was looked at last.
void World::look_at_log() {
  if (!store_ || disk_->is_dead()) {
    return;
  }
  const auto lineage = store_->lineage();
  const auto room = store_->find_workspace(workspace_);
  if (!lineage || !room || !*room) {
    return;
  }
  if (!(*lineage == logged_lineage_)) {
    logged_lineage_ = *lineage;
    logged_ = ServerVersion(0);
  }
  const auto looked =
      store_->for_each_entry((*room)->id, logged_, (*room)->head, [&](LogEntry& entry) {
        if (const std::string wrong = witness_.saw_logged(entry); !wrong.empty()) {
          violate(wrong);
        }
        return Result<bool>(true);
      });
  if (looked) {
    logged_ = (*room)->head;
  }
}

}  // namespace syncline::sim
