#include "ydoc/marks.h"

#include <algorithm>
#include <unordered_map>

#include "ydoc/store.h"

namespace syncline::ydoc {

void Marks::put(Key key, const Value* value) {
  for (Entry& entry : entries_) {
    if (entry.first == key) {
      entry.second = value;
      return;
    }
  }
  entries_.emplace_back(key, value);
}

void Marks::erase(Key key) {
  entries_.erase(std::remove_if(entries_.begin(), entries_.end(),
                                [key](const Entry& entry) { return entry.first == key; }),
                 entries_.end());
}

bool is_null_mark(const Value* value) { return value == nullptr || value->any.is_null(); }

bool identical_marks(const Value* a, const Value* b) {
  if (is_null_mark(a) || is_null_mark(b)) {
    return is_null_mark(a) && is_null_mark(b);
  }
  return Any::same_primitive(a->any, b->any);
}

namespace {

// Arrays count as objects whose keys are their indexes.
bool flat_equal(const Any& a, const Any& b) {
  if (a.kind() == Any::Kind::array && b.kind() == Any::Kind::array) {
    return std::equal(a.as_array().begin(), a.as_array().end(), b.as_array().begin(),
                      b.as_array().end(), Any::same_primitive);
  }
  if (a.kind() != Any::Kind::object || b.kind() != Any::Kind::object ||
      a.as_object().size() != b.as_object().size()) {
    return false;
  }
  return std::all_of(a.as_object().begin(), a.as_object().end(), [&b](const auto& member) {
    const Any* other = b.find(member.first);
    return other != nullptr && Any::same_primitive(member.second, *other);
  });
}

}  // namespace

bool equal_marks(const Value* a, const Value* b) {
  if (identical_marks(a, b)) {
    return true;
  }
  return !is_null_mark(a) && !is_null_mark(b) && flat_equal(a->any, b->any);
}

void clean_mark_gap(Store& store, Item* start, const Item* end, const Marks& at_start,
                    Marks& here) {
  if (start->parent->format_marks == 0) {
    return;
  }
  std::unordered_map<Key, const Item*> last;
  Item* stop = start;
  for (; stop != nullptr && !stop->visible(); stop = stop->right) {
    if (stop->is_visible_format()) {
      last[stop->format_key] = stop;
    }
  }
  bool reached_end = false;
  for (Item* item = start; item != stop; item = item->right) {
    reached_end = reached_end || item == end;
    if (!item->is_visible_format()) {
      continue;
    }
    const Key key = item->format_key;
    const Value* value = item->content.value;
    const Value* before = at_start.find(key);
    const bool is_last = last.at(key) == item;
    const bool changes_nothing = identical_marks(before, value);
    if (!is_last || changes_nothing) {
      store.delete_item(item);
      if (!reached_end && !changes_nothing && identical_marks(here.find(key), value)) {
        if (is_null_mark(before)) {
          here.erase(key);
        } else {
          here.put(key, before);
        }
      }
    } else if (!reached_end) {
      here.set(key, value);
    }
  }
}

}  // namespace syncline::ydoc
