#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "model/ids.h"
#include "server/log_store.h"

namespace syncline::sim {

// Sees everything that happens in a world and forgets nothing: what no party of the conversation
// can know alone. What it is shown, it judges: it says what is wrong, or nothing.
class Witness {
 public:
  // From now on two files may speak under this name, or one that has forgotten what it said: a
  // file was copied, or an old copy of it was put back.
  void saw_copy(const ReplicaId& replica) { copied_.insert(replica); }
  bool was_copied(const ReplicaId& replica) const { return copied_.count(replica) != 0; }

  // What this replica had not seen acknowledged got other stamps, because its clock had been wrong,
  // or it had been away for long. Nobody can tell it from another change any more when a copy tells
  // it, too. Known fault: where the server was restored, too, a change that had been acknowledged
  // before can be among them, and is then in the log once more under its name with another stamp.
  void saw_restamp(const ReplicaId& replica) { restamped_.insert(replica); }

  bool any_was_restamped() const { return !restamped_.empty(); }
  bool was_restamped(const ReplicaId& replica) const { return restamped_.count(replica) != 0; }

  // Known fault: what was stamped anew and told by a copy, too, counts twice.
  bool may_count_twice() const {
    return std::any_of(restamped_.begin(), restamped_.end(),
                       [&](const ReplicaId& replica) { return was_copied(replica); });
  }

  // What a replica hears from its server: whether it has to stamp anew what it has not told.
  void saw_heard(const ReplicaId& replica, Bytes frame);

  // What a replica says. A change that was told once is told the same for ever.
  std::string saw_sent(Bytes frame);
  // What others tell of somebody's changes: files that are carried, and relays.
  void saw_part(Bytes part);
  // What a server has made durable. A change has one content for ever, and what people did is
  // there once, under one name.
  std::string saw_logged(const LogEntry& entry);

  // Two histories speak under one name from some number on, because a file was put back and a
  // server forgot what it had of it, or another one came: who was told one of them counts it under
  // that name, and the other one takes its place. The accounts that either of them moves.
  std::set<std::int64_t> parted_accounts() const;

  // A server refused the change that made the payment, and its author was told so: one transaction
  // may also write a row that was deleted while its author was away for long.
  bool is_rejected(std::int64_t payment) const { return rejected_.count(payment) != 0; }
  // The payments that a server has ever had.
  bool is_logged(std::int64_t payment) const { return payments_.count(payment) != 0; }
  template <typename Visit>
  void for_each_logged(const Visit& visit) const {
    for (const auto& [payment, name] : payments_) {
      visit(payment);
    }
  }

 private:
  using Name = std::pair<ReplicaId, std::uint64_t>;
  static std::string words(const Name& name);
  static std::vector<std::int64_t> keys_of(const Change& change, const std::string& table,
                                           std::optional<EditKind> kind);
  static std::vector<std::int64_t> payments_of(const Change& change);
  void note_history(const Name& name, std::uint64_t time, const Change& change);
  // A copy told it with the stamp that it had, and another copy with another one.
  bool may_be_there_twice(const Name& name) const {
    return was_copied(name.first) && restamped_.count(name.first) != 0;
  }

  // Who was told these goes on under another name with them from there on: this one is taken.
  bool is_parted(const Name& name) const {
    const auto at = parted_.find(name.first);
    return at != parted_.end() && name.second >= at->second;
  }

  std::set<ReplicaId> copied_;
  std::set<ReplicaId> restamped_;
  // Parts of a change that is not told to its end yet.
  std::map<ReplicaId, std::vector<ByteVector>> telling_;
  std::map<std::tuple<ReplicaId, std::uint64_t, std::uint64_t>, std::uint64_t> told_;
  std::map<Name, std::pair<std::uint64_t, std::uint64_t>> logged_;
  // Of a name that was copied, the first number under which two changes are known: what a server
  // had acknowledged of one copy was lost, and another copy came first, or others had a file of
  // one.
  std::map<ReplicaId, std::uint64_t> parted_;
  std::map<Name, std::uint64_t> times_;
  std::map<ReplicaId, std::vector<ByteVector>> carrying_;
  std::map<Name, std::set<std::int64_t>> moved_;  // the accounts
  std::map<std::int64_t, Name> payments_;
  std::map<Name, std::vector<std::int64_t>> telling_payments_;
  std::set<std::int64_t> rejected_;
};

}  // namespace syncline::sim
