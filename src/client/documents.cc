#include "client/documents.h"

#include <algorithm>
#include <variant>

#include "base/digest.h"
#include "base/sort.h"
#include "base/text.h"
#include "sqlite/savepoint.h"
#include "ydoc/merge.h"
#include "ydoc/utf.h"

namespace syncline {
namespace {

// Whether a cell may hold this and be edited: nothing at all, or a document of that kind.
bool is_ground(DocKind kind, const ValueView& value) {
  if (value.is_null()) {
    return true;
  }
  return kind == DocKind::text ? value.type == ValueType::text && is_utf8(value.text())
                               : value.type == ValueType::blob;
}

DocKind kind_of(MergeRule rule) { return rule == MergeRule::text ? DocKind::text : DocKind::doc; }

// Where in a text's units a character begins. Surrogate pairs are one character, embeds are one.
class Ruler {
 public:
  explicit Ruler(const ydoc::Text& text) {
    std::u16string all = text.to_utf16();
    if (all.size() == text.length()) {
      parts_.push_back({std::move(all), 0});
      return;
    }
    for (ydoc::DeltaOut& part : text.to_delta()) {
      parts_.push_back({std::move(part.text), part.values.size()});
    }
  }
  // Units before the character of that index; nothing beyond the end.
  std::optional<std::uint64_t> units_before(std::uint64_t characters) const {
    std::uint64_t units = 0;
    for (const Part& part : parts_) {
      for (std::size_t i = 0; i < part.text.size(); ++i) {
        if (is_second_half(part.text, i)) {
          continue;
        }
        if (characters == 0) {
          return units + i;
        }
        --characters;
      }
      units += part.text.size();
      if (characters < part.embeds) {
        return units + characters;
      }
      characters -= part.embeds;
      units += part.embeds;
    }
    return characters == 0 ? std::optional(units) : std::nullopt;
  }

 private:
  struct Part {
    std::u16string text;
    std::uint64_t embeds = 0;
  };
  static bool is_second_half(const std::u16string& text, std::size_t i) {
    return i > 0 && ydoc::is_low_surrogate(text[i]) && ydoc::is_high_surrogate(text[i - 1]);
  }
  std::vector<Part> parts_;
};

struct Range {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};
Result<Range> range_of(const ydoc::Text& text, std::uint64_t index, std::uint64_t count) {
  const Ruler ruler(text);
  const auto begin = ruler.units_before(index);
  const bool fits = count <= UINT64_MAX - index;
  const auto end = count == 0 ? begin : fits ? ruler.units_before(index + count) : std::nullopt;
  if (!begin.has_value() || !end.has_value()) {
    return Error(ErrorCode::invalid_argument, "the text has no " + std::to_string(count) +
                                                  " characters behind position " +
                                                  std::to_string(index));
  }
  return Range{*begin, *end};
}

Result<ydoc::Attributes> attributes_of(std::string_view json) {
  SL_TRY(const ydoc::Any parsed, ydoc::from_json(json));
  if (parsed.kind() != ydoc::Any::Kind::object) {
    return Error(ErrorCode::invalid_argument,
                 "attributes are a JSON object, such as {\"bold\":true}");
  }
  return parsed.as_object();
}

// Text as JSON: lone surrogates cannot be told and become U+FFFD.
ydoc::Any any_of(const ydoc::Content& content) {
  if (const auto* value = std::get_if<ydoc::Any>(&content)) {
    return *value;
  }
  if (const auto* type = std::get_if<ydoc::Type>(&content)) {
    auto plain = ydoc::to_any(*type);
    return plain ? std::move(*plain) : ydoc::Any::null();
  }
  return ydoc::Any::object({{"guid", ydoc::Any::string(std::get<ydoc::SubdocView>(content).guid)}});
}

std::string hex_of(std::uint64_t value) {
  std::string out;
  for (unsigned shift = 64; shift > 0; shift -= 4) {
    out.push_back("0123456789abcdef"[(value >> (shift - 4)) & 15U]);
  }
  return out;
}

std::string name_of(const DocBase& base) { return to_text(base.stamp) + "/" + hex_of(base.hash); }

// Makes the document show that value; false when it cannot.
Result<bool> become(DocRecorder& recorder, DocKind kind, const Value& after) {
  if (kind == DocKind::text) {
    SL_TRY(recorder.become(after.view().text()));
  } else if (!(document_value(kind, recorder.doc()) == after) &&
             !recorder.apply(after.view().data)) {
    return false;
  }
  return document_value(kind, recorder.doc()) == after;
}

Result<ByteVector> joined(Bytes first, const ByteVector& second) {
  if (second.empty()) {
    return to_vector(first);
  }
  const Bytes both[] = {first, second};
  return ydoc::merge_updates(both);
}

ydoc::Any delta_of(const ydoc::Text& text) {
  ydoc::Any::Array out;
  const auto add = [&out](ydoc::Any insert, const ydoc::Attributes& attributes) {
    ydoc::Any::Object one{{"insert", std::move(insert)}};
    if (!attributes.empty()) {
      one.emplace_back("attributes", ydoc::Any::object(attributes));
    }
    out.push_back(ydoc::Any::object(std::move(one)));
  };
  for (const ydoc::DeltaOut& part : text.to_delta()) {
    if (!part.text.empty()) {
      add(ydoc::Any::string(ydoc::to_utf8(part.text)), part.attributes);
    }
    for (const ydoc::Content& value : part.values) {
      add(any_of(value), part.attributes);
    }
  }
  return ydoc::Any::array(std::move(out));
}

}  // namespace

// A document as it stands now, within the running transaction.
struct Documents::Opened {
  TableAccess* access = nullptr;
  const TrackedColumn* column = nullptr;
  RowId row = 0;
  Value present;  // in the table
  OpenDocument document;
  Value shown;  // what the document would show there
  std::vector<Bytes> staged;
};

ydoc::ClientId Documents::client() {
  while (client_ == 0) {
    client_ = parts_.random.next() & 0xFFFFFFFFU;
  }
  return client_;
}

Result<Documents::Opened> Documents::open(const Place& place) {
  SL_TRY(const TrackedTable* table, parts_.catalog.find(place.table));
  if (table == nullptr) {
    return Error(ErrorCode::not_found, "no table '" + place.table + "' is synced here");
  }
  const int position = table->position_of(place.column);
  if (position < 0 || !is_document(table->columns[static_cast<std::size_t>(position)].rule)) {
    return Error(ErrorCode::invalid_argument, "column '" + place.column + "' of table '" +
                                                  place.table +
                                                  "' is not tracked with rule text or doc");
  }
  if (place.key.size() != table->key.size()) {
    return Error(ErrorCode::invalid_argument, "the key of table '" + place.table + "' has " +
                                                  std::to_string(table->key.size()) + " columns");
  }
  Opened out;
  SL_TRY(out.access, parts_.tables.access(table->id));
  out.column = &out.access->table().columns[static_cast<std::size_t>(position)];
  Writer key;
  for (const Value& value : place.key) {
    write_value(key, value.view());
  }
  SL_TRY(parts_.clocks.catch_up());
  parts_.rows.forget();
  SL_TRY(LoadedRow row, parts_.rows.load(*out.access, key.bytes()));
  if (!row.row.has_value()) {
    return Error(ErrorCode::not_found, "no row with this key is in table '" + place.table + "'");
  }
  out.row = *row.row;
  out.present = row.values[table->key.size() + static_cast<std::size_t>(position)];
  const DocKind kind = kind_of(out.column->rule);
  if (!is_ground(kind, out.present.view())) {
    return Error(ErrorCode::invalid_argument,
                 "column '" + place.column + "' holds a value there that is no document");
  }
  // The log does not know yet what this transaction did: the cell is what it was before.
  const CaptureBuffer& buffer = parts_.capture.buffer();
  const bool is_born = buffer.is_born(table->id, out.row);
  CellState* cell = is_born ? nullptr : row.state.find(place.column);
  if (cell != nullptr && cell->form == CellForm::plain) {
    const auto before = buffer.value_before(table->id, out.row, out.column->id);
    cell->value = before.has_value() ? *before : cell->value;
  }
  SL_TRY(out.document, describe_document(cell, row.state.life, kind));
  out.staged = buffer.staged(table->id, out.row, out.column->id);
  SL_TRY(load(out.document, out.staged, out.shown));
  return out;
}

// Makes the document, or finds it as it was left.
Result<void> Documents::load(OpenDocument& document, const std::vector<Bytes>& staged,
                             Value& shown) {
  auto found = parts_.rows.documents().take(document.key(staged));
  if (found.has_value()) {
    document.doc = std::move(found->doc);
    document.doc->set_client_id(client());
    shown = std::move(found->shown);
    return {};
  }
  parts_.rows.documents().note_load();
  SL_TRY(document.doc, open_document(document.content.document, document.ground(), client()));
  for (const Bytes update : staged) {
    SL_TRY(document.doc->apply_update(update));
  }
  shown = document_value(document.kind, *document.doc);
  return {};
}

// What was only read is as it was.
void Documents::keep(Opened& opened) {
  parts_.rows.documents().put({opened.document.key(opened.staged), std::move(opened.document.doc),
                               std::move(opened.shown)});
}

Result<void> Documents::edit(const Place& place, DocKind kind,
                             FunctionRef<Result<void>(DocRecorder& recorder)> work) {
  SL_TRY(Savepoint savepoint, Savepoint::to_write(parts_.connection));
  SL_TRY(Opened opened, open(place));
  if (opened.document.kind != kind && kind == DocKind::text) {
    return Error(ErrorCode::invalid_argument,
                 "column '" + place.column + "' has rule doc; edit it with syncline_doc_apply()");
  }
  DocRecorder recorder(*opened.document.doc);
  // What SQL wrote since is an edit, too.
  if (!opened.present.is_null() && !(opened.shown == opened.present)) {
    SL_TRY(opened.document.kind == DocKind::text ? recorder.become(opened.present.view().text())
                                                 : recorder.apply(opened.present.view().data));
  }
  SL_TRY(work(recorder));
  SL_TRY(const ByteVector update, recorder.finish());
  if (!update.empty()) {
    opened.shown = document_value(opened.document.kind, *opened.document.doc);
    SL_TRY(write(opened, update));
    opened.staged.emplace_back(update);
  }
  keep(opened);
  return savepoint.release();
}

Result<void> Documents::write(Opened& opened, Bytes update) {
  const TrackedTable& table = opened.access->table();
  const ValueView value = opened.shown.view();
  ColumnSet columns;
  columns.insert(opened.column->id);
  parts_.capture.expect_edit(table, opened.column->id);
  auto written = opened.access->update(opened.row, columns, std::span<const ValueView>(&value, 1));
  parts_.capture.end_edit();
  SL_TRY(std::move(written));
  parts_.capture.buffer().stage(table, opened.row, opened.column->id, update);
  return {};
}

Result<void> Documents::insert_text(const Place& place, std::uint64_t index,
                                    std::string_view text) {
  SL_TRY(const std::u16string units, utf8_to_utf16(text));
  return edit(place, DocKind::text, [&](DocRecorder& recorder) -> Result<void> {
    ydoc::Text target = recorder.doc().text(text_root);
    SL_TRY(const Range at, range_of(target, index, 0));
    return target.insert(at.begin, units);
  });
}

Result<void> Documents::delete_text(const Place& place, std::uint64_t index, std::uint64_t count) {
  return edit(place, DocKind::text, [&](DocRecorder& recorder) -> Result<void> {
    ydoc::Text target = recorder.doc().text(text_root);
    SL_TRY(const Range range, range_of(target, index, count));
    return target.remove(range.begin, range.end - range.begin);
  });
}

Result<void> Documents::format_text(const Place& place, std::uint64_t index, std::uint64_t count,
                                    std::string_view attributes) {
  SL_TRY(const ydoc::Attributes wanted, attributes_of(attributes));
  return edit(place, DocKind::text, [&](DocRecorder& recorder) -> Result<void> {
    ydoc::Text target = recorder.doc().text(text_root);
    SL_TRY(const Range range, range_of(target, index, count));
    return target.format(range.begin, range.end - range.begin, wanted);
  });
}

Result<void> Documents::apply(const Place& place, Bytes update) {
  return edit(place, DocKind::doc, [&](DocRecorder& recorder) { return recorder.apply(update); });
}

Result<std::string> Documents::text_delta(const Place& place) {
  SL_TRY(Opened opened, open(place));
  const ydoc::Any delta = delta_of(opened.document.doc->text(text_root));
  // Asking for a root settles its type: a document of other roots is not kept.
  if (opened.document.kind == DocKind::text) {
    keep(opened);
  }
  return ydoc::to_json(delta);
}

Result<std::string> Documents::json(const Place& place) {
  SL_TRY(const Opened opened, open(place));
  ydoc::Any::Object roots;
  std::vector<std::string> names = opened.document.doc->root_names();
  syncline::sort(names.begin(), names.end());
  for (const std::string& name : names) {
    ydoc::Doc& doc = *opened.document.doc;
    const ydoc::TypeKind kind = ydoc::likely_kind(doc.root(name, ydoc::TypeKind::untyped));
    SL_TRY(ydoc::Any value, ydoc::to_any(doc.root(name, kind)));
    roots.emplace_back(name, std::move(value));
  }
  return ydoc::to_json(ydoc::Any::object(std::move(roots)));
}

Result<ByteVector> Documents::state_vector(const Place& place) {
  SL_TRY(Opened opened, open(place));
  ByteVector state = opened.document.doc->state_vector().encode();
  keep(opened);
  return state;
}

Result<ByteVector> Documents::diff(const Place& place, Bytes state_vector) {
  ydoc::StateVector known;
  if (!state_vector.empty()) {
    SL_TRY(known, ydoc::StateVector::decode(state_vector));
  }
  SL_TRY(Opened opened, open(place));
  ByteVector update = opened.document.doc->encode_settled(known);
  keep(opened);
  return update;
}

Result<std::string> Documents::name(const Place& place) {
  SL_TRY(Opened opened, open(place));
  std::string name = name_of(opened.document.base);
  keep(opened);
  return name;
}

Result<std::string> Documents::mark(const Place& place) {
  SL_TRY(Opened opened, open(place));
  const DocumentCache::Key key = opened.document.key(opened.staged);
  const std::uint64_t settled = hash64(as_bytes(key.settled), hash64(as_bytes(key.staged)));
  std::string mark = name_of(key.base) + "/" + hex_of(settled);
  keep(opened);
  return mark;
}

Result<std::optional<Documents::Described>> Documents::describe(const Done& done) {
  const DocKind kind = kind_of(done.column.rule);
  const CellState* cell = done.row.find(done.column.name);
  const bool is_plain = cell == nullptr || cell->form == CellForm::plain;
  const ValueView before = cell == nullptr ? ValueView() : cell->value.view();
  if (done.after.is_null() || !is_ground(kind, done.after.view()) ||
      (is_plain && !is_ground(kind, before))) {
    return std::optional<Described>();
  }
  SL_TRY(OpenDocument document, describe_document(cell, done.row.life, kind));
  // What a transaction did in several steps is told as one: then its beginning is needed.
  const bool is_step = done.staged.size() <= 1;
  Value shown;
  SL_TRY(load(document, is_step ? done.staged : std::vector<Bytes>(), shown));
  DocRecorder recorder(*document.doc);
  for (std::size_t i = 0; !is_step && i < done.staged.size(); ++i) {
    SL_TRY(recorder.apply(done.staged[i]));
  }
  if (!is_step || !(shown == done.after)) {
    SL_TRY(const bool is_reached, become(recorder, kind, done.after));
    if (!is_reached) {
      return std::optional<Described>();
    }
  }
  SL_TRY(ByteVector update, recorder.finish());
  if (is_step && !done.staged.empty()) {
    SL_TRY(update, joined(done.staged[0], update));
  }
  if (update.empty()) {
    return std::optional<Described>();
  }
  Described out{edit_of_document(document, done.column.name, update), std::nullopt};
  out.cell = edited_cell(document, done.column.name, done.row, done.stamp);
  if (out.cell.has_value()) {
    parts_.rows.documents().put({document.key({}), std::move(document.doc), done.after});
  }
  return std::optional<Described>(std::move(out));
}

Value joined_document(const ValueView& before, const ValueView& after) {
  if (before.type != ValueType::blob || after.type != ValueType::blob) {
    return Value(after);
  }
  const auto doc = document_of_base(DocKind::doc, before, 0);
  const auto whole = document_of_base(DocKind::doc, after, 0);
  // Bytes that are no document, or lack something, are a plain value.
  if (doc->state_vector().entries().empty() || whole->state_vector().entries().empty() ||
      !doc->apply_update(after.data)) {
    return Value(after);
  }
  return document_value(DocKind::doc, *doc);
}

}  // namespace syncline
