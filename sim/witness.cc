#include "sim/witness.h"

#include "model/value_codec.h"
#include "sim/ledger.h"
#include "wire/change_codec.h"
#include "wire/codec.h"

namespace syncline::sim {

std::vector<std::int64_t> Witness::payments_of(const Change& change) {
  return keys_of(change, ledger_entries, EditKind::put);
}

std::vector<std::int64_t> Witness::keys_of(const Change& change, const std::string& table,
                                           std::optional<EditKind> kind) {
  std::vector<std::int64_t> out;
  for (const RowEdit& edit : change.edits) {
    if (edit.table != table || (kind && edit.kind != *kind)) {
      continue;
    }
    const auto values = key_values(edit.key.view());
    SL_CHECK(values && values->size() == 1);
    out.push_back(values->front().view().integer);
  }
  return out;
}

std::set<std::int64_t> Witness::parted_accounts() const {
  std::set<std::int64_t> out;
  for (const auto& [replica, first] : parted_) {
    for (auto at = moved_.lower_bound({replica, first});
         at != moved_.end() && at->first.first == replica; ++at) {
      out.insert(at->second.begin(), at->second.end());
    }
  }
  return out;
}

std::string Witness::words(const Name& name) {
  return name.first.hex().substr(0, 4) + ":" + std::to_string(name.second);
}

void Witness::saw_heard(const ReplicaId& replica, Bytes frame) {
  const auto message = decode_message(frame);
  if (!message) {
    return;
  }
  const Refused* refused = std::get_if<Refused>(&*message);
  if (refused != nullptr && refused->reason == Refusal::clock_skew) {
    saw_restamp(replica);
  }
  if (const Rejected* rejected = std::get_if<Rejected>(&*message)) {
    const auto told = telling_payments_.find({replica, rejected->sequence.get()});
    if (told != telling_payments_.end()) {
      rejected_.insert(told->second.begin(), told->second.end());
    }
  }
}

std::string Witness::saw_sent(Bytes frame) {
  const auto message = decode_message(frame);
  if (const RelayPart* relay = message ? std::get_if<RelayPart>(&*message) : nullptr) {
    saw_part(relay->part);
  }
  const PushPart* push = message ? std::get_if<PushPart>(&*message) : nullptr;
  if (push == nullptr) {
    return {};
  }
  Reader in(push->part);
  const auto header = read_part_header(in);
  if (!header) {
    return "a replica sends a change that cannot be read: " + header.error().message();
  }
  std::vector<ByteVector>& parts = telling_[header->stamp.replica];
  if (header->index == 0) {
    parts.clear();
  }
  parts.push_back(push->part);
  if (!header->last) {
    return {};
  }
  const std::vector<Bytes> whole(parts.begin(), parts.end());
  const auto change = decode_parts(whole);
  if (!change) {
    return "a replica sends a change that cannot be read: " + change.error().message();
  }
  const std::uint64_t hash = hash_of_parts(parts);
  parts.clear();
  const Name name{header->stamp.replica, header->sequence.get()};
  telling_payments_[name] = payments_of(*change);
  const auto [at, is_new] = told_.insert({{name.first, name.second, header->stamp.time}, hash});
  if (!is_new && at->second != hash && !was_copied(name.first)) {
    return "the change " + words(name) + " is told once more, and not the same";
  }
  return {};
}

void Witness::saw_part(Bytes part) {
  Reader in(part);
  const auto header = read_part_header(in);
  if (!header || header->sequence == ChangeSequence(0)) {
    return;  // rows that are told as states
  }
  std::vector<ByteVector>& parts = carrying_[header->stamp.replica];
  if (header->index == 0) {
    parts.clear();
  }
  parts.push_back(to_vector(part));
  if (!header->last) {
    return;
  }
  const std::vector<Bytes> whole(parts.begin(), parts.end());
  if (const auto change = decode_parts(whole)) {
    note_history({header->stamp.replica, header->sequence.get()}, header->stamp.time, *change);
  }
  parts.clear();
}

void Witness::note_history(const Name& name, std::uint64_t time, const Change& change) {
  const auto [known, is_new] = times_.insert({name, time});
  if (!is_new && known->second != time) {
    const auto first = parted_.insert({name.first, name.second}).first;
    first->second = std::min(first->second, name.second);
  }
  const std::vector<std::int64_t> accounts = keys_of(change, ledger_accounts, std::nullopt);
  moved_[name].insert(accounts.begin(), accounts.end());
}

std::string Witness::saw_logged(const LogEntry& entry) {
  if (entry.parts.empty() || entry.sequence == ChangeSequence(0)) {
    return {};  // rows that came as states
  }
  const std::vector<Bytes> whole(entry.parts.begin(), entry.parts.end());
  const auto change = decode_parts(whole);
  if (!change) {
    return "the log holds what cannot be read: " + change.error().message();
  }
  const Name name{entry.stamp.replica, entry.sequence.get()};
  // Of a relayed change the server keeps no hash.
  const std::pair<std::uint64_t, std::uint64_t> content{entry.stamp.time,
                                                        hash_of_parts(entry.parts)};
  const auto [at, is_new] = logged_.insert({name, content});
  const bool is_same = at->second == content;
  if (!is_new && !is_same && !was_copied(name.first) && restamped_.count(name.first) == 0) {
    return "the log holds another change under " + words(name);
  }
  note_history(name, entry.stamp.time, *change);
  for (const std::int64_t payment : payments_of(*change)) {
    const auto [known, is_first] = payments_.insert({payment, name});
    const bool may =
        may_be_there_twice(known->second) || may_be_there_twice(name) || is_parted(known->second);
    if (!is_first && known->second != name && !may) {
      return "payment " + std::to_string(payment) + " is in the log as " + words(known->second) +
             " and as " + words(name);
    }
  }
  return {};
}

}  // namespace syncline::sim
