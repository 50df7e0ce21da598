#include "ydoc/undo.h"

#include <algorithm>
#include <unordered_set>

#include "ydoc/list_index.h"
#include "ydoc/store.h"

namespace syncline::ydoc {

namespace {

void keep(Item* item) {
  while (item != nullptr && (item->flags & flag_keep) == 0) {
    item->flags |= flag_keep;
    item = item->parent->item;
  }
}

void release(Item* item) {
  while (item != nullptr && (item->flags & flag_keep) != 0) {
    item->flags = static_cast<std::uint8_t>(item->flags & ~flag_keep);
    item = item->parent->item;
  }
}

// A transaction that is over lends its place in the queue to structural work after the fact.
class Reopened {
 public:
  Reopened(Store& store, Transaction& txn) : store_(store), before_(store.current) {
    store_.current = &txn;
  }
  ~Reopened() { store_.current = before_; }
  Reopened(const Reopened&) = delete;
  Reopened& operator=(const Reopened&) = delete;

 private:
  Store& store_;
  Transaction* before_;
};

Item* next_redone(Store& store, const Item* item) {
  const Id id = store.redone.at({item->client->id, item->clock});
  return store.clean_start(store.client(id.client), id.clock);
}

bool is_redone(const Item* item) { return (item->flags & flag_redone) != 0; }

// The parts of `item`, or of what it was redone as, one by one.
Item* follow_redone(Store& store, Item* item) {
  while (is_redone(item)) {
    item = next_redone(store, item);
  }
  return item;
}

}  // namespace

// Visits the structs of some units, cut at their borders.
template <typename Visit>
void UndoManager::visit_units(Store& store, const Units& units, const Visit& visit) {
  const std::vector<DeleteRange>& ranges = units.set.ranges();
  for (const ClientId id : units.order) {
    Client* client = store.clients.find(id);
    auto range = std::lower_bound(
        ranges.begin(), ranges.end(), id,
        [](const DeleteRange& each, ClientId wanted) { return each.client > wanted; });
    for (; client != nullptr && range != ranges.end() && range->client == id; ++range) {
      const Clock end = std::min(client->state, range->clock + range->length);
      for (Clock clock = range->clock; clock < end;) {
        Item* item = store.clean_start(client, clock);
        if (item->kind != ContentKind::gc && end < item->end()) {
          store.split(item, end - item->clock);
        }
        clock = item->end();
        visit(item);
      }
    }
  }
}

void UndoManager::join(Units& units, const Units& more) {
  for (const DeleteRange& range : more.set.ranges()) {
    units.set.add(range);
  }
  units.set.normalize();
  for (const ClientId id : more.order) {
    if (std::find(units.order.begin(), units.order.end(), id) == units.order.end()) {
      units.order.push_back(id);
    }
  }
}

// Brings deleted items back as copies, at the place where they were.
class Redoer {
 public:
  Redoer(UndoManager& manager, Store& store, std::unordered_set<Item*>& wanted,
         const DeleteSet& insertions)
      : manager_(manager), store_(store), wanted_(wanted), insertions_(insertions) {}

  // Null if it cannot be brought back.
  Item* redo(Item* item) {
    // A parent must come back before its child; going up by hand keeps the stack flat.
    std::vector<Item*> chain{item};
    while (needs_parent(chain.back())) {
      chain.push_back(chain.back()->parent->item);
    }
    Item* out = nullptr;
    for (auto each = chain.rbegin(); each != chain.rend(); ++each) {
      out = redo_one(*each);
      if (out == nullptr) {
        return nullptr;
      }
    }
    return out;
  }

 private:
  bool needs_parent(const Item* item) const {
    Item* holder = item->parent->item;
    return !is_redone(item) && holder != nullptr && holder->deleted() && !is_redone(holder) &&
           wanted_.count(holder) > 0;
  }

  bool in_stack(const std::vector<UndoManager::Step>& stack, Id id) const {
    return std::any_of(stack.begin(), stack.end(), [id](const UndoManager::Step& step) {
      return step.deletions.set.contains(id);
    });
  }
  bool will_vanish(const Item* item) const {
    const Id id{item->client->id, item->clock};
    return is_redone(item) || insertions_.contains(id) || in_stack(manager_.undo_stack_, id) ||
           in_stack(manager_.redo_stack_, id);
  }

  // The item or what it became, as far as it lies in `holder`.
  Item* trace(Item* item, const Item* holder) {
    while (item != nullptr && item->parent->item != holder) {
      item = is_redone(item) ? next_redone(store_, item) : nullptr;
    }
    return item;
  }

  void place_in_list(Item* item, const Item* holder, Item*& left, Item*& right) {
    for (left = item->left; left != nullptr; left = left->left) {
      if (Item* found = trace(left, holder)) {
        left = found;
        break;
      }
    }
    for (right = item; right != nullptr; right = right->right) {
      if (Item* found = trace(right, holder)) {
        right = found;
        break;
      }
    }
  }

  // False where a later value of somebody else stands in the way.
  bool place_in_map(Item* item, const Item* holder, Branch* parent, Item*& left) {
    const KeyMap::Entry* entry = parent->map.find(item->key);
    if (item->right == nullptr) {
      left = entry == nullptr ? nullptr : entry->last;
    } else {
      left = item;
      while (left->right != nullptr && will_vanish(left->right)) {
        left = follow_redone(store_, left->right);
      }
      if (left->right != nullptr) {
        return false;
      }
    }
    if (left != nullptr && left->parent->item != holder) {
      entry = parent->map.find(item->key);
      left = entry == nullptr ? nullptr : entry->last;
    }
    return true;
  }

  void copy_content(const Item* from, Item* to) {
    to->content = from->content;
    to->format_key = from->format_key;
    if (from->kind == ContentKind::string) {
      // A copy of its own: cutting a surrogate pair writes into the text.
      to->content.text = store_.append_text(*to->client, to->length);
      std::copy_n(from->content.text, from->length, to->content.text);
    } else if (from->kind == ContentKind::type) {
      Branch* copy = store_.make_branch(from->content.branch->kind);
      copy->name = from->content.branch->name;
      copy->item = to;
      to->content.branch = copy;
    }
  }

  Item* redo_one(Item* item) {
    if (is_redone(item)) {
      return next_redone(store_, item);
    }
    Item* holder = item->parent->item;
    if (holder != nullptr && holder->deleted()) {
      if (!is_redone(holder)) {
        return nullptr;
      }
      holder = follow_redone(store_, holder);
    }
    if (holder != nullptr && holder->kind != ContentKind::type) {
      return nullptr;
    }
    Branch* parent = holder == nullptr ? item->parent : holder->content.branch;
    Item* left = nullptr;
    Item* right = nullptr;
    if (item->in_list()) {
      place_in_list(item, holder, left, right);
    } else if (!place_in_map(item, holder, parent, left)) {
      return nullptr;
    }
    Item* copy = store_.make_local(parent, left, right, item->key, item->kind, item->length);
    copy_content(item, copy);
    store_.redone[{item->client->id, item->clock}] = Id{copy->client->id, copy->clock};
    item->flags |= flag_redone;
    keep(copy);
    store_.integrate(copy);
    return copy;
  }

  UndoManager& manager_;
  Store& store_;
  std::unordered_set<Item*>& wanted_;
  const DeleteSet& insertions_;
};

UndoManager::UndoManager(Doc& doc, std::vector<Type> scope, UndoOptions options)
    : doc_(doc), scope_(std::move(scope)), options_(std::move(options)) {
  own_origin_ = "undo manager";
  options_.tracked_origins.insert(own_origin_);
  subscription_ = doc_.on_transaction([this](Transaction& txn) { after_transaction(txn); });
}

UndoManager::~UndoManager() { doc_.unsubscribe(subscription_); }

bool UndoManager::in_scope(const Item* item) const {
  for (const Branch* at = item->parent; at != nullptr;
       at = at->item == nullptr ? nullptr : at->item->parent) {
    if (std::any_of(scope_.begin(), scope_.end(),
                    [at](Type type) { return type.branch() == at; })) {
      return true;
    }
  }
  return false;
}

void UndoManager::after_transaction(Transaction& txn) {
  if (options_.tracked_origins.count(txn.origin) == 0) {
    return;
  }
  const bool touches = std::any_of(
      txn.changes.begin(), txn.changes.end(), [this](const Transaction::Change& change) {
        const Branch* holder = change.branch;
        if (holder->item != nullptr && holder->item->deleted()) {
          return false;
        }
        return std::any_of(scope_.begin(), scope_.end(), [holder](Type type) {
          return is_within(Type(const_cast<Branch*>(holder)), type);
        });
      });
  if (!touches) {
    return;
  }
  std::vector<Step>& stack = running_ == Running::undo ? redo_stack_ : undo_stack_;
  if (running_ == Running::undo) {
    stop_capturing();
  } else if (running_ == Running::nothing) {
    clear_stack(redo_stack_);
  }
  Step step;
  step.deletions = {txn.delete_set, txn.delete_order};
  const Units deleted = step.deletions;
  std::vector<Transaction::Touched> touched = txn.touched;
  std::sort(touched.begin(), touched.end(),
            [](const auto& a, const auto& b) { return a.client->order < b.client->order; });
  for (const Transaction::Touched& each : touched) {
    if (each.client->state > each.before) {
      step.insertions.set.add({each.client->id, each.before, each.client->state - each.before});
      step.insertions.order.push_back(each.client->id);
    }
  }
  step.insertions.set.normalize();
  const std::int64_t now = options_.now_ms ? options_.now_ms() : 1;
  const bool joins = last_change_ms_ > 0 && now - last_change_ms_ < options_.capture_timeout_ms &&
                     !stack.empty() && running_ == Running::nothing;
  if (joins) {
    join(stack.back().insertions, step.insertions);
    join(stack.back().deletions, step.deletions);
  } else {
    stack.push_back(std::move(step));
  }
  if (running_ == Running::nothing) {
    last_change_ms_ = now;
  }
  Store& store = doc_.store();
  const Reopened reopened(store, txn);
  visit_units(store, deleted, [this](Item* item) {
    if (item->kind != ContentKind::gc && in_scope(item)) {
      keep(item);
    }
  });
}

bool UndoManager::undo() { return pop(undo_stack_, Running::undo); }
bool UndoManager::redo() { return pop(redo_stack_, Running::redo); }

bool UndoManager::pop(std::vector<Step>& stack, Running running) {
  running_ = running;
  bool changed = false;
  {
    const TransactionScope scope(doc_.store(), own_origin_);
    while (!stack.empty() && !changed) {
      const Step step = std::move(stack.back());
      stack.pop_back();
      changed = perform(step);
    }
  }
  running_ = Running::nothing;
  return changed;
}

bool UndoManager::perform(const Step& step) {
  Store& store = doc_.store();
  std::vector<Item*> to_delete;
  std::vector<Item*> to_redo;
  visit_units(store, step.insertions, [&](Item* item) {
    if (item->kind == ContentKind::gc) {
      return;
    }
    item = follow_redone(store, item);
    if (item->kind != ContentKind::gc && !item->deleted() && in_scope(item)) {
      to_delete.push_back(item);
    }
  });
  std::unordered_set<Item*> wanted;
  visit_units(store, step.deletions, [&](Item* item) {
    if (item->kind != ContentKind::gc && in_scope(item) &&
        !step.insertions.set.contains({item->client->id, item->clock})) {
      to_redo.push_back(item);
      wanted.insert(item);
    }
  });
  Redoer redoer(*this, store, wanted, step.insertions.set);
  bool changed = false;
  for (Item* item : to_redo) {
    changed = redoer.redo(item) != nullptr || changed;
  }
  for (auto item = to_delete.rbegin(); item != to_delete.rend(); ++item) {
    store.delete_item(*item);
    changed = true;
  }
  return changed;
}

void UndoManager::clear_stack(std::vector<Step>& stack) {
  if (stack.empty()) {
    return;
  }
  Store& store = doc_.store();
  const TransactionScope scope(store, "");
  for (const Step& step : stack) {
    visit_units(store, step.deletions, [this](Item* item) {
      if (item->kind != ContentKind::gc && in_scope(item)) {
        release(item);
      }
    });
  }
  stack.clear();
}

void UndoManager::clear() {
  clear_stack(undo_stack_);
  clear_stack(redo_stack_);
}

}  // namespace syncline::ydoc
