#include "sim/witness.h"

#include "model/value_codec.h"
#include "sim/ledger.h"
#include "wire/change_codec.h"
#include "wire/codec.h"

namespace syncline::sim {

std::vector<std::int64_t> Witness::payments_of(const Change& change) {
  std::vector<std::int64_t> out;
  for (const RowEdit& edit : change.edits) {
    if (edit.table != ledger_entries || edit.kind != EditKind::put) {
      continue;
    }
    const auto values = key_values(edit.key.view());
    SL_CHECK(values && values->size() == 1);
    out.push_back(values->front().view().integer);
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
  if (!is_same) {
    const auto first = parted_.insert({name.first, name.second}).first;
    first->second = std::min(first->second, name.second);
  }
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
