#pragma once

#include <utility>
#include <vector>

#include "ydoc/item.h"

// The marks (formatting attributes) in force at a place in a text.

namespace syncline::ydoc {

struct Store;

// A map from mark name to value that keeps insertion order: setting a known key leaves it in its
// place, deleting and setting it moves it to the end. The order decides the order of marks written.
class Marks {
 public:
  using Entry = std::pair<Key, const Value*>;

  // Null when the mark is not set.
  const Value* find(Key key) const {
    for (const Entry& entry : entries_) {
      if (entry.first == key) {
        return entry.second;
      }
    }
    return nullptr;
  }
  void put(Key key, const Value* value);
  void erase(Key key);
  // As a Format item does: a null value ends the mark.
  void set(Key key, const Value* value) {
    if (value->any.is_null()) {
      erase(key);
    } else {
      put(key, value);
    }
  }
  bool empty() const { return entries_.empty(); }
  std::size_t size() const { return entries_.size(); }
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  std::vector<Entry> entries_;
};

// A missing mark (null pointer) counts as null.
bool is_null_mark(const Value* value);
// JavaScript's ===: objects are the same only if they are one object.
bool identical_marks(const Value* a, const Value* b);
// Identical, or objects whose members are identical one by one.
bool equal_marks(const Value* a, const Value* b);

// Deletes the marks between `start` and the first visible content after it that change nothing.
// `here` holds the marks in force at `end`, which lies in or behind that gap, and follows what is
// deleted before it.
void clean_mark_gap(Store& store, Item* start, const Item* end, const Marks& at_start, Marks& here);

}  // namespace syncline::ydoc
