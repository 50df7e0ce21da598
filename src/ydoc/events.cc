#include "ydoc/events.h"

#include <algorithm>

#include "base/sort.h"
#include "ydoc/list_index.h"
#include "ydoc/marks.h"
#include "ydoc/store.h"

namespace syncline::ydoc {

namespace {

class Observer {
 public:
  Observer(const Store& store, const Transaction& txn) : store_(store), txn_(txn) {}

  bool added(const Item* item) const { return store_.added_in(txn_, item); }
  bool removed(const Item* item) const {
    return txn_.delete_set.contains({item->client->id, item->clock});
  }
  const Store& store() const { return store_; }

 private:
  const Store& store_;
  const Transaction& txn_;
};

void grow(std::vector<DeltaOut>& delta, DeltaOut::Kind kind, std::uint64_t count) {
  if (delta.empty() || delta.back().kind != kind) {
    delta.emplace_back();
    delta.back().kind = kind;
  }
  delta.back().count += count;
}

std::vector<DeltaOut> list_delta(const Observer& seen, const Branch& branch) {
  std::vector<DeltaOut> delta;
  for (const Item* item = branch.start; item != nullptr; item = item->right) {
    if (item->deleted()) {
      if (seen.removed(item) && !seen.added(item)) {
        grow(delta, DeltaOut::Kind::remove, item->length);
      }
    } else if (seen.added(item)) {
      grow(delta, DeltaOut::Kind::insert, 0);
      append_content(item, delta.back().values);
    } else {
      grow(delta, DeltaOut::Kind::retain, item->length);
    }
  }
  if (!delta.empty() && delta.back().kind == DeltaOut::Kind::retain) {
    delta.pop_back();
  }
  return delta;
}

// Builds the delta of a text: what was there before is retained, perhaps with other attributes, or
// removed; what is new is inserted with those in force.
class TextDelta {
 public:
  explicit TextDelta(const Observer& seen) : seen_(seen) {}

  std::vector<DeltaOut> of(const Branch& branch) {
    for (const Item* item = branch.start; item != nullptr; item = item->right) {
      if (item->kind == ContentKind::format) {
        mark(item);
      } else {
        content(item);
      }
    }
    close();
    while (!delta_.empty() && delta_.back().kind == DeltaOut::Kind::retain &&
           delta_.back().attributes.empty()) {
      delta_.pop_back();
    }
    return std::move(delta_);
  }

 private:
  void open(DeltaOut::Kind kind) {
    if (!active_ || op_.kind != kind) {
      close();
      op_ = {};
      op_.kind = kind;
      active_ = true;
    }
  }
  void close() {
    const bool empty = op_.count == 0 && op_.text.empty() && op_.values.empty();
    if (active_ && !empty) {
      if (op_.kind != DeltaOut::Kind::remove) {
        const Marks& marks = op_.kind == DeltaOut::Kind::insert ? now_ : changed_;
        for (const auto& [key, value] : marks.entries()) {
          op_.attributes.emplace_back(seen_.store().key_text(key), value->any);
        }
      }
      delta_.push_back(std::move(op_));
    }
    op_ = {};
    active_ = false;
  }
  void close_retain() {
    if (active_ && op_.kind == DeltaOut::Kind::retain) {
      close();
    }
  }

  void content(const Item* item) {
    if (seen_.added(item)) {
      if (item->deleted()) {
        return;
      }
      if (item->kind == ContentKind::string) {
        open(DeltaOut::Kind::insert);
        op_.text.append(item->content.text, static_cast<std::size_t>(item->length));
      } else {
        close();
        open(DeltaOut::Kind::insert);
        append_content(item, op_.values);
        close();
      }
    } else if (seen_.removed(item)) {
      open(DeltaOut::Kind::remove);
      op_.count += item->length;
    } else if (!item->deleted()) {
      open(DeltaOut::Kind::retain);
      op_.count += item->length;
    }
  }

  void mark(const Item* item) {
    const Key key = item->format_key;
    const Value* value = item->content.value;
    if (seen_.added(item)) {
      if (!seen_.removed(item) && !equal_marks(now_.find(key), value)) {
        close_retain();
        if (equal_marks(value, then_.find(key))) {
          changed_.erase(key);
        } else {
          changed_.put(key, value);
        }
      }
    } else if (seen_.removed(item)) {
      then_.put(key, value);
      if (!equal_marks(now_.find(key), value)) {
        close_retain();
        const Value* current = now_.find(key);
        changed_.put(key, current != nullptr ? current : &null_);
      }
    } else if (!item->deleted()) {
      then_.put(key, value);
      const Value* change = changed_.find(key);
      if (change != nullptr && !equal_marks(change, value)) {
        close_retain();
        if (value->any.is_null()) {
          changed_.erase(key);
        } else {
          changed_.put(key, value);
        }
      }
    }
    if (!item->deleted()) {
      if (active_ && op_.kind == DeltaOut::Kind::insert) {
        close();
      }
      now_.set(key, value);
    }
  }

  const Observer& seen_;
  const Value null_{Any::null(), "null"};
  std::vector<DeltaOut> delta_;
  DeltaOut op_;
  bool active_ = false;
  Marks now_;      // in force where we are
  Marks then_;     // in force there before the transaction
  Marks changed_;  // what a retained piece got
};

void add_key_change(const Observer& seen, const Branch& branch, Key key,
                    std::vector<KeyChange>& out) {
  const Item* item = branch.map.find(key)->last;
  const bool deleted = seen.removed(item);
  KeyChange change{seen.store().key_text(key), KeyChange::Action::add, Any{}};
  const auto last_of = [](const Item* from) { return content_at(from, from->length - 1); };
  if (!seen.added(item)) {
    if (deleted) {
      change.action = KeyChange::Action::remove;
      change.old_value = last_of(item);
      out.push_back(std::move(change));
    }
    return;
  }
  const Item* previous = item->left;
  while (previous != nullptr && seen.added(previous)) {
    previous = previous->left;
  }
  const bool replaced = previous != nullptr && seen.removed(previous);
  if (deleted && !replaced) {
    return;
  }
  if (replaced) {
    change.action = deleted ? KeyChange::Action::remove : KeyChange::Action::update;
    change.old_value = last_of(previous);
  }
  out.push_back(std::move(change));
}

bool is_text(TypeKind kind) { return kind == TypeKind::text || kind == TypeKind::xml_text; }

}  // namespace

std::vector<Event> make_events(const Store& store, const Transaction& txn) {
  const Observer seen(store, txn);
  std::vector<Branch*> order;
  std::unordered_map<const Branch*, std::vector<Key>> changes;
  for (const Transaction::Change& change : txn.changes) {
    if (change.branch->item != nullptr && change.branch->item->deleted()) {
      continue;
    }
    const auto [found, fresh] = changes.try_emplace(change.branch);
    if (fresh) {
      order.push_back(change.branch);
    }
    found->second.push_back(change.key);
  }
  std::vector<Event> events;
  for (Branch* branch : order) {
    std::vector<Key>& keys = changes[branch];
    Event event;
    event.target = Type(branch);
    std::vector<Key> done;
    syncline::sort(keys.begin(), keys.end());
    keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
    for (const Key key : keys) {
      if (key != no_key) {
        add_key_change(seen, *branch, key, event.keys);
      } else if (is_text(branch->kind)) {
        event.delta = TextDelta(seen).of(*branch);
      } else {
        event.delta = list_delta(seen, *branch);
      }
    }
    events.push_back(std::move(event));
  }
  return events;
}

std::vector<PathStep> path_between(Type from, Type to) {
  std::vector<PathStep> path;
  for (const Branch* at = to.branch(); at->item != nullptr && at != from.branch();
       at = at->item->parent) {
    const Item* item = at->item;
    if (!item->in_list()) {
      path.emplace_back(at->store->key_text(item->key));
      continue;
    }
    std::uint64_t position = 0;
    if (item->leaf != nullptr) {
      position = index_position(item);
    } else {
      for (const Item* left = item->left; left != nullptr; left = left->left) {
        position += left->visible_length();
      }
    }
    path.emplace_back(position);
  }
  std::reverse(path.begin(), path.end());
  return path;
}

bool is_within(Type inner, Type outer) {
  const Branch* at = inner.branch();
  while (at != nullptr && at != outer.branch()) {
    at = at->item == nullptr ? nullptr : at->item->parent;
  }
  return at != nullptr;
}

}  // namespace syncline::ydoc
