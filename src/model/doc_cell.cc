#include "model/doc_cell.h"

#include <algorithm>
#include <utility>

#include "base/digest.h"
#include "base/text.h"
#include "model/document_cache.h"
#include "model/stamp_codec.h"
#include "model/text_diff.h"
#include "model/value_codec.h"
#include "ydoc/merge.h"
#include "ydoc/utf.h"

namespace syncline {
namespace {

constexpr std::uint8_t doc_format = 1;

Result<DocKind> read_kind(Reader& in) {
  SL_TRY(const std::uint8_t kind, in.u8());
  if (kind > static_cast<std::uint8_t>(DocKind::doc)) {
    return Error(ErrorCode::unsupported, "unknown kind of document " + std::to_string(kind));
  }
  return static_cast<DocKind>(kind);
}

void write_base(Writer& out, const DocBase& base) {
  write_stamp(out, base.stamp);
  out.u64(base.hash);
}

Result<DocBase> read_base(Reader& in) {
  DocBase base;
  SL_TRY(base.stamp, read_stamp(in));
  SL_TRY(base.hash, in.u64());
  if (base.stamp.is_zero()) {
    return Error(ErrorCode::malformed, "a document without a base");
  }
  return base;
}

void write_bytes(Writer& out, const std::string& bytes) { out.text(bytes); }

Result<std::string> read_bytes(Reader& in) {
  SL_TRY(const std::string_view bytes, in.text(ydoc::Limits().update_bytes_max));
  return std::string(bytes);
}

Result<std::vector<Stamp>> read_newest(Reader& in) {
  SL_TRY(const std::uint64_t count, in.varint_at_most(doc_replicas_max));
  std::vector<Stamp> newest;
  for (std::uint64_t i = 0; i < count; ++i) {
    SL_TRY(const Stamp stamp, read_stamp(in));
    if (stamp.is_zero() || (i > 0 && !(newest.back().replica < stamp.replica))) {
      return Error(ErrorCode::malformed, "the writers of a document are out of order");
    }
    newest.push_back(stamp);
  }
  if (newest.empty()) {
    return Error(ErrorCode::malformed, "a document that nobody edited");
  }
  return newest;
}

Result<std::vector<DocWaiting>> read_waiting(Reader& in) {
  SL_TRY(const std::uint64_t count, in.varint_at_most(doc_waiting_max));
  std::vector<DocWaiting> waiting;
  for (std::uint64_t i = 0; i < count; ++i) {
    DocWaiting one;
    SL_TRY(one.stamp, read_stamp(in));
    SL_TRY(one.update, read_bytes(in));
    if (i > 0 && !(waiting.back().stamp < one.stamp)) {
      return Error(ErrorCode::malformed, "what waits in a document is out of order");
    }
    waiting.push_back(std::move(one));
  }
  return waiting;
}

void join_newest(std::vector<Stamp>& into, const std::vector<Stamp>& from) {
  std::vector<Stamp> joined;
  auto a = into.begin();
  auto b = from.begin();
  while (a != into.end() || b != from.end()) {
    if (b == from.end() || (a != into.end() && a->replica < b->replica)) {
      joined.push_back(*a++);
    } else if (a == into.end() || b->replica < a->replica) {
      joined.push_back(*b++);
    } else {
      joined.push_back(std::max(*a++, *b++));
    }
  }
  into = std::move(joined);
}

// Of one stamp twice, which only forgers make, the greater bytes stay.
void join_waiting(std::vector<DocWaiting>& into, std::vector<DocWaiting> from) {
  std::vector<DocWaiting> joined;
  joined.reserve(into.size() + from.size());
  auto a = into.begin();
  auto b = from.begin();
  while (a != into.end() || b != from.end()) {
    if (b == from.end() || (a != into.end() && a->stamp < b->stamp)) {
      joined.push_back(std::move(*a++));
    } else if (a == into.end() || b->stamp < a->stamp) {
      joined.push_back(std::move(*b++));
    } else {
      joined.push_back(std::move(a->update < b->update ? *b : *a));
      ++a;
      ++b;
    }
  }
  into = std::move(joined);
}

// A client id for what a base's text is made of: the same on every replica.
ydoc::ClientId base_client(const ValueView& base) {
  return (doc_base_hash(base) & 0xFFFFFFFFU) | 1U;
}

// What the edits of a document do not hold, because its base does.
ydoc::StateVector base_state(DocKind kind, const ValueView& base) {
  if (kind == DocKind::text && base.type == ValueType::text) {
    const auto units = ydoc::utf16_length(base.data);
    return units.has_value() && *units > 0
               ? ydoc::StateVector::from_entries({{base_client(base), *units}})
               : ydoc::StateVector();
  }
  return base.is_null() ? ydoc::StateVector() : document_of_base(kind, base, 0)->state_vector();
}

std::unique_ptr<ydoc::Doc> empty_document(ydoc::ClientId client) {
  ydoc::DocOptions options;
  options.client_id = client;
  // Who stores and forwards leaves redundant marks: removing them depends on who came when.
  options.clean_formatting = false;
  return std::make_unique<ydoc::Doc>(options);
}

}  // namespace

std::uint64_t doc_base_hash(const ValueView& value) {
  if (value.is_null()) {
    return 0;
  }
  Writer out;
  write_value(out, value);
  return hash64(out.bytes());
}

std::unique_ptr<ydoc::Doc> document_of_base(DocKind kind, const ValueView& base,
                                            ydoc::ClientId client) {
  auto doc = empty_document(client);
  if (kind == DocKind::text && base.type == ValueType::text && is_utf8(base.text())) {
    doc->set_client_id(base_client(base));
    // An empty document takes any text that fits a value.
    (void)doc->text(text_root).insert(0, base.text());
    doc->set_client_id(client);
  } else if (kind == DocKind::doc && base.type == ValueType::blob) {
    const bool is_taken = doc->apply_update(base.data).has_value();
    if (!is_taken || doc->has_pending_structs() || doc->has_pending_deletes()) {
      doc = empty_document(client);
    }
  }
  return doc;
}

Result<std::unique_ptr<ydoc::Doc>> open_document(const DocContent& content, const ValueView& base,
                                                 ydoc::ClientId client) {
  auto doc = document_of_base(content.kind, base, client);
  if (!content.settled.empty()) {
    SL_TRY(doc->apply_update(as_bytes(content.settled)));
  }
  return doc;
}

Value document_value(DocKind kind, ydoc::Doc& doc) {
  if (kind == DocKind::text) {
    return Value::text(doc.text(text_root).to_string());
  }
  const ByteVector state = doc.encode_settled();
  return Value::blob(state);
}

void join_document(DocContent& into, DocContent from) {
  if (from.empty() || (!into.empty() && from.base < into.base)) {
    return;
  }
  if (into.empty() || into.base < from.base) {
    into = std::move(from);
    return;
  }
  into.kind = std::max(into.kind, from.kind);
  join_newest(into.newest, from.newest);
  join_waiting(into.waiting, std::move(from.waiting));
  if (into.settled.empty()) {
    into.settled = std::move(from.settled);
  } else if (!from.settled.empty() && into.settled != from.settled) {
    const Bytes both[] = {as_bytes(into.settled), as_bytes(from.settled)};
    if (const auto merged = ydoc::merge_updates(both)) {
      into.settled = std::string(as_text(*merged));
    }
  }
}

void settle_document(DocContent& content, const ValueView& base, DocumentCache* cache) {
  if (content.empty()) {
    return;
  }
  DocumentCache none;
  DocumentCache& documents = cache == nullptr ? none : *cache;
  auto opened =
      documents.open({content.kind, content.base, Value(base), content.settled, std::string()});
  if (!opened) {
    return;  // bytes that the decoders refuse
  }
  ydoc::Doc& doc = *opened->doc;
  for (const DocWaiting& one : content.waiting) {
    (void)doc.apply_update(as_bytes(one.update));
  }
  const ydoc::StateVector state = doc.state_vector();
  content.settled = std::string(as_text(doc.encode_settled(base_state(content.kind, base))));
  const auto is_done = [&state](const DocWaiting& one) {
    const auto covered = ydoc::is_covered(as_bytes(one.update), state);
    return !covered || *covered;
  };
  content.waiting.erase(std::remove_if(content.waiting.begin(), content.waiting.end(), is_done),
                        content.waiting.end());
  if (cache != nullptr) {
    opened->key.settled = content.settled;
    opened->shown = document_value(content.kind, doc);
    cache->put(std::move(*opened));
  }
}

void advance_document(DocContent& content, const ValueView& base, ydoc::Doc& doc,
                      const Stamp& stamp) {
  join_newest(content.newest, {stamp});
  content.settled = std::string(as_text(doc.encode_settled(base_state(content.kind, base))));
}

Value encode_doc_edit(const DocEdit& edit) {
  Writer out;
  out.u8(doc_format);
  out.u8(static_cast<std::uint8_t>(edit.kind));
  write_base(out, edit.base);
  out.raw(as_bytes(edit.update));
  return Value::blob(out.bytes());
}

Result<DocEdit> decode_doc_edit(const ValueView& value) {
  if (value.type != ValueType::blob) {
    return Error(ErrorCode::malformed, "a document's edit is a blob");
  }
  Reader in(value.data);
  SL_TRY(const std::uint8_t format, in.u8());
  if (format != doc_format) {
    return Error(ErrorCode::unsupported, "unknown document format " + std::to_string(format));
  }
  DocEdit edit;
  SL_TRY(edit.kind, read_kind(in));
  SL_TRY(edit.base, read_base(in));
  edit.update = std::string(as_text(in.rest()));
  if (edit.update.empty()) {
    return Error(ErrorCode::malformed, "a document's edit without an update");
  }
  return edit;
}

void write_doc_content(Writer& out, const DocContent& content) {
  out.u8(static_cast<std::uint8_t>(content.kind));
  write_base(out, content.base);
  out.varint(content.newest.size());
  for (const Stamp& stamp : content.newest) {
    write_stamp(out, stamp);
  }
  write_bytes(out, content.settled);
  out.varint(content.waiting.size());
  for (const DocWaiting& one : content.waiting) {
    write_stamp(out, one.stamp);
    write_bytes(out, one.update);
  }
}

Result<DocContent> read_doc_content(Reader& in) {
  DocContent content;
  SL_TRY(content.kind, read_kind(in));
  SL_TRY(content.base, read_base(in));
  SL_TRY(content.newest, read_newest(in));
  SL_TRY(content.settled, read_bytes(in));
  SL_TRY(content.waiting, read_waiting(in));
  return content;
}

DocRecorder::DocRecorder(ydoc::Doc& doc) : doc_(doc) {
  subscription_ =
      doc_.on_update([this](const ydoc::UpdateEvent& event) { update_ = to_vector(event.update); });
  batch_ = std::make_unique<ydoc::Doc::Batch>(doc_.store(), "");
}

Result<void> DocRecorder::apply(Bytes update) {
  SL_TRY(doc_.apply_update(update));
  applied_.push_back(to_vector(update));
  return {};
}

Result<void> DocRecorder::become(std::string_view after) {
  ydoc::Text text = doc_.text(text_root);
  return change_text(text, after);
}

Result<ByteVector> DocRecorder::finish() {
  batch_.reset();
  doc_.unsubscribe(subscription_);
  if (!doc_.has_pending_structs() && !doc_.has_pending_deletes()) {
    return std::move(update_);
  }
  // What builds on changes that are not here goes along as it came.
  std::vector<Bytes> parts(applied_.begin(), applied_.end());
  if (!update_.empty()) {
    parts.emplace_back(update_);
  }
  if (parts.empty()) {
    return ByteVector();
  }
  return ydoc::merge_updates(parts);
}

}  // namespace syncline
