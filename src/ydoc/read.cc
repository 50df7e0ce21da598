// tidy-allow(dead-file): what it defines is declared in types.h
#include <algorithm>

#include "base/sort.h"
#include "ydoc/marks.h"
#include "ydoc/store.h"
#include "ydoc/types.h"
#include "ydoc/utf.h"

// Shared types as plain data.

namespace syncline::ydoc {

namespace {

Attributes to_attributes(const Store& store, const Marks& marks) {
  Attributes out;
  for (const auto& [key, value] : marks.entries()) {
    out.emplace_back(store.key_text(key), value->any);
  }
  return out;
}

Error too_deep() { return Error(ErrorCode::too_large, "types nest too deep"); }

// What JavaScript's String() makes of a value.
std::string to_text(const Any& value) {
  switch (value.kind()) {
    case Any::Kind::undefined:
      return "undefined";
    case Any::Kind::null:
      return "null";
    case Any::Kind::number:
      return number_to_text(value.as_number());
    case Any::Kind::string:
      return value.as_string();
    case Any::Kind::boolean:
    case Any::Kind::bigint:
      return to_json(value);
    case Any::Kind::bytes: {
      std::string out;
      for (const std::uint8_t byte : value.as_bytes()) {
        out += out.empty() ? "" : ",";
        out += std::to_string(byte);
      }
      return out;
    }
    case Any::Kind::array: {
      std::string out;
      bool first = true;
      for (const Any& element : value.as_array()) {
        out += first ? "" : ",";
        first = false;
        out += element.is_null() || element.is_undefined() ? "" : to_text(element);
      }
      return out;
    }
    case Any::Kind::object:
      return "[object Object]";
  }
  return {};
}

std::string lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') {
      c = static_cast<char>(c - 'A' + 'a');
    }
  }
  return text;
}

Result<std::string> xml_text(Type type, int depth);

Result<std::string> content_text(const Content& content, int depth) {
  if (const Type* type = std::get_if<Type>(&content)) {
    return xml_text(*type, depth);
  }
  if (const Any* value = std::get_if<Any>(&content)) {
    return to_text(*value);
  }
  return std::string("[object Object]");
}

// A mark's members as attributes of the element it becomes; a string's are its characters.
std::vector<std::pair<std::string, std::string>> mark_attributes(const Any& value) {
  std::vector<std::pair<std::string, std::string>> out;
  if (value.kind() == Any::Kind::object) {
    for (const auto& [key, member] : value.as_object()) {
      out.emplace_back(key, to_text(member));
    }
  } else if (value.kind() == Any::Kind::array) {
    for (std::size_t i = 0; i < value.as_array().size(); ++i) {
      out.emplace_back(std::to_string(i), to_text(value.as_array()[i]));
    }
  } else if (value.kind() == Any::Kind::string) {
    const std::u16string units = to_utf16(value.as_string());
    for (std::size_t i = 0; i < units.size(); ++i) {
      out.emplace_back(std::to_string(i), to_wtf8({&units[i], 1}));
    }
  }
  syncline::stable_sort(out.begin(), out.end(),
                        [](const auto& a, const auto& b) { return a.first < b.first; });
  return out;
}

Result<std::string> formatted_text(Type type, int depth) {
  std::string out;
  for (const DeltaOut& op : Text(type).to_delta()) {
    Attributes marks = op.attributes;
    syncline::stable_sort(marks.begin(), marks.end(),
                          [](const auto& a, const auto& b) { return a.first < b.first; });
    for (const auto& [name, value] : marks) {
      out += "<" + name;
      for (const auto& [key, text] : mark_attributes(value)) {
        out += " " + key + "=\"" + text + "\"";
      }
      out += ">";
    }
    if (op.values.empty()) {
      out += to_utf8(op.text);
    } else {
      SL_TRY(const std::string inner, content_text(op.values.front(), depth));
      out += inner;
    }
    for (auto mark = marks.rbegin(); mark != marks.rend(); ++mark) {
      out += "</" + mark->first + ">";
    }
  }
  return out;
}

Result<std::string> children_text(Type type, int depth) {
  std::string out;
  for (const Content& child : Array(type).values()) {
    SL_TRY(const std::string inner, content_text(child, depth));
    out += inner;
  }
  return out;
}

Result<std::string> xml_text(Type type, int depth) {
  if (depth == 0) {
    return too_deep();
  }
  switch (type.kind()) {
    case TypeKind::text:
      return Text(type).to_string();
    case TypeKind::xml_text:
      return formatted_text(type, depth - 1);
    case TypeKind::xml_fragment:
      return children_text(type, depth - 1);
    case TypeKind::xml_element: {
      std::vector<std::string> keys = KeyedType(type.branch()).keys();
      syncline::sort(keys.begin(), keys.end());
      const std::string name = lower(type.name());
      std::string out = "<" + name;
      for (const std::string& key : keys) {
        const std::optional<Content> value = KeyedType(type.branch()).get(key);
        SL_TRY(const std::string text, content_text(*value, depth - 1));
        out += " " + key + "=\"" + text + "\"";
      }
      SL_TRY(const std::string inner, children_text(type, depth - 1));
      return out + ">" + inner + "</" + name + ">";
    }
    case TypeKind::array:
    case TypeKind::map:
    case TypeKind::xml_hook:
    case TypeKind::untyped:
      break;
  }
  return std::string("[object Object]");
}

Result<Any> plain(Type type, int depth);

Result<Any> plain_content(const Content& content, int depth) {
  if (const Type* type = std::get_if<Type>(&content)) {
    return plain(*type, depth);
  }
  if (const SubdocView* doc = std::get_if<SubdocView>(&content)) {
    return Any::object({{"guid", Any::string(doc->guid)}});
  }
  return std::get<Any>(content);
}

Result<Any> plain_list(Type type, int depth) {
  Any::Array out;
  for (const Content& value : Array(type).values()) {
    SL_TRY(Any each, plain_content(value, depth));
    out.push_back(std::move(each));
  }
  return Any::array(std::move(out));
}

Result<Any> plain(Type type, int depth) {
  if (depth == 0) {
    return too_deep();
  }
  switch (type.kind()) {
    case TypeKind::text:
      return Any::string(Text(type).to_string());
    case TypeKind::xml_fragment:
    case TypeKind::xml_element:
    case TypeKind::xml_text: {
      SL_TRY(std::string text, xml_text(type, depth));
      return Any::string(std::move(text));
    }
    case TypeKind::array:
      return plain_list(type, depth - 1);
    case TypeKind::map:
    case TypeKind::xml_hook: {
      Any::Object out;
      const KeyedType map(type.branch());
      for (const std::string& key : map.keys()) {
        SL_TRY(Any value, plain_content(*map.get(key), depth - 1));
        out.emplace_back(key, std::move(value));
      }
      return Any::object(std::move(out));
    }
    case TypeKind::untyped:
      break;
  }
  return Any{};
}

}  // namespace

TypeKind likely_kind(Type type) {
  if (type.kind() != TypeKind::untyped) {
    return type.kind();
  }
  if (!KeyedType(type.branch()).keys().empty()) {
    return TypeKind::map;
  }
  for (const Item* item = type.branch()->start; item != nullptr; item = item->right) {
    if (item->deleted()) {
      continue;
    }
    switch (item->kind) {
      case ContentKind::string:
      case ContentKind::format:
      case ContentKind::embed:
        return TypeKind::text;
      case ContentKind::type:
        return item->content.branch->kind == TypeKind::xml_element ||
                       item->content.branch->kind == TypeKind::xml_text
                   ? TypeKind::xml_fragment
                   : TypeKind::array;
      default:
        return TypeKind::array;
    }
  }
  return TypeKind::array;
}

std::vector<DeltaOut> Text::to_delta() const {
  std::vector<DeltaOut> out;
  Marks marks;
  bool joins = false;
  for (const Item* item = branch_->start; item != nullptr; item = item->right) {
    if (item->deleted()) {
      continue;
    }
    if (item->kind == ContentKind::format) {
      marks.set(item->format_key, item->content.value);
      joins = false;
    } else if (item->kind == ContentKind::string) {
      const std::u16string_view text(item->content.text, static_cast<std::size_t>(item->length));
      if (joins) {
        out.back().text += text;
        continue;
      }
      out.emplace_back();
      out.back().text = text;
      out.back().attributes = to_attributes(*branch_->store, marks);
      joins = true;
    } else if (item->kind == ContentKind::embed || item->kind == ContentKind::type) {
      out.emplace_back();
      append_content(item, out.back().values);
      out.back().attributes = to_attributes(*branch_->store, marks);
      joins = false;
    }
  }
  return out;
}

Result<std::string> to_xml(Type type) { return xml_text(type, type_depth_max); }

Result<Any> to_any(Type type) { return plain(type, type_depth_max); }

}  // namespace syncline::ydoc
