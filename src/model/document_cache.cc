#include "model/document_cache.h"

#include <algorithm>

namespace syncline {
namespace {

// A page has a few documents in the hand, not many. A document takes several times its bytes.
constexpr std::size_t entries_max = 4;
constexpr std::size_t entry_bytes_max = std::size_t{4} << 20U;

}  // namespace

std::optional<DocumentCache::Entry> DocumentCache::take(const Key& key) {
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&key](const Entry& entry) { return entry.key == key; });
  if (found == entries_.end()) {
    return std::nullopt;
  }
  Entry out = std::move(*found);
  entries_.erase(found);
  return out;
}

Result<DocumentCache::Entry> DocumentCache::open(Key key) {
  SL_CHECK(key.staged.empty());
  if (auto found = take(key)) {
    return std::move(*found);
  }
  ++loads_;
  DocContent content;
  content.kind = key.kind;
  content.settled = key.settled;
  Entry out;
  SL_TRY(out.doc, open_document(content, key.ground.view()));
  out.shown = document_value(key.kind, *out.doc);
  out.key = std::move(key);
  return out;
}

void DocumentCache::put(Entry entry) {
  const std::size_t bytes = entry.key.settled.size() + entry.key.staged.size() +
                            entry.key.ground.view().data.size() + entry.shown.view().data.size();
  if (bytes > entry_bytes_max || entry.doc->has_pending_structs() ||
      entry.doc->has_pending_deletes()) {
    return;
  }
  if (entries_.size() >= entries_max) {
    entries_.erase(entries_.begin());
  }
  entries_.push_back(std::move(entry));
}

}  // namespace syncline
