// The part of the hub that serves doors whose callers are no replicas.
#include "server/hub.h"

namespace syncline {

Result<void> Hub::enter(Instant now, DoorTicket ticket, const std::string& workspace,
                        const DoorWork& work) {
  Visit made{ticket, workspace, work};
  SL_TRY(begin());
  if (auto done = visit(made); !done) {
    redo(now);
    return done;
  }
  visits_.push_back(std::move(made));
  if (waiting_.size() >= options_.group_changes_max || waiting_bytes_ >= options_.group_bytes_max) {
    commit(now);
  } else {
    effects_.emplace_back(HubCommitWanted{});
  }
  return {};
}

Result<void> Hub::visit(const Visit& one) {
  SL_TRY(Room * into, room(one.workspace));
  SL_TRY(auto written, one.work(into->workspace));
  for (Workspace::Written& change : written) {
    Admitted admitted;
    admitted.author = change.author;
    for (const ByteVector& part : change.parts) {
      waiting_bytes_ += part.size();
    }
    // No connection waits for the answer.
    waiting_.push_back({ConnectionId(0), into, std::move(admitted), std::move(change.parts),
                        change.receipt, change.author});
  }
  return {};
}

Result<void> Hub::open_workspace(const std::string& workspace, const Rights& rights) {
  if (rooms_.count(workspace) != 0) {
    return {};
  }
  SL_TRY(const auto known, store_->find_workspace(workspace));
  if (known) {
    return {};
  }
  if (options_.workspaces_each_max != 0) {
    SL_TRY(const std::uint64_t made, store_->workspaces_by(rights.user));
    if (made >= options_.workspaces_each_max) {
      return Error(ErrorCode::not_allowed,
                   "you made " + std::to_string(made) + " workspaces, and may make no more");
    }
  }
  SL_TRY(begin());
  SL_TRY(const Room* made, room(workspace));
  SL_TRY(store_->save_maker(made->workspace.id(), rights.user));
  effects_.emplace_back(HubCommitWanted{});
  return {};
}

Result<void> Hub::look(Instant now, const std::string& workspace, const DoorLook& look) {
  if (!commit(now)) {
    return Error(ErrorCode::busy, "the storage failed; try again");
  }
  const bool is_new = rooms_.find(workspace) == rooms_.end();
  SL_TRY(Room * into, room(workspace));
  if (is_new && !commit(now)) {
    return Error(ErrorCode::busy, "the storage failed; try again");
  }
  return look(into->workspace);
}

Result<std::size_t> Hub::give(Instant now, const Gift& gift) {
  if (!commit(now)) {
    return Error(ErrorCode::busy, "the storage failed; try again");
  }
  SL_TRY(begin());
  auto given = give_replicas(*store_, gift);
  if (!given) {
    fail(now, given.error());
    return given.error();
  }
  if (!commit(now)) {
    return Error(ErrorCode::storage, "it could not be stored");
  }
  const auto at = rooms_.find(gift.workspace);
  for (const ReplicaId& replica : *given) {
    if (at == rooms_.end() || at->second->by_replica.count(replica) == 0) {
      continue;
    }
    const ConnectionId id = at->second->by_replica.at(replica);
    peers_.at(id)->session.hang_up(now, Farewell::expired, "this device was given to another user");
    pump(now, id);
  }
  return given->size();
}

void Hub::end_visits(bool is_durable) {
  for (const Visit& one : visits_) {
    effects_.emplace_back(HubDoorDone{one.ticket, is_durable});
  }
  visits_.clear();
}

}  // namespace syncline
