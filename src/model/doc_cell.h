#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "model/stamp.h"
#include "model/value.h"
#include "ydoc/doc.h"

namespace syncline {

class DocumentCache;

// A column of documents that merge character by character (rules `text` and `doc`). Its content is
// a base, which somebody set whole, and what was edited since: one Yjs update without the base, and
// apart from it those edits of which something still lacks what it builds on.
//
// 1. What of the edits has found its place is stored as `settled`, in the one encoding that the
//    document library makes of it, so that order, grouping and repetition leave the same bytes.
// 2. An edit of which anything lacks its ground waits whole, under its stamp.
//
// Both hold for writers who keep Yjs' own rule: one content under one client and clock. The library
// does not compare what comes twice, so that a forger can make copies of a document differ that he
// may write to. Nothing else is harmed.

inline constexpr std::size_t doc_replicas_max = 100'000;
inline constexpr std::size_t doc_waiting_max = 100'000;
// The one root of a document of rule `text`.
inline constexpr std::string_view text_root = "text";

enum class DocKind : std::uint8_t {
  text,  // the application's column shows the text of text_root
  doc,   // it shows the document, as a Yjs update
};

// What a document was begun with: the stamp of the cell's last plain value or, where there is none,
// of the row's life; and a hash of that value, since forgers use stamps twice.
struct DocBase {
  Stamp stamp;
  std::uint64_t hash = 0;

  friend bool operator==(const DocBase&, const DocBase&) = default;
  friend bool operator<(const DocBase& a, const DocBase& b) {
    return a.stamp != b.stamp ? a.stamp < b.stamp : a.hash < b.hash;
  }
};
std::uint64_t doc_base_hash(const ValueView& value);

// What one transaction did to a document. In a put that gives the cell no plain value, the base's
// stamp is the put's own.
struct DocEdit {
  DocKind kind = DocKind::text;
  DocBase base;
  std::string update;  // Yjs update v1

  friend bool operator==(const DocEdit&, const DocEdit&) = default;
};

struct DocWaiting {
  Stamp stamp;
  std::string update;

  friend bool operator==(const DocWaiting&, const DocWaiting&) = default;
};

struct DocContent {
  DocKind kind = DocKind::text;
  DocBase base;
  // The newest edit of each replica, sorted by replica; empty when nothing was edited.
  std::vector<Stamp> newest;
  std::string settled;
  std::vector<DocWaiting> waiting;  // sorted by stamp

  bool empty() const { return newest.empty(); }
  friend bool operator==(const DocContent&, const DocContent&) = default;
};

// The document of a base alone; empty where the base is none (null included).
std::unique_ptr<ydoc::Doc> document_of_base(DocKind kind, const ValueView& base,
                                            ydoc::ClientId client);
// The document of base and edits. Fails on bytes that are no update.
Result<std::unique_ptr<ydoc::Doc>> open_document(const DocContent& content, const ValueView& base,
                                                 ydoc::ClientId client = 0);
// What the application's column shows.
Value document_value(DocKind kind, ydoc::Doc& doc);

// Takes in what `from` holds; then call settle_document.
void join_document(DocContent& into, DocContent from);
// Gives every edit its place that has one now. `base` is null while the base is not here. With a
// cache the document is taken from there, and left there.
void settle_document(DocContent& content, const ValueView& base, DocumentCache* cache = nullptr);
// The same for an edit of that stamp, when `doc` is the document of base and edits with the edit
// already in it, and nothing waits.
void advance_document(DocContent& content, const ValueView& base, ydoc::Doc& doc,
                      const Stamp& stamp);

// The value of a CellEdit of form doc: docs/storage.md, "Documents".
Value encode_doc_edit(const DocEdit& edit);
Result<DocEdit> decode_doc_edit(const ValueView& value);

// The document inside a stored cell.
void write_doc_content(Writer& out, const DocContent& content);
Result<DocContent> read_doc_content(Reader& in);

// Collects what is done to a document into one update.
class DocRecorder {
 public:
  explicit DocRecorder(ydoc::Doc& doc);
  // Takes in a Yjs update, as the writer's own work.
  Result<void> apply(Bytes update);
  // Makes the text `after`, by the insertions and deletions that a person might have made.
  Result<void> become(std::string_view after);
  // What was done since the beginning; empty when that is nothing. Ends the recording.
  Result<ByteVector> finish();
  ydoc::Doc& doc() { return doc_; }

 private:
  ydoc::Doc& doc_;
  ByteVector update_;
  std::vector<ByteVector> applied_;
  ydoc::Subscription subscription_;
  std::unique_ptr<ydoc::Doc::Batch> batch_;
};

}  // namespace syncline
