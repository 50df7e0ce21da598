// What a workspace does for doors whose callers are no replicas: the door writes changes for them.
#include "model/schema.h"
#include "server/workspace.h"
#include "wire/change_codec.h"

namespace syncline {

Result<Schema> Workspace::schema() const {
  if (record_.schema.empty()) {
    return Schema();
  }
  Reader in(record_.schema);
  return decode_schema(in);
}

Result<void> Workspace::widen_schema(const Schema& wider) {
  SL_TRY(const Schema known, schema());
  SL_TRY(check_compatible(known, wider));
  Writer merged;
  encode_schema(merged, merge_schemas(known, wider));
  record_.schema = merged.take();
  return store_->save_workspace(record_);
}

Result<void> Workspace::may_write(const Rights& rights, const Change& change) {
  SL_TRY(check_rules(*rules_, rights, change));
  SL_TRY(const Fenced fenced, judge_fence(change));
  if (fenced != Fenced::no) {
    return Error(ErrorCode::not_found,
                 "it is stamped before what the server still remembers of deletions; send it "
                 "without a stamp");
  }
  return {};
}

Result<std::uint64_t> Workspace::last_time(const ReplicaId& author) {
  SL_TRY(const auto known, store_->find_replica(record_.id, author));
  return known ? known->last_time : 0;
}

Result<Workspace::Written> Workspace::write(Change change, const Rights& rights,
                                            std::int64_t now_ms) {
  const ReplicaId author = change.stamp.replica;
  SL_TRY(const auto known, store_->find_replica(record_.id, author));
  ReplicaRecord record = known.value_or(ReplicaRecord());
  SL_CHECK(record.last_time < change.stamp.time);
  change.sequence = record.last_sequence.next();
  // It was done when it was answered, and its author holds nothing back: it must not hold the
  // horizon, either.
  record.confirmed = change.sequence;
  record.cursor = record_.head.next();
  record.seen_ms = now_ms;
  record.user = rights.user;
  Written out;
  out.author = author;
  out.parts.push_back(encode_change(change));
  PartHeader header;
  header.sequence = change.sequence;
  header.stamp = change.stamp;
  header.schema_version = change.schema_version;
  SL_TRY(append(header, hash_of_parts(out.parts), change, rights, out.parts, record, now_ms));
  out.version = record_.head;
  return out;
}

}  // namespace syncline
