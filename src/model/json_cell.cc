#include "model/json_cell.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "base/sort.h"
#include "base/text.h"
#include "model/stamp_codec.h"

namespace syncline {
namespace {

constexpr std::uint8_t json_format = 1;

// Fields below this one, in path order: everything of an object that was not there before.
void add_new(JsonEdit& out, const JsonPath& path, const Json& value) {
  const Json::Object* object = value.object();
  if (object == nullptr) {
    out.push_back({path, FieldKind::value, write_canonical_json(value)});
    return;
  }
  out.push_back({path, FieldKind::object, {}});
  for (const Json::Member& member : *object) {
    JsonPath below = path;
    below.push_back(member.name);
    add_new(out, below, member.value);
  }
}

void diff_objects(JsonEdit& out, const JsonPath& path, const Json& before, const Json& after) {
  std::map<std::string_view, std::pair<const Json*, const Json*>> members;
  for (const Json::Member& member : *before.object()) {
    members[member.name].first = &member.value;
  }
  for (const Json::Member& member : *after.object()) {
    members[member.name].second = &member.value;
  }
  for (const auto& [name, sides] : members) {
    const auto& [old_value, new_value] = sides;
    JsonPath below = path;
    below.emplace_back(name);
    if (new_value == nullptr) {
      out.push_back({std::move(below), FieldKind::deleted, {}});
    } else if (old_value != nullptr && old_value->object() != nullptr &&
               new_value->object() != nullptr) {
      diff_objects(out, below, *old_value, *new_value);
    } else if (old_value == nullptr ||
               write_canonical_json(*old_value) != write_canonical_json(*new_value)) {
      add_new(out, below, *new_value);
    }
  }
}

// Takes the greater of two entries of one path, each part by itself.
void join_entry(JsonEntry& into, JsonEntry&& from) {
  into.cleared = std::max(into.cleared, from.cleared);
  if (std::tie(into.stamp, into.field.kind, into.field.text) <
      std::tie(from.stamp, from.field.kind, from.field.text)) {
    into.stamp = from.stamp;
    into.field = std::move(from.field);
  }
}

// A document while fields are applied to it. Arrays and scalars are leaves.
struct Node {
  bool is_object = false;
  std::string text;
  std::map<std::string, Node> members;

  void make_object() {
    if (!is_object) {
      is_object = true;
      text.clear();
    }
  }
  void make_leaf(std::string leaf) {
    is_object = false;
    members.clear();
    text = std::move(leaf);
  }
};

Node node_of(const Json& value) {
  Node node;
  if (const Json::Object* object = value.object()) {
    node.is_object = true;
    for (const Json::Member& member : *object) {
      node.members.emplace(member.name, node_of(member.value));
    }
  } else {
    node.text = write_canonical_json(value);
  }
  return node;
}

void append_node(std::string& out, const Node& node) {
  if (!node.is_object) {
    out += node.text;
    return;
  }
  char before = '{';
  for (const auto& [name, member] : node.members) {
    out += before;
    append_json_string(out, name);
    out += ':';
    append_node(out, member);
    before = ',';
  }
  out += node.members.empty() ? "{}" : "}";
}

void delete_field(Node& root, const JsonPath& path) {
  Node* node = &root;
  for (std::size_t i = 0; i + 1 < path.size(); ++i) {
    const auto at = node->members.find(path[i]);
    if (at == node->members.end()) {
      return;
    }
    node = &at->second;
  }
  node->members.erase(path.back());
}

Node& reach(Node& root, const JsonPath& path) {
  Node* node = &root;
  for (const std::string& name : path) {
    node->make_object();
    node = &node->members[name];
  }
  return *node;
}

void apply_field(Node& root, const JsonField& field) {
  switch (field.kind) {
    case FieldKind::deleted:
      delete_field(root, field.path);
      return;
    case FieldKind::value:
      reach(root, field.path).make_leaf(field.text);
      return;
    case FieldKind::object:
      reach(root, field.path).make_object();
      return;
  }
}

// Something that happened to a document. An object that stands where something else stood before is
// two: the path was cleared, and later the object came.
struct Event {
  Stamp stamp;
  const JsonField* field;
  bool is_clearing;
};

std::vector<Event> events_of(const JsonEntries& entries) {
  std::vector<Event> events;
  for (const JsonEntry& entry : entries) {
    if (entry.field.kind == FieldKind::object && !entry.cleared.is_zero()) {
      events.push_back({entry.cleared, &entry.field, true});
    }
    events.push_back({entry.stamp, &entry.field, false});
  }
  // Stable: at one stamp paths keep their order, ancestors first.
  syncline::stable_sort(events.begin(), events.end(),
                        [](const Event& a, const Event& b) { return a.stamp < b.stamp; });
  return events;
}

void write_field(Writer& out, const JsonField& field) {
  out.varint(field.path.size());
  for (const std::string& name : field.path) {
    out.text(name);
  }
  out.u8(static_cast<std::uint8_t>(field.kind));
  if (field.kind == FieldKind::value) {
    out.text(field.text);
  }
}

Result<JsonField> read_field(Reader& in) {
  JsonField field;
  SL_TRY(const std::uint64_t depth, in.varint_at_most(json_path_depth_max));
  if (depth == 0) {
    return Error(ErrorCode::malformed, "a field without a path");
  }
  for (std::uint64_t i = 0; i < depth; ++i) {
    SL_TRY(const std::string_view name, in.text());
    if (!is_wtf8(name)) {
      return Error(ErrorCode::malformed, "a field's name is not text");
    }
    field.path.emplace_back(name);
  }
  SL_TRY(const std::uint8_t kind, in.u8());
  if (kind > static_cast<std::uint8_t>(FieldKind::object)) {
    return Error(ErrorCode::malformed, "unknown kind of field " + std::to_string(kind));
  }
  field.kind = static_cast<FieldKind>(kind);
  if (field.kind == FieldKind::object && depth == json_path_depth_max) {
    return Error(ErrorCode::too_large, "a document nests too deep");
  }
  if (field.kind == FieldKind::value) {
    // Whatever the fields build must itself be a document again.
    JsonLimits limits = document_limits();
    limits.depth_max -= static_cast<std::size_t>(depth);
    SL_TRY(const std::string_view text, in.text(limits.bytes_max));
    SL_TRY(const Json value, read_json(text, limits));
    if (value.object() != nullptr || write_canonical_json(value) != text) {
      return Error(ErrorCode::malformed, "a field's value is an object or not canonical");
    }
    field.text = std::string(text);
  }
  return field;
}

Error not_in_order() { return Error(ErrorCode::malformed, "fields are not in order"); }

}  // namespace

JsonLimits document_limits() {
  JsonLimits limits;
  limits.depth_max = json_path_depth_max;
  limits.values_max = json_fields_max;
  return limits;
}

std::optional<JsonEdit> diff_documents(std::string_view before, std::string_view after) {
  const auto old_document = read_json(before, document_limits());
  const auto new_document = read_json(after, document_limits());
  if (!old_document || !new_document || old_document->object() == nullptr ||
      new_document->object() == nullptr) {
    return std::nullopt;
  }
  JsonEdit edit;
  diff_objects(edit, {}, *old_document, *new_document);
  syncline::sort(edit.begin(), edit.end(),
                 [](const JsonField& a, const JsonField& b) { return a.path < b.path; });
  return edit;
}

bool is_below(const JsonPath& path, const JsonPath& above) {
  return path.size() > above.size() && std::equal(above.begin(), above.end(), path.begin());
}

JsonEntries::const_iterator find_field(const JsonEntries& entries, const JsonPath& path) {
  return std::lower_bound(
      entries.begin(), entries.end(), path,
      [](const JsonEntry& entry, const JsonPath& at) { return entry.field.path < at; });
}

JsonEntries entries_of(const JsonEdit& edit, const Stamp& stamp) {
  JsonEntries entries;
  entries.reserve(edit.size());
  for (const JsonField& field : edit) {
    entries.push_back({field, stamp, field.kind == FieldKind::object ? Stamp() : stamp});
  }
  return entries;
}

void join_fields(JsonEntries& into, JsonEntries from) {
  JsonEntries out;
  out.reserve(into.size() + from.size());
  auto a = into.begin();
  auto b = from.begin();
  while (a != into.end() || b != from.end()) {
    if (b == from.end() || (a != into.end() && a->field.path < b->field.path)) {
      out.push_back(std::move(*a++));
    } else if (a == into.end() || b->field.path < a->field.path) {
      out.push_back(std::move(*b++));
    } else {
      join_entry(*a, std::move(*b++));
      out.push_back(std::move(*a++));
    }
  }
  into = std::move(out);
}

void drop_covered_fields(JsonEntries& entries) {
  JsonEntries kept;
  kept.reserve(entries.size());
  // The ancestors of the entry at hand, each with the greatest clearing at or above it.
  std::vector<std::pair<JsonPath, Stamp>> above;
  for (JsonEntry& entry : entries) {
    while (!above.empty() && !is_below(entry.field.path, above.back().first)) {
      above.pop_back();
    }
    const Stamp covered = above.empty() ? Stamp() : above.back().second;
    if (entry.stamp <= covered) {
      continue;
    }
    if (entry.cleared <= covered) {
      entry.cleared = Stamp();
    }
    above.emplace_back(entry.field.path, std::max(covered, entry.cleared));
    kept.push_back(std::move(entry));
  }
  entries = std::move(kept);
}

Value document_of(const ValueView& base, const JsonEntries& entries) {
  Node root;
  if (base.type == ValueType::text) {
    const auto document = read_json(base.text(), document_limits());
    if (document && document->object() != nullptr) {
      root = node_of(*document);
    }
  }
  for (const Event& event : events_of(entries)) {
    if (event.is_clearing) {
      delete_field(root, event.field->path);
    } else {
      apply_field(root, *event.field);
    }
  }
  if (!root.is_object) {
    return Value(base);
  }
  std::string text;
  append_node(text, root);
  return Value::text(text);
}

Value encode_json_edit(const JsonEdit& edit) {
  Writer out;
  out.u8(json_format);
  out.varint(edit.size());
  for (const JsonField& field : edit) {
    write_field(out, field);
  }
  return Value::blob(out.bytes());
}

Result<JsonEdit> decode_json_edit(const ValueView& value) {
  if (value.type != ValueType::blob) {
    return Error(ErrorCode::malformed, "a document's edit is a blob");
  }
  Reader in(value.data);
  SL_TRY(const std::uint8_t format, in.u8());
  if (format != json_format) {
    return Error(ErrorCode::unsupported, "unknown format of JSON fields " + std::to_string(format));
  }
  SL_TRY(const std::uint64_t count, in.varint_at_most(json_fields_max));
  JsonEdit edit;
  for (std::uint64_t i = 0; i < count; ++i) {
    SL_TRY(JsonField field, read_field(in));
    if (!edit.empty() && !(edit.back().path < field.path)) {
      return not_in_order();
    }
    edit.push_back(std::move(field));
  }
  SL_TRY(in.expect_end("a document's edit"));
  return edit;
}

void write_json_entries(Writer& out, const JsonEntries& entries) {
  out.varint(entries.size());
  for (const JsonEntry& entry : entries) {
    write_field(out, entry.field);
    write_stamp(out, entry.stamp);
    if (entry.field.kind == FieldKind::object) {
      write_stamp(out, entry.cleared);
    }
  }
}

Result<JsonEntries> read_json_entries(Reader& in) {
  SL_TRY(const std::uint64_t count, in.varint_at_most(json_fields_max));
  JsonEntries entries;
  for (std::uint64_t i = 0; i < count; ++i) {
    JsonEntry entry;
    SL_TRY(entry.field, read_field(in));
    SL_TRY(entry.stamp, read_stamp(in));
    entry.cleared = entry.stamp;
    if (entry.field.kind == FieldKind::object) {
      SL_TRY(entry.cleared, read_stamp(in));
    }
    const bool rises = entries.empty() || entries.back().field.path < entry.field.path;
    if (!rises || entry.stamp < entry.cleared || entry.stamp.is_zero()) {
      return not_in_order();
    }
    entries.push_back(std::move(entry));
  }
  return entries;
}

}  // namespace syncline
