#include "ydoc/snapshot.h"

#include <algorithm>

#include "ydoc/marks.h"
#include "ydoc/store.h"

namespace syncline::ydoc {

Snapshot take_snapshot(const Doc& doc) { return {doc.delete_set(), doc.state_vector()}; }

ByteVector encode_snapshot(const Snapshot& snapshot) {
  Encoder out;
  snapshot.deletes.write(out);
  out.raw(snapshot.state.encode());
  return out.take();
}

Result<Snapshot> decode_snapshot(Bytes bytes) {
  Decoder in(bytes);
  Snapshot out;
  out.deletes.read(in);
  if (!in.ok()) {
    return Error(ErrorCode::malformed, "malformed snapshot");
  }
  out.deletes.normalize();
  SL_TRY(out.state, StateVector::decode(in.raw(in.remaining())));
  return out;
}

namespace {

// Cuts structs at the snapshot's borders, so that each lies inside or outside.
void cut_at(Store& store, const Snapshot& snapshot) {
  for (const StateVector::Entry& entry : snapshot.state.entries()) {
    Client* client = store.clients.find(entry.client);
    if (client != nullptr && entry.clock < client->state) {
      store.clean_start(client, entry.clock);
    }
  }
  for (const DeleteRange& range : snapshot.deletes.ranges()) {
    Client* client = store.clients.find(range.client);
    for (const Clock border : {range.clock, range.clock + range.length}) {
      if (client != nullptr && border < client->state) {
        store.clean_start(client, border);
      }
    }
  }
}

bool visible_in(const Snapshot& snapshot, const Item* item) {
  const ClientId client = item->client->id;
  return item->clock < snapshot.state.clock_of(client) &&
         !snapshot.deletes.contains({client, item->clock});
}

}  // namespace

Result<ByteVector> update_from_snapshot(Doc& doc, const Snapshot& snapshot) {
  Store& store = doc.store();
  if (store.collect_garbage) {
    return Error(ErrorCode::unsupported, "a document that collects garbage cannot be restored");
  }
  for (const StateVector::Entry& entry : snapshot.state.entries()) {
    if (store.state(entry.client) < entry.clock) {
      return Error(ErrorCode::not_found, "the document never reached the snapshot's state");
    }
  }
  const TransactionScope scope(store, "");
  cut_at(store, snapshot);
  Encoder body;
  std::uint64_t sections = 0;
  for (const StateVector::Entry& entry : snapshot.state.entries()) {
    Client* client = store.clients.find(entry.client);
    if (client != nullptr && entry.clock > 0) {
      store.encode_structs_between(body, client, 0, entry.clock);
      sections += 1;
    }
  }
  Encoder out;
  out.var_uint(sections);
  out.raw(body.bytes());
  snapshot.deletes.write(out);
  return out.take();
}

namespace {

class Comparison {
 public:
  Comparison(const Store& store, const Snapshot& now, const Snapshot& before)
      : store_(store), now_(now), before_(before) {}

  std::vector<DeltaOut> of(const Branch& branch) {
    for (const Item* item = branch.start; item != nullptr; item = item->right) {
      const bool is_now = visible_in(now_, item);
      const bool was = visible_in(before_, item);
      if (!is_now && !was) {
        continue;
      }
      if (item->kind == ContentKind::format) {
        if (is_now) {
          flush();
          marks_.set(item->format_key, item->content.value);
        }
      } else if (item->kind == ContentKind::string) {
        const char* change = is_now ? (was ? "" : "added") : "removed";
        if (change != change_) {
          flush();
          change_ = change;
        }
        text_.append(item->content.text, static_cast<std::size_t>(item->length));
      } else if (item->countable()) {
        flush();
        out_.emplace_back();
        append_content(item, out_.back().values);
        put_marks(out_.back());
      }
    }
    flush();
    return std::move(out_);
  }

 private:
  void put_marks(DeltaOut& op) const {
    for (const auto& [key, value] : marks_.entries()) {
      op.attributes.emplace_back(store_.key_text(key), value->any);
    }
  }
  void flush() {
    if (text_.empty()) {
      return;
    }
    out_.emplace_back();
    out_.back().text = std::move(text_);
    text_.clear();
    put_marks(out_.back());
    if (!change_.empty()) {
      out_.back().attributes.emplace_back(
          "ychange", Any::object({{"type", Any::string(std::string(change_))}}));
    }
  }

  const Store& store_;
  const Snapshot& now_;
  const Snapshot& before_;
  Marks marks_;
  std::u16string text_;
  std::string_view change_;
  std::vector<DeltaOut> out_;
};

}  // namespace

std::vector<DeltaOut> delta_between(Doc& doc, Text text, const Snapshot& now,
                                    const Snapshot& before) {
  Store& store = doc.store();
  const TransactionScope scope(store, "");
  cut_at(store, now);
  cut_at(store, before);
  return Comparison(store, now, before).of(*text.branch());
}

}  // namespace syncline::ydoc
