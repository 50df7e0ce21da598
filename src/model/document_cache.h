#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "model/doc_cell.h"

namespace syncline {

// Documents that were open a moment ago, so that the next edit need not decode and build them anew.
//
// A document is found by all that it was made of, byte for byte, and by nothing else. So there is
// nothing to keep true: what a rollback, another connection or a merge changed is simply not found,
// and one that was edited in vain stays behind until others push it out.
class DocumentCache {
 public:
  struct Key {
    DocKind kind = DocKind::text;
    DocBase base;
    Value ground;
    std::string settled;
    // What the running transaction did to it, each update behind its length.
    std::string staged;

    friend bool operator==(const Key&, const Key&) = default;
  };
  struct Entry {
    Key key;
    std::unique_ptr<ydoc::Doc> doc;
    // What the application's column shows of it.
    Value shown;
  };

  // Hands the document over: whoever changes it puts it back under its new key, or lets it go.
  std::optional<Entry> take(const Key& key);
  // Keeps it, unless it is too large or something in it waits for changes to come.
  void put(Entry entry);
  // The same document, made anew when it is not here; `staged` has to be none then.
  Result<Entry> open(Key key);

  // How often a document was made of its bytes, rather than found as it was left.
  std::uint64_t loads() const { return loads_; }
  void note_load() { ++loads_; }

 private:
  std::vector<Entry> entries_;  // the newest last
  std::uint64_t loads_ = 0;
};

}  // namespace syncline
