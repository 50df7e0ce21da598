// The part of the hub that serves doors whose callers are no replicas.
#include "server/hub.h"

namespace syncline {

Result<void> Hub::enter(Instant now, DoorTicket ticket, const std::string& workspace,
                        const DoorWork& work) {
  Room* into = nullptr;
  const auto run = [&]() -> Result<void> {
    SL_TRY(begin());
    SL_TRY(into, room(workspace));
    SL_TRY(auto written, work(into->workspace));
    for (Workspace::Written& one : written) {
      Admitted admitted;
      admitted.author = one.author;
      for (const ByteVector& part : one.parts) {
        waiting_bytes_ += part.size();
      }
      // No connection waits for the answer.
      waiting_.push_back({ConnectionId(0), into, std::move(admitted), std::move(one.parts),
                          one.version, one.author});
    }
    return {};
  };
  if (auto done = run(); !done) {
    if (in_transaction_) {
      fail(now, done.error(), into);
    }
    return done;
  }
  visits_.push_back(ticket);
  if (waiting_.size() >= options_.group_changes_max || waiting_bytes_ >= options_.group_bytes_max) {
    commit(now);
  } else {
    effects_.emplace_back(HubCommitWanted{});
  }
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

void Hub::end_visits(bool is_durable) {
  for (const DoorTicket ticket : visits_) {
    effects_.emplace_back(HubDoorDone{ticket, is_durable});
  }
  visits_.clear();
}

}  // namespace syncline
