#include "ydoc/doc.h"

#include <algorithm>
#include <list>
#include <unordered_map>

#include "base/sort.h"
#include "ydoc/merge.h"
#include "ydoc/store.h"
#include "ydoc/update_v2.h"

namespace syncline::ydoc {

// A list, and entries that are only marked while callbacks run: one may subscribe and unsubscribe
// others, or itself.
struct Doc::Observers {
  struct One {
    Subscription id = 0;
    Type type;
    std::function<void(const UpdateEvent&)> on_update;
    std::function<void(const SubdocEvent&)> on_subdocs;
    std::function<void(const Event&)> on_event;
    std::function<void(const std::vector<Event>&)> on_deep;
    std::function<void(Transaction&)> on_transaction;
    bool gone = false;
  };
  std::list<One> all;
  Subscription last = 0;
  int running = 0;

  One& add() {
    all.emplace_back();
    all.back().id = ++last;
    return all.back();
  }
  void sweep() {
    if (running == 0) {
      all.remove_if([](const One& one) { return one.gone; });
    }
  }
  // Visits those that are there now, not those that the visits add.
  template <typename Visit>
  void each(const Visit& visit) {
    running += 1;
    auto one = all.begin();
    for (std::size_t left = all.size(); left > 0; --left, ++one) {
      if (!one->gone) {
        visit(*one);
      }
    }
    running -= 1;
    sweep();
  }
};

Doc::Doc(DocOptions options)
    : store_(std::make_unique<Store>()), observers_(std::make_unique<Observers>()) {
  store_->client_id = options.client_id;
  store_->collect_garbage = options.collect_garbage;
  store_->clean_formatting = options.clean_formatting;
  store_->limits = options.limits;
  store_->random = options.random;
}

Doc::~Doc() = default;

ClientId Doc::client_id() const { return store_->client_id; }
void Doc::set_client_id(ClientId id) { store_->client_id = id; }

Type Doc::root(std::string_view name, TypeKind kind) {
  Branch* branch = store_->root(name);
  if (branch->kind == TypeKind::untyped) {
    branch->kind = kind;
    // Yjs builds a new object here that has not seen the marks; cleaning up waits for the next one.
    branch->has_formatting = false;
  }
  return Type(branch);
}

std::vector<std::string> Doc::root_names() const {
  std::vector<std::string> out;
  for (const Branch* branch : store_->root_order) {
    out.push_back(store_->key_text(branch->root));
  }
  return out;
}

Doc::Batch::Batch(Store& store, std::string_view origin) : store_(store) {
  store_.begin(origin, Locality::local);
}
Doc::Batch::~Batch() { store_.end(); }

Doc::Batch Doc::batch(std::string_view origin) { return Batch(*store_, origin); }

Result<void> Doc::apply_update(Bytes update, std::string_view origin) {
  return store_->apply(update, origin, Locality::remote);
}

Result<void> Doc::apply_update_v2(Bytes update, std::string_view origin) {
  SL_TRY(const ByteVector v1, convert_v2_to_v1(update, store_->limits));
  return apply_update(v1, origin);
}

Result<ByteVector> Doc::encode_state_as_update(const StateVector& state) {
  return store_->encode_with_pending(state);
}

ByteVector Doc::encode_settled(const StateVector& state) {
  Encoder out;
  store_->encode_state(out, state);
  return out.take();
}

Result<ByteVector> Doc::encode_state_as_update_v2(const StateVector& state) {
  SL_TRY(const ByteVector v1, encode_state_as_update(state));
  return convert_v1_to_v2(v1, InheritedKeys::marked);
}

StateVector Doc::state_vector() const { return store_->state_vector(); }
DeleteSet Doc::delete_set() const { return store_->delete_set(); }
bool Doc::has_pending_structs() const { return store_->has_pending_structs(); }
bool Doc::has_pending_deletes() const { return store_->has_pending_deletes(); }

Subscription Doc::on_update(std::function<void(const UpdateEvent&)> call) {
  Observers::One& one = observers_->add();
  one.on_update = std::move(call);
  refresh_hooks();
  return observers_->last;
}

Subscription Doc::on_subdocs(std::function<void(const SubdocEvent&)> call) {
  Observers::One& one = observers_->add();
  one.on_subdocs = std::move(call);
  refresh_hooks();
  return observers_->last;
}

Subscription Doc::observe(Type type, std::function<void(const Event&)> call) {
  Observers::One& one = observers_->add();
  one.type = type;
  one.on_event = std::move(call);
  watch_structure();
  return observers_->last;
}

Subscription Doc::observe_deep(Type type, std::function<void(const std::vector<Event>&)> call) {
  Observers::One& one = observers_->add();
  one.type = type;
  one.on_deep = std::move(call);
  watch_structure();
  return observers_->last;
}

Subscription Doc::on_transaction(std::function<void(Transaction&)> call) {
  Observers::One& one = observers_->add();
  one.on_transaction = std::move(call);
  watch_structure();
  return observers_->last;
}

void Doc::unsubscribe(Subscription subscription) {
  for (Observers::One& one : observers_->all) {
    one.gone = one.gone || one.id == subscription;
  }
  observers_->sweep();
  refresh_hooks();
}

// Apart from the other hook, so that a program in which nobody asks for events does not carry what
// makes them.
void Doc::watch_structure() {
  if (!store_->hooks.after_transaction) {
    store_->hooks.after_transaction = [this](Transaction& txn) { after_transaction(txn); };
  }
  refresh_hooks();
}

void Doc::refresh_hooks() {
  bool structural = false;
  bool updates = false;
  for (const Observers::One& one : observers_->all) {
    if (!one.gone) {
      structural = structural || one.on_event || one.on_deep || one.on_transaction;
      updates = updates || one.on_update || one.on_subdocs;
    }
  }
  store_->record_changes = structural;
  // The hooks stay once set: this may run inside one of them.
  if (updates && !store_->hooks.after_cleanup) {
    store_->hooks.after_cleanup = [this](Transaction& txn) { after_cleanup(txn); };
  }
}

namespace {

std::vector<Event> select(const std::vector<Event>& events, const std::vector<std::size_t>& which,
                          Type from) {
  std::vector<Event> out;
  for (const std::size_t i : which) {
    out.push_back(events[i]);
    out.back().path = path_between(from, events[i].target);
  }
  syncline::stable_sort(out.begin(), out.end(), [](const Event& a, const Event& b) {
    return a.path.size() < b.path.size();
  });
  return out;
}

}  // namespace

void Doc::after_transaction(Transaction& txn) {
  observers_->each([&txn](const Observers::One& one) {
    if (one.on_transaction) {
      one.on_transaction(txn);
    }
  });
  if (txn.changes.empty()) {
    return;
  }
  const std::vector<Event> events = make_events(*store_, txn);
  // Each type that changed or holds one that did, in the order in which Yjs calls them.
  std::vector<Type> holders;
  std::unordered_map<Branch*, std::vector<std::size_t>> within;
  for (std::size_t i = 0; i < events.size(); ++i) {
    for (Type type = events[i].target; type; type = type.parent()) {
      const auto [found, fresh] = within.try_emplace(type.branch());
      if (fresh) {
        holders.push_back(type);
      }
      found->second.push_back(i);
    }
  }
  for (const Event& event : events) {
    observers_->each([&event](const Observers::One& one) {
      if (one.on_event && event.target == one.type) {
        one.on_event(event);
      }
    });
  }
  for (const Type holder : holders) {
    observers_->each([&](const Observers::One& one) {
      if (one.on_deep && one.type == holder) {
        one.on_deep(select(events, within[holder.branch()], holder));
      }
    });
  }
}

void Doc::after_cleanup(Transaction& txn) {
  SubdocEvent subdocs;
  for (const Item* item : txn.subdocs_added) {
    if (item->kind == ContentKind::doc) {
      subdocs.added.push_back({item->content.subdoc->guid, item->content.subdoc->options});
    }
  }
  for (const Subdoc* subdoc : txn.subdocs_removed) {
    subdocs.removed.push_back({subdoc->guid, subdoc->options});
  }
  const bool changed = Store::has_content(txn);
  if (changed) {
    update_.clear();
    store_->encode_transaction(txn, update_);
  }
  observers_->each([&](const Observers::One& one) {
    if (changed && one.on_update) {
      const Origin from = txn.locality == Locality::local ? Origin::local : Origin::remote;
      one.on_update({update_.bytes(), txn.origin, from});
    }
    if (one.on_subdocs && !(subdocs.added.empty() && subdocs.removed.empty())) {
      one.on_subdocs(subdocs);
    }
  });
}

std::size_t Doc::memory_bytes() const {
  return store_->items.bytes() + store_->arena.bytes() + store_->branches.size() * sizeof(Branch);
}

}  // namespace syncline::ydoc
