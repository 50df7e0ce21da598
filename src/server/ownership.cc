#include "server/ownership.h"

namespace syncline {
namespace {

Result<bool> give_one(LogStore& store, WorkspaceId workspace, const ReplicaId& replica,
                      const std::string& to) {
  SL_TRY(const auto device, store.find_device(workspace, replica));
  SL_TRY(auto record, store.find_replica(workspace, replica));
  if (device || !record) {
    return false;
  }
  record->user = to;
  SL_TRY(store.save_replica(workspace, replica, *record));
  return true;
}

}  // namespace

Result<std::vector<ReplicaId>> give_replicas(LogStore& store, const Gift& gift) {
  SL_TRY(const auto workspace, store.find_workspace(gift.workspace));
  if (!workspace) {
    return Error(ErrorCode::not_found, "there is no such workspace");
  }
  std::vector<ReplicaId> given;
  if (gift.replica) {
    SL_TRY(const auto device, store.find_device(workspace->id, *gift.replica));
    if (device) {
      return Error(ErrorCode::invalid_argument,
                   "what comes by JSON is its user's by name: give all of the user's instead");
    }
    SL_TRY(const bool done, give_one(store, workspace->id, *gift.replica, gift.to));
    if (!done) {
      return Error(ErrorCode::not_found, "this workspace knows no such device");
    }
    given.push_back(*gift.replica);
    return given;
  }
  SL_TRY(const auto all, store.replicas_of(workspace->id, gift.from));
  for (const ReplicaId& one : all) {
    SL_TRY(const bool done, give_one(store, workspace->id, one, gift.to));
    if (done) {
      given.push_back(one);
    }
  }
  if (!gift.to.empty()) {
    SL_TRY(store.give_names(workspace->id, gift.from, gift.to));
  }
  return given;
}

}  // namespace syncline
