// tidy-allow(dead-file): what it defines is declared in store.h
#include <algorithm>

#include "base/check.h"
#include "ydoc/list_index.h"
#include "ydoc/store.h"
#include "ydoc/utf.h"

// How structs enter a document: cutting, the order of concurrent inserts, deletion.

namespace syncline::ydoc {

Item* Store::make_item(ContentKind kind, Client* client, Clock clock, std::uint64_t length) {
  Item* item = items.make();
  item->kind = kind;
  item->client = client;
  item->clock = clock;
  item->length = length;
  item->key = no_key;
  item->format_key = no_key;
  return item;
}

Item* Store::split(Item* item, std::uint64_t offset) {
  return split_at(item, item->client->structs.find(item->clock), offset);
}

Item* Store::split_at(Item* item, StructArray::Cursor at, std::uint64_t offset) {
  Item* right = items.make();
  *right = *item;
  right->clock = item->clock + offset;
  right->length = item->length - offset;
  right->origin_client = item->client;
  right->origin_clock = right->clock - 1;
  right->left = item;
  right->leaf = nullptr;
  item->length = offset;
  if (item->kind == ContentKind::string) {
    right->content.text = item->content.text + offset;
    char16_t& last = item->content.text[offset - 1];
    char16_t& first = *right->content.text;
    // A pair cut in two can never be whole again, on no replica: both halves become U+FFFD.
    if (is_high_surrogate(last)) {
      last = replacement_unit;
      first = replacement_unit;
    }
  } else if (item->kind == ContentKind::any || item->kind == ContentKind::json) {
    right->content.slots = item->content.slots + offset;
  }
  if ((item->flags & flag_redone) != 0) {
    Id target = redone.at({item->client->id, item->clock});
    target.clock += offset;
    redone.emplace(std::make_pair(right->client->id, right->clock), target);
  }
  item->right = right;
  if (right->right != nullptr) {
    right->right->left = right;
  } else if (right->key != no_key) {
    right->parent->map.find(right->key)->last = right;
  }
  if (item->leaf != nullptr) {
    index_refresh(item);
    index_insert(*item->parent, right);
  }
  item->client->structs.insert_after(at, right);
  current->merge_places.push_back({right->client, right->clock});
  return right;
}

Item* Store::clean_start(Client* client, Clock clock) {
  const StructArray::Cursor at = client->structs.find(clock);
  Item* item = client->structs.at(at);
  if (item->clock < clock && item->kind != ContentKind::gc) {
    return split_at(item, at, clock - item->clock);
  }
  return item;
}

Item* Store::clean_end(Client* client, Clock clock) {
  const StructArray::Cursor at = client->structs.find(clock);
  Item* item = client->structs.at(at);
  if (clock + 1 != item->end() && item->kind != ContentKind::gc) {
    split_at(item, at, clock + 1 - item->clock);
  }
  return item;
}

namespace {

bool same_id(const Client* a, Clock a_clock, const Client* b, Clock b_clock) {
  return a == b && (a == nullptr || a_clock == b_clock);
}

constexpr std::uint32_t scan_mark_max = 0xf0000000;

void forget_marks(Store& store) {
  for (const Client* client : store.clients.sorted()) {
    if (client->structs.empty()) {
      continue;
    }
    StructArray::Cursor at = client->structs.first();
    do {
      client->structs.at(at)->mark = 0;
    } while (client->structs.next(at));
  }
  store.scan_mark = 0;
}

}  // namespace

// Where among concurrent inserts the item goes: the rule that makes all replicas agree (YATA).
// Marks stand for two sets of the items passed so far: all of them, and those passed since `left`
// last moved.
bool Store::find_place(Item* item) {
  Item* left = item->left;
  Item* other = nullptr;
  if (left != nullptr) {
    other = left->right;
  } else if (item->key != no_key) {
    const KeyMap::Entry* entry = item->parent->map.find(item->key);
    other = entry == nullptr ? nullptr : entry->first;
  } else {
    other = item->parent->start;
  }
  if (scan_mark > scan_mark_max) {
    forget_marks(*this);
  }
  const std::uint32_t passed = ++scan_mark;
  std::uint32_t conflicting = passed;
  while (other != nullptr && other != item->right) {
    if (conflict_steps_left == 0) {
      return false;
    }
    conflict_steps_left -= 1;
    other->mark = scan_mark;
    if (same_id(item->origin_client, item->origin_clock, other->origin_client,
                other->origin_clock)) {
      if (other->client->id < item->client->id) {
        left = other;
        conflicting = ++scan_mark;
      } else if (same_id(item->right_origin_client, item->right_origin_clock,
                         other->right_origin_client, other->right_origin_clock)) {
        break;
      }
    } else if (other->origin_client != nullptr) {
      const StructArray& structs = other->origin_client->structs;
      const Item* origin = structs.at(structs.find(other->origin_clock));
      if (origin->mark < passed) {
        break;
      }
      if (origin->mark < conflicting) {
        left = other;
        conflicting = ++scan_mark;
      }
    } else {
      break;
    }
    other = other->right;
  }
  item->left = left;
  return true;
}

void Store::link(Item* item) {
  Branch* parent = item->parent;
  if (item->left != nullptr) {
    item->right = item->left->right;
    item->left->right = item;
  } else if (item->key != no_key) {
    KeyMap::Entry& entry = parent->map.find_or_add(item->key);
    item->right = entry.first;
    entry.first = item;
  } else {
    item->right = parent->start;
    parent->start = item;
  }
  if (item->right != nullptr) {
    item->right->left = item;
  } else if (item->key != no_key) {
    parent->map.find_or_add(item->key).last = item;
    if (item->left != nullptr) {
      delete_item(item->left);
    }
  }
  if (item->in_list()) {
    parent->length += item->visible_length();
    if (parent->index != nullptr) {
      index_insert(*parent, item);
    }
  }
}

void Store::finish_content(Item* item) {
  switch (item->kind) {
    case ContentKind::deleted:
      item->flags |= flag_deleted;
      current->deletes.push_back({item->client, item->clock, item->length});
      break;
    case ContentKind::format:
      item->parent->has_formatting = true;
      item->parent->format_marks += item->in_list() ? 1 : 0;
      break;
    case ContentKind::doc:
      current->subdocs_added.push_back(item);
      break;
    case ContentKind::gc:
    case ContentKind::json:
    case ContentKind::binary:
    case ContentKind::string:
    case ContentKind::embed:
    case ContentKind::type:
    case ContentKind::any:
    case ContentKind::skip:
      break;
  }
}

void Store::append_struct(Item* item) {
  touch(item->client);
  if (item->client->state == 0) {
    item->client->order = ++clients_seen;
  }
  item->client->structs.append(item);
  item->client->state = item->end();
  if (item->client->pending_deletes != nullptr) {
    pending_delete_ready.push_back(item->client);
  }
}

bool Store::integrate(Item* item) {
  const bool placed = item->left != nullptr
                          ? item->left->right == item->right
                          : item->right != nullptr && item->right->left == nullptr;
  if (!placed && !find_place(item)) {
    return false;
  }
  link(item);
  append_struct(item);
  finish_content(item);
  note_change(item->parent, item->key);
  const bool orphan = item->parent->item != nullptr && item->parent->item->deleted();
  if (orphan || (item->key != no_key && item->right != nullptr)) {
    delete_item(item);
  }
  return true;
}

void Store::append_gc(Client* client, std::uint64_t length) {
  Item* item = make_item(ContentKind::gc, client, client->state, length);
  item->flags = flag_deleted;
  append_struct(item);
}

Item* Store::make_local(Branch* parent, Item* left, Item* right, Key key, ContentKind kind,
                        std::uint64_t length) {
  Client* own = own_client();
  Item* item = make_item(kind, own, own->state, length);
  item->parent = parent;
  item->key = key;
  item->left = left;
  item->right = right;
  if (left != nullptr) {
    item->origin_client = left->client;
    item->origin_clock = left->end() - 1;
  }
  if (right != nullptr) {
    item->right_origin_client = right->client;
    item->right_origin_clock = right->clock;
  }
  return item;
}

void Store::mark_deleted(Item* item) {
  item->flags |= flag_deleted;
  current->deletes.push_back({item->client, item->clock, item->length});
  if (item->in_list()) {
    item->parent->length -= item->countable() ? item->length : 0;
    item->parent->format_marks -= item->kind == ContentKind::format ? 1 : 0;
    if (item->leaf != nullptr) {
      index_refresh(item);
    }
  }
  if (item->kind == ContentKind::doc) {
    current->subdocs_removed.push_back(item->content.subdoc);
  }
}

// Deletes what lies in a deleted type, depth first, with a stack of its own: a document may nest
// deeper than the program's stack goes.
void Store::delete_children(Branch* branch) {
  struct Frame {
    Branch* branch;
    Item* next;
    std::size_t key;
  };
  std::vector<Frame> frames{{branch, branch->start, 0}};
  while (!frames.empty()) {
    Frame& frame = frames.back();
    Item* item = frame.next;
    if (item != nullptr) {
      frame.next = item->right;
    } else if (frame.key < frame.branch->map.entries().size()) {
      item = frame.branch->map.entries()[frame.key++].last;
    } else {
      frames.pop_back();
      continue;
    }
    if (!item->deleted()) {
      mark_deleted(item);
      if (item->kind == ContentKind::type) {
        frames.push_back({item->content.branch, item->content.branch->start, 0});
      }
    } else if (item->clock < before(*current, item->client)) {
      current->merge_places.push_back({item->client, item->clock});
    }
  }
}

void Store::delete_item(Item* item) {
  if (item->deleted()) {
    return;
  }
  mark_deleted(item);
  note_change(item->parent, item->key);
  if (item->kind == ContentKind::type) {
    delete_children(item->content.branch);
  }
}

void Store::delete_known_range(Client* client, Clock clock, Clock end) {
  StructArray::Cursor at = client->structs.find(clock);
  Item* item = client->structs.at(at);
  if (item->clock < clock && !item->deleted()) {
    split_at(item, at, clock - item->clock);
    at = client->structs.find(clock);
  }
  while (true) {
    item = client->structs.at(at);
    if (item->clock >= end) {
      return;
    }
    if (!item->deleted()) {
      if (end < item->end()) {
        split_at(item, at, end - item->clock);
        at = client->structs.find(item->clock);
      }
      delete_item(item);
    }
    if (!client->structs.next(at)) {
      return;
    }
  }
}

}  // namespace syncline::ydoc
