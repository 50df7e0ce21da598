#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "ydoc/any.h"
#include "ydoc/struct_view.h"
#include "ydoc/utf.h"

// What an application puts into a document.

namespace syncline::ydoc {

struct TypeInput;

// Named values of a piece of text, such as bold or a link; null ends one.
using Attributes = std::vector<std::pair<std::string, Any>>;

// A nested document, named by its guid. `options` is an object that holds only what differs from
// the default: gc, autoLoad, meta.
struct SubdocInput {
  std::string guid;
  Any options = Any::object({});
};

// One element of an array, one value of a map, one child of an XML node: a plain value (bytes
// become a binary element), a nested document, or a new shared type.
struct Input {
  Input(Any value);          // NOLINT(google-explicit-constructor)
  Input(SubdocInput value);  // NOLINT(google-explicit-constructor)
  Input(TypeInput value);    // NOLINT(google-explicit-constructor)
  Input(const Input& other);
  Input(Input&& other) noexcept;
  Input& operator=(const Input& other);
  Input& operator=(Input&& other) noexcept;
  ~Input();

  enum class Kind : std::uint8_t { any, subdoc, type };
  Kind kind = Kind::any;
  Any any;
  SubdocInput subdoc;
  std::vector<TypeInput> type;  // exactly one when kind is type
};

// One step of a change to a text, at a position that moves along: insert something, keep (and
// perhaps format) some units, or delete some.
struct DeltaInput {
  enum class Kind : std::uint8_t { text, embed, type, retain, remove };
  Kind kind = Kind::text;
  std::u16string text;
  Any embed;
  std::vector<TypeInput> type;
  std::uint64_t count = 0;
  Attributes attributes;
};

// A shared type with its first content. Its parts are written in the order that decides clocks:
// delta or children first, then the entries.
struct TypeInput {
  TypeKind kind = TypeKind::map;
  std::string name;                                    // of an element or hook
  std::vector<Input> children;                         // array, fragment, element
  std::vector<DeltaInput> delta;                       // text, XML text
  std::vector<std::pair<std::string, Input>> entries;  // map, hook; attributes of the others
};

// Here, because they need to know what a TypeInput is.
inline Input::Input(Any value) : any(std::move(value)) {}
inline Input::Input(SubdocInput value) : kind(Kind::subdoc), subdoc(std::move(value)) {}
inline Input::Input(TypeInput value) : kind(Kind::type) { type.push_back(std::move(value)); }
inline Input::Input(const Input& other) = default;
inline Input::Input(Input&& other) noexcept = default;
inline Input& Input::operator=(const Input& other) = default;
inline Input& Input::operator=(Input&& other) noexcept = default;
inline Input::~Input() = default;

}  // namespace syncline::ydoc
