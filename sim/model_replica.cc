#include "sim/model_replica.h"

#include <algorithm>
#include <set>

#include "base/digest.h"
#include "model/merge.h"
#include "wire/change_codec.h"
#include "wire/state_part.h"

namespace syncline::sim {
namespace {

RowKey key_of(std::int64_t id) {
  const ValueView values[] = {ValueView::of(id)};
  return make_key(values);
}

// A change of several edits travels in several parts, cut the same way each time.
std::vector<ByteVector> parts_of(const Change& change) {
  std::vector<ByteVector> out;
  if (change.edits.size() < 2 || change.sequence.get() % 2 == 0) {
    out.push_back(encode_change(change));
    return out;
  }
  for (std::size_t i = 0; i < change.edits.size(); ++i) {
    Change piece = change;
    piece.edits = {change.edits[i]};
    const ByteVector encoded = encode_change(piece);
    Reader in(encoded);
    auto header = read_part_header(in);
    SL_CHECK(header.has_value());
    header->index = i;
    header->last = i + 1 == change.edits.size();
    Writer part;
    write_part_header(part, *header);
    part.raw(in.rest());
    out.push_back(part.take());
  }
  return out;
}

}  // namespace

Schema model_schema() {
  Schema schema;
  schema.version = 1;
  for (const char* name : {"notes", "tags"}) {
    TableSchema table;
    table.name = name;
    table.columns = {
        {"body", "TEXT", false, false, table.name == "tags" ? MergeRule::manual : MergeRule::lww},
        {"id", "INTEGER", true, false, MergeRule::lww},
        {"rank", "INTEGER", false, false, MergeRule::lww}};
    table.key = {"id"};
    schema.tables.push_back(table);
  }
  return canonical_schema(schema);
}

ModelReplica::ModelReplica(Random& random, const std::string& workspace) {
  facts_.workspace = workspace;
  facts_.replica = ReplicaId::draw(random);
  const Schema schema = model_schema();
  facts_.schema_version = schema.version;
  facts_.fingerprint = schema_fingerprint(schema);
  Writer out;
  encode_schema(out, schema);
  facts_.schema = out.take();
  open(random);
}

void ModelReplica::open(Random& random) {
  if (!facts_.epoch.is_zero()) {
    if (facts_.epochs_before.empty() || facts_.epochs_before.back() != facts_.epoch) {
      facts_.epochs_before.push_back(facts_.epoch);
    }
    if (facts_.epochs_before.size() > limits::epochs_max / 2) {
      facts_.epochs_before.erase(facts_.epochs_before.begin() + 1);
    }
  }
  facts_.epoch = EpochId::draw(random);
}

void ModelReplica::rebuild(const RowName& name) {
  const auto before = view_.find(name);
  if (before != view_.end()) {
    facts_.digest.subtract(digest_of(name.first, name.second.view(), before->second));
  }
  RowState row;
  if (const auto at = known_.find(name); at != known_.end()) {
    row = at->second;
  }
  for (std::size_t i = static_cast<std::size_t>(facts_.acknowledged.get()); i < log_.size(); ++i) {
    if (std::find(skipped_.begin(), skipped_.end(), i + 1) != skipped_.end()) {
      continue;
    }
    for (const RowEdit& edit : log_[i].edits) {
      if (edit.table == name.first && edit.key == name.second) {
        merge_edit(row, edit, log_[i].stamp);
      }
    }
  }
  facts_.digest.add(digest_of(name.first, name.second.view(), row));
  view_[name] = std::move(row);
}

void ModelReplica::rebuild_all() {
  std::set<RowName> names;
  for (const auto& [name, row] : known_) {
    names.insert(name);
  }
  for (const auto& [name, row] : view_) {
    names.insert(name);
  }
  for (const Change& change : log_) {
    for (const RowEdit& edit : change.edits) {
      names.insert({edit.table, edit.key});
    }
  }
  for (const RowName& name : names) {
    rebuild(name);
  }
}

void ModelReplica::lose_row(std::uint64_t pick) {
  if (known_.empty()) {
    return;
  }
  const auto lost = std::next(known_.begin(), static_cast<std::ptrdiff_t>(pick % known_.size()));
  const RowName name = lost->first;
  known_.erase(lost);
  rebuild(name);
}

Digest ModelReplica::recount() const {
  Digest out;
  for (const auto& [name, row] : view_) {
    out.add(digest_of(name.first, name.second.view(), row));
  }
  return out;
}

void ModelReplica::write(HybridClock& clock, const std::vector<Write>& writes) {
  clock.advance_to(last_time_);
  Change change;
  change.sequence = ChangeSequence(log_.size() + 1);
  change.stamp = {clock.tick(), facts_.replica};
  change.schema_version = 1;
  std::set<RowName> named;
  for (const Write& one : writes) {
    const RowName name{one.table, key_of(one.id)};
    if (!named.insert(name).second) {
      continue;
    }
    const RowState& row = view_[name];
    RowEdit edit;
    edit.table = one.table;
    edit.key = name.second;
    edit.kind = row.alive ? one.kind : EditKind::put;
    if (row.alive && one.kind == EditKind::put) {
      edit.kind = EditKind::set;
    }
    if (edit.kind != EditKind::set) {
      edit.replaced = row.newest();
    }
    if (edit.kind != EditKind::erase) {
      const CellState* body = row.find("body");
      edit.cells.push_back({"body", CellForm::plain, Value::text(std::to_string(one.value)),
                            edit.kind == EditKind::set && body != nullptr ? body->stamp : Stamp()});
      if (one.value % 3 == 0) {
        const CellState* rank = row.find("rank");
        edit.cells.push_back(
            {"rank", CellForm::plain, Value::integer(one.value),
             edit.kind == EditKind::set && rank != nullptr ? rank->stamp : Stamp()});
      }
    }
    change.edits.push_back(std::move(edit));
  }
  last_time_ = change.stamp.time;
  log_.push_back(std::move(change));
  facts_.last_sequence = log_.back().sequence;
  for (const RowName& name : named) {
    rebuild(name);
  }
}

std::vector<OutboxPart> ModelReplica::outbox(ChangeSequence after, std::size_t bytes_max) const {
  std::vector<OutboxPart> out;
  std::size_t bytes = 0;
  for (std::size_t i = static_cast<std::size_t>(after.get()); i < log_.size() && bytes < bytes_max;
       ++i) {
    std::vector<ByteVector> parts = parts_of(log_[i]);
    for (std::size_t p = 0; p < parts.size(); ++p) {
      bytes += parts[p].size();
      out.push_back(
          {log_[i].sequence, log_[i].stamp.time, p + 1 == parts.size(), std::move(parts[p])});
    }
  }
  return out;
}

void ModelReplica::acknowledge(ChangeSequence through) {
  std::set<RowName> names;
  for (std::uint64_t i = facts_.acknowledged.get(); i < through.get() && i < log_.size(); ++i) {
    const Change& change = log_[static_cast<std::size_t>(i)];
    const bool skip = std::find(skipped_.begin(), skipped_.end(), i + 1) != skipped_.end();
    for (const RowEdit& edit : change.edits) {
      const RowName name{edit.table, edit.key};
      if (!skip) {
        merge_edit(known(name), edit, change.stamp);
      }
      names.insert(name);
    }
    facts_.acknowledged_time = change.stamp.time;
  }
  facts_.acknowledged = through;
  for (const RowName& name : names) {
    rebuild(name);
  }
}

bool ModelReplica::was_rejected(ChangeSequence after, ChangeSequence through) const {
  for (std::uint64_t at = after.get() + 1; at <= through.get(); ++at) {
    if (std::find(skipped_.begin(), skipped_.end(), at) == skipped_.end()) {
      return false;
    }
  }
  return true;
}

Result<void> ModelReplica::reject(const Rejected& rejected) {
  if (std::find(skipped_.begin(), skipped_.end(), rejected.sequence.get()) == skipped_.end()) {
    skipped_.push_back(rejected.sequence.get());
    ++rejected_;
  }
  for (const RowEdit& edit : log_[static_cast<std::size_t>(rejected.sequence.get() - 1)].edits) {
    rebuild({edit.table, edit.key});
  }
  return {};
}

Result<void> ModelReplica::apply(const std::vector<ByteVector>& parts, ServerVersion cursor) {
  std::set<RowName> names;
  std::vector<Bytes> whole;
  for (const ByteVector& part : parts) {
    whole.push_back(part);
    Reader in(part);
    SL_TRY(const PartHeader header, read_part_header(in));
    if (!header.last) {
      continue;
    }
    if (header.sequence == ChangeSequence(0)) {
      whole.clear();
      SL_TRY(read_state_part(
          part, [&](const std::string& table, Bytes key, const RowState& state) -> Result<void> {
            const RowName name{table, {to_vector(key)}};
            merge_state(known(name), state);
            last_time_ = std::max(last_time_, state.newest().time);
            names.insert(name);
            return {};
          }));
      continue;
    }
    SL_TRY(const Change change, decode_parts(whole));
    whole.clear();
    last_time_ = std::max(last_time_, change.stamp.time);
    for (const RowEdit& edit : change.edits) {
      const RowName name{edit.table, edit.key};
      merge_edit(known(name), edit, change.stamp);
      names.insert(name);
    }
  }
  if (!whole.empty()) {
    return Error(ErrorCode::malformed, "half a transaction");
  }
  facts_.cursor = cursor;
  for (const RowName& name : names) {
    rebuild(name);
  }
  return {};
}

Result<void> ModelReplica::apply_page(const SnapshotPage& page) {
  SL_TRY(read_state_part(
      page.states, [&](const std::string& table, Bytes key, const RowState& state) -> Result<void> {
        const RowName name{table, {to_vector(key)}};
        merge_state(known(name), state);
        last_time_ = std::max(last_time_, state.newest().time);
        rebuild(name);
        return {};
      }));
  facts_.snapshot_token = page.token;
  return {};
}

void ModelReplica::finish_snapshot(ServerVersion cursor) {
  facts_.snapshot_token.clear();
  facts_.wants_rescan = false;
  facts_.cursor = cursor;
}

std::vector<ByteVector> ModelReplica::compare(const RangeDigests& digests) const {
  std::vector<ByteVector> differing;
  const auto digest_in = [&](const std::string& table, Bytes after, Bytes through) {
    Digest out;
    for (const auto& [name, row] : view_) {
      if (name.first == table && compare_bytes(name.second.view(), after) > 0 &&
          (through.empty() || compare_bytes(name.second.view(), through) <= 0)) {
        out.add(digest_of(name.first, name.second.view(), row));
      }
    }
    return out;
  };
  if (digests.table.empty()) {
    std::set<std::string> ours;
    for (const auto& [name, row] : view_) {
      ours.insert(name.first);
    }
    for (const RangeDigest& range : digests.ranges) {
      const std::string table(as_text(range.through));
      ours.erase(table);
      if (!(digest_in(table, {}, {}) == range.digest)) {
        differing.push_back(range.through);
      }
    }
    for (const std::string& table : ours) {
      differing.push_back(to_vector(as_bytes(table)));
    }
    return differing;
  }
  ByteVector after = digests.after;
  for (const RangeDigest& range : digests.ranges) {
    if (!(digest_in(digests.table, after, range.through) == range.digest)) {
      differing.push_back(range.through);
    }
    after = range.through;
  }
  return differing;
}

Result<void> ModelReplica::adopt(const RangeRows& rows) {
  std::set<RowName> names;
  for (auto at = known_.begin(); at != known_.end();) {
    const Bytes key = at->first.second.view();
    if (at->first.first == rows.table && compare_bytes(key, rows.after) > 0 &&
        (rows.through.empty() || compare_bytes(key, rows.through) <= 0)) {
      names.insert(at->first);
      at = known_.erase(at);
    } else {
      ++at;
    }
  }
  SL_TRY(read_state_part(
      rows.states, [&](const std::string& table, Bytes key, const RowState& state) -> Result<void> {
        const RowName name{table, {to_vector(key)}};
        known_[name] = state;
        last_time_ = std::max(last_time_, state.newest().time);
        names.insert(name);
        return {};
      }));
  for (const RowName& name : names) {
    rebuild(name);
  }
  return {};
}

void ModelReplica::save_welcome(const effect::SaveWelcome& welcome) {
  if (facts_.epochs_before.size() != 1 || facts_.epochs_before.front() != welcome.epoch) {
    // A server knows one of these that was put back, or is another one.
    elsewhere_.insert(elsewhere_.begin(), facts_.epochs_before.rbegin(),
                      facts_.epochs_before.rend());
    elsewhere_.resize(std::min(elsewhere_.size(), limits::epochs_max / 2));
  }
  facts_.lineage = welcome.lineage;
  facts_.cursor = welcome.cursor;
  facts_.epochs_before.assign(1, welcome.epoch);
  if (welcome.acknowledged >= facts_.acknowledged) {
    acknowledge(welcome.acknowledged);
    return;
  }
  unacknowledge(welcome.acknowledged);
}

void ModelReplica::unacknowledge(ChangeSequence through) {
  facts_.acknowledged = through;
  facts_.acknowledged_time = through == ChangeSequence(0)
                                 ? 0
                                 : log_[static_cast<std::size_t>(through.get() - 1)].stamp.time;
  // What the server rejected once is unsent again as well; it will say so again.
  rebuild_all();
}

void ModelReplica::restamp(HybridClock& clock, ChangeSequence after) {
  // Stamps that the wrong clock made are not a floor for the new ones; everybody else's are.
  last_time_ = 0;
  for (const auto& [name, row] : known_) {
    last_time_ = std::max(last_time_, row.newest().time);
  }
  std::map<std::uint64_t, Stamp> renamed;
  for (std::size_t i = 0; i < log_.size(); ++i) {
    if (i < after.get()) {
      last_time_ = std::max(last_time_, log_[i].stamp.time);
      continue;
    }
    clock.advance_to(last_time_);
    const std::uint64_t old = log_[i].stamp.time;
    log_[i].stamp.time = clock.tick();
    last_time_ = log_[i].stamp.time;
    renamed[old] = log_[i].stamp;
    const auto rename = [&](Stamp& stamp) {
      const auto at = renamed.find(stamp.time);
      if (stamp.replica == facts_.replica && at != renamed.end()) {
        stamp = at->second;
      }
    };
    for (RowEdit& edit : log_[i].edits) {
      rename(edit.replaced);
      for (CellEdit& cell : edit.cells) {
        rename(cell.replaced);
      }
    }
  }
  rebuild_all();
}

void ModelReplica::reidentify(Random& random, const effect::Reidentify& how) {
  std::size_t common = static_cast<std::size_t>(how.acknowledged.get());
  for (const KnownChange& known : how.known) {
    if (common >= log_.size() ||
        !known.is(log_[common].stamp.time, hash_of_parts({{encode_change(log_[common])}}))) {
      break;
    }
    ++common;
  }
  acknowledge(ChangeSequence(common));
  std::vector<Change> kept(log_.begin() + static_cast<std::ptrdiff_t>(common), log_.end());
  const ReplicaId old = facts_.replica;
  facts_.replica = ReplicaId::draw(random);
  if (!kept.empty()) {
    // As an engine does: copies that share what is renamed arrive at one name.
    Sha256 hash;
    hash.update(old.view());
    hash.update(encode_change(kept.front()));
    const Sha256Digest digest = hash.finish();
    std::copy_n(digest.begin(), facts_.replica.bytes.size(), facts_.replica.bytes.begin());
  }
  std::set<std::uint64_t> moved;
  for (std::size_t i = 0; i < kept.size(); ++i) {
    kept[i].sequence = ChangeSequence(i + 1);
    moved.insert(kept[i].stamp.time);
    kept[i].stamp.replica = facts_.replica;
    const auto rename = [&](Stamp& stamp) {
      if (stamp.replica == old && moved.count(stamp.time) != 0) {
        stamp.replica = facts_.replica;
      }
    };
    for (RowEdit& edit : kept[i].edits) {
      rename(edit.replaced);
      for (CellEdit& cell : edit.cells) {
        rename(cell.replaced);
      }
    }
  }
  log_ = std::move(kept);
  std::vector<std::uint64_t> skipped;
  for (const std::uint64_t sequence : skipped_) {
    if (sequence > common) {
      skipped.push_back(sequence - common);
    }
  }
  skipped_ = std::move(skipped);
  facts_.acknowledged = ChangeSequence(0);
  facts_.acknowledged_time = 0;
  facts_.last_sequence = ChangeSequence(log_.size());
  facts_.epochs_before.clear();
  elsewhere_.clear();
  facts_.epoch = EpochId::draw(random);
  rebuild_all();
}

ReplicaFacts ModelReplica::facts_of_hello() const {
  ReplicaFacts out = facts_;
  out.epochs_before.insert(out.epochs_before.end(), elsewhere_.begin(), elsewhere_.end());
  out.epochs_before.resize(std::min(out.epochs_before.size(), limits::epochs_max));
  return out;
}

}  // namespace syncline::sim
