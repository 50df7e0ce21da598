#include "model/cell_content.h"

#include <algorithm>
#include <utility>

#include "base/sort.h"
#include "model/stamp_codec.h"
#include "model/value_codec.h"

namespace syncline {
namespace {

constexpr std::uint8_t content_format = 1;
// With a document behind the rest.
constexpr std::uint8_t document_format = 2;
constexpr std::uint8_t no_base = 0;
constexpr std::uint8_t plain_base = 1;

bool is_base_above(const CellContent& a, const CellContent& b) {
  if (a.base == b.base && a.base_value == b.base_value) {
    return a.base_replaced > b.base_replaced;
  }
  return syncline::is_base_above(a.base, a.base_value, b.base, b.base_value);
}

DocBase doc_base_of(const CellContent& content) {
  return {content.base, doc_base_hash(content.base_value.view())};
}

// What the document stands on; null while that is not here.
ValueView ground_of(const CellContent& content) {
  const bool is_here = !content.base.is_zero() && content.document.base == doc_base_of(content);
  return is_here ? content.base_value.view() : ValueView();
}

void drop_below_base(CellContent& content) {
  drop_counts_before(content.counts, content.base);
  if (!content.fields.empty()) {
    drop_void_fields(content.fields, content.base, [](const Stamp&) { return false; });
  }
  if (!content.document.empty() && !content.base.is_zero() &&
      content.document.base < doc_base_of(content)) {
    content.document = DocContent();
  }
}

Value encode_content(const CellContent& content) {
  Writer out;
  out.u8(content.document.empty() ? content_format : document_format);
  if (content.base.is_zero()) {
    out.u8(no_base);
  } else {
    out.u8(plain_base);
    write_stamp(out, content.base);
    write_value(out, content.base_value.view());
  }
  write_counter_entries(out, content.counts);
  write_json_entries(out, content.fields);
  if (!content.document.empty()) {
    write_doc_content(out, content.document);
  }
  return Value::blob(out.bytes());
}

Result<void> read_base(Reader& in, CellContent& content) {
  SL_TRY(const std::uint8_t tag, in.u8());
  if (tag > plain_base) {
    return Error(ErrorCode::malformed, "unknown base of a cell " + std::to_string(tag));
  }
  if (tag == no_base) {
    return {};
  }
  SL_TRY(content.base, read_stamp(in));
  if (content.base.is_zero()) {
    return Error(ErrorCode::malformed, "a base without a stamp");
  }
  DecodedValue value;
  SL_TRY(value.read(in));
  content.base_value = Value(value.view());
  return {};
}

Result<CellContent> decode_content(const ValueView& value) {
  if (value.type != ValueType::blob) {
    return Error(ErrorCode::malformed, "the content of a cell is a blob");
  }
  Reader in(value.data);
  SL_TRY(const std::uint8_t format, in.u8());
  if (format != content_format && format != document_format) {
    return Error(ErrorCode::unsupported, "unknown format of a cell " + std::to_string(format));
  }
  CellContent content;
  SL_TRY(read_base(in, content));
  SL_TRY(content.counts, read_counter_entries(in));
  SL_TRY(content.fields, read_json_entries(in));
  if (format == document_format) {
    SL_TRY(content.document, read_doc_content(in));
  }
  SL_TRY(in.expect_end("the content of a cell"));
  return content;
}

CellContent base_of(const Value& value, const Stamp& stamp, const Stamp& replaced) {
  CellContent content;
  content.base = stamp;
  content.base_value = value;
  content.base_replaced = replaced;
  return content;
}

// The base that counting goes on from.
Stamp counting_base(const CellContent& content, const Stamp& life) {
  if (!content.base.is_zero()) {
    return content.base;
  }
  Stamp base = life;
  for (const CounterEntry& entry : content.counts) {
    base = std::max(base, entry.base);
  }
  return base;
}

// A document of one edit, which waits until it is settled.
Result<DocContent> document_of(const ValueView& value, const Stamp& stamp) {
  SL_TRY(DocEdit edit, decode_doc_edit(value));
  if (stamp < edit.base.stamp) {
    return Error(ErrorCode::malformed, "a document's edit is older than its base");
  }
  DocContent document;
  document.kind = edit.kind;
  document.base = edit.base;
  document.newest.push_back(stamp);
  document.waiting.push_back({stamp, std::move(edit.update)});
  return document;
}

}  // namespace

bool is_base_above(const Stamp& a_stamp, const Value& a, const Stamp& b_stamp, const Value& b) {
  if (a_stamp != b_stamp) {
    return a_stamp > b_stamp;
  }
  const std::uint64_t a_hash = doc_base_hash(a.view());
  const std::uint64_t b_hash = doc_base_hash(b.view());
  return a_hash != b_hash ? a_hash > b_hash : compare_values(a.view(), b.view()) > 0;
}

Result<CellContent> content_of(const CellState& cell) {
  if (is_base_form(cell.form)) {
    return base_of(cell.value, cell.stamp, cell.replaced);
  }
  SL_TRY(CellContent content, decode_content(cell.value.view()));
  content.base_replaced = cell.replaced;
  return content;
}

Result<CellContent> content_of(const CellEdit& edit, const Stamp& stamp, const Stamp& replaced) {
  CellContent content;
  switch (edit.form) {
    case CellForm::plain:
      return base_of(edit.value, stamp, replaced);
    case CellForm::doc: {
      SL_TRY(content.document, document_of(edit.value.view(), stamp));
      return content;
    }
    case CellForm::counter: {
      SL_TRY(CounterEdit counted, decode_counter_edit(edit.value.view()));
      if (!(counted.base < stamp)) {
        return Error(ErrorCode::malformed, "a counter's edit is older than its base");
      }
      content.counts.push_back({counted.base, stamp, std::move(counted.total)});
      return content;
    }
    case CellForm::json: {
      SL_TRY(const JsonEdit changed, decode_json_edit(edit.value.view()));
      content.fields = entries_of(changed, stamp);
      drop_covered_fields(content.fields);
      return content;
    }
  }
  return content;
}

void join_content(CellContent& into, CellContent from, DocumentCache* cache) {
  const bool has_new_ground = is_base_above(from, into);
  if (has_new_ground) {
    into.base = from.base;
    into.base_value = std::move(from.base_value);
    into.base_replaced = from.base_replaced;
  }
  join_counters(into.counts, std::move(from.counts));
  if (!from.fields.empty()) {
    join_fields(into.fields, std::move(from.fields));
  }
  const bool has_new_edits = !from.document.empty();
  join_document(into.document, std::move(from.document));
  drop_below_base(into);
  if (!into.document.empty() && (has_new_edits || has_new_ground)) {
    settle_document(into.document, ground_of(into), cache);
  }
}

void drop_void_content(CellContent& content, const RowState& row) {
  if (row.voids(content.base)) {
    content.base = Stamp();
    content.base_value = Value();
    content.base_replaced = Stamp();
  }
  CounterEntries& counts = content.counts;
  const auto is_void_count = [&row](const CounterEntry& entry) { return row.voids(entry.base); };
  counts.erase(std::remove_if(counts.begin(), counts.end(), is_void_count), counts.end());
  if (!content.fields.empty()) {
    drop_void_fields(content.fields, content.base,
                     [&row](const Stamp& stamp) { return row.voids(stamp); });
  }
  if (!content.document.empty() && row.voids(content.document.base.stamp)) {
    content.document = DocContent();
  }
}

CellRoom room_of(const CellContent& content) {
  CellRoom room = CellRoom::ample;
  const auto look = [&room](std::size_t count, std::size_t max) {
    room = std::max(room, count > max       ? CellRoom::none
                          : count > max / 2 ? CellRoom::scarce
                                            : CellRoom::ample);
  };
  look(content.counts.size(), counter_replicas_max);
  look(content.fields.size(), json_fields_max);
  look(content.document.newest.size(), doc_replicas_max);
  look(content.document.waiting.size(), doc_waiting_max);
  look(content.document.settled.size(), ydoc::Limits().update_bytes_max);
  return room;
}

std::optional<CellState> cell_of(const std::string& column, const CellContent& content) {
  if (content.counts.empty() && content.fields.empty() && content.document.empty()) {
    if (content.base.is_zero()) {
      return std::nullopt;
    }
    return CellState{column, CellForm::plain, content.base, content.base_value,
                     content.base_replaced};
  }
  CellState cell;
  cell.column = column;
  cell.form = !content.document.empty() ? CellForm::doc
              : content.fields.empty()  ? CellForm::counter
                                        : CellForm::json;
  cell.stamp = content.base;
  for (const CounterEntry& entry : content.counts) {
    cell.stamp = std::max(cell.stamp, entry.stamp);
  }
  for (const JsonEntry& entry : content.fields) {
    cell.stamp = std::max(cell.stamp, entry.stamp);
  }
  for (const Stamp& stamp : content.document.newest) {
    cell.stamp = std::max(cell.stamp, stamp);
  }
  cell.value = encode_content(content);
  cell.replaced = content.base_replaced;
  return cell;
}

Result<Value> cell_value(const CellState& cell, DocumentCache* cache) {
  if (is_base_form(cell.form)) {
    return cell.value;
  }
  SL_TRY(const CellContent content, content_of(cell));
  if (cell.form == CellForm::doc) {
    if (content.base.is_zero() || content.document.base == doc_base_of(content)) {
      const DocContent& document = content.document;
      DocumentCache none;
      DocumentCache& documents = cache == nullptr ? none : *cache;
      SL_TRY(auto opened, documents.open({document.kind, document.base, Value(ground_of(content)),
                                          document.settled, std::string()}));
      Value shown = opened.shown;
      documents.put(std::move(opened));
      return shown;
    }
    return content.base_value;  // edits of a base to come
  }
  if (cell.form == CellForm::counter) {
    return counter_sum(content.base, content.base_value.view(), content.counts);
  }
  return document_of(content.base_value.view(), content.fields);
}

std::vector<Stamp> stamps_of(const CellState& cell) {
  const auto content = content_of(cell);
  if (is_base_form(cell.form) || !content) {
    return {cell.stamp};
  }
  std::vector<Stamp> stamps;
  if (!content->base.is_zero()) {
    stamps.push_back(content->base);
  }
  for (const CounterEntry& entry : content->counts) {
    stamps.push_back(entry.stamp);
  }
  for (const JsonEntry& entry : content->fields) {
    stamps.push_back(entry.stamp);
  }
  stamps.insert(stamps.end(), content->document.newest.begin(), content->document.newest.end());
  syncline::sort(stamps.begin(), stamps.end());
  stamps.erase(std::unique(stamps.begin(), stamps.end()), stamps.end());
  return stamps;
}

Result<void> check_cell(const CellEdit& edit) {
  if (edit.form == CellForm::counter) {
    SL_TRY(decode_counter_edit(edit.value.view()));
  } else if (edit.form == CellForm::json) {
    SL_TRY(decode_json_edit(edit.value.view()));
  } else if (edit.form == CellForm::doc) {
    SL_TRY(const DocEdit edited, decode_doc_edit(edit.value.view()));
    DocContent alone;
    alone.settled = edited.update;
    SL_TRY(open_document(alone, ValueView()));
  }
  return {};
}

Result<void> check_cell(const CellEdit& edit, const Stamp& stamp) {
  SL_TRY(check_cell(edit));
  // Of what counts or builds upon a value that is younger, nobody could make a cell.
  Stamp base;
  if (edit.form == CellForm::counter) {
    SL_TRY(const CounterEdit counted, decode_counter_edit(edit.value.view()));
    base = counted.base;
  } else if (edit.form == CellForm::doc) {
    SL_TRY(const DocEdit edited, decode_doc_edit(edit.value.view()));
    base = edited.base.stamp;
  }
  const bool may_be_own = edit.form == CellForm::doc;
  if (stamp < base || (stamp == base && !may_be_own)) {
    return Error(ErrorCode::malformed,
                 "an edit of " + edit.column + " is older than the value it builds upon");
  }
  return {};
}

Result<void> check_cell(const CellState& cell) {
  SL_TRY(CellContent content, content_of(cell));
  if (!content.document.empty()) {
    SL_TRY(open_document(content.document, ground_of(content)));
  }
  const CellContent as_read = content;
  join_content(content, CellContent());
  const auto again = cell_of(cell.column, content);
  if (!(content == as_read) || !again || again->form != cell.form || again->stamp != cell.stamp) {
    return Error(ErrorCode::malformed, "a cell holds what its base makes void");
  }
  return {};
}

Result<CellEdit> increment(const RowState& row, const std::string& column, const Stamp& stamp,
                           const Value& step) {
  CellContent content;
  CellEdit edit{column, CellForm::counter, {}, {}};
  if (const CellState* cell = row.find(column)) {
    SL_TRY(content, content_of(*cell));
    edit.replaced = cell->stamp;
  }
  if (step.type() != ValueType::integer && step.type() != ValueType::real) {
    return Error(ErrorCode::invalid_argument, "only numbers can be counted");
  }
  CounterEdit counted{counting_base(content, row.life), step};
  if (counted.base.is_zero() || !(counted.base < stamp)) {
    return Error(ErrorCode::invalid_argument, "a counter counts from an earlier put or set");
  }
  for (const CounterEntry& entry : content.counts) {
    if (entry.stamp.replica == stamp.replica && entry.base == counted.base) {
      counted.total = add_numbers(entry.total.view(), step.view());
    }
  }
  edit.value = encode_counter_edit(counted);
  return edit;
}

CellEdit edit_document(const CellState* cell, const std::string& column, const ValueView& before,
                       const ValueView& after) {
  CellEdit edit{column, CellForm::plain, Value(after), {}};
  if (cell != nullptr) {
    edit.replaced = cell->stamp;
  }
  if (before.type == ValueType::text && after.type == ValueType::text) {
    const auto changed = diff_documents(before.text(), after.text());
    if (changed && !changed->empty()) {
      edit.form = CellForm::json;
      edit.value = encode_json_edit(*changed);
    }
  }
  return edit;
}

ValueView OpenDocument::ground() const { return ground_of(content); }

DocumentCache::Key OpenDocument::key(const std::vector<Bytes>& staged) const {
  Writer all;
  for (const Bytes update : staged) {
    all.blob(update);
  }
  return {kind, base, Value(ground()), content.document.settled, std::string(as_text(all.bytes()))};
}

Result<OpenDocument> describe_document(const CellState* cell, const Stamp& life, DocKind kind) {
  OpenDocument out;
  CellContent& content = out.content;
  if (cell != nullptr) {
    SL_TRY(content, content_of(*cell));
    out.replaced = cell->stamp;
  }
  out.kind = kind;
  out.is_other_kind = !content.document.empty() && content.document.kind != kind;
  content.document.kind = kind;
  if (content.document.empty()) {
    content.document.base = content.base.is_zero() ? DocBase{life, 0} : doc_base_of(content);
  }
  out.base = content.document.base;
  return out;
}

Result<OpenDocument> open_document(const CellState* cell, const Stamp& life, DocKind kind,
                                   ydoc::ClientId client) {
  SL_TRY(OpenDocument out, describe_document(cell, life, kind));
  SL_TRY(out.doc, open_document(out.content.document, out.ground(), client));
  return out;
}

CellEdit edit_of_document(const OpenDocument& document, const std::string& column, Bytes update) {
  const DocEdit edit{document.kind, document.base, std::string(as_text(update))};
  return {column, CellForm::doc, encode_doc_edit(edit), document.replaced};
}

std::optional<CellState> edited_cell(OpenDocument& document, const std::string& column,
                                     const RowState& row, const Stamp& stamp) {
  CellContent& content = document.content;
  const bool is_alone = content.counts.empty() && content.fields.empty() &&
                        content.document.waiting.empty() && !document.is_other_kind;
  const bool is_void = row.voids(document.base.stamp) || stamp < document.base.stamp ||
                       (!content.base.is_zero() && row.voids(content.base));
  const bool has_ground = content.base.is_zero() || document.base == doc_base_of(content);
  const bool waits = document.doc->has_pending_structs() || document.doc->has_pending_deletes();
  if (!is_alone || is_void || !has_ground || waits) {
    return std::nullopt;
  }
  advance_document(content.document, ground_of(content), *document.doc, stamp);
  return cell_of(column, content);
}

}  // namespace syncline
