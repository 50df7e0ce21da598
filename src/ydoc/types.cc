#include "ydoc/types.h"

#include <algorithm>

#include "ydoc/edit.h"
#include "ydoc/store.h"
#include "ydoc/utf.h"

namespace syncline::ydoc {

namespace {

constexpr std::size_t text_units_max = std::size_t{1} << 28U;

Error out_of_range() { return Error(ErrorCode::invalid_argument, "index beyond the end"); }

const Item* current_item(const Branch* branch, std::string_view key) {
  const auto number = branch->store->key_numbers.find(key);
  if (number == branch->store->key_numbers.end()) {
    return nullptr;
  }
  const KeyMap::Entry* entry = branch->map.find(number->second);
  return entry == nullptr || entry->last->deleted() ? nullptr : entry->last;
}

Any json_slot(const std::uint8_t* slot) {
  Decoder in(slot_bytes(slot));
  const std::string_view text = in.string();
  Result<Any> value = text == "undefined" ? Result<Any>(Any{}) : from_json(text);
  return value ? std::move(*value) : Any{};
}

int input_depth(const Input& input);

int type_depth(const TypeInput& type) {
  int depth = 0;
  for (const Input& child : type.children) {
    depth = std::max(depth, input_depth(child));
  }
  for (const auto& [key, value] : type.entries) {
    depth = std::max(depth, input_depth(value));
  }
  for (const DeltaInput& op : type.delta) {
    for (const TypeInput& inner : op.type) {
      depth = std::max(depth, type_depth(inner));
    }
  }
  return depth + 1;
}

int input_depth(const Input& input) {
  return input.type.empty() ? 0 : type_depth(input.type.front());
}

}  // namespace

TypeKind Type::kind() const { return branch_->kind; }
const std::string& Type::name() const {
  // As in Yjs, whose roots are made without one.
  static const std::string unnamed = "UNDEFINED";
  const bool is_unnamed =
      is_root() && branch_->kind == TypeKind::xml_element && branch_->name.empty();
  return is_unnamed ? unnamed : branch_->name;
}
bool Type::deleted() const { return branch_->item != nullptr && branch_->item->deleted(); }
bool Type::is_root() const { return branch_->item == nullptr; }
std::uint64_t Type::length() const { return branch_->length; }

std::optional<Id> Type::id() const {
  if (branch_->item == nullptr) {
    return std::nullopt;
  }
  return Id{branch_->item->client->id, branch_->item->clock};
}

Type Type::parent() const {
  return branch_->item == nullptr ? Type() : Type(branch_->item->parent);
}

Result<void> Type::writable() const {
  if (deleted()) {
    return Error(ErrorCode::not_found, "the shared type was deleted");
  }
  return {};
}

Content content_at(const Item* item, std::uint64_t offset) {
  switch (item->kind) {
    case ContentKind::any: {
      Decoder in(slot_bytes(item->content.slots[offset]));
      return read_any(in);
    }
    case ContentKind::json:
      return json_slot(item->content.slots[offset]);
    case ContentKind::binary:
      return Any::bytes(to_vector({item->content.blob->data, item->content.blob->size}));
    case ContentKind::string:
      return Any::string(to_wtf8({item->content.text + offset, 1}));
    case ContentKind::embed:
      return item->content.value->any;
    case ContentKind::type:
      return Type(item->content.branch);
    case ContentKind::doc:
      return SubdocView{item->content.subdoc->guid, item->content.subdoc->options};
    case ContentKind::gc:
    case ContentKind::deleted:
    case ContentKind::format:
    case ContentKind::skip:
      break;
  }
  return Any{};
}

void append_content(const Item* item, std::vector<Content>& out) {
  if (!item->countable()) {
    return;
  }
  for (std::uint64_t i = 0; i < item->length; ++i) {
    out.push_back(content_at(item, i));
  }
}

std::vector<std::string> KeyedType::keys() const {
  std::vector<std::string> out;
  for (const KeyMap::Entry& entry : branch_->map.entries()) {
    if (!entry.last->deleted()) {
      out.push_back(branch_->store->key_text(entry.key));
    }
  }
  return out;
}

std::optional<Content> KeyedType::get(std::string_view key) const {
  const Item* item = current_item(branch_, key);
  if (item == nullptr) {
    return std::nullopt;
  }
  return content_at(item, item->length - 1);
}

Result<void> KeyedType::set(std::string_view key, const Input& value) {
  SL_TRY(writable());
  if (input_depth(value) > type_depth_max) {
    return Error(ErrorCode::too_large, "types nest too deep");
  }
  const TransactionScope scope(*branch_->store, "");
  map_set(*branch_->store, branch_, key, value);
  return {};
}

Result<void> KeyedType::remove(std::string_view key) {
  SL_TRY(writable());
  const TransactionScope scope(*branch_->store, "");
  map_delete(*branch_->store, branch_, key);
  return {};
}

Result<void> Map::clear() {
  SL_TRY(writable());
  const TransactionScope scope(*branch_->store, "");
  for (const KeyMap::Entry& entry : branch_->map.entries()) {
    branch_->store->delete_item(entry.last);
  }
  return {};
}

Result<Content> Array::get(std::uint64_t index) const {
  if (index >= branch_->length) {
    return out_of_range();
  }
  const ListHit hit = list_find(branch_, index);
  return content_at(hit.item, hit.offset);
}

std::vector<Content> Array::values() const {
  std::vector<Content> out;
  for (const Item* item = branch_->start; item != nullptr; item = item->right) {
    if (item->visible()) {
      append_content(item, out);
    }
  }
  return out;
}

Result<void> Array::insert(std::uint64_t index, std::span<const Input> values) {
  SL_TRY(writable());
  if (index > branch_->length) {
    return out_of_range();
  }
  for (const Input& value : values) {
    if (input_depth(value) > type_depth_max) {
      return Error(ErrorCode::too_large, "types nest too deep");
    }
  }
  const TransactionScope scope(*branch_->store, "");
  list_insert(*branch_->store, branch_, index, values);
  return {};
}

Result<void> Array::push(std::span<const Input> values) {
  SL_TRY(writable());
  for (const Input& value : values) {
    if (input_depth(value) > type_depth_max) {
      return Error(ErrorCode::too_large, "types nest too deep");
    }
  }
  const TransactionScope scope(*branch_->store, "");
  list_push(*branch_->store, branch_, values);
  return {};
}

Result<void> Array::remove(std::uint64_t index, std::uint64_t count) {
  SL_TRY(writable());
  if (index > branch_->length || count > branch_->length - index) {
    return out_of_range();
  }
  const TransactionScope scope(*branch_->store, "");
  list_delete(*branch_->store, branch_, index, count);
  return {};
}

Result<void> Text::insert(std::uint64_t index, std::u16string_view text) {
  SL_TRY(writable());
  if (text.size() > text_units_max) {
    return Error(ErrorCode::too_large, "text too long");
  }
  const TransactionScope scope(*branch_->store, "");
  text_insert(*branch_->store, branch_, index, text, std::nullopt);
  return {};
}

Result<void> Text::insert(std::uint64_t index, std::string_view utf8) {
  return insert(index, std::u16string_view(ydoc::to_utf16(utf8)));
}

Result<void> Text::insert(std::uint64_t index, std::u16string_view text,
                          const Attributes& attributes) {
  SL_TRY(writable());
  if (text.size() > text_units_max) {
    return Error(ErrorCode::too_large, "text too long");
  }
  const TransactionScope scope(*branch_->store, "");
  text_insert(*branch_->store, branch_, index, text, to_marks(*branch_->store, attributes));
  return {};
}

Result<void> Text::remove(std::uint64_t index, std::uint64_t count) {
  SL_TRY(writable());
  const TransactionScope scope(*branch_->store, "");
  text_delete(*branch_->store, branch_, index, count);
  return {};
}

Result<void> Text::format(std::uint64_t index, std::uint64_t count, const Attributes& attributes) {
  SL_TRY(writable());
  if (count > text_units_max) {
    return Error(ErrorCode::too_large, "range too long");
  }
  const TransactionScope scope(*branch_->store, "");
  text_format(*branch_->store, branch_, index, count, to_marks(*branch_->store, attributes));
  return {};
}

Result<void> Text::embed(std::uint64_t index, const Any& object, const Attributes& attributes) {
  SL_TRY(writable());
  DeltaInput what;
  what.kind = DeltaInput::Kind::embed;
  what.embed = object;
  what.attributes = attributes;
  const TransactionScope scope(*branch_->store, "");
  text_embed(*branch_->store, branch_, index, what);
  return {};
}

Result<void> Text::embed_type(std::uint64_t index, TypeInput type, const Attributes& attributes) {
  SL_TRY(writable());
  if (type_depth(type) > type_depth_max) {
    return Error(ErrorCode::too_large, "types nest too deep");
  }
  DeltaInput what;
  what.kind = DeltaInput::Kind::type;
  what.type.push_back(std::move(type));
  what.attributes = attributes;
  const TransactionScope scope(*branch_->store, "");
  text_embed(*branch_->store, branch_, index, what);
  return {};
}

Result<void> Text::apply_delta(std::span<const DeltaInput> delta) {
  SL_TRY(writable());
  for (const DeltaInput& op : delta) {
    const bool too_long = op.text.size() > text_units_max || op.count > text_units_max;
    if (too_long || (!op.type.empty() && type_depth(op.type.front()) > type_depth_max)) {
      return Error(ErrorCode::too_large, "delta step too large");
    }
  }
  const TransactionScope scope(*branch_->store, "");
  text_delta(*branch_->store, branch_, delta);
  return {};
}

std::u16string Text::to_utf16() const {
  std::u16string out;
  for (const Item* item = branch_->start; item != nullptr; item = item->right) {
    if (item->kind == ContentKind::string && !item->deleted()) {
      out.append(item->content.text, static_cast<std::size_t>(item->length));
    }
  }
  return out;
}

std::string Text::to_string() const { return to_utf8(to_utf16()); }

}  // namespace syncline::ydoc
