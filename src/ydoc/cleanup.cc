// tidy-allow(dead-file): what it defines is declared in store.h
#include <algorithm>
#include <unordered_set>

#include "ydoc/marks.h"
#include "ydoc/store.h"

// Yjs removes marks that have become redundant when another replica's marks or deletions arrive, in
// a transaction of its own that is sent like any other. What it finds depends on the order of
// arrival; every replica ends with the same text all the same.

namespace syncline::ydoc {

namespace {

// The gap around a deleted item holds no content, so of each mark only the last one matters.
void clean_gap_around(Store& store, Item* item, std::uint32_t pass) {
  if (item->mark == pass) {
    return;  // this gap was done for a neighbour
  }
  while (item->right != nullptr && (item->right->deleted() || !item->right->countable())) {
    item = item->right;
  }
  std::unordered_set<Key> seen;
  for (; item != nullptr && (item->deleted() || !item->countable()); item = item->left) {
    item->mark = pass;
    if (!item->is_visible_format()) {
      continue;
    }
    if (!seen.insert(item->format_key).second) {
      store.delete_item(item);
    }
  }
}

// Sweeping a text this way cleans the gap before its first content and no other: later gaps are
// looked at from a content item, where the sweep ends at once. That is how Yjs behaves.
void clean_text_start(Store& store, Branch* branch) {
  Marks here;
  for (Item* end = branch->start; end != nullptr; end = end->right) {
    if (end->deleted()) {
      continue;
    }
    if (end->kind == ContentKind::format) {
      here.set(end->format_key, end->content.value);
      continue;
    }
    clean_mark_gap(store, branch->start, end, {}, here);
    return;
  }
}

bool wants_cleanup(const Transaction& txn) {
  return std::any_of(txn.changes.begin(), txn.changes.end(), [](const auto& change) {
    const Branch& branch = *change.branch;
    const bool text = branch.kind == TypeKind::text || branch.kind == TypeKind::xml_text;
    return text && branch.has_formatting && (branch.item == nullptr || !branch.item->deleted());
  });
}

template <typename Visit>
void visit_range(Client* client, Clock begin, Clock end, const Visit& visit) {
  StructArray::Cursor at = client->structs.find(begin);
  do {
    Item* item = client->structs.at(at);
    if (item->clock >= end) {
      return;
    }
    visit(item);
  } while (client->structs.next(at));
}

// In order of first mention.
class BranchSet {
 public:
  void add(Branch* branch) {
    if (known_.insert(branch).second) {
      order_.push_back(branch);
    }
  }
  bool contains(Branch* branch) const { return known_.count(branch) > 0; }
  const std::vector<Branch*>& order() const { return order_; }

 private:
  std::unordered_set<Branch*> known_;
  std::vector<Branch*> order_;
};

}  // namespace

void clean_formatting_after(Store& store, Transaction& txn) {
  if (!wants_cleanup(txn)) {
    return;
  }
  BranchSet whole;
  for (const Transaction::Touched& touched : txn.touched) {
    if (touched.client->state == touched.before) {
      continue;
    }
    visit_range(touched.client, touched.before, touched.client->state, [&whole](Item* item) {
      if (item->is_visible_format()) {
        whole.add(item->parent);
      }
    });
  }
  const TransactionScope scope(store, "", Locality::local);
  const std::uint32_t pass = ++store.scan_mark;
  for (const Transaction::Deleted& range : txn.deletes) {
    visit_range(range.client, range.clock, range.clock + range.length, [&](Item* item) {
      if (item->kind == ContentKind::gc || !item->parent->has_formatting ||
          whole.contains(item->parent)) {
        return;
      }
      if (item->kind == ContentKind::format) {
        whole.add(item->parent);
      } else {
        clean_gap_around(store, item, pass);
      }
    });
  }
  for (Branch* branch : whole.order()) {
    clean_text_start(store, branch);
  }
}

}  // namespace syncline::ydoc
