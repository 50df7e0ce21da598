#pragma once

#include <string>

#include "ydoc/doc.h"

// Documents as the vectors write them: JSON in which what JSON cannot say is an object with a
// member that starts with a dollar sign.

namespace syncline::ydoc_test {

ByteVector from_base64(std::string_view text);
std::string to_base64(Bytes bytes);
std::string read_text_file(const std::string& path);

// A value with its tags resolved, ready to be put into a document.
ydoc::Any untag(const ydoc::Any& tagged);
ydoc::Input to_input(const ydoc::Any& tagged);
ydoc::TypeInput to_type_input(const ydoc::Any& tagged);
ydoc::Attributes to_attributes(const ydoc::Any& tagged);
std::vector<ydoc::Input> to_inputs(const ydoc::Any& tagged);
std::vector<ydoc::DeltaInput> to_delta(const ydoc::Any& tagged);

ydoc::Any tag(const ydoc::Any& value);
ydoc::Any tag_content(const ydoc::Content& content);
ydoc::Any tag_delta(const std::vector<ydoc::DeltaOut>& delta);
// The full typed dump of a type, and its toJSON().
ydoc::Any dump(ydoc::Type type);
ydoc::Any json_of(ydoc::Type type);
std::string kind_name(ydoc::TypeKind kind);
ydoc::TypeKind kind_of_root(std::string_view name);

// Performs one operation of a step. False if its path leads nowhere or the library refuses.
bool run_operation(ydoc::Doc& doc, const ydoc::Any& roots, const ydoc::Any& operation);
ydoc::Type resolve(ydoc::Doc& doc, const ydoc::Any& roots, const ydoc::Any& path);

// Shorthands for JSON that is known to be well-formed; missing members read as undefined.
const ydoc::Any& at(const ydoc::Any& object, std::string_view key);
std::string text_of(const ydoc::Any& value);
std::uint64_t count_of(const ydoc::Any& value);

}  // namespace syncline::ydoc_test
