#include "tests/ydoc/tagged.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>

#include "ydoc/utf.h"

namespace syncline::ydoc_test {

using namespace ydoc;

namespace {

constexpr std::string_view base64_alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

Any object1(const char* key, Any value) { return Any::object({{key, std::move(value)}}); }

}  // namespace

ByteVector from_base64(std::string_view text) {
  ByteVector out;
  std::uint32_t hold = 0;
  unsigned filled = 0;
  for (const char c : text) {
    const std::size_t value = base64_alphabet.find(c);
    if (value == std::string_view::npos) {
      break;
    }
    hold = (hold << 6U) | static_cast<std::uint32_t>(value);
    filled += 6;
    if (filled >= 8) {
      filled -= 8;
      out.push_back(static_cast<std::uint8_t>(hold >> filled));
    }
  }
  return out;
}

std::string to_base64(Bytes bytes) {
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = std::uint32_t{bytes[i]} << 16U;
    group |= i + 1 < bytes.size() ? std::uint32_t{bytes[i + 1]} << 8U : 0U;
    group |= i + 2 < bytes.size() ? std::uint32_t{bytes[i + 2]} : 0U;
    for (unsigned k = 0; k < 4; ++k) {
      out.push_back(i + k > bytes.size() ? '=' : base64_alphabet[(group >> (18 - 6 * k)) & 63U]);
    }
  }
  return out;
}

std::string read_text_file(const std::string& path) {
  std::string out;
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) {
    return out;
  }
  char buffer[65536];
  std::size_t count = 0;
  while ((count = std::fread(buffer, 1, sizeof buffer, file)) > 0) {
    out.append(buffer, count);
  }
  std::fclose(file);
  return out;
}

const Any& at(const Any& object, std::string_view key) {
  static const Any missing;
  const Any* found = object.find(key);
  return found == nullptr ? missing : *found;
}

std::string text_of(const Any& value) {
  return value.kind() == Any::Kind::string ? value.as_string() : std::string();
}

std::uint64_t count_of(const Any& value) {
  return value.kind() == Any::Kind::number ? static_cast<std::uint64_t>(value.as_number()) : 0;
}

Any untag(const Any& tagged) {
  if (tagged.kind() == Any::Kind::array) {
    Any::Array out;
    for (const Any& element : tagged.as_array()) {
      out.push_back(untag(element));
    }
    return Any::array(std::move(out));
  }
  if (tagged.kind() != Any::Kind::object) {
    return tagged;
  }
  if (tagged.find("$u") != nullptr) {
    return Any{};
  }
  if (const Any* number = tagged.find("$n")) {
    const std::string& name = number->as_string();
    constexpr double infinity = std::numeric_limits<double>::infinity();
    return Any::number(name == "NaN"         ? std::nan("")
                       : name == "Infinity"  ? infinity
                       : name == "-Infinity" ? -infinity
                                             : -0.0);
  }
  if (const Any* integer = tagged.find("$i")) {
    return Any::bigint(std::strtoll(integer->as_string().c_str(), nullptr, 10));
  }
  if (const Any* bytes = tagged.find("$b")) {
    return Any::bytes(from_base64(bytes->as_string()));
  }
  Any::Object out;
  for (const auto& [key, member] : tagged.as_object()) {
    out.emplace_back(key, untag(member));
  }
  return Any::object(std::move(out));
}

Input to_input(const Any& tagged) {
  if (tagged.find("$t") != nullptr) {
    return to_type_input(tagged);
  }
  if (const Any* doc = tagged.find("$doc")) {
    return SubdocInput{text_of(at(*doc, "guid")), untag(at(*doc, "opts"))};
  }
  return untag(tagged);
}

std::vector<Input> to_inputs(const Any& tagged) {
  std::vector<Input> out;
  if (tagged.kind() == Any::Kind::array) {
    for (const Any& value : tagged.as_array()) {
      out.push_back(to_input(value));
    }
  }
  return out;
}

Attributes to_attributes(const Any& tagged) {
  Attributes out;
  if (tagged.kind() == Any::Kind::object) {
    for (const auto& [key, value] : tagged.as_object()) {
      out.emplace_back(key, untag(value));
    }
  }
  return out;
}

std::vector<DeltaInput> to_delta(const Any& tagged) {
  std::vector<DeltaInput> out;
  if (tagged.kind() != Any::Kind::array) {
    return out;
  }
  for (const Any& op : tagged.as_array()) {
    DeltaInput step;
    step.attributes = to_attributes(at(op, "attributes"));
    if (const Any* insert = op.find("insert")) {
      if (insert->kind() == Any::Kind::string) {
        step.text = to_utf16(insert->as_string());
      } else if (insert->find("$t") != nullptr) {
        step.kind = DeltaInput::Kind::type;
        step.type.push_back(to_type_input(*insert));
      } else {
        step.kind = DeltaInput::Kind::embed;
        step.embed = untag(*insert);
      }
    } else if (op.find("retain") != nullptr) {
      step.kind = DeltaInput::Kind::retain;
      step.count = count_of(at(op, "retain"));
    } else {
      step.kind = DeltaInput::Kind::remove;
      step.count = count_of(at(op, "delete"));
    }
    out.push_back(std::move(step));
  }
  return out;
}

TypeKind kind_of_root(std::string_view name) {
  if (name == "text") {
    return TypeKind::text;
  }
  if (name == "array") {
    return TypeKind::array;
  }
  if (name == "map") {
    return TypeKind::map;
  }
  if (name == "fragment") {
    return TypeKind::xml_fragment;
  }
  if (name == "hook") {
    return TypeKind::xml_hook;
  }
  return name == "xml" ? TypeKind::xml_element : TypeKind::xml_text;
}

std::string kind_name(TypeKind kind) {
  switch (kind) {
    case TypeKind::array:
      return "array";
    case TypeKind::map:
      return "map";
    case TypeKind::text:
      return "text";
    case TypeKind::xml_element:
      return "xml";
    case TypeKind::xml_fragment:
      return "fragment";
    case TypeKind::xml_hook:
      return "hook";
    case TypeKind::xml_text:
      return "xmltext";
    case TypeKind::untyped:
      break;
  }
  return "untyped";
}

TypeInput to_type_input(const Any& tagged) {
  TypeInput out;
  out.kind = kind_of_root(text_of(at(tagged, "$t")));
  out.name = text_of(at(tagged, "n"));
  const bool is_array = out.kind == TypeKind::array;
  out.children = to_inputs(at(tagged, is_array ? "v" : "c"));
  out.delta = to_delta(at(tagged, "d"));
  const bool keyed = out.kind == TypeKind::map || out.kind == TypeKind::xml_hook;
  const Any& entries = at(tagged, keyed ? "e" : "a");
  if (entries.kind() == Any::Kind::array) {
    for (const Any& pair : entries.as_array()) {
      out.entries.emplace_back(text_of(pair.as_array()[0]), to_input(pair.as_array()[1]));
    }
  }
  return out;
}

Any tag(const Any& value) {
  switch (value.kind()) {
    case Any::Kind::undefined:
      return object1("$u", Any::number(1));
    case Any::Kind::number: {
      const double number = value.as_number();
      if (std::isnan(number)) {
        return object1("$n", Any::string("NaN"));
      }
      if (std::isinf(number)) {
        return object1("$n", Any::string(number < 0 ? "-Infinity" : "Infinity"));
      }
      return number == 0 && std::signbit(number) ? object1("$n", Any::string("-0")) : value;
    }
    case Any::Kind::bigint:
      return object1("$i", Any::string(std::to_string(value.as_bigint())));
    case Any::Kind::bytes:
      return object1("$b", Any::string(to_base64(value.as_bytes())));
    case Any::Kind::array: {
      Any::Array out;
      for (const Any& element : value.as_array()) {
        out.push_back(tag(element));
      }
      return Any::array(std::move(out));
    }
    case Any::Kind::object: {
      Any::Object out;
      for (const auto& [key, member] : value.as_object()) {
        out.emplace_back(key, tag(member));
      }
      return Any::object(std::move(out));
    }
    case Any::Kind::null:
    case Any::Kind::boolean:
    case Any::Kind::string:
      break;
  }
  return value;
}

Any tag_content(const Content& content) {
  if (const Type* type = std::get_if<Type>(&content)) {
    return dump(*type);
  }
  if (const SubdocView* doc = std::get_if<SubdocView>(&content)) {
    return object1("$doc",
                   Any::object({{"guid", Any::string(doc->guid)}, {"opts", tag(doc->options)}}));
  }
  return tag(std::get<Any>(content));
}

Any tag_delta(const std::vector<DeltaOut>& delta) {
  Any::Array out;
  for (const DeltaOut& op : delta) {
    Any::Object step;
    step.emplace_back("insert", op.values.empty() ? Any::string(to_wtf8(op.text))
                                                  : tag_content(op.values.front()));
    if (!op.attributes.empty()) {
      step.emplace_back("attributes", tag(Any::object(op.attributes)));
    }
    const Any next = Any::object(std::move(step));
    const bool joins = !out.empty() && op.values.empty() &&
                       at(out.back(), "insert").kind() == Any::Kind::string &&
                       Any::deep_equal(at(out.back(), "attributes"), at(next, "attributes"));
    if (joins) {
      Any::Object joined = out.back().as_object();
      joined[0].second = Any::string(joined[0].second.as_string() + to_wtf8(op.text));
      out.back() = Any::object(std::move(joined));
    } else {
      out.push_back(next);
    }
  }
  return Any::array(std::move(out));
}

namespace {

Any entries_of(Type type) {
  Any::Object out;
  const KeyedType keyed(type.branch());
  for (const std::string& key : keyed.keys()) {
    out.emplace_back(key, tag_content(*keyed.get(key)));
  }
  return Any::object(std::move(out));
}

Any children_of(Type type) {
  Any::Array out;
  for (const Content& child : Array(type).values()) {
    out.push_back(tag_content(child));
  }
  return Any::array(std::move(out));
}

}  // namespace

Any dump(Type type) {
  Any::Object out{{"$t", Any::string(kind_name(type.kind()))}};
  switch (type.kind()) {
    case TypeKind::text:
    case TypeKind::xml_text:
      out.emplace_back("d", tag_delta(Text(type).to_delta()));
      out.emplace_back("a", entries_of(type));
      break;
    case TypeKind::xml_hook:
      out.emplace_back("n", Any::string(type.name()));
      out.emplace_back("v", entries_of(type));
      break;
    case TypeKind::map:
      out.emplace_back("v", entries_of(type));
      break;
    case TypeKind::array:
      out.emplace_back("v", children_of(type));
      break;
    case TypeKind::xml_element:
      out.emplace_back("n", Any::string(type.name()));
      out.emplace_back("a", entries_of(type));
      out.emplace_back("c", children_of(type));
      break;
    case TypeKind::xml_fragment:
      out.emplace_back("c", children_of(type));
      break;
    case TypeKind::untyped:
      break;
  }
  return Any::object(std::move(out));
}

namespace {

Any json_content(const Content& content) {
  if (const Type* type = std::get_if<Type>(&content)) {
    return json_of(*type);
  }
  return tag_content(content);
}

}  // namespace

Any json_of(Type type) {
  if (type.kind() == TypeKind::map || type.kind() == TypeKind::xml_hook) {
    Any::Object out;
    const KeyedType keyed(type.branch());
    for (const std::string& key : keyed.keys()) {
      out.emplace_back(key, json_content(*keyed.get(key)));
    }
    return Any::object(std::move(out));
  }
  if (type.kind() == TypeKind::array) {
    Any::Array out;
    for (const Content& value : Array(type).values()) {
      out.push_back(json_content(value));
    }
    return Any::array(std::move(out));
  }
  const Result<Any> plain = to_any(type);
  return plain ? *plain : Any{};
}

namespace {

Type step_into(Type type, const Any& step) {
  std::optional<Content> found;
  if (step.kind() == Any::Kind::string) {
    found = KeyedType(type.branch()).get(step.as_string());
  } else if (type.kind() == TypeKind::text || type.kind() == TypeKind::xml_text) {
    std::uint64_t index = 0;
    for (const DeltaOut& op : Text(type).to_delta()) {
      if (index == count_of(step) && !op.values.empty()) {
        found = op.values.front();
        break;
      }
      index += op.values.empty() ? op.text.size() : 1;
    }
  } else if (Result<Content> content = Array(type).get(count_of(step))) {
    found = std::move(*content);
  }
  const Type* inner = found ? std::get_if<Type>(&*found) : nullptr;
  return inner == nullptr ? Type() : *inner;
}

Result<void> run_text(Text text, std::string_view name, const Any& op) {
  const std::uint64_t index = count_of(at(op, "i"));
  const bool has_attributes = op.find("a") != nullptr;
  if (name == "insert") {
    const std::u16string units = to_utf16(text_of(at(op, "s")));
    return has_attributes ? text.insert(index, units, to_attributes(at(op, "a")))
                          : text.insert(index, std::u16string_view(units));
  }
  if (name == "delete") {
    return text.remove(index, count_of(at(op, "n")));
  }
  if (name == "format") {
    return text.format(index, count_of(at(op, "n")), to_attributes(at(op, "a")));
  }
  if (name == "embed") {
    const Any& value = at(op, "v");
    const Attributes attributes = to_attributes(at(op, "a"));
    return value.find("$t") != nullptr ? text.embed_type(index, to_type_input(value), attributes)
                                       : text.embed(index, untag(value), attributes);
  }
  if (name == "delta") {
    return text.apply_delta(to_delta(at(op, "d")));
  }
  if (name == "setAttr") {
    return text.set(text_of(at(op, "k")), to_input(at(op, "v")));
  }
  return text.remove(text_of(at(op, "k")));
}

Result<void> run_list(Array list, std::string_view name, const Any& op) {
  const std::uint64_t index = count_of(at(op, "i"));
  if (name == "insert") {
    return list.insert(index, to_inputs(at(op, "v")));
  }
  if (name == "push") {
    return list.push(to_inputs(at(op, "v")));
  }
  if (name == "delete") {
    return list.remove(index, count_of(at(op, "n")));
  }
  if (name == "setAttr") {
    return list.set(text_of(at(op, "k")), to_input(at(op, "v")));
  }
  return list.remove(text_of(at(op, "k")));
}

Result<void> run_map(Map map, std::string_view name, const Any& op) {
  if (name == "set") {
    return map.set(text_of(at(op, "k")), to_input(at(op, "v")));
  }
  return name == "delete" ? map.remove(text_of(at(op, "k"))) : map.clear();
}

}  // namespace

Type resolve(Doc& doc, const Any& roots, const Any& path) {
  const std::string& root = path.as_array()[0].as_string();
  Type type = doc.root(root, kind_of_root(text_of(at(roots, root))));
  for (std::size_t i = 1; i < path.as_array().size() && type; ++i) {
    type = step_into(type, path.as_array()[i]);
  }
  return type;
}

bool run_operation(Doc& doc, const Any& roots, const Any& operation) {
  const Type type = resolve(doc, roots, at(operation, "p"));
  if (!type) {
    return false;
  }
  const std::string full = text_of(at(operation, "o"));
  const std::string family = full.substr(0, full.find('.'));
  const std::string name = full.substr(full.find('.') + 1);
  if (family == "text") {
    return run_text(Text(type), name, operation).has_value();
  }
  if (family == "map") {
    return run_map(Map(type), name, operation).has_value();
  }
  return run_list(Array(type), name, operation).has_value();
}

}  // namespace syncline::ydoc_test
