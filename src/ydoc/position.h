#pragma once

#include <optional>
#include <string>

#include "ydoc/doc.h"

// A place in a list or text that stays where it is while others edit: it names the unit it stands
// at instead of counting.

namespace syncline::ydoc {

struct RelativePosition {
  std::optional<Id> item;           // the unit
  std::optional<std::string> root;  // where there is no unit: the type's name,
  std::optional<Id> type;           // or the item that holds it
  std::int64_t association = 0;     // at or above zero: before the unit; below: behind it

  friend bool operator==(const RelativePosition&, const RelativePosition&) = default;
};

struct AbsolutePosition {
  Type type;
  std::uint64_t index = 0;
  std::int64_t association = 0;
};

// Association below zero sticks to what stands before the index, otherwise to what stands at it.
RelativePosition relative_position(Type type, std::uint64_t index, std::int64_t association = 0);
// Nothing if the unit or type is unknown here or gone for good.
std::optional<AbsolutePosition> absolute_position(Doc& doc, const RelativePosition& position);

ByteVector encode_relative_position(const RelativePosition& position);
Result<RelativePosition> decode_relative_position(Bytes bytes);
// As Yjs does: {"type"?, "tname"?, "item"?, "assoc"}; `type` names the holder of `position`.
Any relative_position_to_any(Type type, const RelativePosition& position);
Result<RelativePosition> relative_position_from_any(const Any& value);

}  // namespace syncline::ydoc
