#include "ydoc/list_index.h"

#include <algorithm>

#include "base/check.h"

namespace syncline::ydoc {

namespace {

std::size_t slot_of(const IndexNode* leaf, const Item* item) {
  std::size_t i = 0;
  while (leaf->children[i] != item) {
    ++i;
  }
  return i;
}

std::uint32_t mark_count(const Item* item) { return item->is_visible_format() ? 1 : 0; }

void add_upwards(IndexNode* node, std::uint64_t units, std::uint32_t marks) {
  // Unsigned wrap-around carries negative differences, too.
  for (IndexNode* parent = node->parent; parent != nullptr; node = parent, parent = node->parent) {
    parent->units[node->slot] += units;
    parent->marks[node->slot] += marks;
  }
}

void adopt(IndexNode* parent, std::size_t slot) {
  if (parent->leaf) {
    parent->item(slot)->leaf = parent;
  } else {
    parent->node(slot)->parent = parent;
    parent->node(slot)->slot = static_cast<std::uint16_t>(slot);
  }
}

std::uint64_t total_units(const IndexNode* node) {
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < node->count; ++i) {
    sum += node->units[i];
  }
  return sum;
}

std::uint32_t total_marks(const IndexNode* node) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < node->count; ++i) {
    sum += node->marks[i];
  }
  return sum;
}

void place(IndexNode* node, std::size_t slot, void* child, std::uint64_t units,
           std::uint32_t marks) {
  for (std::size_t i = node->count; i > slot; --i) {
    node->children[i] = node->children[i - 1];
    node->units[i] = node->units[i - 1];
    node->marks[i] = node->marks[i - 1];
    if (!node->leaf) {
      node->node(i)->slot = static_cast<std::uint16_t>(i);
    }
  }
  node->children[slot] = child;
  node->units[slot] = units;
  node->marks[slot] = marks;
  node->count += 1;
  adopt(node, slot);
}

// Moves the upper half of a full node into a new right neighbour.
IndexNode* split_node(Branch& branch, IndexNode* node) {
  auto* upper = new IndexNode;
  upper->leaf = node->leaf;
  const std::size_t keep = node->count / 2U;
  for (std::size_t i = keep; i < node->count; ++i) {
    const std::size_t to = i - keep;
    upper->children[to] = node->children[i];
    upper->units[to] = node->units[i];
    upper->marks[to] = node->marks[i];
    upper->count += 1;
    adopt(upper, to);
  }
  node->count = static_cast<std::uint16_t>(keep);
  if (node->parent == nullptr) {
    auto* root = new IndexNode;
    root->leaf = false;
    branch.index = root;
    place(root, 0, node, total_units(node), total_marks(node));
    place(root, 1, upper, total_units(upper), total_marks(upper));
    return upper;
  }
  if (node->parent->count == index_fan) {
    split_node(branch, node->parent);
  }
  IndexNode* parent = node->parent;
  parent->units[node->slot] = total_units(node);
  parent->marks[node->slot] = total_marks(node);
  place(parent, node->slot + 1U, upper, total_units(upper), total_marks(upper));
  return upper;
}

void insert_at(Branch& branch, IndexNode* leaf, std::size_t slot, Item* item) {
  if (leaf->count == index_fan) {
    IndexNode* upper = split_node(branch, leaf);
    if (slot > leaf->count) {
      slot -= leaf->count;
      leaf = upper;
    }
  }
  place(leaf, slot, item, item->visible_length(), mark_count(item));
  add_upwards(leaf, item->visible_length(), mark_count(item));
}

void free_tree(IndexNode* node) {
  for (std::size_t i = 0; i < node->count; ++i) {
    if (node->leaf) {
      node->item(i)->leaf = nullptr;
    } else {
      free_tree(node->node(i));
    }
  }
  delete node;
}

void remove_slot(Branch& branch, IndexNode* node, std::size_t slot) {
  for (std::size_t i = slot + 1; i < node->count; ++i) {
    node->children[i - 1] = node->children[i];
    node->units[i - 1] = node->units[i];
    node->marks[i - 1] = node->marks[i];
    if (!node->leaf) {
      node->node(i - 1)->slot = static_cast<std::uint16_t>(i - 1);
    }
  }
  node->count -= 1;
  if (node->count > 0) {
    return;
  }
  if (node->parent == nullptr) {
    delete node;
    branch.index = nullptr;
    return;
  }
  IndexNode* parent = node->parent;
  const std::size_t parent_slot = node->slot;
  delete node;
  remove_slot(branch, parent, parent_slot);
}

}  // namespace

void index_build(Branch& branch) {
  std::vector<IndexNode*> level;
  for (Item* item = branch.start; item != nullptr; item = item->right) {
    // Three quarters full: room for what comes next, without a split at every touch.
    if (level.empty() || level.back()->count == index_fan * 3 / 4) {
      level.push_back(new IndexNode);
    }
    place(level.back(), level.back()->count, item, item->visible_length(), mark_count(item));
  }
  while (level.size() > 1) {
    std::vector<IndexNode*> upper;
    for (IndexNode* node : level) {
      if (upper.empty() || upper.back()->count == index_fan * 3 / 4) {
        upper.push_back(new IndexNode);
        upper.back()->leaf = false;
      }
      place(upper.back(), upper.back()->count, node, total_units(node), total_marks(node));
    }
    level = std::move(upper);
  }
  branch.index = level.empty() ? nullptr : level.front();
}

void index_drop(Branch& branch) {
  if (branch.index != nullptr) {
    free_tree(branch.index);
    branch.index = nullptr;
  }
}

IndexHit index_find(const Branch& branch, std::uint64_t position) {
  const IndexNode* node = branch.index;
  while (true) {
    std::size_t i = 0;
    while (position >= node->units[i]) {
      position -= node->units[i];
      ++i;
      SL_CHECK(i < node->count);
    }
    if (node->leaf) {
      return {node->item(i), position};
    }
    node = node->node(i);
  }
}

std::uint64_t index_position(const Item* item) {
  const IndexNode* node = item->leaf;
  std::size_t end = slot_of(node, item);
  std::uint64_t position = 0;
  while (true) {
    for (std::size_t i = 0; i < end; ++i) {
      position += node->units[i];
    }
    if (node->parent == nullptr) {
      return position;
    }
    end = node->slot;
    node = node->parent;
  }
}

void index_insert(Branch& branch, Item* item) {
  if (item->left != nullptr) {
    IndexNode* leaf = item->left->leaf;
    insert_at(branch, leaf, slot_of(leaf, item->left) + 1, item);
  } else if (item->right != nullptr) {
    insert_at(branch, item->right->leaf, slot_of(item->right->leaf, item->right), item);
  } else {
    branch.index = new IndexNode;
    insert_at(branch, branch.index, 0, item);
  }
}

void index_remove(Branch& branch, Item* item) {
  IndexNode* leaf = item->leaf;
  const std::size_t slot = slot_of(leaf, item);
  add_upwards(leaf, 0 - leaf->units[slot], 0 - leaf->marks[slot]);
  item->leaf = nullptr;
  remove_slot(branch, leaf, slot);
}

void index_refresh(Item* item) {
  IndexNode* leaf = item->leaf;
  const std::size_t slot = slot_of(leaf, item);
  const std::uint64_t units = item->visible_length() - leaf->units[slot];
  const std::uint32_t marks = mark_count(item) - leaf->marks[slot];
  leaf->units[slot] += units;
  leaf->marks[slot] += marks;
  add_upwards(leaf, units, marks);
}

}  // namespace syncline::ydoc
