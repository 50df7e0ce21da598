#pragma once

#include <array>
#include <cstdint>

#include "ydoc/item.h"

// The position index of one list: a B+ tree over all its items, tombstones too, that knows how many
// visible units and how many visible marks lie below each node. Finding a position, and noting an
// insertion, a deletion or a growth, cost O(log n).

namespace syncline::ydoc {

inline constexpr std::size_t index_fan = 32;

struct IndexNode {
  IndexNode* parent = nullptr;
  std::uint16_t count = 0;
  std::uint16_t slot = 0;  // in the parent
  bool leaf = true;
  std::array<std::uint64_t, index_fan> units;
  std::array<std::uint32_t, index_fan> marks;
  std::array<void*, index_fan> children;  // IndexNode or Item

  Item* item(std::size_t i) const { return static_cast<Item*>(children[i]); }
  IndexNode* node(std::size_t i) const { return static_cast<IndexNode*>(children[i]); }
};

void index_build(Branch& branch);
void index_drop(Branch& branch);

struct IndexHit {
  Item* item = nullptr;
  std::uint64_t offset = 0;  // of the wanted unit within it
};
// The visible item that holds unit `position`, which must be below the branch's length.
IndexHit index_find(const Branch& branch, std::uint64_t position);
// How many visible units lie before the item.
std::uint64_t index_position(const Item* item);

// `item` was linked into the list, whose links are already right.
void index_insert(Branch& branch, Item* item);
// `item` leaves the list; call while it is still counted.
void index_remove(Branch& branch, Item* item);
// The item's visible length or mark changed; brings the sums in line with the item.
void index_refresh(Item* item);

// Whether the item lies below the node.
inline bool holds(const IndexNode* node, const Item* item) {
  const IndexNode* at = item->leaf;
  while (at != nullptr && at != node) {
    at = at->parent;
  }
  return at == node;
}

// Calls `visit` for every visible Format item of the node's subtree up to `stop`, in order; false
// once `stop` was met.
template <typename Visit>
bool index_visit_marks(const IndexNode* node, const Item* stop, const Visit& visit) {
  for (std::size_t i = 0; i < node->count; ++i) {
    if (node->leaf) {
      if (node->children[i] == stop) {
        return false;
      }
      if (node->marks[i] > 0) {
        visit(node->item(i));
      }
    } else if (node->marks[i] > 0 || (stop != nullptr && holds(node->node(i), stop))) {
      if (!index_visit_marks(node->node(i), stop, visit)) {
        return false;
      }
    }
  }
  return true;
}

}  // namespace syncline::ydoc
