#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "model/json_cell.h"
#include "model/value.h"

namespace syncline {

// Two versions of one thing, and what both had started from: what they become together, or where
// they still disagree. For applications and the conflict dialog; the engine itself merges by
// stamps (model/merge.h) and never asks.

inline constexpr std::size_t three_way_lines_max = 10'000;

// Where the two sides changed the same thing in different ways.
struct Disagreement {
  // Of the field, for documents; empty for a whole value.
  JsonPath path;
  Value base;
  Value ours;
  Value theirs;

  friend bool operator==(const Disagreement&, const Disagreement&) = default;
};

struct ThreeWay {
  // What the two become together. Where they disagree it keeps ours.
  Value merged;
  // Empty when they agree; sorted by path.
  std::vector<Disagreement> disagreements;

  bool is_clean() const { return disagreements.empty(); }
  friend bool operator==(const ThreeWay&, const ThreeWay&) = default;
};

// A side that changed nothing gives way to the other; two sides that changed alike agree.
ThreeWay merge_values(const ValueView& base, const ValueView& ours, const ValueView& theirs);

// Field by field when all three are JSON objects, else as values. In a disagreement the sides are
// JSON text, and null where the field is absent. The merged text is canonical.
ThreeWay merge_documents(const ValueView& base, const ValueView& ours, const ValueView& theirs);

// Line by line when all three are text of at most three_way_lines_max lines, else as values. Runs
// of changed lines that touch or overlap disagree, unless both sides made the same of them: then
// each such run is one disagreement, with the lines of the three sides.
ThreeWay merge_lines(const ValueView& base, const ValueView& ours, const ValueView& theirs);

// The finest of these that fits: documents field by field, other texts line by line, anything else
// as values.
ThreeWay merge_any(const ValueView& base, const ValueView& ours, const ValueView& theirs);

}  // namespace syncline
