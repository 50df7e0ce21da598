#include "ydoc/edit.h"

#include "base/check.h"
#include "ydoc/list_index.h"

namespace syncline::ydoc {

namespace {

// Short lists are walked; longer ones get an index when somebody first asks for a position.
constexpr int walked_items_max = 24;

}  // namespace

ListHit list_find(Branch* branch, std::uint64_t index) {
  SL_CHECK(index < branch->length);
  if (branch->index == nullptr) {
    std::uint64_t left = index;
    int steps = 0;
    for (Item* item = branch->start; steps < walked_items_max; item = item->right, ++steps) {
      const std::uint64_t units = item->visible_length();
      if (left < units) {
        return {item, left};
      }
      left -= units;
    }
    index_build(*branch);
  }
  const IndexHit hit = index_find(*branch, index);
  return {hit.item, hit.offset};
}

Gap list_gap(Store& store, Branch* branch, std::uint64_t index) {
  if (index == 0) {
    return {nullptr, branch->start};
  }
  const ListHit hit = list_find(branch, index - 1);
  if (hit.offset + 1 < hit.item->length) {
    store.split(hit.item, hit.offset + 1);
  }
  return {hit.item, hit.item->right};
}

Item* insert_anys(Store& store, Branch* branch, Gap& gap, Key key,
                  std::span<const Any* const> run) {
  Encoder bytes;
  std::vector<std::size_t> begins;
  for (const Any* value : run) {
    begins.push_back(bytes.size());
    write_any(bytes, *value);
  }
  Item* item = store.make_local(branch, gap.left, gap.right, key, ContentKind::any, run.size());
  item->content.slots = store.make_slots(*item->client, bytes.bytes(), begins);
  store.integrate(item);
  gap.left = item;
  return item;
}

void insert_type(Store& store, Branch* branch, Gap& gap, Key key, const TypeInput& type) {
  Item* item = store.make_local(branch, gap.left, gap.right, key, ContentKind::type, 1);
  Branch* inner = store.make_branch(type.kind);
  inner->item = item;
  inner->name = type.name;
  item->content.branch = inner;
  store.integrate(item);
  gap.left = item;
  if (!type.delta.empty()) {
    text_delta(store, inner, type.delta);
  }
  if (!type.children.empty()) {
    list_insert(store, inner, 0, type.children);
  }
  for (const auto& [name, value] : type.entries) {
    map_set(store, inner, name, value);
  }
}

void insert_value(Store& store, Branch* branch, Gap& gap, Key key, const Input& value) {
  switch (value.kind) {
    case Input::Kind::type:
      insert_type(store, branch, gap, key, value.type.front());
      return;
    case Input::Kind::subdoc: {
      Item* item = store.make_local(branch, gap.left, gap.right, key, ContentKind::doc, 1);
      store.subdocs.push_back({value.subdoc.guid, value.subdoc.options});
      item->content.subdoc = &store.subdocs.back();
      store.integrate(item);
      gap.left = item;
      return;
    }
    case Input::Kind::any:
      break;
  }
  if (value.any.kind() == Any::Kind::bytes) {
    Item* item = store.make_local(branch, gap.left, gap.right, key, ContentKind::binary, 1);
    item->content.blob = store.make_blob(value.any.as_bytes());
    store.integrate(item);
    gap.left = item;
    return;
  }
  const Any* const one[] = {&value.any};
  insert_anys(store, branch, gap, key, one);
}

namespace {

// Neighbouring plain values share an item.
void insert_run(Store& store, Branch* branch, Gap gap, std::span<const Input> values) {
  std::vector<const Any*> run;
  for (const Input& value : values) {
    if (value.kind == Input::Kind::any && value.any.kind() != Any::Kind::bytes) {
      run.push_back(&value.any);
      continue;
    }
    if (!run.empty()) {
      insert_anys(store, branch, gap, no_key, run);
      run.clear();
    }
    insert_value(store, branch, gap, no_key, value);
  }
  if (!run.empty()) {
    insert_anys(store, branch, gap, no_key, run);
  }
}

Item* last_item(Branch* branch) {
  if (branch->index == nullptr) {
    Item* item = branch->start;
    int steps = 0;
    while (item != nullptr && item->right != nullptr && steps < walked_items_max) {
      item = item->right;
      ++steps;
    }
    if (item == nullptr || item->right == nullptr) {
      return item;
    }
    index_build(*branch);
  }
  const IndexNode* node = branch->index;
  while (!node->leaf) {
    node = node->node(node->count - 1U);
  }
  return node->item(node->count - 1U);
}

}  // namespace

void list_insert(Store& store, Branch* branch, std::uint64_t index, std::span<const Input> values) {
  insert_run(store, branch, list_gap(store, branch, index), values);
}

void list_push(Store& store, Branch* branch, std::span<const Input> values) {
  insert_run(store, branch, {last_item(branch), nullptr}, values);
}

void list_delete(Store& store, Branch* branch, std::uint64_t index, std::uint64_t count) {
  if (count == 0) {
    return;
  }
  Item* item = list_gap(store, branch, index).right;
  while (count > 0 && item != nullptr) {
    if (item->visible()) {
      if (count < item->length) {
        store.split(item, count);
      }
      count -= item->length;
      store.delete_item(item);
    }
    item = item->right;
  }
}

void map_set(Store& store, Branch* branch, std::string_view key, const Input& value) {
  const Key number = store.key(key);
  const KeyMap::Entry* entry = branch->map.find(number);
  Gap gap{entry == nullptr ? nullptr : entry->last, nullptr};
  insert_value(store, branch, gap, number, value);
}

void map_delete(Store& store, Branch* branch, std::string_view key) {
  if (const KeyMap::Entry* entry = branch->map.find(store.key(key))) {
    store.delete_item(entry->last);
  }
}

}  // namespace syncline::ydoc
