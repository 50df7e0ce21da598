#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/json.h"
#include "base/result.h"
#include "model/stamp.h"
#include "model/value.h"

namespace syncline {

// A column of JSON documents that merge field by field: nested objects by path, arrays whole. Its
// content is a base, the last document that was set whole, and the fields that were changed since.
// Anything that is not a JSON object (an array, a number, text that is no JSON, NULL) is a plain
// value and replaces the document whole.

inline constexpr std::size_t json_path_depth_max = 100;
inline constexpr std::size_t json_fields_max = 1'000'000;

// Names of members from the outermost object inwards, as WTF-8; any characters. Never empty.
using JsonPath = std::vector<std::string>;

enum class FieldKind : std::uint8_t {
  deleted,
  value,   // a scalar or a whole array
  object,  // an object, whose members are fields of their own
};

struct JsonField {
  JsonPath path;
  FieldKind kind = FieldKind::deleted;
  std::string text;  // for FieldKind::value: canonical JSON

  friend bool operator==(const JsonField&, const JsonField&) = default;
};

// What a writer changed in a document, sorted by path, each path once.
using JsonEdit = std::vector<JsonField>;

struct JsonEntry {
  JsonField field;
  Stamp stamp;
  // When the path last held something other than an object. What lies below the path and is not
  // newer is gone for good, even if an object comes to stand there again. Equals `stamp` unless
  // the field is an object.
  Stamp cleared;

  friend bool operator==(const JsonEntry&, const JsonEntry&) = default;
};

// Sorted by path, so that an ancestor comes before its descendants; each path once. For every path
// the greatest stamp decides, and between a path and one below it the greater stamp too.
using JsonEntries = std::vector<JsonEntry>;

// The limits within which a text is a document.
JsonLimits document_limits();

// What changed from one document to the other; nothing when one of the two is not a JSON object,
// which makes the change a plain set. Empty when they differ in nothing but their spelling.
std::optional<JsonEdit> diff_documents(std::string_view before, std::string_view after);

// The least entries above both. Afterwards call drop_void_fields.
void join_fields(JsonEntries& into, JsonEntries from);
JsonEntries entries_of(const JsonEdit& edit, const Stamp& stamp);

// Drops what a base at `base` and entries higher up make void. `is_void` tells what the row's life
// makes void.
template <typename IsVoid>
void drop_void_fields(JsonEntries& entries, const Stamp& base, const IsVoid& is_void);
void drop_covered_fields(JsonEntries& entries);

// Calls `see(entry)` for each entry of `present` that stands at the path of one of `edit`, or above
// or below it where the upper of the two is not just the object around the lower.
template <typename See>
void for_each_overlap(const JsonEntries& edit, const JsonEntries& present, const See& see);
// The first entry whose path is not less.
JsonEntries::const_iterator find_field(const JsonEntries& entries, const JsonPath& path);
bool is_below(const JsonPath& path, const JsonPath& above);

// The document: base with the fields applied in the order of their stamps. Canonical text (no white
// space, members sorted by bytes); the base as it is when no field made it an object. Setting a
// field below something that is no object makes that an object; deleting there does nothing.
Value document_of(const ValueView& base, const JsonEntries& entries);

// The value of a CellEdit of form json: docs/storage.md, "JSON fields".
Value encode_json_edit(const JsonEdit& edit);
Result<JsonEdit> decode_json_edit(const ValueView& value);

// The entries inside a stored cell.
void write_json_entries(Writer& out, const JsonEntries& entries);
Result<JsonEntries> read_json_entries(Reader& in);

template <typename See>
void for_each_overlap(const JsonEntries& edit, const JsonEntries& present, const See& see) {
  for (const JsonEntry& entry : edit) {
    JsonPath above = entry.field.path;
    for (above.pop_back(); !above.empty(); above.pop_back()) {
      const auto at = find_field(present, above);
      if (at != present.end() && at->field.path == above && at->field.kind != FieldKind::object) {
        see(*at);
      }
    }
    auto at = find_field(present, entry.field.path);
    if (at != present.end() && at->field.path == entry.field.path) {
      see(*at++);
    }
    if (entry.field.kind != FieldKind::object) {
      for (; at != present.end() && is_below(at->field.path, entry.field.path); ++at) {
        see(*at);
      }
    }
  }
}

template <typename IsVoid>
void drop_void_fields(JsonEntries& entries, const Stamp& base, const IsVoid& is_void) {
  JsonEntries kept;
  kept.reserve(entries.size());
  for (JsonEntry& entry : entries) {
    if (entry.stamp <= base || is_void(entry.stamp)) {
      continue;
    }
    if (entry.cleared <= base || is_void(entry.cleared)) {
      entry.cleared = Stamp();
    }
    kept.push_back(std::move(entry));
  }
  entries = std::move(kept);
  drop_covered_fields(entries);
}

}  // namespace syncline
