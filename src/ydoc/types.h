#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.h"
#include "ydoc/any.h"
#include "ydoc/ids.h"
#include "ydoc/input.h"

// Handles to the shared types of a document. A handle is a borrowed pointer: cheap to copy, valid
// as long as its Doc. A type that was deleted stays readable and is empty; writing to it is an
// Error.
//
// Positions in lists and texts count visible elements and UTF-16 units.

namespace syncline::ydoc {

struct Branch;
struct Item;
class Type;

// A nested document as it is stored.
struct SubdocView {
  std::string guid;
  Any options;
};

class Type {
 public:
  Type() = default;
  explicit Type(Branch* branch) : branch_(branch) {}

  explicit operator bool() const { return branch_ != nullptr; }
  TypeKind kind() const;
  // The name of an XML element or hook.
  const std::string& name() const;
  bool deleted() const;
  bool is_root() const;
  // The item that holds it; nothing for a root.
  std::optional<Id> id() const;
  // The type that holds it; empty for a root.
  Type parent() const;
  // Elements of a list or units of a text; zero for a map.
  std::uint64_t length() const;
  Branch* branch() const { return branch_; }

  friend bool operator==(Type, Type) = default;

 protected:
  Result<void> writable() const;
  Branch* branch_ = nullptr;
};

// What lies at a place: a plain value, a shared type, or a nested document.
using Content = std::variant<Any, Type, SubdocView>;

struct DeltaOut {
  enum class Kind : std::uint8_t { insert, retain, remove };
  Kind kind = Kind::insert;
  std::u16string text;          // of an insert of text
  std::vector<Content> values;  // of an insert of anything else
  std::uint64_t count = 0;      // of retain and remove
  Attributes attributes;
};

// Named values beside a type's list: a map's entries, an element's or text's attributes.
class KeyedType : public Type {
 public:
  using Type::Type;
  std::vector<std::string> keys() const;
  std::optional<Content> get(std::string_view key) const;
  Result<void> set(std::string_view key, const Input& value);
  Result<void> remove(std::string_view key);
};

class Map : public KeyedType {
 public:
  using KeyedType::KeyedType;
  explicit Map(Type type) : KeyedType(type.branch()) {}
  Result<void> clear();
};

// Any list: Array, and the children of XML fragments and elements.
class Array : public KeyedType {
 public:
  using KeyedType::KeyedType;
  explicit Array(Type type) : KeyedType(type.branch()) {}
  Result<Content> get(std::uint64_t index) const;
  using KeyedType::get;
  std::vector<Content> values() const;
  Result<void> insert(std::uint64_t index, std::span<const Input> values);
  Result<void> push(std::span<const Input> values);
  Result<void> remove(std::uint64_t index, std::uint64_t count);
  using KeyedType::remove;
};

class Text : public KeyedType {
 public:
  using KeyedType::KeyedType;
  explicit Text(Type type) : KeyedType(type.branch()) {}

  // Takes the formatting of what stands before it. An index behind the end means the end.
  Result<void> insert(std::uint64_t index, std::u16string_view text);
  Result<void> insert(std::uint64_t index, std::string_view utf8);
  // With exactly these attributes.
  Result<void> insert(std::uint64_t index, std::u16string_view text, const Attributes& attributes);
  Result<void> remove(std::uint64_t index, std::uint64_t count);
  using KeyedType::remove;
  Result<void> format(std::uint64_t index, std::uint64_t count, const Attributes& attributes);
  Result<void> embed(std::uint64_t index, const Any& object, const Attributes& attributes = {});
  Result<void> embed_type(std::uint64_t index, TypeInput type, const Attributes& attributes = {});
  Result<void> apply_delta(std::span<const DeltaInput> delta);

  // The characters alone.
  std::u16string to_utf16() const;
  std::string to_string() const;
  // Inserts with their attributes. A mark ends an insert even where it changes nothing.
  std::vector<DeltaOut> to_delta() const;
};

// XML as text: elements with sorted attributes, formatted text as nested elements. Nothing is
// escaped. Fails beyond type_depth_max.
Result<std::string> to_xml(Type type);
// A root as plain data: maps become objects, lists arrays, texts strings, XML its text, nested
// documents an object with their guid. Fails beyond type_depth_max.
Result<Any> to_any(Type type);

// What a root holds that nobody has named a kind for: a guess by its content.
TypeKind likely_kind(Type type);

// What an item holds, element by element; for internal use and events.
void append_content(const Item* item, std::vector<Content>& out);
Content content_at(const Item* item, std::uint64_t offset);

}  // namespace syncline::ydoc
