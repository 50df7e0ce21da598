#pragma once

#include <optional>
#include <span>

#include "ydoc/input.h"
#include "ydoc/marks.h"
#include "ydoc/store.h"

// Local edits of lists, maps and texts. Internal; every function expects an open transaction and
// indexes within bounds.

namespace syncline::ydoc {

// A place between two neighbours of a list.
struct Gap {
  Item* left = nullptr;
  Item* right = nullptr;
};

// The place after `index` visible units, cutting an item if it lies inside one. Right behind the
// last of them: tombstones stay to the right.
Gap list_gap(Store& store, Branch* branch, std::uint64_t index);
// The visible item that holds unit `index`; finds without cutting.
struct ListHit {
  Item* item = nullptr;
  std::uint64_t offset = 0;
};
ListHit list_find(Branch* branch, std::uint64_t index);

void list_insert(Store& store, Branch* branch, std::uint64_t index, std::span<const Input> values);
void list_push(Store& store, Branch* branch, std::span<const Input> values);
void list_delete(Store& store, Branch* branch, std::uint64_t index, std::uint64_t count);

void map_set(Store& store, Branch* branch, std::string_view key, const Input& value);
void map_delete(Store& store, Branch* branch, std::string_view key);

// Makes and integrates an item with this content in the gap; the item is then the gap's left.
void insert_value(Store& store, Branch* branch, Gap& gap, Key key, const Input& value);
Item* insert_anys(Store& store, Branch* branch, Gap& gap, Key key, std::span<const Any* const> run);
void insert_type(Store& store, Branch* branch, Gap& gap, Key key, const TypeInput& type);

// --- text (text_edit.cc)
using MarkList = std::vector<Marks::Entry>;
// JavaScript order, equal names resolved.
MarkList to_marks(Store& store, const Attributes& attributes);

struct TextCursor {
  Branch* branch = nullptr;
  Item* left = nullptr;
  Item* right = nullptr;
  Marks marks;
};
TextCursor text_cursor(Store& store, Branch* branch, std::uint64_t index);

void text_insert(Store& store, Branch* branch, std::uint64_t index, std::u16string_view text,
                 const std::optional<MarkList>& marks);
void text_delete(Store& store, Branch* branch, std::uint64_t index, std::uint64_t count);
void text_format(Store& store, Branch* branch, std::uint64_t index, std::uint64_t count,
                 const MarkList& marks);
void text_embed(Store& store, Branch* branch, std::uint64_t index, const DeltaInput& what);
void text_delta(Store& store, Branch* branch, std::span<const DeltaInput> delta);

}  // namespace syncline::ydoc
