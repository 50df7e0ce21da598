// What must hold at every step and at the end.
#include <algorithm>
#include <set>

#include "sim/world.h"

namespace syncline::sim {
namespace {

constexpr const char* compared_tables[] = {"notes",  "tags",   "forbidden", "accounts", "entries",
                                           "counts", "papers", "parents",   "children"};

}  // namespace

void World::check_status(std::size_t index) {
  Node& node = *nodes_[index];
  if (node.mismatches() > 0 && !has_restored() && storm_.rot == 0) {
    violate("digests differ that had to be equal: " + first_difference(index));
  }
  if (node.session->status(now()).status != Status::synced) {
    return;
  }
  count("synced");
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
  check_truth(index, **room);
  const auto known = store_->find_replica((*room)->id, facts.replica);
  if (!known || !*known || (*known)->last_sequence < facts.last_sequence) {
    violate("synced, but the server lacks a change");
  }
}

// Nobody is judged a copy who was not copied.
void World::forked(const ReplicaId& replica, const std::string& which) {
  count("forked");
  // A change that one server took and another one refused for its time has two stamps.
  const bool has_two_pasts =
      outcome_.counts.count("server_change") != 0 && witness_.was_restamped(replica);
  if (!witness_.was_copied(replica) && !has_two_pasts) {
    violate(which + " (" + replica.hex().substr(0, 4) + ") was taken for a copy, and it is none");
  }
}

// What an observer who sees everything says about "synced": at the server's head, the rows are the
// server's.
void World::check_truth(std::size_t index, const WorkspaceRecord& room) {
  const ReplicaFacts& facts = nodes_[index]->replica.facts();
  if (facts.cursor != room.head) {
    return;
  }
  Digest truth;
  if (const auto totals = store_->totals(room.id)) {
    for (const auto& [table, sum] : *totals) {
      truth.add(sum.digest);
    }
  }
  if (!(truth == facts.digest)) {
    violate("synced, and it is not true: " + first_difference(index));
  }
}

std::string World::first_difference(std::size_t index) {
  const Node& node = *nodes_[index];
  const auto words = [](const RowState& row) {
    std::string out = row.alive ? "alive since " : "dead since ";
    const auto stamp = [](const Stamp& s) {
      return std::to_string(s.time) + "/" + s.replica.hex().substr(0, 4);
    };
    out += stamp(row.life);
    for (const CellState& cell : row.cells) {
      out += " " + cell.column + "@" + stamp(cell.stamp);
    }
    return out;
  };
  const auto room = store_ ? store_->find_workspace(workspace_)
                           : Result<std::optional<WorkspaceRecord>>(std::nullopt);
  if (!room || !*room) {
    return "no server to compare with";
  }
  std::string out;
  std::set<RowName> seen;
  const auto compare = [&](const RowName& name, const RowState& theirs) {
    const auto at = node.replica.rows().find(name);
    const RowState ours = at == node.replica.rows().end() ? RowState() : at->second;
    if (out.empty() && !(digest_of(name.first, name.second.view(), ours) ==
                         digest_of(name.first, name.second.view(), theirs))) {
      out = "row " + name.first + "/" + to_hex(name.second.view()) + " is " + words(ours) +
            " on replica " + std::to_string(index) + " and " + words(theirs) + " on the server";
    }
  };
  for (const char* table : compared_tables) {
    (void)store_->for_each_row((*room)->id, table, {}, {},
                               [&](const ServerRow& row) -> Result<bool> {
                                 seen.insert({row.table, row.key});
                                 compare({row.table, row.key}, row.state);
                                 return true;
                               });
  }
  for (const auto& [name, row] : node.replica.rows()) {
    if (seen.count(name) == 0) {
      compare(name, {});
    }
  }
  return out.empty() ? "no row differs now" : out;
}

bool World::follows(std::size_t index) const {
  if (!nodes_[index]->real || nodes_[index]->real->leads()) {
    return false;
  }
  const std::vector<std::size_t> there = sharing(index);
  return std::any_of(there.begin(), there.end(),
                     [&](std::size_t i) { return nodes_[i]->real->leads(); });
}

bool World::all_synced() {
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const auto& node = nodes_[i];
    if (!follows(i) && node->status(now()).status != Status::synced) {
      return false;
    }
  }
  return true;
}

namespace {

// A row as people see it.
RowState plain(RowState row) {
  row.life_replaced = {};
  std::vector<CellState> cells;
  for (CellState& cell : row.cells) {
    // A column that a put did not name reads as its default, which is null here. Who tells a row
    // as a state names it all the same.
    if (cell.stamp == row.life && cell.value.view().is_null()) {
      continue;
    }
    cell.replaced = {};
    cells.push_back(cell);
  }
  row.cells = cells;
  return row;
}

}  // namespace

void World::check_end() {
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const StatusReport report = nodes_[i]->status(now());
    if (report.status != Status::synced && !follows(i)) {
      violate("replica " + std::to_string(i) +
              " does not settle: " + std::string(status_name(report.status)) + ", " +
              std::string(trouble_name(report.trouble)) + " " + report.message + ", pending " +
              std::to_string(report.pending) + ", activity " +
              std::to_string(static_cast<int>(report.activity)) +
              (nodes_[i]->real ? ", " + nodes_[i]->real->situation() : std::string()));
      return;
    }
  }
  const auto room = store_->find_workspace(workspace_);
  if (!room || !*room) {
    violate("the workspace is gone");
    return;
  }
  std::map<RowName, RowState> truth;
  for (const char* table : compared_tables) {
    (void)store_->for_each_row((*room)->id, table, {}, {},
                               [&](const ServerRow& row) -> Result<bool> {
                                 if (row.state.alive) {
                                   truth[{row.table, row.key}] = plain(row.state);
                                 }
                                 return true;
                               });
  }
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    if (nodes_[i]->real) {
      check_real_end(i, truth);
      continue;
    }
    std::map<RowName, RowState> here;
    for (const auto& [name, row] : nodes_[i]->replica.rows()) {
      // Conflicts are rows, too, and the digests speak for them.
      if (row.alive && name.first.rfind("syncline_", 0) != 0) {
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
  check_ledger_end();
  check_totals(**room);
}

// What the server keeps for its digests is the sum over its rows.
void World::check_totals(const WorkspaceRecord& room) {
  const auto totals = store_->totals(room.id);
  if (!totals) {
    return;
  }
  for (const auto& [table, sum] : *totals) {
    Digest counted;
    std::uint64_t rows = 0;
    (void)store_->for_each_row(room.id, table, {}, {}, [&](const ServerRow& row) -> Result<bool> {
      counted.add(digest_of(row.table, row.key.view(), row.state));
      ++rows;
      return true;
    });
    if (!(counted == sum.digest) || rows != sum.rows) {
      violate("the server's digest of " + table + " is not the sum of its rows");
    }
  }
}

}  // namespace syncline::sim
