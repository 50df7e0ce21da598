#include "ydoc/item.h"

#include <algorithm>

#include "base/check.h"

namespace syncline::ydoc {

void StructArray::append(Item* item) {
  if (chunks_.empty() || chunks_.back().entries.size() >= chunk_entries_max) {
    chunks_.push_back({item->clock, {}});
  }
  chunks_.back().entries.push_back({item->clock, item});
}

void StructArray::pop_back() {
  chunks_.back().entries.pop_back();
  if (chunks_.back().entries.empty()) {
    chunks_.pop_back();
  }
}

StructArray::Cursor StructArray::find(Clock clock) const {
  SL_CHECK(!chunks_.empty());
  std::size_t chunk = chunks_.size() - 1;
  if (clock < chunks_[chunk].first) {
    const auto after =
        std::upper_bound(chunks_.begin(), chunks_.end(), clock,
                         [](Clock wanted, const Chunk& each) { return wanted < each.first; });
    chunk = static_cast<std::size_t>(after - chunks_.begin()) - 1;
  }
  const std::vector<Entry>& entries = chunks_[chunk].entries;
  std::size_t slot = entries.size() - 1;
  if (clock < entries[slot].clock) {
    const auto after =
        std::upper_bound(entries.begin(), entries.end(), clock,
                         [](Clock wanted, const Entry& each) { return wanted < each.clock; });
    slot = static_cast<std::size_t>(after - entries.begin()) - 1;
  }
  return {chunk, slot};
}

bool StructArray::next(Cursor& at) const {
  if (at.slot + 1 < chunks_[at.chunk].entries.size()) {
    at.slot += 1;
    return true;
  }
  if (at.chunk + 1 < chunks_.size()) {
    at = {at.chunk + 1, 0};
    return true;
  }
  return false;
}

bool StructArray::previous(Cursor& at) const {
  if (at.slot > 0) {
    at.slot -= 1;
    return true;
  }
  if (at.chunk > 0) {
    at = {at.chunk - 1, chunks_[at.chunk - 1].entries.size() - 1};
    return true;
  }
  return false;
}

StructArray::Cursor StructArray::last_cursor() const {
  return {chunks_.size() - 1, chunks_.back().entries.size() - 1};
}

void StructArray::insert_after(Cursor at, Item* item) {
  std::vector<Entry>& entries = chunks_[at.chunk].entries;
  entries.insert(entries.begin() + static_cast<std::ptrdiff_t>(at.slot) + 1, {item->clock, item});
  if (entries.size() > chunk_entries_max) {
    const auto middle = entries.begin() + static_cast<std::ptrdiff_t>(entries.size() / 2);
    Chunk upper{middle->clock, {}};
    upper.entries.reserve(chunk_entries_max + 1);
    upper.entries.assign(middle, entries.end());
    entries.erase(middle, entries.end());
    chunks_.insert(chunks_.begin() + static_cast<std::ptrdiff_t>(at.chunk) + 1, std::move(upper));
  }
}

void StructArray::erase(Cursor at) {
  std::vector<Entry>& entries = chunks_[at.chunk].entries;
  entries.erase(entries.begin() + static_cast<std::ptrdiff_t>(at.slot));
  if (entries.empty()) {
    chunks_.erase(chunks_.begin() + static_cast<std::ptrdiff_t>(at.chunk));
  } else if (at.slot == 0) {
    chunks_[at.chunk].first = entries.front().clock;
  }
}

void StructArray::take_tail(Cursor at, std::vector<Item*>& out) {
  for (std::size_t chunk = at.chunk; chunk < chunks_.size(); ++chunk) {
    const std::vector<Entry>& entries = chunks_[chunk].entries;
    for (std::size_t slot = chunk == at.chunk ? at.slot : 0; slot < entries.size(); ++slot) {
      out.push_back(entries[slot].item);
    }
  }
  chunks_[at.chunk].entries.resize(at.slot);
  chunks_.resize(at.slot == 0 ? at.chunk : at.chunk + 1);
}

std::size_t StructArray::size() const { return chunks_.empty() ? 0 : count_from({}); }

std::size_t StructArray::count_from(Cursor at) const {
  std::size_t count = chunks_[at.chunk].entries.size() - at.slot;
  for (std::size_t chunk = at.chunk + 1; chunk < chunks_.size(); ++chunk) {
    count += chunks_[chunk].entries.size();
  }
  return count;
}

KeyMap::Entry* KeyMap::find(Key key) {
  if (entries_.size() > scanned_entries_max) {
    const auto found = places_.find(key);
    return found == places_.end() ? nullptr : &entries_[found->second];
  }
  for (Entry& entry : entries_) {
    if (entry.key == key) {
      return &entry;
    }
  }
  return nullptr;
}

KeyMap::Entry& KeyMap::find_or_add(Key key) {
  if (Entry* found = find(key)) {
    return *found;
  }
  entries_.push_back({key, nullptr, nullptr});
  if (entries_.size() == scanned_entries_max + 1) {
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      places_.emplace(entries_[i].key, i);
    }
  } else if (entries_.size() > scanned_entries_max) {
    places_.emplace(key, entries_.size() - 1);
  }
  return entries_.back();
}

void KeyMap::clear() {
  entries_.clear();
  places_.clear();
}

}  // namespace syncline::ydoc
