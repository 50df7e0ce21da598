// tidy-allow(dead-file): what it defines is declared in store.h
#include <algorithm>

#include "ydoc/list_index.h"
#include "ydoc/store.h"

// What happens to a document's structs once a transaction is over: deleted content goes, and
// neighbours that have become alike are joined.

namespace syncline::ydoc {

namespace {

void become_gc(Item* item) {
  item->kind = ContentKind::gc;
  item->flags = flag_deleted;
  item->left = nullptr;
  item->right = nullptr;
  item->parent = nullptr;
  item->origin_client = nullptr;
  item->right_origin_client = nullptr;
  item->content.text = nullptr;
  item->leaf = nullptr;
  item->key = no_key;
}

// The children of deleted types become gc structs, theirs too.
void collect_children(Branch* root) {
  std::vector<Branch*> nested{root};
  while (!nested.empty()) {
    Branch* branch = nested.back();
    nested.pop_back();
    index_drop(*branch);
    const auto drop = [&nested](Item* item) {
      if (item->kind == ContentKind::type) {
        nested.push_back(item->content.branch);
      }
      become_gc(item);
    };
    for (Item* item = branch->start; item != nullptr;) {
      Item* const next = item->right;
      drop(item);
      item = next;
    }
    for (const KeyMap::Entry& entry : branch->map.entries()) {
      for (Item* item = entry.last; item != nullptr;) {
        Item* const next = item->left;
        drop(item);
        item = next;
      }
    }
    branch->start = nullptr;
    branch->map.clear();
  }
}

bool same_right_origin(const Item* a, const Item* b) {
  return a->right_origin_client == b->right_origin_client &&
         (a->right_origin_client == nullptr || a->right_origin_clock == b->right_origin_clock);
}

bool mergeable_kind(ContentKind kind) {
  return kind == ContentKind::deleted || kind == ContentKind::string || kind == ContentKind::any ||
         kind == ContentKind::json;
}

void join_content(Store& store, Item* left, const Item* right) {
  if (left->kind == ContentKind::string) {
    if (left->content.text + left->length != right->content.text) {
      char16_t* const text = store.append_text(*left->client, left->length + right->length);
      std::copy_n(left->content.text, left->length, text);
      std::copy_n(right->content.text, right->length, text + left->length);
      left->content.text = text;
    }
  } else if (left->kind == ContentKind::any || left->kind == ContentKind::json) {
    if (left->content.slots + left->length != right->content.slots) {
      const std::uint8_t** const slots =
          store.append_slots(*left->client, left->length + right->length);
      std::copy_n(left->content.slots, left->length, slots);
      std::copy_n(right->content.slots, right->length, slots + left->length);
      left->content.slots = slots;
    }
  }
}

}  // namespace

void Store::collect(Transaction& txn) {
  for (const Transaction::Deleted& range : txn.deletes) {
    StructArray::Cursor at = range.client->structs.find(range.clock);
    const Clock end = range.clock + range.length;
    do {
      Item* item = range.client->structs.at(at);
      if (item->clock >= end) {
        break;
      }
      const bool wanted = (item->flags & flag_keep) != 0 || !item->deleted();
      if (wanted || item->kind == ContentKind::gc || item->kind == ContentKind::deleted) {
        continue;
      }
      if (item->kind == ContentKind::type) {
        collect_children(item->content.branch);
      }
      item->kind = ContentKind::deleted;
      item->content.text = nullptr;
    } while (range.client->structs.next(at));
  }
}

bool Store::try_merge(Item* left, Item* right) {
  if (left->kind != right->kind || left->deleted() != right->deleted()) {
    return false;
  }
  if (left->kind == ContentKind::gc) {
    left->length += right->length;
    items.free(right);
    return true;
  }
  if (!mergeable_kind(left->kind) || left->right != right || right->origin_client != left->client ||
      right->origin_clock != left->end() - 1 || !same_right_origin(left, right) ||
      ((left->flags | right->flags) & flag_redone) != 0) {
    return false;
  }
  join_content(*this, left, right);
  if (right->leaf != nullptr) {
    index_remove(*right->parent, right);
  }
  left->flags |= right->flags & flag_keep;
  left->length += right->length;
  left->right = right->right;
  if (left->right != nullptr) {
    left->right->left = left;
  } else if (left->key != no_key) {
    left->parent->map.find(left->key)->last = left;
  }
  if (left->leaf != nullptr) {
    index_refresh(left);
  }
  items.free(right);
  return true;
}

namespace {

// Joins the struct at `at` to its left neighbours as far as possible; `at` then names the result.
// Gives how many structs went away.
std::size_t merge_lefts(Store& store, StructArray& structs, StructArray::Cursor& at) {
  std::size_t merged = 0;
  StructArray::Cursor left = at;
  while (structs.previous(left) && store.try_merge(structs.at(left), structs.at(at))) {
    structs.erase(at);
    at = left;
    merged += 1;
  }
  return merged;
}

void merge_around(Store& store, const Transaction::Deleted& range) {
  StructArray& structs = range.client->structs;
  StructArray::Cursor at = structs.find(range.clock + range.length - 1);
  structs.next(at);
  while (structs.at(at)->clock >= range.clock) {
    merge_lefts(store, structs, at);
    if (!structs.previous(at)) {
      return;
    }
  }
}

void merge_new(Store& store, Client* client, Clock before) {
  StructArray& structs = client->structs;
  StructArray::Cursor at = structs.find(before);
  constexpr std::size_t few = 8;
  if (at.chunk + 1 >= structs.last_cursor().chunk && structs.count_from(at) <= few) {
    at = structs.last_cursor();
    while (structs.at(at)->end() > before) {
      merge_lefts(store, structs, at);
      if (!structs.previous(at)) {
        return;
      }
    }
    return;
  }
  // Many: rebuild the tail in one pass instead of erasing one by one. What the first new struct
  // joins may go on joining to its left.
  merge_lefts(store, structs, at);
  std::vector<Item*> tail;
  structs.take_tail(at, tail);
  structs.append(tail.front());
  for (std::size_t i = 1; i < tail.size(); ++i) {
    if (!store.try_merge(structs.last(), tail[i])) {
      structs.append(tail[i]);
    }
  }
}

void merge_place(Store& store, const Transaction::Place& place) {
  StructArray& structs = place.client->structs;
  const StructArray::Cursor here = structs.find(place.clock);
  StructArray::Cursor after = here;
  if (structs.next(after) && merge_lefts(store, structs, after) > 1) {
    return;
  }
  StructArray::Cursor at = structs.find(place.clock);
  merge_lefts(store, structs, at);
}

}  // namespace

void Store::merge_after(Transaction& txn) {
  for (auto range = txn.deletes.rbegin(); range != txn.deletes.rend(); ++range) {
    merge_around(*this, *range);
  }
  for (const Transaction::Touched& touched : txn.touched) {
    if (touched.client->state > touched.before) {
      merge_new(*this, touched.client, touched.before);
    }
  }
  for (auto place = txn.merge_places.rbegin(); place != txn.merge_places.rend(); ++place) {
    merge_place(*this, *place);
  }
}

}  // namespace syncline::ydoc
