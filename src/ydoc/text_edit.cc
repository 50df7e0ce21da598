// tidy-allow(dead-file): what it defines is declared in edit.h
#include <algorithm>

#include "base/check.h"
#include "base/sort.h"
#include "ydoc/edit.h"
#include "ydoc/list_index.h"

// Edits of formatted text. Marks are items in the list, between the content: one starts a value,
// another one ends it. Inserting and formatting write as few as they can, by the rules of the
// reference implementation, because the marks' clocks and places are part of the bytes.

namespace syncline::ydoc {

namespace {

void step(TextCursor& at) {
  if (at.right->is_visible_format()) {
    at.marks.set(at.right->format_key, at.right->content.value);
  }
  at.left = at.right;
  at.right = at.right->right;
}

const Value* find_in(const MarkList& marks, Key key) {
  for (const auto& [name, value] : marks) {
    if (name == key) {
      return value;
    }
  }
  return nullptr;
}

// Moves over what is deleted and over marks that say what is wanted anyway.
void minimize(TextCursor& at, const MarkList& wanted) {
  while (at.right != nullptr &&
         (at.right->deleted() ||
          (at.right->kind == ContentKind::format &&
           equal_marks(find_in(wanted, at.right->format_key), at.right->content.value)))) {
    step(at);
  }
}

void insert_mark(Store& store, TextCursor& at, Key key, const Value* value) {
  Item* item = store.make_local(at.branch, at.left, at.right, no_key, ContentKind::format, 1);
  item->format_key = key;
  item->content.value = value;
  store.integrate(item);
  at.right = item;
  step(at);
}

// Marks to be restored behind the change: the value each had before.
using Negated = Marks;

Negated start_marks(Store& store, TextCursor& at, const MarkList& wanted) {
  Negated negated;
  for (const auto& [key, value] : wanted) {
    const Value* before = at.marks.find(key);
    if (!equal_marks(before, value)) {
      negated.put(key, before != nullptr ? before : store.make_value(Any::null()));
      insert_mark(store, at, key, value);
    }
  }
  return negated;
}

void end_marks(Store& store, TextCursor& at, Negated& negated) {
  while (at.right != nullptr) {
    if (!at.right->deleted()) {
      if (at.right->kind != ContentKind::format) {
        break;
      }
      const Value* value = negated.find(at.right->format_key);
      if (value == nullptr || !equal_marks(value, at.right->content.value)) {
        break;
      }
      negated.erase(at.right->format_key);
    }
    step(at);
  }
  for (const auto& [key, value] : negated.entries()) {
    insert_mark(store, at, key, value);
  }
}

// Yjs goes through marks as members of an object, so whole-number names come first.
void order_keys(const Store& store, MarkList& marks) {
  const auto number_of = [&store](const Marks::Entry& mark) {
    return array_index(store.key_text(mark.first));
  };
  if (std::none_of(marks.begin(), marks.end(),
                   [&](const Marks::Entry& mark) { return number_of(mark).has_value(); })) {
    return;
  }
  syncline::stable_sort(marks.begin(), marks.end(), [&](const auto& a, const auto& b) {
    const auto left = number_of(a);
    const auto right = number_of(b);
    return left && (!right || *left < *right);
  });
}

// The wanted marks, and a null for every mark in force that is not among them.
MarkList complete(Store& store, const TextCursor& at, const MarkList& wanted) {
  MarkList out = wanted;
  for (const auto& [key, value] : at.marks.entries()) {
    if (find_in(wanted, key) == nullptr) {
      out.emplace_back(key, store.make_value(Any::null()));
    }
  }
  order_keys(store, out);
  return out;
}

// What is typed right behind the last thing its own client wrote just makes that item longer. The
// result is what the item and a new one would be merged into at the end of the transaction; while
// somebody observes, they need to be told apart until then.
bool extend_left(Store& store, const TextCursor& at, std::u16string_view text) {
  Item* left = at.left;
  if (left == nullptr || store.record_changes || left->kind != ContentKind::string ||
      left->flags != 0 || left->client->id != store.client_id ||
      left->end() != left->client->state) {
    return false;
  }
  const bool same_right = at.right == nullptr ? left->right_origin_client == nullptr
                                              : left->right_origin_client == at.right->client &&
                                                    left->right_origin_clock == at.right->clock;
  if (!same_right) {
    return false;
  }
  Client& client = *left->client;
  store.touch(&client);
  const bool in_place = left->content.text + left->length == client.text_tail &&
                        static_cast<std::size_t>(client.text_end - client.text_tail) >= text.size();
  if (!in_place) {
    char16_t* const moved = store.append_text(client, left->length + text.size());
    std::copy_n(left->content.text, left->length, moved);
    left->content.text = moved;
    client.text_tail = moved + left->length;
  }
  std::copy_n(text.data(), text.size(), client.text_tail);
  client.text_tail += text.size();
  left->length += text.size();
  client.state += text.size();
  left->parent->length += text.size();
  if (left->leaf != nullptr) {
    index_refresh(left);
  }
  return true;
}

void insert_text(Store& store, TextCursor& at, std::u16string_view text) {
  if (extend_left(store, at, text)) {
    return;
  }
  Item* item =
      store.make_local(at.branch, at.left, at.right, no_key, ContentKind::string, text.size());
  item->content.text = store.append_text(*item->client, text.size());
  std::copy_n(text.data(), text.size(), item->content.text);
  store.integrate(item);
  at.left = item;
  at.right = item->right;
}

void insert_object(Store& store, TextCursor& at, const DeltaInput& what) {
  if (what.kind == DeltaInput::Kind::type) {
    Gap gap{at.left, at.right};
    insert_type(store, at.branch, gap, no_key, what.type.front());
    at.left = gap.left;
  } else {
    Item* item = store.make_local(at.branch, at.left, at.right, no_key, ContentKind::embed, 1);
    item->content.value = store.make_value(what.embed);
    store.integrate(item);
    at.left = item;
  }
  at.right = at.left->right;
}

void insert_content(Store& store, TextCursor& at, const DeltaInput& what, std::u16string_view text,
                    const MarkList& marks) {
  const MarkList wanted = complete(store, at, marks);
  minimize(at, wanted);
  Negated negated = start_marks(store, at, wanted);
  if (what.kind == DeltaInput::Kind::text) {
    insert_text(store, at, text);
  } else {
    insert_object(store, at, what);
  }
  end_marks(store, at, negated);
}

// Deletes or keeps the marks inside a formatted range. False where the range is over.
bool format_step(Store& store, TextCursor& at, std::uint64_t& count, const MarkList& wanted,
                 Negated& negated) {
  Item* item = at.right;
  if (item->kind != ContentKind::format) {
    if (count < item->length) {
      store.split(item, count);
    }
    count -= item->length;
    return true;
  }
  const Value* value = find_in(wanted, item->format_key);
  if (value == nullptr) {
    at.marks.put(item->format_key, item->content.value);
    return true;
  }
  if (equal_marks(value, item->content.value)) {
    negated.erase(item->format_key);
  } else if (count == 0) {
    return false;
  } else {
    negated.put(item->format_key, item->content.value);
  }
  store.delete_item(item);
  return true;
}

void format_here(Store& store, TextCursor& at, std::uint64_t count, const MarkList& wanted) {
  minimize(at, wanted);
  Negated negated = start_marks(store, at, wanted);
  while (at.right != nullptr &&
         (count > 0 ||
          (!negated.empty() && (at.right->deleted() || at.right->kind == ContentKind::format)))) {
    if (!at.right->deleted() && !format_step(store, at, count, wanted, negated)) {
      break;
    }
    step(at);
  }
  if (count > 0) {
    // Formatting beyond the end makes lines to be formatted.
    insert_text(store, at, std::u16string(static_cast<std::size_t>(count), u'\n'));
  }
  end_marks(store, at, negated);
}

void delete_here(Store& store, TextCursor& at, std::uint64_t count) {
  const bool has_marks = at.branch->format_marks > 0;
  const Marks at_start = at.marks;
  Item* const start = at.right;
  while (count > 0 && at.right != nullptr) {
    if (at.right->visible()) {
      if (count < at.right->length) {
        store.split(at.right, count);
      }
      count -= at.right->length;
      store.delete_item(at.right);
    }
    step(at);
  }
  if (start != nullptr && has_marks) {
    clean_mark_gap(store, start, at.right, at_start, at.marks);
  }
}

constexpr std::uint64_t text_at_once_max = std::uint64_t{1} << 30U;

}  // namespace

MarkList to_marks(Store& store, const Attributes& attributes) {
  // An object puts the names into JavaScript's order.
  const Any object = Any::object(attributes);
  MarkList out;
  for (const auto& [name, value] : object.as_object()) {
    out.emplace_back(store.key(name), store.make_value(value));
  }
  return out;
}

TextCursor text_cursor(Store& store, Branch* branch, std::uint64_t index) {
  TextCursor at{branch, nullptr, branch->start, {}};
  if (branch->format_marks > 0 && branch->index == nullptr) {
    // The marks before the place are needed as well; only the index finds them without a walk.
    if (index > 0) {
      index_build(*branch);
    }
  }
  const Gap gap = list_gap(store, branch, std::min(index, branch->length));
  at.left = gap.left;
  at.right = gap.right;
  if (branch->format_marks > 0 && at.left != nullptr) {
    index_visit_marks(branch->index, at.left, [&at](const Item* mark) {
      at.marks.set(mark->format_key, mark->content.value);
    });
  }
  if (index > branch->length) {
    while (at.right != nullptr) {
      step(at);
    }
  }
  return at;
}

void text_insert(Store& store, Branch* branch, std::uint64_t index, std::u16string_view text,
                 const std::optional<MarkList>& marks) {
  SL_CHECK(text.size() <= text_at_once_max);
  if (text.empty()) {
    return;
  }
  TextCursor at = text_cursor(store, branch, index);
  insert_content(store, at, {}, text, marks ? *marks : at.marks.entries());
}

void text_delete(Store& store, Branch* branch, std::uint64_t index, std::uint64_t count) {
  if (count > 0) {
    TextCursor at = text_cursor(store, branch, index);
    delete_here(store, at, count);
  }
}

void text_format(Store& store, Branch* branch, std::uint64_t index, std::uint64_t count,
                 const MarkList& marks) {
  TextCursor at = text_cursor(store, branch, index);
  if (count > 0 && at.right != nullptr) {
    format_here(store, at, count, marks);
  }
}

void text_embed(Store& store, Branch* branch, std::uint64_t index, const DeltaInput& what) {
  TextCursor at = text_cursor(store, branch, index);
  insert_content(store, at, what, {}, to_marks(store, what.attributes));
}

void text_delta(Store& store, Branch* branch, std::span<const DeltaInput> delta) {
  TextCursor at{branch, nullptr, branch->start, {}};
  for (const DeltaInput& op : delta) {
    switch (op.kind) {
      case DeltaInput::Kind::text:
        if (!op.text.empty()) {
          insert_content(store, at, op, op.text, to_marks(store, op.attributes));
        }
        break;
      case DeltaInput::Kind::embed:
      case DeltaInput::Kind::type:
        insert_content(store, at, op, {}, to_marks(store, op.attributes));
        break;
      case DeltaInput::Kind::retain:
        format_here(store, at, op.count, to_marks(store, op.attributes));
        break;
      case DeltaInput::Kind::remove:
        delete_here(store, at, op.count);
        break;
    }
  }
}

}  // namespace syncline::ydoc
